"""Which directive and root each brick follows by its own boot records, which are MACed: a host that keeps some back is seen.

A brick writes one at every start and every activation, and not when it takes a directive: one start behind proves nothing, for
it may have been switched off when the directive came. Two starts behind do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from fleet.core import reg
from fleet.db import tables_desired, tables_trust
from fleet.desired import rows
from fleet.ingest import Taken

APART_MS = 600_000  # a start so long after another one, or after a directive, counts: time enough to be told
NUMBER, ROOT = 2, 5  # of a boot record's detail (docs/formats/record.md)


@dataclass(frozen=True, slots=True)
class Obeyed:
    """A brick's newest boot record. `number`, `root`: 0 where it has none; `behind_ms`: since when a newer directive stood at
    two starts, None where none did."""

    at_ms: int
    number: int
    root: int
    behind_ms: int | None = None


def write(connection: Connection, taken: Iterable[Taken]) -> None:
    """Keeps what the newest boot record of each brick says. A record with a finding proves nothing."""
    for one in sorted(
        (one for one in taken if _proves(one)), key=lambda one: one.record[2] if one.record else 0
    ):
        f = one.record
        assert f is not None
        detail = f[24]
        table = tables_trust.brick_orders
        before = connection.execute(select(table).where(table.c.brick == f[1])).one_or_none()
        if before is not None and before.seq >= f[2]:
            continue
        number, root = detail[NUMBER], detail[ROOT] if len(detail) > ROOT else 0
        row = {"brick": f[1], "seq": f[2], "at_ms": one.market_ms, "number": number, "root": root}
        earlier = None
        if before is not None and before.number == number:
            apart = one.market_ms - before.at_ms >= APART_MS
            earlier = before.at_ms if apart else before.before_ms
        rows.put(connection, table, "brick", [{**row, "before_ms": earlier}])


FEW = 256  # bricks that are asked for by name


def read(connection: Connection, kits: Mapping[bytes, bytes]) -> dict[bytes, Obeyed]:
    """By brick, of those in `kits` (brick8: kit8)."""
    table, past, stands = tables_trust.brick_orders, tables_desired.directives, tables_desired.directive_heads
    heads, orders = select(stands.c.kit, stands.c.number), select(table)
    if len(kits) <= FEW:
        heads, orders = heads.where(stands.c.kit.in_(set(kits.values()))), orders.where(table.c.brick.in_(list(kits)))
    newest = {row.kit: row.number for row in connection.execute(heads)}
    found: dict[bytes, Obeyed] = {}
    for row in connection.execute(orders).all():
        kit = kits.get(row.brick)
        if kit is None:
            continue
        behind_ms = None
        if row.root and row.before_ms is not None and row.number < newest.get(kit, 0):
            newer = past.c.kit == kit, past.c.number > row.number
            made_ms = connection.execute(select(func.min(past.c.made_ms)).where(*newer)).scalar_one()
            if made_ms is not None and row.before_ms - made_ms >= APART_MS:
                behind_ms = row.before_ms
        found[row.brick] = Obeyed(row.at_ms, row.number, row.root, behind_ms)
    return found


def _proves(one: Taken) -> bool:
    f = one.record
    return (
        f is not None
        and f[10] == reg.KIND_BOOT
        and 24 in f
        and not one.findings
        and one.duplicate_of is None
        and one.duplicate_at is None
    )
