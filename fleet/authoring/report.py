"""What the compiler says of a campaign: errors, notes, each rule's class offline and worst case."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stallmark.errors import StallmarkError

from fleet.authoring.given import Given, OpenValue
from fleet.authoring.reader import Problem
from fleet.authoring.rights import Right
from fleet.authoring.schedule import Notice

SAFE, NEEDS_RIGHTS, NEEDS_HOST, REFUSED = "safe", "needs rights", "needs host", "refused"
OWN_VALUE = "each voucher pays its own value, bounded by the vouchers issued"
CLASSES = (SAFE, NEEDS_RIGHTS, NEEDS_HOST, REFUSED)  # from the freest on


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that gives a rule its class offline: which class, where it stands, and why."""

    offline: str
    pointer: str
    text: str


@dataclass(frozen=True, slots=True)
class RuleReport:
    """What the compiler says of one rule: class offline, cost at most, size of its records."""

    id: str
    offline: str  # one of CLASSES
    minor: int  # the most that it can cost, minor units of the campaign's currency
    pieces: int  # the most pieces that it can hand out
    record_bytes: int
    pointer: str = ""
    people: int = 0  # the most grants, where first_n bounds them
    tokens: int = 0  # loyalty tokens in one grant; what they can cost is bounded by limits alone
    each_minor: int = 0  # the most money in one grant
    bound: str = ""  # what makes the bound
    causes: tuple[Cause, ...] = ()
    grants: tuple[Given, ...] = ()
    own_value: bool = False  # besides: of each voucher its own value


@dataclass
class Report:
    """What became of a campaign. Without `errors` the `ruleset` is good; `notes` stop nothing."""

    errors: list[Problem] = field(default_factory=list[Problem])
    notes: list[Problem] = field(default_factory=list[Problem])
    id: str = ""
    rev: int = 0
    currency: str = ""
    rules: list[RuleReport] = field(default_factory=list[RuleReport])
    rights: list[Right] = field(default_factory=list[Right])
    golden: list[list[Any]] = field(default_factory=list[list[Any]])  # as the bundle's manifest has them
    terms: str | None = None
    terms16: bytes | None = None
    ruleset: bytes = b""
    schema: str = ""
    terms_in: dict[str, str] = field(default_factory=dict[str, str])  # by language
    authoring_hash: bytes | None = None  # SHA-256 of the campaign as RFC 8785 writes it
    zone: str | None = None
    notices: list[Notice] = field(default_factory=list[Notice])
    open_values: list[OpenValue] = field(default_factory=list[OpenValue])
    arms: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])  # of each experiment, in order
    groups: list[str] = field(default_factory=list[str])  # names, in order
    kpi: dict[str, Any] | None = None

    @property
    def minor(self) -> int:
        """Worst-case liability in money, minor units."""
        return sum(rule.minor for rule in self.rules)

    @property
    def own_value(self) -> bool:
        """Whether vouchers pay their own value besides."""
        return any(rule.own_value for rule in self.rules)

    @property
    def pieces(self) -> int:
        """Worst-case liability in pieces."""
        return sum(rule.pieces for rule in self.rules)


class CampaignError(StallmarkError):
    """A campaign that cannot be compiled; `report.errors` says everything that is wrong with it."""

    def __init__(self, report: Report) -> None:
        first = report.errors[0] if report.errors else "no errors"
        more = f" (and {len(report.errors) - 1} more)" if len(report.errors) > 1 else ""
        super().__init__(f"{first}{more}")
        self.report = report
