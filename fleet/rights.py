"""Mints the slices of rights that the configuration asks for: signed by the director, each a leaf, none
twice."""

from __future__ import annotations

from dataclasses import dataclass

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair
from sqlalchemy import func, insert, select, update

from fleet.config import SLICE_LIFE_MS, Config, Kit, Right
from fleet.core import leaf, reg, rights
from fleet.db import tables
from fleet.db.engine import Database
from fleet.ledger.log import Appending, Log


@dataclass(frozen=True, slots=True)
class Minted:
    """A slice as its kit fetches it."""

    id: int
    payload: bytes
    signature: bytes


def mint(log: Log, config: Config, now_ms: int) -> list[int]:
    """Mints what the configuration asks for and is not there yet; returns the ids of the new slices."""
    made: list[int] = []
    with log.writing() as tx:
        last = tx.connection.execute(select(func.max(tables.slices.c.id))).scalar_one() or 0
        for kit in config.kits:
            for right in kit.rights:
                for _ in range(_missing(tx, kit, right)):
                    last += 1
                    _mint_one(tx, config.secrets.director_seed, kit, right, last, now_ms)
                    made.append(last)
    return made


def of_kit(database: Database, kit: bytes) -> list[Minted]:
    """Every slice of a kit, oldest first."""
    slices = tables.slices
    with database.read() as connection:
        found = connection.execute(
            select(slices.c.id, slices.c.payload, slices.c.signature)
            .where(slices.c.kit == kit)
            .order_by(slices.c.id)
        ).all()
    return [Minted(row.id, row.payload, row.signature) for row in found]


def left(database: Database) -> list[dict[str, str | int]]:
    """What remains of each rule's rights in each unit: `{"what", "unit", "left", "of"}`, spent as the ledger
    knows it."""
    slices = tables.slices
    with database.read() as connection:
        found = connection.execute(
            select(slices.c.rule, slices.c.unit, func.sum(slices.c.amount), func.sum(slices.c.spent))
            .group_by(slices.c.rule, slices.c.unit)
            .order_by(slices.c.rule, slices.c.unit)
        ).all()
    return [
        {"what": rule, "unit": unit, "left": max(0, int(amount) - int(spent)), "of": int(amount)}
        for rule, unit, amount, spent in found
    ]


def _missing(tx: Appending, kit: Kit, right: Right) -> int:
    """How many slices of this right are still to be made; takes them as made."""
    mints = tables.mints
    same = (
        mints.c.kit == kit.kit,
        mints.c.rental == kit.rental,
        mints.c.rule == right.rule,
        mints.c.unit == right.unit,
    )
    known = tx.connection.execute(select(mints.c.count).where(*same)).scalar_one_or_none()
    if known is None:
        tx.connection.execute(
            insert(mints).values(
                kit=kit.kit, rental=kit.rental, rule=right.rule, unit=right.unit, count=right.count
            )
        )
        return right.count
    if known < right.count:
        tx.connection.execute(update(mints).where(*same).values(count=right.count))
    return max(0, right.count - known)


def _mint_one(tx: Appending, seed: bytes, kit: Kit, right: Right, number: int, now_ms: int) -> None:
    expires = right.expires_ms or now_ms + SLICE_LIFE_MS
    payload: bytes = rights.encode_slice(
        number, rights.rule8(right.rule), right.unit, right.amount, kit.kit, kit.rental, expires
    )
    secret = crypto_sign_seed_keypair(seed)[1]
    signature = crypto_sign(rights.slice_message(payload), secret)[:crypto_sign_BYTES]
    index = tx.add([leaf.entry(reg.LEAF_RIGHTS, leaf.encode_rights(payload, signature))])
    tx.connection.execute(
        insert(tables.slices).values(
            id=number,
            rule=right.rule,
            unit=right.unit,
            amount=right.amount,
            kit=kit.kit,
            rental=kit.rental,
            expires_ms=expires,
            payload=payload,
            signature=signature,
            leaf=index,
            spent=0,
        )
    )
