"""Reserves, redemptions, settlements and charges in the database: written with their batch, read by kits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from fleet.chains import Charge, Verdict
from fleet.core import reg, word
from fleet.db import tables
from fleet.db.engine import Database
from fleet.settlement import Redemption
from fleet.spending import Reserve

MAX_ROWS = 1000  # of one answer


def reserve(database: Database, brick: bytes, seq: int) -> Reserve | None:
    """What a brick's record of this seq set aside."""
    reserves = tables.reserves
    with database.read() as connection:
        row = connection.execute(
            select(reserves.c.parts, reserves.c.state).where(reserves.c.brick == brick, reserves.c.seq == seq)
        ).one_or_none()
    if row is None:
        return None
    return Reserve(tuple((part[0], part[1]) for part in json.loads(row.parts)), row.state)


def redemption(database: Database, serial: bytes) -> Redemption | None:
    """The redemption that stands for a voucher."""
    redemptions = tables.redemptions
    with database.read() as connection:
        row = connection.execute(select(redemptions).where(redemptions.c.serial == serial)).one_or_none()
    return None if row is None else _redemption(row)


def aside(database: Database, serial: bytes) -> list[Redemption]:
    """Payments of a voucher that were set aside while no redemption stood for it, oldest first."""
    waiting = tables.redemptions_aside
    query = select(waiting).where(waiting.c.serial == serial).order_by(waiting.c.number)
    with database.read() as connection:
        return [_redemption(row) for row in connection.execute(query)]


def _redemption(row: Row[Any]) -> Redemption:
    return Redemption(
        row.serial, row.brick, row.seq, row.kit, row.rental, row.ms, row.spread, row.confirmed, row.minor,
        row.host, row.host_seq,
    )  # fmt: skip


def write(connection: Connection, verdict: Verdict, now_ms: int) -> None:
    """What a batch says of reserves and vouchers, and what it charges."""
    for (brick, seq), one in verdict.reserves.items():
        reserves = tables.reserves
        connection.execute(delete(reserves).where(reserves.c.brick == brick, reserves.c.seq == seq))
        parts = json.dumps(one.parts)
        connection.execute(insert(reserves).values(brick=brick, seq=seq, parts=parts, state=one.end))
    _write_redemptions(connection, verdict.redemptions)
    for serial, waiting in verdict.aside.items():
        connection.execute(
            delete(tables.redemptions_aside).where(tables.redemptions_aside.c.serial == serial)
        )
        for one in waiting:
            connection.execute(insert(tables.redemptions_aside).values(serial=serial, **_payment(one)))
    for found in verdict.settled:
        winner, loser = found.winner, found.loser
        connection.execute(
            insert(tables.settlements).values(
                serial=winner.serial,
                reason=found.reason,
                winner=winner.brick,
                winner_seq=winner.seq,
                winner_kit=winner.kit,
                loser=loser.brick,
                loser_seq=loser.seq,
                loser_kit=loser.kit,
                loser_rental=loser.rental,
                minor=loser.minor,
                at_ms=now_ms,
            )
        )
    for charge in verdict.charges:
        connection.execute(insert(tables.charges).values(**_charge(charge), at_ms=now_ms))
    receipts = tables.receipts
    for brick, seq in verdict.set_aside:
        connection.execute(
            update(receipts)
            .where(
                receipts.c.brick == brick,
                receipts.c.seq == seq,
                receipts.c.findings.op("&")(1) == 0,
                receipts.c.duplicate_of.is_(None),
            )
            .values(findings=receipts.c.findings.op("|")(1 << reg.FINDING_VOUCHER_TWICE))
        )


def charges_of(database: Database, kit: bytes) -> list[dict[str, Any]]:
    """What a kit's rentals bear, oldest first: one line for each slice or voucher of a record that was set
    aside."""
    charges = tables.charges
    with database.read() as connection:
        rows = connection.execute(
            select(charges).where(charges.c.kit == kit).order_by(charges.c.number).limit(MAX_ROWS)
        ).all()
    return [
        {
            "rental": row.rental,
            "finding": word(reg.FINDING_NAMES, row.code),
            "code": row.code,
            "brick": row.brick.hex(),
            "seq": row.seq,
            "slice": row.part or None,
            "unit": row.unit,
            "amount": row.amount,
            "at_ms": row.at_ms,
        }
        for row in rows
    ]


def settlements_of(database: Database, kit: bytes) -> list[dict[str, Any]]:
    """Vouchers that were paid twice, once of them at this kit, oldest first. `liable`: the rental that bears the
    loser's payment, and its kit."""
    settlements = tables.settlements
    with database.read() as connection:
        rows = connection.execute(
            select(settlements)
            .where(or_(settlements.c.winner_kit == kit, settlements.c.loser_kit == kit))
            .order_by(settlements.c.number)
            .limit(MAX_ROWS)
        ).all()
    return [
        {
            "serial": row.serial.hex(),
            "winner": {"brick": row.winner.hex(), "seq": row.winner_seq, "kit": _hex(row.winner_kit)},
            "loser": {"brick": row.loser.hex(), "seq": row.loser_seq, "kit": _hex(row.loser_kit)},
            "why": row.reason,
            "liable": {"kit": _hex(row.loser_kit), "rental": row.loser_rental},
            "minor": row.minor,
            "at_ms": row.at_ms,
        }
        for row in rows
    ]


def spent_after(database: Database, after: int) -> list[tuple[int, bytes]]:
    """(number, serial) of vouchers that were paid anywhere, in the order in which this controller learned of
    them, above `after`; at most 1,000."""
    redemptions = tables.redemptions
    with database.read() as connection:
        rows = connection.execute(
            select(redemptions.c.number, redemptions.c.serial)
            .where(redemptions.c.number > after)
            .order_by(redemptions.c.number)
            .limit(MAX_ROWS)
        ).all()
    return [(row.number, row.serial) for row in rows]


def _write_redemptions(connection: Connection, changed: Mapping[bytes, Redemption]) -> None:
    redemptions = tables.redemptions
    last = connection.execute(select(func.max(redemptions.c.number))).scalar_one() or 0 if changed else 0
    for serial, one in changed.items():
        row = _payment(one)
        known = connection.execute(
            update(redemptions).where(redemptions.c.serial == serial).values(row)
        ).rowcount
        if not known:
            last += 1
            connection.execute(insert(redemptions).values(serial=serial, number=last, **row))


def _payment(one: Redemption) -> dict[str, Any]:
    return {
        "brick": one.brick,
        "seq": one.seq,
        "kit": one.kit,
        "rental": one.rental,
        "ms": one.ms,
        "spread": min(one.spread, 1 << 62),
        "confirmed": one.confirmed,
        "minor": one.minor,
        "host": one.host,
        "host_seq": one.host_seq,
    }


def _charge(charge: Charge) -> dict[str, Any]:
    return {
        "code": charge.code,
        "kit": charge.kit,
        "rental": charge.rental,
        "brick": charge.brick,
        "seq": charge.seq,
        "part": charge.part,
        "unit": charge.unit,
        "amount": charge.amount,
    }


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
