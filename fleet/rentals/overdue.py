"""What time alone changes: a kit that does not come back is late, keeps its things, and whoever is next is told beforehand."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from fleet.db.tables_rentals import bookings
from fleet.rentals import occupied, rows, states
from fleet.rentals.words import when

GRACE_MS = 15 * 60_000  # nobody is late for a few minutes


def sweep(connection: Connection, now_ms: int) -> list[str]:
    """Marks who is late, widens what they keep to now and the buffer, flags who is booked there and takes flags back that are
    not true any more; the bookings that were changed. Nothing is written where nothing changes."""
    changed: list[str] = []
    away = select(bookings).where(bookings.c.state.in_(states.AWAY)).order_by(bookings.c.id)
    threats: dict[str, str] = {}
    for row in connection.execute(away).all():
        if now_ms <= row.to_ms + GRACE_MS:
            continue
        if row.state == states.OUT:
            rows.move_booking(connection, row, "late", now_ms)
            changed.append(row.id)
        until_ms = now_ms + row.buffer_ms
        occupied.late(connection, row.id, until_ms)
        things = occupied.of(connection, row.id)
        for other in occupied.meets(connection, row.id, things, row.from_ms, until_ms):
            threats.setdefault(
                other, f"{row.id} should have brought the kit back at {when(row.to_ms)} and has not"
            )
    flagged = (
        select(bookings).where((bookings.c.flag != "") | bookings.c.id.in_(threats)).order_by(bookings.c.id)
    )
    for row in connection.execute(flagged).all():
        text = threats.get(row.id, "") if row.state == states.RESERVED else ""
        if text != row.flag:
            change = update(bookings).where(bookings.c.id == row.id)
            connection.execute(change.values(flag=text, flag_ms=now_ms if text else None))
            changed.append(row.id)
    return changed
