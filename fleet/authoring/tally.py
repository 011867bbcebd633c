"""What two rulesets did with the same events: counts, money, flips and the worst examples; parts add up."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fleet.authoring.engine import reg, word

EXAMPLES = 24  # of each kit and of the whole: those that change the most money
STEP_MS = 900_000  # of the plot over time
# A split passes on what the customer paid: nobody's budget is spent by it
MONEY = frozenset(
    (
        reg.GRANT_PERCENT_NOW, reg.GRANT_FIXED_NOW, reg.GRANT_PERCENT_NEXT, reg.GRANT_FIXED_NEXT, reg.GRANT_TIP_MATCH,
        reg.GRANT_VOUCHER, reg.GRANT_DONATION,
    )
)  # fmt: skip
_EVENT_NAMES = dict(reg.EVENT_NAMES)
PIECES = frozenset((reg.GRANT_SAMPLE, reg.GRANT_UPGRADE))


class Outcome(NamedTuple):
    """What one ruleset made of one event. `kind`: the registry's word; `reason` a code; money in minor units."""

    kind: str
    rules: tuple[str, ...]
    reason: int
    minor: int
    pieces: int
    tokens: int
    sentence: str


class Example(NamedTuple):
    """An event on which the two differ."""

    # Money changed, 1 where a grant is lost, minus the instant, kit, number of the event: the largest is the worst
    weight: tuple[int, int, int, str, int]
    at_ms: int
    hub: str
    kit: str
    brick: str
    event: str
    basket: int | None
    old: Outcome
    new: Outcome


@dataclass(slots=True)
class Side:
    """One ruleset's sums."""

    kinds: Counter[str] = field(default_factory=Counter[str])
    rules: Counter[str] = field(default_factory=Counter[str])
    rule_minor: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[int] = field(default_factory=Counter[int])
    minor: int = 0
    pieces: int = 0
    tokens: int = 0

    def note(self, found: Outcome) -> None:
        """One event more."""
        self.kinds[found.kind] += 1
        self.reasons[found.reason] += 1
        self.minor += found.minor
        self.pieces += found.pieces
        self.tokens += found.tokens
        if found.rules:
            for rule in found.rules:
                self.rules[rule] += 1
            self.rule_minor[found.rules[0]] += found.minor

    def add(self, other: Side) -> None:
        """Takes over another part's sums."""
        self.kinds.update(other.kinds)
        self.rules.update(other.rules)
        self.rule_minor.update(other.rule_minor)
        self.reasons.update(other.reasons)
        self.minor += other.minor
        self.pieces += other.pieces
        self.tokens += other.tokens


@dataclass(slots=True)
class Row:
    """Events, flips and money of one hub, kit or kind of event."""

    events: int = 0
    flipped: int = 0
    old_grants: int = 0
    new_grants: int = 0
    old_minor: int = 0
    new_minor: int = 0

    def add(self, other: Row) -> None:
        """Takes over another part's sums."""
        for name in ("events", "flipped", "old_grants", "new_grants", "old_minor", "new_minor"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Tally:
    """The whole comparison, or a kit's part of it."""

    events: int = 0
    flipped: int = 0
    money_changed: int = 0  # events on which the money differs
    old: Side = field(default_factory=Side)
    new: Side = field(default_factory=Side)
    flips: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    by_event: dict[str, Row] = field(default_factory=dict[str, Row])
    by_hub: dict[str, Row] = field(default_factory=dict[str, Row])
    by_kit: dict[str, Row] = field(default_factory=dict[str, Row])
    over_time: dict[int, list[int]] = field(
        default_factory=dict[int, list[int]]
    )  # step start ms → [old, new] minor
    examples: list[Example] = field(default_factory=list[Example])
    first_ms: int | None = None
    last_ms: int | None = None

    def note(
        self,
        where: tuple[str, str, str],
        event: Any,
        old: Outcome,
        new: Outcome,
        tell: Callable[[], tuple[str, str]],
    ) -> None:
        """One event more. `where`: hub, kit, brick; `tell` gives both sentences: called for examples alone, because
        sentences cost more than decisions."""
        hub, kit, brick = where
        flipped = old.kind != new.kind or old.rules != new.rules
        self.events += 1
        self.flipped += flipped
        self.old.note(old)
        self.new.note(new)
        name = _EVENT_NAMES.get(event.type) or word(reg.EVENT_NAMES, event.type)
        was, now = old.kind == "grant", new.kind == "grant"
        for table, key in ((self.by_event, name), (self.by_hub, hub), (self.by_kit, kit)):
            row = table.get(key)
            if row is None:
                row = table[key] = Row()
            row.events += 1
            row.flipped += flipped
            row.old_grants += was
            row.new_grants += now
            row.old_minor += old.minor
            row.new_minor += new.minor
        at = event.wall_ms
        if at is not None:
            if self.first_ms is None or at < self.first_ms:
                self.first_ms = at
            if self.last_ms is None or at > self.last_ms:
                self.last_ms = at
            if old.minor or new.minor:
                step = self.over_time.setdefault(at // STEP_MS * STEP_MS, [0, 0])
                step[0] += old.minor
                step[1] += new.minor
        change = abs(new.minor - old.minor)
        self.money_changed += change > 0
        if flipped:
            self.flips[old.kind, new.kind] += 1
        if flipped or change:
            weight = (change, int(old.kind == "grant" and new.kind != "grant"), -(at or 0), kit, self.events)
            if len(self.examples) < EXAMPLES or weight > self.examples[0].weight:
                before, after = tell()
                told = old._replace(sentence=before), new._replace(sentence=after)
                self._example(Example(weight, at or 0, hub, kit, brick, name, event.basket_minor, *told))

    def _example(self, one: Example) -> None:
        if len(self.examples) < EXAMPLES:
            heapq.heappush(self.examples, one)
        elif one.weight > self.examples[0].weight:
            heapq.heapreplace(self.examples, one)

    def add(self, other: Tally) -> None:
        """Takes over another part."""
        self.events += other.events
        self.flipped += other.flipped
        self.money_changed += other.money_changed
        self.old.add(other.old)
        self.new.add(other.new)
        self.flips.update(other.flips)
        for mine, theirs in (
            (self.by_event, other.by_event), (self.by_hub, other.by_hub), (self.by_kit, other.by_kit),
        ):  # fmt: skip
            for key, row in theirs.items():
                mine.setdefault(key, Row()).add(row)
        for at, (old, new) in other.over_time.items():
            step = self.over_time.setdefault(at, [0, 0])
            step[0] += old
            step[1] += new
        for one in other.examples:
            self._example(one)
        for name, pick in (("first_ms", min), ("last_ms", max)):
            known = [at for at in (getattr(self, name), getattr(other, name)) if at is not None]
            setattr(self, name, pick(known) if known else None)

    @property
    def worst(self) -> list[Example]:
        """Examples, most money first."""
        return sorted(self.examples, key=lambda one: one.weight, reverse=True)
