"""Booking a kit for a time, taking a draft up, cancelling, extending. Each over one connection, with its line in the log."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from fleet.config import Config
from fleet.db.tables_rentals import bookings
from fleet.errors import Refused
from fleet.people.actors import Actor, sees
from fleet.people.places import place_of, places
from fleet.rentals import occupied, rows, states
from fleet.rentals.overdue import sweep
from fleet.rentals.words import when

KEY = re.compile(r"[A-Za-z0-9_.:-]{8,64}")
HOUR_MS = 3_600_000
BUFFER_MS = 2 * HOUR_MS  # charging, inspecting, packing
MOST_BUFFER_MS = 14 * 24 * HOUR_MS
LONGEST_MS = 366 * 24 * HOUR_MS
AHEAD_MS = 3 * 366 * 24 * HOUR_MS
MOST_OPEN = 500  # bookings of one kit that are not over
MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: [from, to) in market ms; `renter` is the hub's own reference; `key` makes asking twice one booking."""

    kit: bytes
    from_ms: int
    to_ms: int
    renter: str
    key: str
    buffer_ms: int = BUFFER_MS
    draft: bool = False

    def digest(self) -> bytes:
        """Of all but the key."""
        fields = [self.kit.hex(), self.from_ms, self.to_ms, self.renter, self.buffer_ms, self.draft]
        return hashlib.sha256(json.dumps(fields).encode()).digest()


def book(
    connection: Connection, config: Config, actor: Actor, ask: Wanted, now_ms: int, wall_ms: int
) -> dict[str, Any]:
    """A new booking, or the one that was made with this key before. Raises Refused 403, 404, 409, 422."""
    rows.may(connection, actor, "rentals.write", ask.kit)
    _check(ask, now_ms)
    tenant = place_of(connection, ask.kit).tenant
    same = (bookings.c.tenant == tenant) & (bookings.c.key == ask.key)
    before = connection.execute(select(bookings).where(same)).first()
    if before is not None:
        if before.asked != ask.digest():
            raise Refused(
                409, f"this key made booking {before.id} of something else: a new booking needs a new key"
            )
        return {**rows.shown(before, now_ms), "again": True}
    sweep(connection, now_ms)
    row = rows.kit(connection, config, ask.kit, now_ms)
    if row.state in (states.RETIRED, states.LOST):
        raise Refused(409, f"the kit is {row.state}: it is not rented out any more")
    open_now = connection.execute(
        select(func.count()).where(
            bookings.c.kit == ask.kit, bookings.c.state.in_((*states.HOLDS, states.DRAFT))
        )
    ).scalar_one()
    if open_now >= MOST_OPEN:
        raise Refused(409, f"this kit has {open_now} bookings that are not over: cancel some")
    id = f"b-{secrets.token_hex(6)}"
    try:
        with connection.begin_nested():
            connection.execute(
                insert(bookings).values(
                    id=id, kit=ask.kit, tenant=tenant, renter=ask.renter, from_ms=ask.from_ms, to_ms=ask.to_ms,
                    buffer_ms=ask.buffer_ms, state=states.DRAFT, since_ms=now_ms, made_ms=now_ms, made_by=actor.name,
                    key=ask.key, asked=ask.digest(), flag="", borne="",
                )
            )  # fmt: skip
    except IntegrityError:
        raise Refused(409, "the same key came twice at this instant: ask again") from None
    if not ask.draft:
        _reserve(connection, config, actor, id, now_ms)
    made = rows.shown(rows.booking(connection, id), now_ms)
    rows.note(connection, actor, "book", id, None, made, wall_ms)
    return {**made, "again": False}


def reserve(
    connection: Connection, config: Config, actor: Actor, id: str, now_ms: int, wall_ms: int
) -> dict[str, Any]:
    """A draft holds its time from now on. Raises Refused 403, 404, 409."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    sweep(connection, now_ms)
    _reserve(connection, config, actor, id, now_ms)
    made = rows.shown(rows.booking(connection, id), now_ms)
    rows.note(connection, actor, "reserve", id, row.state, made["state"], wall_ms)
    return made


def cancel(
    connection: Connection, config: Config, actor: Actor, id: str, why: str, now_ms: int, wall_ms: int
) -> dict[str, Any]:
    """Gives the time back. A kit that is away is taken back instead. Raises Refused 403, 404, 409, 422."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    why = rows.reason(why)
    rows.move_booking(connection, row, "cancel", now_ms, closed_ms=now_ms, flag="", flag_ms=None)
    occupied.give_back(connection, id)
    kit = rows.kit(connection, config, row.kit, now_ms)
    if kit.state == states.PACKED and kit.note == id:
        rows.move_kit(connection, config, actor, row.kit, "unpack", now_ms)
    release(connection, config, actor, row.kit, now_ms)
    made = rows.shown(rows.booking(connection, id), now_ms)
    rows.note(connection, actor, "cancel", id, row.state, {"state": made["state"], "reason": why}, wall_ms)
    return made


