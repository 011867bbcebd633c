"""campaign/2, one compiled rule and the rights that it takes: what it can cost is decided here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fleet.authoring.engine import reg, rules
from fleet.authoring.given import Given
from fleet.authoring.model_base import TRUSTS
from fleet.authoring.reader import Node
from fleet.authoring.report import CLASSES, NEEDS_RIGHTS, SAFE, Cause
from fleet.authoring.rights import Right

_SLICE_PARTS = 8  # a first_n is cut at least this fine, so that little of it is stranded


@dataclass
class Built:
    """One compiled rule: wire form, and what the report and the lints say of it."""

    node: Node
    code: dict[int, Any]
    grants: list[Given] = field(default_factory=list[Given])
    rights: list[Right] = field(default_factory=list[Right])
    causes: list[Cause] = field(default_factory=list[Cause])
    people_needed: int = 0
    counts_people: bool = False
    arms_at: list[str] = field(default_factory=list[str])  # comparisons by arm
    companion: bool = False  # made here, to pay what another rule gives for the next visit

    @property
    def id(self) -> str:
        """The rule's name."""
        return self.code[0]

    @property
    def offline(self) -> str:
        """The least free class of its causes."""
        return max((cause.offline for cause in self.causes), key=CLASSES.index, default=SAFE)

    @property
    def minor(self) -> int:
        """The most money of one grant."""
        return sum(given.minor for given in self.grants)

    @property
    def own_value(self) -> bool:
        """Whether it gives the value of the voucher that it redeems."""
        return any(given.own_value for given in self.grants)

    @property
    def pieces(self) -> int:
        """The most pieces of one grant."""
        return sum(given.pieces for given in self.grants)

    @property
    def tokens_only(self) -> bool:
        """Whether it gives what no rights bound."""
        return not self.rights

    def total(self, unit: int) -> int:
        """All rights of a unit."""
        return sum(right.total for right in self.rights if right.unit == unit)


def needs(node: Node, built: Built, currency: str) -> list[int]:
    """Units of rights that one grant takes; what is minted for it goes into `built.rights`."""
    table = node.get("rights")
    wanted = (("money", reg.UNIT_MINOR, built.minor), ("pieces", reg.UNIT_PIECES, built.pieces))
    out: list[int] = []
    for name, unit, most in wanted:
        part = table.get(name)
        if not most:
            if part.value is not None:
                own = name == "money" and built.own_value
                why = "a voucher's own value takes no rights" if own else "nothing is granted in this unit"
                part.wrong(f"{why}: leave it out")
            continue
        if part.value is None:
            example = '{"slice": "25.00", "count": 24}' if name == "money" else '{"slice": 20, "count": 12}'
            raise table.wrong(
                f'{name} is granted without an end: write "{name}": {example}, slice × count in all'
            )
        size = part.get("slice")
        if name == "money":
            if not isinstance(size.value, str):
                raise size.wrong(f'found {size.value}: expected an amount as text, such as "25.00"')
            each = size.amount(currency)
        else:
            each = size.whole(1, rules.MAX_AMOUNT)
        if not 0 < each <= rules.MAX_AMOUNT or 2 * each < most:
            raise size.wrong("two slices must cover one grant: make it larger")
        built.rights.append(Right(built.id, unit, each, part.get("count").whole(1, 100_000)))
        out.append(unit)
        text = f"{name} can run out: a brick spends only what it holds rights for"
        built.causes.append(Cause(NEEDS_RIGHTS, part.pointer, text))
    if _first_n(node, built):
        out.append(reg.UNIT_PEOPLE)
    trust = node.get("people_are")
    if out and built.counts_people and trust.choice(TRUSTS) < reg.TRUST_ISSUED:
        raise trust.wrong(
            'tokens that anyone can make would count: a bag of blank tags opens it; write "issued"'
        )
    return out


def _first_n(node: Node, built: Built) -> bool:
    most, cut = node.get("first_n"), node.get("rights").get("people")
    if most.value is None:
        if cut.value is not None:
            raise cut.wrong('cuts a first_n that is not there: write "first_n": 20')
        return False
    number = most.whole(1, 100_000)
    if cut.value is not None:
        each, count = cut.get("slice").whole(1, 100_000), cut.get("count").whole(1, 100_000)
        if each * count != number:
            raise cut.wrong(f"{count} slices of {each} are {each * count}: expected the {number} of first_n")
    else:
        each = max(size for size in range(1, max(1, number // _SLICE_PARTS) + 1) if number % size == 0)
        count = number // each
    built.rights.append(Right(built.id, reg.UNIT_PEOPLE, each, count))
    text = f"only the first {number}: a brick gives only as many as it holds rights for"
    built.causes.append(Cause(NEEDS_RIGHTS, most.pointer, text))
    return True
