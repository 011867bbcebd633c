"""Budgets in slices: minted, kept back, minted anew from what came back, and counted. docs/rights.md

A budget is never more than what the configuration says: what is minted and has not come back, together with what
is kept back, is the whole of it. Every slice is signed by the director, a leaf of its own, and made once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair
from sqlalchemy import Connection, bindparam, func, insert, select, update

from fleet.config import Config, Kit, Right
from fleet.core import leaf, reg, rights
from fleet.db import tables
from fleet.db.engine import Database
from fleet.desired import rows
from fleet.ledger.log import Appending, Log
from fleet.sizes import MOST, Planned, cut

MAX_OFFERED = 4096  # slices that a host looks at


@dataclass(frozen=True, slots=True)
class Minted:
    """A slice as its kit fetches it; `brick`: whom the forecast had in mind."""

    id: int
    payload: bytes
    signature: bytes
    brick: bytes | None = None


@dataclass(slots=True)
class Figures:
    """One budget of a kit's rental, in its unit. `budget` = `kept` + `minted` - `returned`, and
    `minted` = `spent` + `returned` + `assigned` + `unassigned` + `expired`; the last three are *stranded*.

    `assigned`: unspent at a brick that has begun the slice; `unassigned`: no brick is known to have it, the
    controller does not learn whom hosts gave what; `expired`: not back yet, so it counts as spent."""

    kit: str
    rental: int
    rule: str
    unit: int
    budget: int
    kept: int = 0
    minted: int = 0
    spent: int = 0
    returned: int = 0
    assigned: int = 0
    unassigned: int = 0
    expired: int = 0

    @property
    def stranded(self) -> int:
        """Minted, and nobody can be sure to spend it."""
        return self.assigned + self.unassigned + self.expired


def mint(log: Log, config: Config, now_ms: int) -> list[int]:
    """Mints what the budgets of the configuration still have; returns the ids of the new slices."""
    with log.writing() as tx:
        planned = _planned(tx.connection, config, now_ms)
        last = tx.connection.execute(select(func.max(tables.slices.c.id))).scalar_one() or 0
        made: list[int] = []
        for kit, right, pieces in planned:
            for piece in pieces:
                last += 1
                _mint_one(tx, config.secrets.director_seed, kit, right, piece, last, now_ms)
                made.append(last)
    return made


def sign_anew(database: Database, config: Config, now_ms: int) -> int:
    """With another director's key: slices that have not ended get its signature, or no brick would take them any more. They
    stay the same slices; the leaf has the first signature. Before `mint`, at every start; returns how many were signed."""
    slices = tables.slices
    secret = crypto_sign_seed_keypair(config.secrets.director_seed)[1]
    query = select(slices.c.id, slices.c.payload, slices.c.signature).where(slices.c.expires_ms > now_ms)
    with database.write() as connection:
        first = connection.execute(query.order_by(slices.c.id).limit(1)).first()
        # All that are out are signed by one key: Ed25519 gives the same signature for the same message.
        if first is None or _signature(first.payload, secret) == first.signature:
            return 0
        fresh = [
            {"number": row.id, "mark": _signature(row.payload, secret)} for row in connection.execute(query)
        ]
        connection.execute(
            update(slices).where(slices.c.id == bindparam("number")).values(signature=bindparam("mark")),
            fresh,
        )
    return len(fresh)


def wanted(database: Database, config: Config, now_ms: int) -> bool:
    """Whether `mint` would make any."""
    with database.read() as connection:
        return bool(_planned(connection, config, now_ms))


def of_kit(database: Database, kit: bytes, now_ms: int = 0, rental: int | None = None) -> list[Minted]:
    """Slices of a kit, in one rental or in all, that expire after `now_ms`, oldest first."""
    slices = tables.slices
    mine = () if rental is None else (slices.c.rental == rental,)
    with database.read() as connection:
        found = connection.execute(
            select(slices.c.id, slices.c.payload, slices.c.signature, slices.c.thought_for)
            .where(slices.c.kit == kit, slices.c.expires_ms > now_ms, *mine)
            .order_by(slices.c.id)
            .limit(MAX_OFFERED)
        ).all()
    return [Minted(row.id, row.payload, row.signature, row.thought_for) for row in found]


def newest(database: Database) -> int:
    """The highest number of a slice so far: a host whose store is new gives out none up to it."""
    with database.read() as connection:
        return connection.execute(select(func.max(tables.slices.c.id))).scalar_one() or 0


def figures(database: Database, config: Config, now_ms: int, kit: bytes | None = None) -> list[Figures]:
    """Every budget that is configured or was ever minted from, of one kit or all."""
    with database.read() as connection:
        return figures_in(connection, config, now_ms, kit)


def figures_in(
    connection: Connection, config: Config, now_ms: int, kit: bytes | None = None
) -> list[Figures]:
    """The same, through a connection that somebody else opened."""
    return list(_figures(connection, config, now_ms, kit).values())


def as_json(found: Iterable[Figures]) -> list[dict[str, str | int]]:
    """For an answer."""
    return [{**asdict(one), "stranded": one.stranded} for one in found]


def left(database: Database, config: Config, now_ms: int) -> list[dict[str, str | int]]:
    """What remains of each rule's budgets in each unit, over all kits: `{"what", "unit", "left", "of"}`, spent as
    the ledger knows it."""
    sums: dict[tuple[str, int], tuple[int, int]] = {}
    for one in figures(database, config, now_ms):
        budget, spent = sums.get((one.rule, one.unit), (0, 0))
        sums[one.rule, one.unit] = (budget + one.budget, spent + one.spent)
    return [
        {"what": rule, "unit": unit, "left": max(0, budget - spent), "of": budget}
        for (rule, unit), (budget, spent) in sorted(sums.items())
    ]


def _planned(connection: Connection, config: Config, now_ms: int) -> list[tuple[Kit, Right, list[Planned]]]:
    """What is to be minted now, by kit and right: nothing for kits that are stopped."""
    known = _figures(connection, config, now_ms)
    found: list[tuple[Kit, Right, list[Planned]]] = []
    stopped = rows.stopped(connection)
    for kit in config.kits:
        if kit.kit in stopped:
            continue
        for right in kit.rights:
            sums = known[kit.kit, kit.rental, right.rule, right.unit]
            expected = [one for one in kit.forecast if one.rule in (None, right.rule)]
            amount = to_mint(right, sums, now_ms)
            pieces = cut(amount, right.amount, expected, right.least, max(MOST, right.count))
            if pieces:
                found.append((kit, right, pieces))
                sums.minted += amount  # a second entry for the same budget finds it done
    return found


def to_mint(right: Right, sums: Figures, now_ms: int) -> int:
    """How much of a budget is to be minted now. Part is kept back until less than a quarter of the rest is out;
    what came back and is worth a slice goes out again."""
    if right.expires(now_ms) <= now_ms:
        return 0
    kept = right.total - (sums.minted - sums.returned)
    reserve = right.total * right.reserve_bps // 10_000
    if reserve and (not sums.minted or (sums.assigned + sums.unassigned) * 4 >= right.total - reserve):
        kept -= reserve
    return kept if kept >= right.least else 0


def _figures(
    connection: Connection, config: Config, now_ms: int, kit: bytes | None = None
) -> dict[tuple[bytes, int, str, int], Figures]:
    slices = tables.slices
    found: dict[tuple[bytes, int, str, int], Figures] = {}
    for one in config.kits:
        for right in one.rights:
            if kit in (None, one.kit):
                key = (one.kit, one.rental, right.rule, right.unit)
                made = found.setdefault(key, Figures(one.kit.hex(), *key[1:], budget=0))
                made.budget = max(made.budget, right.total)
    query = select(slices)
    if kit is not None:
        query = query.where(slices.c.kit == kit)
    for row in connection.execute(query.order_by(slices.c.id)):
        key = (row.kit, row.rental, row.rule, row.unit)
        sums = found.setdefault(key, Figures(row.kit.hex(), *key[1:], budget=0))
        sums.minted += row.amount
        sums.spent += row.spent
        sums.returned += row.returned
        rest = row.amount - row.spent - row.returned
        if row.expires_ms <= now_ms:
            sums.expired += rest
        elif row.brick is not None:
            sums.assigned += rest
        else:
            sums.unassigned += rest
    for sums in found.values():
        sums.budget = max(
            sums.budget, sums.minted - sums.returned
        )  # one that is configured no more, or for less
        sums.kept = sums.budget - (sums.minted - sums.returned)
    return found


def _mint_one(
    tx: Appending, seed: bytes, kit: Kit, right: Right, piece: Planned, number: int, now_ms: int
) -> None:
    expires = right.expires(now_ms)
    payload: bytes = rights.encode_slice(
        number, rights.rule8(right.rule), right.unit, piece.amount, kit.kit, kit.rental, expires
    )
    secret = crypto_sign_seed_keypair(seed)[1]
    signature = _signature(payload, secret)
    index = tx.add([leaf.entry(reg.LEAF_RIGHTS, leaf.encode_rights(payload, signature))])
    tx.connection.execute(
        insert(tables.slices).values(
            id=number,
            rule=right.rule,
            unit=right.unit,
            amount=piece.amount,
            kit=kit.kit,
            rental=kit.rental,
            expires_ms=expires,
            payload=payload,
            signature=signature,
            leaf=index,
            spent=0,
            returned=0,
            minted_ms=now_ms,
            thought_for=piece.brick,
        )
    )


def _signature(payload: bytes, secret: bytes) -> bytes:
    signed: bytes = crypto_sign(rights.slice_message(payload), secret)
    return signed[:crypto_sign_BYTES]
