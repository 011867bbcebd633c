"""campaign/2, the conditions: what a rule may ask of an event, a person, a crowd and the moment."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag
from typing_extensions import TypeAliasType

from fleet.authoring.model_base import (
    Duration,
    EventName,
    Money,
    Name,
    Percent,
    Strict,
    by_member,
    exactly_one,
)

Word = Literal[
    "visits", "attended", "basket", "basket_items", "tip", "since_start", "tokens", "token_age", "risk", "trust", "event"
]  # fmt: skip
WORDS: tuple[str, ...] = (
    "visits", "attended", "basket", "basket_items", "tip", "since_start", "tokens", "token_age", "risk", "trust", "event",
)  # fmt: skip

# --- values


class Window(Strict):
    """Over what a count runs: the first of a slot, the last so long, or steps of so long from the slot's start."""

    model_config = exactly_one("first", "sliding", "tumbling")
    first: Duration | None = None
    sliding: Duration | None = None
    tumbling: Duration | None = None
    scope: Literal["kit", "brick"] = Field(
        default="kit", description="The whole kit, as far as heard of, or this brick alone."
    )


class EventWindow(Window):
    """As Window, with the type of event that is counted; without it, of any."""

    of: EventName | None = None


class People(Strict):
    """Different people seen."""

    people: Window


class Events(Strict):
    """Events seen."""

    events: EventWindow


class SeenEvent(Strict):
    """An event of this type by the same person, not longer ago."""

    of: EventName
    within: Duration


class Seen(Strict):
    """True (as a value: 1) where this person had such an event lately."""

    seen: SeenEvent


class Item(Strict):
    """How many of this item are in the basket; a code of the till."""

    item: Annotated[str, Field(min_length=1, max_length=32)] | Annotated[int, Field(ge=0, le=2**53 - 1)]


class SignalValue(Strict):
    """The latest value of a signal of the campaign's `signals`; unknown once it is older than its `max_age`."""

    signal: Name


class Arm(Strict):
    """This person's arm of an experiment: compared with an arm's name."""

    arm: Name


class Latched(Strict):
    """True (as a value: 1) where an earlier rule's latch holds now."""

    latched: Name


class Open(Strict):
    """An open value of the campaign's `open_values`."""

    open: Name


class MoneyNumber(Strict):
    """An amount in the campaign's currency."""

    money: Money


class TimeNumber(Strict):
    """A length of time."""

    time: Duration


class Add(Strict):
    """The sum; money with money, times with times."""

    add: Annotated[list[Value], Field(min_length=2, max_length=8)]


class Sub(Strict):
    """The first less the second."""

    sub: Annotated[list[Value], Field(min_length=2, max_length=2)]


class Least(Strict):
    """The smallest of these."""

    min: Annotated[list[Value], Field(min_length=2, max_length=8)]


class Most(Strict):
    """The largest of these."""

    max: Annotated[list[Value], Field(min_length=2, max_length=8)]


class ShareOf(Strict):
    """A percentage of a value, half up."""

    value: Value
    percent: Percent


class Share(Strict):
    """A percentage of a value, half up."""

    share: ShareOf


class StepOf(Strict):
    """A value, and the step that it is brought down to a multiple of."""

    value: Value
    step: Annotated[int, Field(ge=1, le=1_000_000_000)] | MoneyNumber | TimeNumber


class DownTo(Strict):
    """A value brought down to a multiple."""

    down_to: StepOf


_VALUES = (
    "people", "events", "seen", "item", "signal", "arm", "latched", "open", "money", "time",
    "add", "sub", "min", "max", "share", "down_to",
)  # fmt: skip


def _which_value(value: Any) -> str | None:
    if isinstance(value, str):
        return "~word"
    if isinstance(value, int) and not isinstance(value, bool):
        return "~number"
    return by_member(value, _VALUES)


