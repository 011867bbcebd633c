"""What was granted and what of it was taken back: a refund reverses in proportion, never more than was given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hostagent.core import Fields, reg
from hostagent.lane.answers import grant_minor, half_up

REVERSALS = (reg.KIND_VOID, reg.KIND_REFUND)
GRANTED = (reg.KIND_GRANT, reg.KIND_REDEEM)
# Detail of a void or refund: [brick8, seq, basket minor given back so far or null, label of who, null]
BRICK, SEQ, BASKET = 0, 1, 2


@dataclass
class Given:
    """One granting record and what has been taken back of it. `back`: one number for each grant, in minor units
    where it is money, in pieces where it is not; `basket_back`: of the basket, None once everything is back; `kept`:
    places of grants that their rule leaves with the customer."""

    brick: bytes
    seq: int
    receipt16: bytes
    fields: Fields
    private: Fields
    kept: frozenset[int] = frozenset()
    basket_back: int | None = 0
    back: list[int] = field(default_factory=lambda: [])

    def __post_init__(self) -> None:
        self.back = self.back or [0] * len(self.grants)

    @property
    def grants(self) -> list[list[Any]]:
        """Field 12 of the record."""
        return self.fields.get(12) or []

    @property
    def basket(self) -> int | None:
        """Minor units of the basket, None where it was not known."""
        return (self.private.get(2) or [None])[0]

    @property
    def over(self) -> bool:
        """Whether nothing is left to take back."""
        return self.basket_back is None

    def amount(self, index: int) -> int:
        """How much a grant gave: minor units where it is money, else pieces."""
        grant = self.grants[index]
        if reg_money(grant[0]):
            return grant_minor(grant, self.basket)
        return grant[1] or 0

    def reverse(self, minor: int | None, paid: Sequence[int] = ()) -> tuple[list[list[Any]], int | None]:
        """What a refund of `minor` of the basket (None: all of it) takes back now: (grants as field 12, basket given
        back so far or None for all). Money goes in proportion, half up, counted from the start, so that many small
        refunds come to the same as one; pieces, tokens and vouchers go back only with the whole basket. `paid`: places
        of vouchers that were paid already: they stay."""
        so_far = None
        if minor is not None and self.basket and self.basket_back is not None:
            so_far = self.basket_back + minor
            if so_far >= self.basket:
                so_far = None
        parts: list[list[Any]] = []
        for index, (grant, now) in enumerate(zip(self.grants, self._due(so_far), strict=True)):
            if now > 0 and not (so_far is None and index in paid):
                money = reg_money(grant[0])
                parts.append([grant[0], grant[1] if money else now, now if money else grant[2]])
        return parts, so_far

    def _due(self, so_far: int | None) -> list[int]:
        """For each grant what is still to come back once `so_far` of the basket is (None: all of it)."""
        due: list[int] = []
        for index, grant in enumerate(self.grants):
            whole, back = self.amount(index), self.back[index]
            if index in self.kept:
                due.append(0)
            elif so_far is None:
                due.append(whole - back)
            elif self.basket and reg_money(grant[0]) and grant[0] not in BEARER:
                due.append(max(0, min(half_up(whole, so_far, self.basket), whole) - back))
            else:
                due.append(0)
        return due

    def took(self, parts: list[list[Any]], so_far: int | None) -> None:
        """A void or refund was written: these grants came back."""
        # A record names no places: `reverse` lists what comes back in the order of the grants, so a part is of the first
        # grant, behind the part before, that had as much to come back.
        due = self._due(so_far)
        at = 0
        for part in parts:
            size = part[2] if reg_money(part[0]) else part[1]
            same = [index for index, grant in enumerate(self.grants) if grant[0] == part[0]]
            exact = next((index for index in same if index >= at and due[index] == size), None)
            if exact is not None:
                self.back[exact] += size
                at = exact + 1
                continue
            for index in same:  # a record of an older program: no grant is given back more than it gave
                now = min(size, self.amount(index) - self.back[index])
                self.back[index] += now
                size -= now
        self.basket_back = so_far


def reg_money(kind: int) -> bool:
    """Whether a grant of this type is an amount of money."""
    return kind in MONEY


# A bearer's voucher has no halves: it goes back only with the whole basket
BEARER = (reg.GRANT_VOUCHER, reg.GRANT_PERCENT_NEXT, reg.GRANT_FIXED_NEXT)
MONEY = (
    reg.GRANT_PERCENT_NOW,
    reg.GRANT_FIXED_NOW,
    reg.GRANT_PERCENT_NEXT,
    reg.GRANT_FIXED_NEXT,
    reg.GRANT_TIP_MATCH,
    reg.GRANT_VOUCHER,
    reg.GRANT_DONATION,
    reg.GRANT_SPLIT,
)
