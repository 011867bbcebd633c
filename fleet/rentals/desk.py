"""What a booking and a kit are shown with: custody, proofs, and in order why they stand as they do, each with its age."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from fleet.config import Config
from fleet.db.tables_rentals import bookings
from fleet.desired.why import Reason
from fleet.people.actors import Actor
from fleet.rentals import custody, handback, handing, proofs, returning, rows, states, steps
from fleet.rentals.words import when

DO = {
    states.DRAFT: "`rentals reserve` holds its time",
    states.RESERVED: "`rentals pack`",
    states.OUT: "",
    states.OVERDUE: "ask for the kit; `rentals extend` if it may stay",
    states.RETURNED: "`rentals take-back` again",
}


def whole(connection: Connection, config: Config, actor: Actor, id: str, now_ms: int) -> dict[str, Any]:
    """A booking with its custody, proofs and reasons. Raises Refused 403, 404."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.read", row.kit)
    return {
        **rows.shown(row, now_ms), "custody": custody.of(connection, id), "wipes": proofs.wipes_of(connection, id),
        "bricks": steps.shown(connection, config, row.kit, now_ms),
        "why": [one.as_json(now_ms) for one in why(connection, config, row, now_ms)],
    }  # fmt: skip


def why(connection: Connection, config: Config, row: Any, now_ms: int) -> list[Reason]:
    """What stands in a booking's way, what matters most first; the last one is its state."""
    found: list[Reason] = []
    if row.state == states.OVERDUE:
        found.append(Reason("overdue", f"it was due at {when(row.to_ms)}", row.to_ms, do=DO[states.OVERDUE]))
    if row.flag:
        found.append(Reason("threatened", row.flag, row.flag_ms, do="find another kit, or ask for this one"))
    if row.state == states.RETURNED:
        for one in returning.undrained(connection, config, row):
            found.append(Reason(one.code, one.text, one.since_ms, one.brick or None, one.do))
    if row.state == states.RESERVED:
        kit = rows.state_of(connection, row.kit)
        if kit is not None and kit.state not in (states.RESERVED, states.PACKED, states.IN_STOCK):
            found.append(
                Reason("kit", f"the kit is {kit.state}" + (f": {kit.note}" if kit.note else ""), kit.since_ms)
            )
        for stops, text in handing.gates(connection, config, row.kit, now_ms):
            found.append(Reason("gate" if stops else "note", text))
    if row.state not in (states.DRAFT, states.CANCELLED):
        for one in steps.opened(connection, config, row.kit):
            found.append(
                Reason("not-stepped", one.text(now_ms), one.ordered_ms, one.brick.hex(), "switch it on beside its host")
            )
    for who in handback.waits(connection, config, row.id):
        do = "switch it on where its host has a network"
        found.append(Reason("not-wiped", f"{who}: its proof that it wiped has not come", row.closed_ms, None, do))
    if row.borne:
        found.append(
            Reason("borne", "it was closed although something was undrained: see `borne`", row.closed_ms)
        )
    text = f"booking {row.id} is {row.state}, from {when(row.from_ms)} to {when(row.to_ms)}"
    return [*found, Reason("state", text, row.since_ms, do=DO.get(row.state, ""))]


def of_kit(connection: Connection, kit: bytes) -> list[Reason]:
    """What rentals say of why a kit is as it is, for `stallmark fleet why`."""
    row = rows.state_of(connection, kit)
    if row is None or row.state in (states.IN_STOCK, states.RESERVED):
        return []
    booking = connection.execute(
        select(bookings).where(bookings.c.kit == kit, bookings.c.state.in_((*states.AWAY, states.RETURNED)))
    ).first()
    more = "" if booking is None else f", booking {booking.id}, due {when(booking.to_ms)}"
    return [
        Reason(
            "rented" if row.state == states.OUT else "rental", f"the kit is {row.state}{more}", row.since_ms
        )
    ]
