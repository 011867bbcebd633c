"""Reading and writing the tables of desired state. Every write is in a transaction that somebody else opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, bindparam, delete, func, insert, select, update

from fleet import packs
from fleet.db import tables
from fleet.db import tables_desired as t
from fleet.desired import orders

RULES = "rules"  # made from the rules folder, and made anew when that changes
SET = "set"  # by a rollout or a person, until its own expiry
KEPT = "kept"  # the same without an expiry of its own: renewed
STOPPED = "stopped"  # nothing is to be installed or granted: renewed until somebody lifts it
HISTORY = 16  # directives of a kit that are remembered


@dataclass(frozen=True, slots=True)
class Head:
    """The directive that stands for a kit. `order`: what its envelope says."""

    kit: bytes
    change: int
    number: int
    etag: str
    envelope: bytes
    made_ms: int
    origin: str
    order: orders.Order


def heads(connection: Connection, after: int = 0) -> list[Head]:
    """Heads that changed after this change, in order."""
    rows = connection.execute(
        select(t.directive_heads)
        .where(t.directive_heads.c.change > after)
        .order_by(t.directive_heads.c.change)
    )
    return [
        Head(r.kit, r.change, r.number, r.etag, r.envelope, r.made_ms, r.origin, orders.parse(r.envelope))
        for r in rows
    ]


def numbers(connection: Connection, kits: Sequence[bytes]) -> dict[bytes, int]:
    """The numbers of these kits' heads."""
    query = select(t.directive_heads.c.kit, t.directive_heads.c.number).where(
        t.directive_heads.c.kit.in_(kits)
    )
    return {row.kit: row.number for row in connection.execute(query)}


def last_change(connection: Connection) -> int:
    """The newest change of all."""
    return connection.execute(select(func.max(t.directive_heads.c.change))).scalar_one() or 0


def signed_ms(head: Head) -> int:
    """The instant that others believe for a directive's sake: none for a stop, which has to go out whatever the clock says."""
    return 0 if head.order.halted else head.order.issued_ms


def newest_ms(connection: Connection) -> int:
    """The newest such instant of all that stand, as this controller wrote it down; 0 without one."""
    halted = t.directive_heads.c.flags.op("&")(orders.HALTED)
    return connection.execute(select(func.max(t.directive_heads.c.made_ms)).where(halted == 0)).scalar_one() or 0


def highest(connection: Connection) -> int:
    """The highest number of any kit."""
    return connection.execute(select(func.max(t.directive_heads.c.number))).scalar_one() or 0


def remembered(connection: Connection, most: int = 256) -> Iterator[orders.Order]:
    """What the newest directives of all kits said, the newest first; those that stand are among them."""
    query = select(t.directives.c.envelope).order_by(
        t.directives.c.made_ms.desc(), t.directives.c.number.desc()
    )
    for envelope in connection.execute(query.limit(most)).scalars():
        yield orders.parse(envelope)


def stopped(connection: Connection) -> set[bytes]:
    """Kits for which nothing may be minted now."""
    rows = connection.execute(
        select(t.directive_heads.c.kit).where(t.directive_heads.c.flags.op("&")(orders.HALTED) != 0)
    )
    return set(rows.scalars())


_UPDATE = update(t.directive_heads).where(t.directive_heads.c.kit == bindparam("of_kit"))
_older = t.directives.alias()
_FORGET = delete(t.directives).where(
    t.directives.c.kit == bindparam("of_kit"),
    t.directives.c.number
    <= select(_older.c.number)
    .where(_older.c.kit == bindparam("of_kit"))
    .order_by(_older.c.number.desc())
    .offset(HISTORY)
    .limit(1)
    .scalar_subquery(),
)


def write(connection: Connection, made: Sequence[Head]) -> None:
    """Heads in place of the ones before, which are remembered for a while. At most a few hundred at once."""
    if not made:
        return
    known = numbers(connection, [one.kit for one in made])
    fresh: list[dict[str, Any]] = []
    again: list[dict[str, Any]] = []
    past: list[dict[str, Any]] = []
    for one in made:
        row = {
            "change": one.change,
            "number": one.number,
            "etag": one.etag,
            "envelope": one.envelope,
            "made_ms": one.made_ms,
            "expires_ms": one.order.expires_ms,
            "flags": one.order.flags,
            "origin": one.origin,
            "reason": one.order.reason,
        }
        if one.kit in known:
            again.append({"of_kit": one.kit, **row})
        else:
            fresh.append({"kit": one.kit, **row})
        past.append(
            {
                "kit": one.kit,
                **{name: row[name] for name in ("number", "envelope", "made_ms", "flags", "origin")},
            }
        )
    if fresh:
        connection.execute(insert(t.directive_heads), fresh)
    if again:
        connection.execute(_UPDATE, again)
    connection.execute(insert(t.directives), past)
    if again:
        connection.execute(_FORGET, [{"of_kit": row["of_kit"]} for row in again])


