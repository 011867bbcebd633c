"""Reads and writes of rentals that every verb needs: a kit's row, a booking's row, moves, the line in the log."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from fleet.config import Config, Kit
from fleet.db.tables_rentals import bookings, rental_kits
from fleet.errors import Refused
from fleet.people import audit
from fleet.people.actors import Actor, refusal
from fleet.people.places import place_of
from fleet.rentals import states
from fleet.rentals.words import demand

MAX_TEXT = 200


def kit_of(config: Config, text: str) -> Kit:
    """A kit of the configuration by its name or its id in hex. Raises Refused 404."""
    for one in config.kits:
        if text in (one.name, one.kit.hex()) or text.lower() == one.kit.hex():
            return one
    raise Refused(404, f"there is no kit {text[:64]!r} here")


def may(connection: Connection, actor: Actor, permission: str, kit: bytes) -> None:
    """Raises Refused 403 where an actor may not do that to this kit."""
    why = refusal(actor, permission, place_of(connection, kit))
    if why is not None:
        raise Refused(403, why)


def reason(text: str) -> str:
    """What somebody gives as a reason: one line. Raises Refused 422."""
    clean = text.strip()
    if not clean or len(clean) > MAX_TEXT or not clean.isprintable():
        raise Refused(
            422, f"a reason of at most {MAX_TEXT} printable characters is needed: it stands in the log"
        )
    return clean


def booking(connection: Connection, id: str) -> Row[Any]:
    """A booking. Raises Refused 404."""
    row = connection.execute(select(bookings).where(bookings.c.id == id)).first()
    if row is None:
        raise Refused(404, f"there is no booking {id[:32]!r} here")
    return row


def kit(connection: Connection, config: Config, id: bytes, now_ms: int) -> Row[Any]:
    """A kit's row; one that was never rented is in stock since now. Raises Refused 404 for one that is not here."""
    one = kit_of(config, id.hex())
    row = connection.execute(select(rental_kits).where(rental_kits.c.kit == id)).first()
    if row is None:
        fresh = {"state": states.IN_STOCK, "since_ms": now_ms, "by": "", "note": "", "rental": one.rental}
        connection.execute(insert(rental_kits).values(kit=id, **fresh))
        row = connection.execute(select(rental_kits).where(rental_kits.c.kit == id)).one()
    return row


def move_kit(
    connection: Connection, config: Config, actor: Actor, id: bytes, verb: str, now_ms: int, note: str = ""
) -> str:
    """Moves a kit; the state before. Raises Refused 409."""
    row = kit(connection, config, id, now_ms)
    after = demand(states.KIT, "the kit", row.state, row.since_ms, verb, now_ms)
    change = update(rental_kits).where(rental_kits.c.kit == id)
    connection.execute(change.values(state=after, since_ms=now_ms, by=actor.name, note=note))
    return str(row.state)


def move_booking(connection: Connection, row: Row[Any], verb: str, now_ms: int, **more: object) -> str:
    """Moves a booking; the state after. Raises Refused 409."""
    after = demand(states.BOOKING, f"booking {row.id}", row.state, row.since_ms, verb, now_ms)
    change = update(bookings).where(bookings.c.id == row.id)
    connection.execute(change.values(state=after, since_ms=now_ms, **more))
    return after


def note(
    connection: Connection, actor: Actor, verb: str, id: str, before: object, after: object, wall_ms: int
) -> None:
    """The line in the log, in the transaction of the change."""
    audit.record(connection, actor, f"rentals.{verb}", f"booking {id}", before, after, wall_ms)


def shown(row: Row[Any], now_ms: int) -> dict[str, Any]:
    """A booking for an answer."""
    return {
        "booking": row.id, "kit": row.kit.hex(), "renter": row.renter, "state": row.state,
        "since_ms": row.since_ms, "age_s": max(0, now_ms - row.since_ms) // 1000,
        "from_ms": row.from_ms, "to_ms": row.to_ms, "buffer_ms": row.buffer_ms, "rental": row.rental,
        "out_ms": row.out_ms, "back_ms": row.back_ms, "closed_ms": row.closed_ms, "made_by": row.made_by,
        "flag": row.flag, "flag_ms": row.flag_ms, "borne": json.loads(row.borne) if row.borne else None,
    }  # fmt: skip


def state_of(connection: Connection, id: bytes) -> Row[Any] | None:
    """A kit's row without making one; None for one that was never rented."""
    return connection.execute(select(rental_kits).where(rental_kits.c.kit == id)).first()
