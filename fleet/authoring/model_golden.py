"""campaign/2, the examples: who comes when, and what must come out, on every brick before it takes the rules."""

# ruff: noqa: RUF012  (pydantic gives each object its own copy of a default)

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fleet.authoring.model_base import AnyRule, Duration, EventName, Money, Strict, TrustName


class Expected(Strict):
    """The outcome, the rule that explains it, and the reason by its name in the registry."""

    outcome: Literal["grant", "deny", "ghost", "redeem", "uncertain"]
    rule: AnyRule | None = None
    because: Annotated[str, Field(max_length=64)] | None = None


class Line(Strict):
    """A line of the basket."""

    item: Annotated[str, Field(min_length=1, max_length=32)] | Annotated[int, Field(ge=0, le=2**53 - 1)]
    quantity: Annotated[int, Field(ge=1, le=10_000)] = 1
    money: Money = "0"


class Example(Strict):
    """Persons `people[0]` to `people[1]`, one after the other."""

    note: Annotated[str, Field(max_length=4096)] | None = None
    at: Annotated[str, Field(max_length=40)]
    people: Annotated[list[Annotated[int, Field(ge=0, le=100_000)]], Field(min_length=2, max_length=2)]
    every: Duration = "PT1S"
    on: EventName = "NFC tap"
    trust: TrustName = "issued"
    basket: Money | None = None
    items: Annotated[int, Field(ge=0, le=10_000)] | None = None
    lines: Annotated[list[Line], Field(max_length=8)] = []
    tip: Money | None = None
    signal: Annotated[list[str | int], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description='["name", value]'
    )
    reference: Annotated[str, Field(max_length=32)] | None = None
    clock: Literal["host", "unset"] = "host"
    expect: Expected
