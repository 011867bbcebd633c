"""Whose a slice of rights is and what was spent from it: field 13 of records, judged as a whole.

A record counts in full or not at all: what any finding sets aside spends nothing and makes no slice its
brick's. So the sum spent from a slice never exceeds its amount, whatever records say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fleet.core import Fields, reg

# Kinds whose rights are another record's, taken back: they spend nothing and nothing comes back to a slice
GIVES_BACK = (reg.KIND_VOID, reg.KIND_REFUND, reg.KIND_RELEASE)


@dataclass(frozen=True, slots=True)
class Slice:
    """A minted slice; `owner` is the brick that first really spent from it, `spent` what counts so far."""

    kit: bytes
    rental: int
    amount: int
    owner: bytes | None = None
    spent: int = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who says so: a brick, its kit (None where the configuration names it no more), the rental of its key."""

    brick: bytes
    kit: bytes | None
    rental: int

    def may_hold(self, one: Slice) -> bool:
        """Whether the slice was minted for it."""
        return one.rental == self.rental and self.kit in (None, one.kit)


class Spending:
    """Slices as one batch finds and changes them. `stored` gives a slice by its number, None where none was
    minted."""

    def __init__(self, stored: Callable[[int], Slice | None]) -> None:
        self._stored = stored
        self.changed: dict[int, Slice] = {}

    def judge(self, fields: Fields, holder: Holder) -> tuple[list[int], dict[int, Slice]]:
        """Finding codes, each once, and the slices after the record: for `take`, unless anything speaks
        against it."""
        kind: int = fields[10]
        if kind in GIVES_BACK:
            return [], {}
        says_again = kind == reg.KIND_RIGHTS  # what was spent so far, which spending records said before
        codes: list[int] = []
        after: dict[int, Slice] = {}
        for number, amount in _sums(fields.get(13) or [], says_again).items():
            one = self.changed.get(number) or self._stored(number)
            if one is None or not holder.may_hold(one):
                codes.append(reg.FINDING_SLICE_FOREIGN)
            elif amount and one.owner not in (None, holder.brick):
                codes.append(reg.FINDING_SLICE_TWICE)
            elif amount + (0 if says_again else one.spent) > one.amount:
                codes.append(reg.FINDING_SLICE_OVERSPENT)
            elif amount and not says_again:
                after[number] = replace(one, owner=holder.brick, spent=one.spent + amount)
        return list(dict.fromkeys(codes)), after

    def take(self, after: dict[int, Slice]) -> None:
        """The record counts."""
        self.changed.update(after)


def _sums(rights: list[list[int]], says_again: bool) -> dict[int, int]:
    """Amount by slice: one that is named twice was spent from twice, or said to stand at the larger sum."""
    sums: dict[int, int] = {}
    for number, amount in rights:
        known = sums.get(number, 0)
        sums[number] = max(known, amount) if says_again else known + amount
    return sums