def extend(
    connection: Connection, config: Config, actor: Actor, id: str, to_ms: int, now_ms: int, wall_ms: int
) -> dict[str, Any]:
    """Another end, later or earlier, for what is reserved or away: the time is asked for anew. Raises Refused 403 … 422."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    if row.state not in (states.RESERVED, states.OUT, states.OVERDUE):
        raise Refused(409, f"booking {id} is {row.state}: its end cannot be moved any more")
    if to_ms <= max(row.from_ms, now_ms) or to_ms - row.from_ms > LONGEST_MS:
        raise Refused(422, "the new end must lie ahead, behind the beginning, and within a year of it")
    occupied.move(connection, id, row.from_ms, to_ms + row.buffer_ms, now_ms)
    values: dict[str, object] = {"to_ms": to_ms}
    if row.state == states.OVERDUE:
        rows.move_booking(connection, row, "extend", now_ms, **values)
    else:
        connection.execute(update(bookings).where(bookings.c.id == id).values(**values))
    sweep(connection, now_ms)
    made = rows.shown(rows.booking(connection, id), now_ms)
    rows.note(connection, actor, "extend", id, {"to_ms": row.to_ms}, {"to_ms": to_ms}, wall_ms)
    return made


def listed(
    connection: Connection, actor: Actor, now_ms: int, kit: bytes | None = None, over: bool = False
) -> list[dict[str, Any]]:
    """Bookings that this actor may see, by their beginning; without `over` only those that are not over."""
    query = select(bookings).order_by(bookings.c.from_ms, bookings.c.id).limit(MAX_LISTED)
    if kit is not None:
        query = query.where(bookings.c.kit == kit)
    if not over:
        query = query.where(bookings.c.state.in_((*states.HOLDS, states.DRAFT)))
    where = places(connection)
    default = place_of(connection, b"")
    return [
        rows.shown(row, now_ms)
        for row in connection.execute(query)
        if sees(actor, where.get(row.kit, default))
    ]


def release(connection: Connection, config: Config, actor: Actor, kit: bytes, now_ms: int) -> None:
    """A kit at the hub is RESERVED while a booking waits for it, IN_STOCK else."""
    row = rows.kit(connection, config, kit, now_ms)
    waits = connection.execute(
        select(func.count()).where(bookings.c.kit == kit, bookings.c.state == states.RESERVED)
    ).scalar_one()
    if row.state == states.IN_STOCK and waits:
        rows.move_kit(connection, config, actor, kit, "reserve", now_ms)
    elif row.state == states.RESERVED and not waits:
        rows.move_kit(connection, config, actor, kit, "release", now_ms)


def _reserve(connection: Connection, config: Config, actor: Actor, id: str, now_ms: int) -> None:
    row = rows.booking(connection, id)
    rows.move_booking(connection, row, "reserve", now_ms)
    things = [occupied.thing_of_kit(row.kit)]
    occupied.take(connection, id, things, row.from_ms, row.to_ms + row.buffer_ms, now_ms)
    release(connection, config, actor, row.kit, now_ms)


def _check(ask: Wanted, now_ms: int) -> None:
    if not KEY.fullmatch(ask.key):
        raise Refused(
            422, "a key of 8 to 64 letters, digits, _ . : - is needed, so that asking twice books once"
        )
    if not ask.renter.strip() or len(ask.renter) > 80 or not ask.renter.isprintable():
        raise Refused(422, "who rents: the hub's own reference, at most 80 printable characters")
    if ask.from_ms >= ask.to_ms:
        raise Refused(422, f"from {when(ask.from_ms)} to {when(ask.to_ms)}: the end must be later")
    if ask.to_ms - ask.from_ms > LONGEST_MS or not 0 <= ask.buffer_ms <= MOST_BUFFER_MS:
        raise Refused(422, "a booking is at most 366 days long, its buffer at most 14")
    if ask.to_ms <= now_ms or ask.from_ms > now_ms + AHEAD_MS:
        raise Refused(
            422, f"it is {when(now_ms)}: a booking ends later than that, and begins within three years"
        )