Value = TypeAliasType(
    "Value",
    Annotated[
        Annotated[int, Field(ge=-(2**53) + 1, le=2**53 - 1), Tag("~number")]
        | Annotated[str, Field(min_length=1, max_length=64), Tag("~word")]
        | Annotated[People, Tag("~people")]
        | Annotated[Events, Tag("~events")]
        | Annotated[Seen, Tag("~seen")]
        | Annotated[Item, Tag("~item")]
        | Annotated[SignalValue, Tag("~signal")]
        | Annotated[Arm, Tag("~arm")]
        | Annotated[Latched, Tag("~latched")]
        | Annotated[Open, Tag("~open")]
        | Annotated[MoneyNumber, Tag("~money")]
        | Annotated[TimeNumber, Tag("~time")]
        | Annotated[Add, Tag("~add")]
        | Annotated[Sub, Tag("~sub")]
        | Annotated[Least, Tag("~min")]
        | Annotated[Most, Tag("~max")]
        | Annotated[Share, Tag("~share")]
        | Annotated[DownTo, Tag("~down_to")],
        Discriminator(
            _which_value,
            custom_error_type="value",
            custom_error_message=(
                f"expected a number, one of {', '.join(WORDS)}, or an object with one of {', '.join(_VALUES)}"
            ),
        ),
    ],
)
"""A number, a word ("basket", an arm's name, a trust class, an event type), or an object with one member."""

# --- conditions

_Two = Annotated[list[Value], Field(min_length=2, max_length=2)]


class All(Strict):
    """True where all are."""

    all: Annotated[list[Condition], Field(min_length=1, max_length=24)]


class AnyOf(Strict):
    """True where one is."""

    any: Annotated[list[Condition], Field(min_length=1, max_length=24)]


class Not(Strict):
    """True where it is false."""

    not_: Condition = Field(alias="not")


class AtLeastOf(Strict):
    """How many of which."""

    n: Annotated[int, Field(ge=1, le=24)]
    of: Annotated[list[Condition], Field(min_length=2, max_length=24)]


class AtLeast(Strict):
    """True where at least n are."""

    at_least: AtLeastOf


class Gt(Strict):
    """More than."""

    gt: _Two


class Ge(Strict):
    """At least."""

    ge: _Two


class Lt(Strict):
    """Less than."""

    lt: _Two


class Le(Strict):
    """At most."""

    le: _Two


class Eq(Strict):
    """Exactly."""

    eq: _Two


class Between(Strict):
    """The first from the second to the third, both included."""

    between: Annotated[list[Value], Field(min_length=3, max_length=3)]


class In(Strict):
    """The first is one of the others: numbers or names."""

    in_: Annotated[list[Value], Field(min_length=2, max_length=17, alias="in")]


_CONDITIONS = (
    "all", "any", "not", "at_least", "gt", "ge", "lt", "le", "eq", "between", "in", "seen", "latched",
)  # fmt: skip


def _which_condition(value: Any) -> str | None:
    return "~true" if isinstance(value, bool) else by_member(value, _CONDITIONS)


Condition = TypeAliasType(
    "Condition",
    Annotated[
        Annotated[Literal[True], Tag("~true")]
        | Annotated[All, Tag("~all")]
        | Annotated[AnyOf, Tag("~any")]
        | Annotated[Not, Tag("~not")]
        | Annotated[AtLeast, Tag("~at_least")]
        | Annotated[Gt, Tag("~gt")]
        | Annotated[Ge, Tag("~ge")]
        | Annotated[Lt, Tag("~lt")]
        | Annotated[Le, Tag("~le")]
        | Annotated[Eq, Tag("~eq")]
        | Annotated[Between, Tag("~between")]
        | Annotated[In, Tag("~in")]
        | Annotated[Seen, Tag("~seen")]
        | Annotated[Latched, Tag("~latched")],
        Discriminator(
            _which_condition,
            custom_error_type="condition",
            custom_error_message=f"expected true, or an object with one of {', '.join(_CONDITIONS)}",
        ),
    ],
)
"""true, or an object with exactly one member."""
