"""What hosts sign when a kit goes back: how far their receipts go, and what they wiped. docs/rentals.md

A brick's proof is its record of kind 21 after the booking was closed: with it the keys of the rental before, its people, slices
and balances are gone."""

from __future__ import annotations

import json
from typing import Any, cast

from sqlalchemy import Connection, delete, insert, select

from fleet.config import Config, Host
from fleet.db.tables_rentals import bookings, host_heads, rental_steps, wipe_orders, wipe_proofs
from fleet.enrolment import decide
from fleet.errors import Refused
from fleet.rentals import proofs, rows, states, steps
from fleet.signatures import good

MARK = b"stallmark/handback/1\0"
MOST_TEXT = 4096
TABLES = ("token_sums", "till_calls", "till_sales", "lane_fold", "private_keys")


def take(connection: Connection, host: Host, text: str, signature: bytes, now_ms: int) -> dict[str, Any]:
    """Keeps a statement. Raises Refused 409, 422."""
    said = _read(host, text, signature)
    if said.get("what") == "head":
        return _head(connection, host, said, text, signature, now_ms)
    if said.get("what") == "wiped":
        return _wiped(connection, host, said, text, signature, now_ms)
    raise Refused(422, "a statement of how far receipts go (head), or of what was wiped (wiped)")


def order(
    connection: Connection, config: Config, actor: Any, id: str, now_ms: int, wall_ms: int
) -> dict[str, Any]:
    """Orders the kit's hosts to wipe what a renter left; bricks have done so with their step. Again: says who has. Raises Refused
    403, 404, 409."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    if row.state != states.CLOSED:
        raise Refused(409, f"booking {id} is {row.state}: wipe what has arrived, after it is closed")
    if connection.execute(select(wipe_orders).where(wipe_orders.c.booking == id)).first() is None:
        connection.execute(insert(wipe_orders).values(booking=id, kit=row.kit, at_ms=now_ms, by=actor.name))
        rows.note(connection, actor, "wipe-ordered", id, None, {"kit": row.kit.hex()}, wall_ms)
    note_bricks(connection, config, now_ms)
    return {"booking": id, "waits": waits(connection, config, id), "wipes": proofs.wipes_of(connection, id)}


def waits(connection: Connection, config: Config, id: str) -> list[str]:
    """Hosts and bricks, as items, whose proof of an ordered wipe has not come; empty where none was ordered."""
    row = connection.execute(select(wipe_orders).where(wipe_orders.c.booking == id)).first()
    if row is None:
        return []
    have = set(connection.execute(select(wipe_proofs.c.who).where(wipe_proofs.c.booking == id)).scalars())
    gone = decide.ends(connection)
    hosts = [f"host:{one.host.hex()}" for one in config.hosts if one.kit == row.kit and one.host not in gone]
    bricks = [
        f"brick:{brick.hex()}"
        for brick, lane in steps.living(connection, config, row.kit).items()
        if not lane
    ]
    return [who for who in (*sorted(hosts), *sorted(bricks)) if who not in have]


def ordered(connection: Connection, host: Host) -> str | None:
    """The oldest booking for which a host is to wipe and has not proven it."""
    mine = select(wipe_proofs.c.booking).where(wipe_proofs.c.who == f"host:{host.host.hex()}")
    found = select(wipe_orders.c.booking).where(
        wipe_orders.c.kit == host.kit, wipe_orders.c.booking.not_in(mine)
    )
    return connection.execute(found.order_by(wipe_orders.c.at_ms)).scalars().first()


def note_bricks(connection: Connection, config: Config, now_ms: int) -> list[str]:
    """Proofs of bricks that have stepped since their booking was closed: the step was ordered then, and its record came."""
    found: list[str] = []
    for row in connection.execute(select(wipe_orders)).all():
        booking = connection.execute(select(bookings).where(bookings.c.id == row.booking)).one()
        for who in waits(connection, config, row.booking):
            kind, _, id = who.partition(":")
            if kind != "brick":
                continue
            brick = bytes.fromhex(id)
            mine = (rental_steps.c.brick == brick) & (rental_steps.c.rental >= booking.rental)
            step = connection.execute(
                select(rental_steps).where(mine).order_by(rental_steps.c.following)
            ).first()
            if step is None or steps.rental_of(connection, config, brick) < step.following:
                continue
            read = f"its record of the step to rental {step.following} is in the ledger, under its key"
            _keep(connection, row.booking, who, now_ms, step.said or read, b"")
            what = f"keys, people, slices and balances of brick {id}"
            proofs.note_wiped(connection, booking, what, [id], f"brick {id}", read, True, now_ms)
            found.append(who)
    return found


def due(connection: Connection, config: Config) -> bool:
    """Whether a brick's proof of an ordered wipe is missing."""
    ordered_for = connection.execute(select(wipe_orders.c.booking)).scalars().all()
    return any(who.startswith("brick:") for id in ordered_for for who in waits(connection, config, id))


