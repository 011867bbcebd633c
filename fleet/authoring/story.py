"""The story form: what happens at a market, step by step, and what must come of it. docs/rule-library.md"""

# ruff: noqa: RUF012  (pydantic gives each object its own copy of a default)

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from fleet.authoring.model_base import AnyRule, EventName, Money, Name, Strict, TrustName, by_member

SCHEMA = "stallmark-story/1"
MAX_EVENTS = 2_000  # of one story, after persons were written out

At = Annotated[
    str, Field(pattern=r"^P(?:\d{1,3}D)?(?:T(?:\d{1,4}H)?(?:\d{1,5}M)?(?:\d{1,6}S)?)?$", max_length=24)
]
Brick = Annotated[str, Field(min_length=1, max_length=8, pattern=r"^[A-Za-z0-9-]+$")]
Person = Annotated[str, Field(min_length=1, max_length=32)]
Bricks = Annotated[list[Brick], Field(min_length=1, max_length=8)]


class Given(Strict):
    """One thing that is given: the registry's name of the grant, its size (basis points, pieces or tokens; None where
    the page has no number) and its worth."""

    what: Annotated[str, Field(max_length=32)]
    size: int | None = None
    money: Money | None = None


class Expected(Strict):
    """One decision. Only what is written is compared, but `gives` always: what is not written there is not given."""

    outcome: Literal["grant", "deny", "ghost", "redeem", "uncertain"]
    rule: AnyRule | None = None
    because: Annotated[str, Field(max_length=64)]
    gives: list[Given] = []
    near: int | None = Field(default=None, description="What is missing: people, minor units, seconds …")
    have: int | None = None
    need: int | None = None
    arm: str | None = Field(default=None, description='The arm, or "holdout".')
    stale: bool | None = None
    sentence: str | None = None


class Line(Strict):
    """A line of the basket."""

    item: Annotated[str, Field(min_length=1, max_length=32)] | Annotated[int, Field(ge=0)]
    quantity: Annotated[int, Field(ge=1)] = 1
    money: Money = "0"


class Happens(Strict):
    """An event at a brick, or one for each of `persons` (prefix, first, last), `every` so often."""

    at: At
    every: At = "PT1S"
    brick: Brick = "A"
    on: EventName
    person: Person | None = None
    persons: tuple[Annotated[str, Field(max_length=28)], int, int] | None = None
    trust: TrustName = "issued"
    basket: Money | None = None
    items: int | None = None
    lines: list[Line] = []
    tip: Money | None = None
    signal: tuple[Annotated[str, Field(max_length=32)], int] | None = None
    reference: Annotated[str, Field(max_length=32)] | None = None
    clock: Literal["host", "unset"] = "host"
    risk: Annotated[int, Field(ge=0, le=255)] | None = None
    host: Literal["yes", "no", "silent"] | None = Field(
        default=None, description="What it answers if asked: silent from a brick that is cut off, else yes."
    )
    note: str | None = None
    expect: Expected | list[Expected]


class RightsStep(Strict):
    """A slice of rights is given to a brick: an amount of money, of pieces, or of people (first N)."""

    rights: Name
    brick: Brick = "A"
    money: Money | None = None
    pieces: Annotated[int, Field(ge=1)] | None = None
    people: Annotated[int, Field(ge=1)] | None = None
    note: str | None = None


class ExchangeStep(Strict):
    """The bricks named hear everything that the others of them wrote so far; those cut off are passed over."""

    exchange: Bricks
    at: At
    note: str | None = None


class CutStep(Strict):
    """These bricks lose the host."""

    cut: Bricks
    note: str | None = None


class HealStep(Strict):
    """These bricks have the host again; what was missed comes with the next exchange."""

    heal: Bricks
    note: str | None = None


class SignalsStep(Strict):
    """Signals reach every brick that is not cut off."""

    signals: dict[Name, int]
    at: At
    note: str | None = None


class BalancesStep(Strict):
    """The host's snapshot of token balances reaches every brick that is not cut off."""

    balances: dict[Person, Annotated[int, Field(ge=0)]]
    at: At
    note: str | None = None


class SetStep(Strict):
    """The operator sets open values on every brick."""

    set: dict[Name, str | int]
    at: At
    who: Annotated[str, Field(max_length=24)] = "operator"
    note: str | None = None


class RevokeStep(Strict):
    """These persons' tokens are revoked on every brick that is not cut off."""

    revoke: list[Person]
    note: str | None = None


class RestartStep(Strict):
    """A brick loses power and starts again."""

    restart: Brick
    note: str | None = None


_STEPS = ("on", "rights", "exchange", "cut", "heal", "signals", "balances", "set", "revoke", "restart")


def _which(value: Any) -> str | None:
    return by_member(value, _STEPS)


Step = Annotated[
    Annotated[Happens, Tag("~on")]
    | Annotated[RightsStep, Tag("~rights")]
    | Annotated[ExchangeStep, Tag("~exchange")]
    | Annotated[CutStep, Tag("~cut")]
    | Annotated[HealStep, Tag("~heal")]
    | Annotated[SignalsStep, Tag("~signals")]
    | Annotated[BalancesStep, Tag("~balances")]
    | Annotated[SetStep, Tag("~set")]
    | Annotated[RevokeStep, Tag("~revoke")]
    | Annotated[RestartStep, Tag("~restart")],
    Discriminator(
        _which,
        custom_error_type="step",
        custom_error_message=f"expected an object with one of {', '.join(_STEPS)}",
    ),
]


class Story(Strict):
    """One story. `lane`: the brick of the story that is the host's gateway lane."""

    schema_: Literal["stallmark-story/1"] = Field(alias="$schema")
    id: Name
    title: Annotated[str, Field(min_length=1, max_length=120)]
    story: Annotated[str, Field(min_length=1, max_length=4096)]
    shows: list[str] = []
    start: Annotated[str, Field(max_length=40)]
    bricks: Bricks = ["A"]
    lane: Brick | None = None
    steps: Annotated[list[Step], Field(min_length=1, max_length=MAX_EVENTS)]
