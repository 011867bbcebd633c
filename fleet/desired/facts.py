"""What is known of a kit: what it should run, what it proved to run, what its host says, and how old each of it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleet.core import reg
from fleet.desired.obeyed import Obeyed
from fleet.desired.orders import Item
from fleet.desired.report import BrickSaid, Report
from fleet.desired.rows import Head

PROVABLE = (reg.ARTEFACT_RULESET, reg.ARTEFACT_APPLICATION)
UNREACHABLE_MS = 180_000  # a host asks at least once a minute


@dataclass(frozen=True, slots=True)
class Boot:
    """A brick's newest boot record: proven by its MAC. `at_ms`: market time, `received_ms`: when it came here; `program`: None
    while it is on trial."""

    seq: int
    at_ms: int
    received_ms: int
    ruleset: bytes | None
    program: bytes | None


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it about one kit. Instants are market ms of this controller; None: never."""

    kit: bytes
    now_ms: int
    head: Head | None
    seen_ms: int | None = None
    held: str | None = None
    content: bytes | None = None
    active_ms: int | None = None
    drift_ms: int | None = None
    report: Report | None = None
    report_ms: int | None = None
    boots: dict[bytes, Boot] = field(default_factory=dict[bytes, Boot])
    obeyed: dict[bytes, Obeyed] = field(default_factory=dict[bytes, Obeyed])
    programs: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])  # artefact → what bricks report of that application

    @property
    def reachable(self) -> bool:
        """Whether its host asked within three minutes."""
        return self.seen_ms is not None and self.now_ms - self.seen_ms <= UNREACHABLE_MS

    @property
    def halted(self) -> bool:
        """Whether it is stopped."""
        return self.head is not None and self.head.order.halted

    @property
    def expired(self) -> bool:
        """Whether its directive is over: nothing is installed under it."""
        return self.head is not None and self.head.order.expires_ms <= self.now_ms

    @property
    def fetched(self) -> bool:
        """Whether its host says that it has the directive that stands."""
        return self.head is not None and self.head.etag in (
            self.held,
            None if self.report is None else self.report.etag,
        )

    def wanted(self) -> tuple[Item, ...]:
        """What the directive says of rulesets and applications: what boot records speak of."""
        if self.head is None:
            return ()
        return tuple(item for item in self.head.order.items if item.kind in PROVABLE)

    def differing(self) -> list[Item]:
        """Items whose brick did not prove to run them."""
        return [item for item in self.wanted() if not self.runs(item)]

    def runs(self, item: Item) -> bool:
        """Whether an item's brick proved to run it."""
        boot = self.boots.get(item.brick)
        if boot is None:
            return False
        if item.kind == reg.ARTEFACT_APPLICATION:
            return boot.program is not None and boot.program == self.programs.get(item.artefact)
        return boot.ruleset == item.artefact

    def drifted(self) -> list[Item]:
        """Those of bricks that ran them before, as the whole kit did."""
        return self.differing() if self.drift_ms is not None else []

    @property
    def withheld(self) -> list[bytes]:
        """Bricks that were started twice under an older directive than their host says that it has."""
        if self.report is None:
            return []
        newest = self.report.number or 0
        return [
            brick for brick, one in self.obeyed.items() if one.behind_ms is not None and one.number < newest
        ]

    @property
    def stop_proven(self) -> list[bytes]:
        """Bricks whose own boot record shows the stop that stands, or what came after it."""
        if self.head is None or not self.halted:
            return []
        return [brick for brick, one in self.obeyed.items() if one.number >= self.head.number]

    def said(self, brick: bytes) -> BrickSaid | None:
        """What the host says of a brick."""
        if self.report is None:
            return None
        return next((one for one in self.report.bricks if one.brick == brick.hex()), None)

    @property
    def active(self) -> bool:
        """Whether every brick proved to run what the directive says."""
        return self.head is not None and not self.halted and bool(self.wanted()) and not self.differing()

    @property
    def state(self) -> str:
        """One word: docs/desired-state.md."""
        if self.head is None:
            return "nothing set"
        if self.halted:
            confirmed = self.fetched and self.report is not None and self.report.halted
            return "stopped" if confirmed else "stopping"
        if self.expired:
            return "expired"
        if not self.reachable:
            return "unreachable"
        if self.active:
            return "active"
        if self.drift_ms is not None:
            return "drift"
        return "installing" if self.fetched else "waiting"


def judged(facts: Facts) -> tuple[bytes | None, int | None, int | None]:
    """(content, active_ms, drift_ms) as they should be remembered: since when all bricks run what is wanted, and since when
    one of them does not any more."""
    if facts.head is None or facts.halted:
        return facts.content, facts.active_ms, facts.drift_ms
    wanted = facts.head.order.content
    if facts.active:
        since = max((boot.at_ms for boot in facts.boots.values()), default=facts.now_ms)
        same = facts.content == wanted and facts.active_ms is not None and facts.drift_ms is None
        return wanted, facts.active_ms if same else min(since, facts.now_ms), None
    if facts.content != wanted or facts.active_ms is None:
        return facts.content, facts.active_ms, None  # on its way there for the first time
    if facts.drift_ms is not None:
        return facts.content, facts.active_ms, facts.drift_ms
    # A brick that is new in the kit, or never said what it runs, drifted from nothing.
    differing = [facts.boots[item.brick] for item in facts.differing() if item.brick in facts.boots]
    return facts.content, facts.active_ms, min((boot.at_ms for boot in differing), default=None)
