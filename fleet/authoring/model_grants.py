"""campaign/2, the grants: what a rule may give, each with how it is undone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag
from typing_extensions import TypeAliasType

from fleet.authoring.model_base import Duration, Money, Percent, Strict, by_member
from fleet.authoring.model_when import Open

Reversal = Literal["undo", "if unused", "keep"]
Party = Annotated[str, Field(min_length=1, max_length=24)]
PercentOrOpen = Percent | Open
MoneyOrOpen = Money | Open
Pieces = Annotated[int, Field(ge=1, le=1000)] | Open


class Undone(Strict):
    """What a refund or void of the event does to it: "undo" takes it back, "if unused" only while nobody has
    spent it, "keep" leaves it with the customer. Each kind has its own default."""

    reversal: Reversal | None = None


class PercentNow(Undone):
    """A percentage off this purchase, at most so much."""

    percent_now: PercentOrOpen
    at_most: MoneyOrOpen


class MoneyNow(Undone):
    """So much off this purchase."""

    money_now: MoneyOrOpen


class PercentNext(Undone):
    """A percentage off at the next visit, at most so much, for so many days."""

    percent_next: PercentOrOpen
    at_most: MoneyOrOpen
    valid: Duration


class MoneyNext(Undone):
    """So much off at the next visit, for so many days."""

    money_next: MoneyOrOpen
    valid: Duration


class Sample(Undone):
    """Pieces to take along; `of` says what a piece is."""

    sample: Pieces
    of: Annotated[str, Field(min_length=1, max_length=32)] | None = None


class Upgrade(Undone):
    """Something larger or better than was bought; `pieces` of stock are used for it."""

    upgrade: Annotated[str, Field(min_length=1, max_length=24, description="What it becomes.")]
    pieces: Pieces = 1


class TipMatch(Undone):
    """A tip is matched by this percentage of it, at most so much, to a party."""

    tip_match: PercentOrOpen
    at_most: MoneyOrOpen
    to: Party


class Tokens(Undone):
    """Loyalty tokens, for so many days."""

    tokens: Annotated[int, Field(ge=1, le=1_000_000)] | Open
    valid: Duration


class Voucher(Undone):
    """A single-use voucher of this value, for so many days, of a series that a rule may redeem."""

    voucher: MoneyOrOpen
    valid: Duration
    series: Annotated[int, Field(ge=0, le=65535)] = 1


class Unlock(Undone):
    """Access to a resource: a community's room, early access, a role."""

    unlock: Annotated[str, Field(min_length=1, max_length=32)]


class Donate(Undone):
    """A percentage of the basket, at most so much, given to a party."""

    donate: PercentOrOpen
    at_most: MoneyOrOpen
    to: Party


class Split(Undone):
    """A percentage of the basket, at most so much, that belongs to a party."""

    split: PercentOrOpen
    at_most: MoneyOrOpen
    to: Party


GRANTS = (
    "percent_now", "money_now", "percent_next", "money_next", "sample", "upgrade", "tip_match", "tokens", "voucher",
    "unlock", "donate", "split",
)  # fmt: skip
DEFAULT_REVERSAL: dict[str, Reversal] = {
    "percent_now": "undo", "money_now": "undo", "percent_next": "if unused", "money_next": "if unused",
    "sample": "keep", "upgrade": "keep", "tip_match": "undo", "tokens": "if unused", "voucher": "if unused",
    "unlock": "undo", "donate": "undo", "split": "undo",
}  # fmt: skip


def _which_grant(value: Any) -> str | None:
    return by_member(value, GRANTS)


Grant = TypeAliasType(
    "Grant",
    Annotated[
        Annotated[PercentNow, Tag("~percent_now")]
        | Annotated[MoneyNow, Tag("~money_now")]
        | Annotated[PercentNext, Tag("~percent_next")]
        | Annotated[MoneyNext, Tag("~money_next")]
        | Annotated[Sample, Tag("~sample")]
        | Annotated[Upgrade, Tag("~upgrade")]
        | Annotated[TipMatch, Tag("~tip_match")]
        | Annotated[Tokens, Tag("~tokens")]
        | Annotated[Voucher, Tag("~voucher")]
        | Annotated[Unlock, Tag("~unlock")]
        | Annotated[Donate, Tag("~donate")]
        | Annotated[Split, Tag("~split")],
        Discriminator(
            _which_grant,
            custom_error_type="grant",
            custom_error_message=f"expected an object with one of {', '.join(GRANTS)}",
        ),
    ],
)
"""What is given; one of its members says of which kind."""
