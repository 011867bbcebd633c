"""Whose a slice of rights is and what was spent from it: field 13 of records, judged as a whole.

A record counts in full or not at all: what any finding sets aside spends nothing and makes no slice its
brick's. So the sum spent from a slice never exceeds its amount, whatever records say.

A *reserve* spends. The grant that commits it names it and spends nothing again; the *release* that names it
gives back what it set aside, once. What a slice had left when it came back to its budget is spent by nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fleet.core import Fields, reg

# Kinds whose rights are another record's, taken back at the controller alone: they spend nothing
TAKES_BACK = (reg.KIND_VOID, reg.KIND_REFUND)
COMMITS = (reg.KIND_GRANT, reg.KIND_REDEEM)

# What became of a reserve. The last two: its end is here, the reserve itself is still in a gap of the chain.
OPEN, COMMITTED, RELEASED, AWAITS_COMMIT, AWAITS_RELEASE = range(5)


@dataclass(frozen=True, slots=True)
class Slice:
    """A minted slice; `owner` is the brick that first really spent from it, `spent` what counts so far,
    `returned` what went back to its budget after it expired."""

    kit: bytes
    rental: int
    amount: int
    owner: bytes | None = None
    spent: int = 0
    returned: int = 0
    unit: int = reg.UNIT_MINOR

    @property
    def left(self) -> int:
        """What nobody has spent and the budget has not got back."""
        return self.amount - self.spent - self.returned


@dataclass(frozen=True, slots=True)
class Reserve:
    """Rights set aside by one record, by slice, and what became of them."""

    parts: tuple[tuple[int, int], ...]
    end: int = OPEN


@dataclass(frozen=True, slots=True)
class Holder:
    """Who says so: a brick, its kit (None where the configuration names it no more), the rental of its key."""

    brick: bytes
    kit: bytes | None
    rental: int

    def may_hold(self, one: Slice) -> bool:
        """Whether the slice was minted for it."""
        return one.rental == self.rental and self.kit in (None, one.kit)


@dataclass(slots=True)
class After:
    """What a record changes if nothing speaks against it: slices by number, reserves by (brick, seq)."""

    slices: dict[int, Slice] = field(default_factory=dict[int, Slice])
    reserves: dict[tuple[bytes, int], Reserve] = field(default_factory=dict[tuple[bytes, int], Reserve])


def _nothing(_brick: bytes, _seq: int) -> Reserve | None:
    return None


class Spending:
    """Slices and reserves as one batch finds and changes them. `stored` gives a slice by its number, None
    where none was minted; `reserved` the reserve of a brick's seq, None where there is none."""

    def __init__(
        self,
        stored: Callable[[int], Slice | None],
        reserved: Callable[[bytes, int], Reserve | None] = _nothing,
    ) -> None:
        self._stored = stored
        self._reserved = reserved
        self.changed: dict[int, Slice] = {}
        self.reserves: dict[tuple[bytes, int], Reserve] = {}

    def concerns(self, fields: Fields) -> bool:
        """Whether `judge` has anything to say of a record."""
        kind: int = fields[10]
        return bool(fields.get(13)) or kind in (reg.KIND_RESERVE, reg.KIND_RELEASE) or _commits(fields)

    def judge(
        self, fields: Fields, holder: Holder, missing: Callable[[int], bool] = lambda seq: False
    ) -> tuple[list[int], After]:
        """Finding codes, each once, and what the record changes: for `take`, unless anything speaks against
        it. `missing(seq)`: a record of this brick that is still waited for."""
        kind: int = fields[10]
        after = After()
        if kind in TAKES_BACK:
            return [], after
        if kind == reg.KIND_RELEASE:
            return self._release(fields, holder, missing, after), after
        codes = self._spend(fields, holder, kind, after)
        if kind == reg.KIND_RESERVE:
            codes += self._reserve(fields, holder, after)
        elif _commits(fields):
            codes += self._commit(fields, holder, missing, after)
        return list(dict.fromkeys(codes)), after

    def take(self, after: After) -> None:
        """The record counts."""
        self.changed.update(after.slices)
        self.reserves.update(after.reserves)

    # --- what spends

    def _spend(self, fields: Fields, holder: Holder, kind: int, after: After) -> list[int]:
        says_again = kind == reg.KIND_RIGHTS  # what was spent so far, which spending records said before
        codes: list[int] = []
        for number, amount in _sums(fields.get(13) or [], says_again).items():
            one = self._slice(number)
            if one is None or not holder.may_hold(one):
                codes.append(reg.FINDING_SLICE_FOREIGN)
            elif amount and one.owner not in (None, holder.brick):
                codes.append(reg.FINDING_SLICE_TWICE)
            elif says_again:
                if amount > one.amount:
                    codes.append(reg.FINDING_SLICE_OVERSPENT)
            elif amount > one.left:
                codes.append(reg.FINDING_SLICE_OVERSPENT)
            elif amount:
                after.slices[number] = replace(one, owner=holder.brick, spent=one.spent + amount)
        return codes

    # --- reserve, commit, release

    def _reserve(self, fields: Fields, holder: Holder, after: After) -> list[int]:
        """Spent above; what its end, come before it, has said of it holds now."""
        key = (holder.brick, fields[2])
        parts = _parts(fields)
        waiting = self._reserve_of(key)
        if waiting is None:
            after.reserves[key] = Reserve(parts)
        elif waiting.end == AWAITS_COMMIT:
            after.reserves[key] = Reserve(parts, COMMITTED)
        elif waiting.end == AWAITS_RELEASE and waiting.parts == parts:
            after.reserves[key] = Reserve(parts, RELEASED)
            after.slices.clear()
        else:
            return [reg.FINDING_RESERVE]
        return []

    def _commit(
        self, fields: Fields, holder: Holder, missing: Callable[[int], bool], after: After
    ) -> list[int]:
        key = (holder.brick, fields[20])
        reserve = self._reserve_of(key)
        if reserve is None and missing(fields[20]):
            after.reserves[key] = Reserve((), AWAITS_COMMIT)
        elif reserve is not None and reserve.end == OPEN:
            after.reserves[key] = replace(reserve, end=COMMITTED)
        else:
            return [reg.FINDING_RESERVE]
        return []

    def _release(
        self, fields: Fields, holder: Holder, missing: Callable[[int], bool], after: After
    ) -> list[int]:
        key = (holder.brick, fields.get(20) or 0)
        parts = _parts(fields)
        reserve = self._reserve_of(key)
        if reserve is None and missing(key[1]):
            after.reserves[key] = Reserve(parts, AWAITS_RELEASE)
            return []
        if reserve is None or reserve.end != OPEN or reserve.parts != parts:
            return [reg.FINDING_RESERVE]
        after.reserves[key] = replace(reserve, end=RELEASED)
        for number, amount in parts:
            one = self._slice(number)
            if one is not None:  # it was there when the reserve spent from it
                after.slices[number] = replace(one, spent=one.spent - amount)
        return []

    def _slice(self, number: int) -> Slice | None:
        return self.changed.get(number) or self._stored(number)

    def _reserve_of(self, key: tuple[bytes, int]) -> Reserve | None:
        return self.reserves.get(key) or self._reserved(*key)


def _commits(fields: Fields) -> bool:
    """Whether a record is a grant or a redemption that was reserved before."""
    return fields[10] in COMMITS and fields.get(20) is not None


def _parts(fields: Fields) -> tuple[tuple[int, int], ...]:
    """Rights of a record by slice, in order of number."""
    return tuple(sorted(_sums(fields.get(13) or [], says_again=False).items()))


def _sums(rights: list[list[int]], says_again: bool) -> dict[int, int]:
    """Amount by slice: one that is named twice was spent from twice, or said to stand at the larger sum."""
    sums: dict[int, int] = {}
    for number, amount in rights:
        known = sums.get(number, 0)
        sums[number] = max(known, amount) if says_again else known + amount
    return sums
