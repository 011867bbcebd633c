"""What is left of a slice comes back to its budget, once, when nobody can spend it any more.

A brick's own clock expires nothing, but a brick loses its slices with its power, and no host gives out one that has
expired. So a slice comes back only after it expired *and* the chain of everybody who may hold it has arrived, with
nothing missing, up to a start after that expiry, or to another rental. Until then what is left counts as spent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from fleet.core import Fields, receipt, reg
from fleet.db import tables
from fleet.ingest import read_record
from fleet.spending import Slice

GRACE_MS = 60_000  # after expiry: clocks of a market may be so far apart
LOOKED_AT = 16  # of a brick's records after an expiry, for one that shows its clock


@dataclass(frozen=True, slots=True)
class Due:
    """A slice that comes back, with as much as is left of it."""

    number: int
    amount: int


def due(
    slices: Mapping[int, Slice],
    expires: Mapping[int, int],
    holders: Callable[[int, Slice], Iterable[bytes]],
    beyond: Callable[[bytes, int, Slice], bool],
    now_ms: int,
) -> list[Due]:
    """Slices that come back now. `holders`: the bricks that may hold a slice; `beyond(brick, ms, slice)`: the
    brick's chain has arrived up to a place where it can spend that slice, which expired at `ms`, no more."""
    found: list[Due] = []
    for number, one in slices.items():
        ended = expires[number] + GRACE_MS
        if one.left <= 0 or ended > now_ms:
            continue
        may_hold = list(holders(number, one))
        if may_hold and all(beyond(brick, ended, one) for brick in may_hold):
            found.append(Due(number, one.left))
    return found


def took_back(one: Slice) -> Slice:
    """The slice after that: nothing is left of it."""
    return replace(one, returned=one.amount - one.spent)


def shows(fields: Fields, ended_ms: int) -> bool:
    """Whether a record was written when its brick's own clock, set by a host, was beyond an instant."""
    quality, spread = fields[7]
    return quality >= reg.QUALITY_HOST and fields[5] is not None and fields[5] - spread >= ended_ms


def started_since(connection: Connection, brick: bytes, mark: int, ended_ms: int) -> bool:
    """Whether a brick started again after one of its records showed its clock beyond an instant; of its records up to
    `mark`, below which none is missing."""
    receipts, leaves = tables.receipts, tables.leaves
    query = (
        select(leaves.c.entry)
        .join(receipts, receipts.c.position == leaves.c.position)
        .where(
            receipts.c.brick == brick,
            receipts.c.seq <= mark,
            receipts.c.findings == 0,
            receipts.c.duplicate_of.is_(None),
        )
    )
    newest = connection.execute(query.order_by(receipts.c.seq.desc()).limit(1)).scalar()
    now = None if newest is None else _record(newest)
    if now is None:
        return False
    later = query.where(receipts.c.market_ms >= ended_ms).order_by(receipts.c.seq).limit(LOOKED_AT)
    for entry in connection.execute(later).scalars():
        fields = _record(entry)
        if fields is not None and fields[4] < now[4] and shows(fields, ended_ms):
            return True
    return False


def _record(entry: bytes) -> Fields | None:
    return read_record(receipt.parse(entry[1:]).fields[1])
