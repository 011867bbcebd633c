"""campaign/2: the authoring form, whole. docs/campaign.md; JSON Schema in fleet/authoring/schema."""

# ruff: noqa: RUF012  (pydantic gives each object its own copy of a default)

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from fleet.authoring.model_base import (
    Duration,
    EventName,
    Language,
    Money,
    Name,
    Percent,
    Salt,
    Strict,
    TrustName,
)
from fleet.authoring.model_golden import Example
from fleet.authoring.model_grants import Grant, Party
from fleet.authoring.model_when import Condition

SCHEMA = "stallmark-campaign/2"
MAX_SLOTS = 250  # of a ruleset, after repeating ones were written out
MAX_RULES = 250

Text = Annotated[str, Field(max_length=8192)]
Note = Annotated[str, Field(max_length=4096, description="For readers of the file; it changes nothing.")]
Message = Annotated[str, Field(min_length=1, max_length=160)]

# --- tables of the campaign


class Slot(Strict):
    """When rules may grant: once (`start`), or repeating (`from` and `at`, with `every` or `rrule`)."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["start"]}, {"required": ["from", "at"]}]}
    )
    start: Annotated[str, Field(max_length=40)] | None = Field(
        default=None,
        description='A duration after the market\'s start, an instant with its offset from UTC, or local time "2026-10-03T17:00"',
    )
    from_: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] | None = Field(
        default=None, alias="from", description="First day."
    )
    at: Annotated[str, Field(pattern=r"^\d\d:\d\d$")] | None = Field(
        default=None, description="Local time of day."
    )
    duration: Duration
    every: Duration | None = Field(
        default=None, description="From one start to the next; days and weeks by the calendar."
    )
    rrule: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="RFC 5545: FREQ of DAILY, WEEKLY, MONTHLY or YEARLY"
    )
    count: Annotated[int, Field(ge=1, le=MAX_SLOTS)] | None = None
    until: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] | None = Field(
        default=None, description="Last day, included."
    )
    notify_before: Annotated[list[Duration], Field(max_length=4)] = []
    note: Note | None = None


class Experiment(Strict):
    """Shares of people in each arm, 100 together; in the control arm nothing is given and all is recorded."""

    arms: Annotated[dict[Name, Percent], Field(min_length=2, max_length=4)]
    control: Name
    salt: Salt | None = Field(
        default=None, description="Without it, one that follows from the campaign's id and this name."
    )
    note: Note | None = None


class Holdout(Strict):
    """A share of people to whom no rule gives anything."""

    share: Percent
    salt: Salt | None = None
    note: Note | None = None


class Group(Strict):
    """Rules of one group: the first that grants, the best one, or all; an exclusive one ends what follows."""

    mode: Literal["first", "best", "all"] = "first"
    exclusive: bool = False
    cap: Money | None = Field(default=None, description="The most money of this group for one event.")
    note: Note | None = None


class Signal(Strict):
    """A number that an event of this type brings, and how long it holds."""

    event: EventName
    max_age: Duration
    note: Note | None = None


class OpenValue(Strict):
    """A number that the operator may set on the day, within bounds that the authors sign."""

    unit: Literal["percent", "money", "pieces", "time"]
    lowest: str | int
    highest: str | int
    default: str | int
    note: Note | None = None


class Kpi(Strict):
    """The one number by which the campaign is judged, written down before it runs."""

    metric: Literal[
        "conversion lift", "retention", "redemption", "incremental margin", "order value", "tips", "referrals",
        "attendance", "commitment", "unlocks",
    ]  # fmt: skip
    target: Annotated[str, Field(max_length=16)] | None = None
    horizon: Duration | None = None
    note: Note | None = None


# --- a rule


class Slices(Strict):
    """How rights are cut: `count` slices of `slice` each; a slice is spent by one brick."""

    slice: Money | Annotated[int, Field(ge=1, le=1_000_000_000)]
    count: Annotated[int, Field(ge=1, le=100_000)]


class Rights(Strict):
    """What the controller mints for a rule: slice × count is the most that it can ever cost."""

    money: Slices | None = None
    pieces: Slices | None = None
    people: Slices | None = Field(
        default=None, description="How first_n is cut; without it, so that little is stranded."
    )


class Limit(Strict):
    """How often one person may have it."""

    per: Literal["slot", "campaign"]
    most: Annotated[int, Field(ge=1, le=255)]


class Offline(Strict):
    """What happens without knowledge, and without the host."""

    if_unknown: Literal["deny", "ask"] = "deny"
    mode: Literal["local", "lan", "strict"] = Field(
        default="local", description="Alone; the host asked when it can be; never without the host's yes."
    )
    lower: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        default=None, description="So many grants unasked."
    )
    upper: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="None beyond so many unseen by the host."
    )
    stale_max: Duration | None = Field(
        default=None, description="Older news of other bricks are not believed."
    )


class Messages(Strict):
    """What the customer reads; {missing} {have} {need} {amount} {percent} {minutes} {what} are filled in."""

    granted: Message | None = None
    denied: Message | None = None
    near: Message | None = None


class RuleArm(Strict):
    """The rule is for this arm of an experiment."""

    name: Name
    arm: Name


class EarlyAccess(Strict):
    """Who has so many tokens may come so much earlier."""

    tokens: Annotated[int, Field(ge=1, le=1_000_000_000)]
    lead: Duration


class Tax(Strict):
    """The tax code of what is given, and its rate where it is known."""

    code: Annotated[str, Field(min_length=1, max_length=12)]
    rate: Percent | None = None


class Funder(Strict):
    """Who pays, and which share is reimbursed to the stall."""

    party: Party
    reimbursed: Percent | None = None


class Rule(Strict):
    """Who gets what, when, how often, and what it may cost."""

    id: Name
    note: Note | None = None
    on: Annotated[list[EventName], Field(min_length=1, max_length=8)]
    minimum_trust: TrustName = "issued"
    people_are: TrustName = "issued"
    slots: Annotated[list[Name], Field(min_length=1, max_length=64)]
    when: Condition = True
    latch: bool = False
    grants: Annotated[list[Grant], Field(min_length=1, max_length=4)]
    rights: Rights = Rights()
    limits: Annotated[list[Limit], Field(max_length=2)] = []
    first_n: Annotated[int, Field(ge=1, le=100_000)] | None = None
    offline: Offline = Offline()
    messages: dict[Language, Messages] = {}
    intent: Literal["conversion", "loyalty", "surprise", "tip match"]
    group: Name | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        default=0, description="Higher first, then as written."
    )
    experiment: RuleArm | None = None
    early_access: Annotated[list[EarlyAccess], Field(max_length=4)] = []
    tax: Tax | None = None
    funder: Funder | None = None
    announced: bool = False
    odds: Annotated[str, Field(pattern=r"^[1-9]\d{0,8} in [1-9]\d{0,8}$")] | None = None
    redeems: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        default=None, description="The series of vouchers that it pays."
    )
    gateway: Literal["also", "only", "never"] = Field(
        default="also", description="Whether the host's own lane decides by it."
    )


class Campaign(Strict):
    """A campaign: rules with their budget, terms, tax, schedule and proof examples."""

    model_config = ConfigDict(title="Stallmark campaign, version 2")
    schema_: Literal["stallmark-campaign/2"] = Field(alias="$schema")
    id: Annotated[Name, Field(max_length=48)]
    rev: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
    note: Note | None = None
    market: Annotated[str, Field(min_length=1, max_length=64)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    timezone: Annotated[str, Field(min_length=1, max_length=64, description="IANA name")] | None = None
    terms: Annotated[dict[Language, Text], Field(max_length=4)] | None = None
    languages: Annotated[list[Language], Field(min_length=1, max_length=4)] = ["en"]
    people: Annotated[int, Field(ge=0, le=8192)]
    slots: Annotated[dict[Name, Slot], Field(min_length=1, max_length=64)]
    experiments: Annotated[dict[Annotated[Name, Field(max_length=16)], Experiment], Field(max_length=8)] = {}
    holdout: Holdout | None = None
    groups: Annotated[dict[Name, Group], Field(max_length=16)] = {}
    signals: Annotated[dict[Name, Signal], Field(max_length=16)] = {}
    open_values: Annotated[dict[Name, OpenValue], Field(max_length=16)] = {}
    voucher_issuers: Annotated[
        list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]], Field(max_length=4)
    ] = []
    basket_cap: Money | None = Field(
        default=None, description="The most money for one event, over all groups."
    )
    kpi: Kpi | None = None
    rules: Annotated[list[Rule], Field(min_length=1, max_length=MAX_RULES)]
    golden: Annotated[list[Example], Field(max_length=32)] = []