def _read(host: Host, text: str, signature: bytes) -> dict[str, Any]:
    if (
        len(text) > MOST_TEXT
        or len(signature) != 64
        or not good(signature + MARK + text.encode(), host.public)
    ):
        raise Refused(409, "this is not signed by the host's key")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(422, "the statement is no JSON") from None
    said = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if said.get("host") != host.host.hex() or said.get("kit") != host.kit.hex():
        raise Refused(409, "this statement is of another host or kit")
    return said


def _head(
    connection: Connection, host: Host, said: dict[str, Any], text: str, signature: bytes, now_ms: int
) -> dict[str, Any]:
    host_seq, unsent = said.get("host_seq"), said.get("unsent")
    if not _count(host_seq) or not _count(unsent):
        raise Refused(422, "a head says host_seq and unsent: whole numbers")
    connection.execute(delete(host_heads).where(host_heads.c.host == host.host))
    connection.execute(
        insert(host_heads).values(
            host=host.host, kit=host.kit, host_seq=host_seq, unsent=unsent, at_ms=now_ms, statement=text,
            signature=signature,
        )
    )  # fmt: skip
    return {"taken": True}


def _wiped(
    connection: Connection, host: Host, said: dict[str, Any], text: str, signature: bytes, now_ms: int
) -> dict[str, Any]:
    id, found = said.get("booking"), said.get("rows")
    if not isinstance(id, str) or not isinstance(found, dict):
        raise Refused(422, "a proof says its booking and rows")
    row = connection.execute(
        select(wipe_orders).where(wipe_orders.c.booking == id, wipe_orders.c.kit == host.kit)
    ).first()
    if row is None:
        raise Refused(409, "no wipe was ordered for that booking of this kit")
    counts = cast("dict[str, Any]", found)
    for table in TABLES:
        pair = counts.get(table)
        numbers = cast("list[Any]", pair) if isinstance(pair, list) else []
        if len(numbers) != 2 or not all(map(_count, numbers)) or numbers[1]:
            raise Refused(409, f"the proof does not say that {table} is empty")
    who = f"host:{host.host.hex()}"
    mine = (wipe_proofs.c.booking == id) & (wipe_proofs.c.who == who)
    if connection.execute(select(wipe_proofs).where(mine)).first() is None:
        _keep(connection, id, who, now_ms, text, signature)
        booking = connection.execute(select(bookings).where(bookings.c.id == id)).one()
        read = "signed by the host: " + ", ".join(
            f"{table} {counts[table][0]} rows, now 0" for table in TABLES
        )
        proofs.note_wiped(
            connection,
            booking,
            proofs.HOST_STORE,
            [host.host.hex()],
            f"host {host.name}",
            read[:200],
            True,
            now_ms,
        )
    return {"taken": True}


def _keep(connection: Connection, booking: str, who: str, now_ms: int, text: str, signature: bytes) -> None:
    row = {"booking": booking, "who": who, "at_ms": now_ms, "statement": text, "signature": signature}
    connection.execute(insert(wipe_proofs).values(**row))


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 1 << 53