def before_stop(connection: Connection, kit: bytes) -> tuple[orders.Order, str] | None:
    """What a kit had before it was stopped: its content and where that came from."""
    rows = connection.execute(
        select(t.directives).where(t.directives.c.kit == kit).order_by(t.directives.c.number.desc())
    )
    for row in rows:
        if not row.flags & orders.HALTED:
            return orders.parse(row.envelope), row.origin
    return None


# --- targets


def put_target(connection: Connection, data: bytes, now_ms: int) -> bytes:
    """Keeps bytes under their SHA-256, which it returns."""
    digest = sha256(data).digest()
    if not has_target(connection, digest):
        connection.execute(insert(t.directive_targets).values(digest=digest, data=data, made_ms=now_ms))
    return digest


def has_target(connection: Connection, digest: bytes) -> bool:
    """Whether it is here."""
    found = connection.execute(
        select(t.directive_targets.c.made_ms).where(t.directive_targets.c.digest == digest)
    )
    return found.first() is not None


def target(connection: Connection, digest: bytes) -> bytes | None:
    """Bytes by their SHA-256."""
    return connection.execute(
        select(t.directive_targets.c.data).where(t.directive_targets.c.digest == digest)
    ).scalar_one_or_none()


def programs(connection: Connection, artefacts: Iterable[bytes]) -> dict[bytes, bytes]:
    """Artefact → digest32 by which bricks report it, of those that are application packs and are here."""
    head = func.substr(t.directive_targets.c.data, 1, packs.HEADER, type_=LargeBinary)
    query = select(t.directive_targets.c.digest, head).where(t.directive_targets.c.digest.in_(set(artefacts)))
    return {digest: start[16:] for digest, start in connection.execute(query) if start[:6] == packs.MAGIC}


# --- what is known of kits


def put(connection: Connection, table: Table, name: str, rows: Iterable[dict[str, Any]]) -> None:
    """Rows in place of those with the same value in column `name`, or as new ones; columns that are not named stay."""
    for row in rows:
        key = table.c[name] == row[name]
        if not connection.execute(update(table).where(key).values(row)).rowcount:
            connection.execute(insert(table).values(row))


def reports(connection: Connection, kits: bytes | Sequence[bytes] | None = None) -> dict[bytes, Any]:
    """The last report of this kit's host, of these kits' or of all."""
    return _of_kits(connection, t.kit_reports, kits)


def states(connection: Connection, kits: bytes | Sequence[bytes] | None = None) -> dict[bytes, Any]:
    """What is known of this kit, of these or of all."""
    return _of_kits(connection, t.kit_states, kits)


def _of_kits(connection: Connection, table: Table, kits: bytes | Sequence[bytes] | None) -> dict[bytes, Any]:
    query = select(table)
    if kits is not None:
        query = query.where(table.c.kit.in_([kits] if isinstance(kits, bytes) else kits))
    return {row.kit: row for row in connection.execute(query).all()}


def boots(connection: Connection, bricks: Iterable[bytes] | None = None) -> dict[bytes, Any]:
    """The newest boot record of these bricks, or of all."""
    query = select(t.brick_boots)
    if bricks is not None:
        query = query.where(t.brick_boots.c.brick.in_(list(bricks)))
    return {row.brick: row for row in connection.execute(query).all()}


def first_boots(connection: Connection, bricks: Iterable[bytes], kind: int, read: Any) -> None:
    """Boot records that came before this table was there. `read(entry)`: (ruleset, program) of a leaf's bytes."""
    receipts, leaves = tables.receipts, tables.leaves
    for brick in bricks:
        row = connection.execute(
            select(receipts.c.seq, receipts.c.market_ms, receipts.c.received_ms, leaves.c.entry)
            .join(leaves, leaves.c.position == receipts.c.position)
            .where(receipts.c.brick == brick, receipts.c.kind == kind, receipts.c.findings == 0)
            .order_by(receipts.c.seq.desc())
            .limit(1)
        ).one_or_none()
        if row is not None:
            ruleset, program = read(row.entry)
            values = {"brick": brick, "seq": row.seq, "at_ms": row.market_ms, "received_ms": row.received_ms}
            connection.execute(insert(t.brick_boots).values(**values, ruleset=ruleset, program=program))
