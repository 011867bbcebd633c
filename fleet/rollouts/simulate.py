"""The simulator: the same engine on a virtual clock, with virtual kits; what came of it, and how long it took in real time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from fleet.rollouts import engine, facts
from fleet.rollouts.gates import Sample, judge
from fleet.rollouts.plan import Gate, Plan
from fleet.rollouts.state import (
    BACK,
    BACKWARD,
    COMPLETE,
    DEFERRED,
    GO_BACK,
    HALTED,
    OK,
    PAUSED,
    ROLLED_BACK,
    UNREACHED,
    WAITING,
    State,
)
from fleet.rollouts.virtualfleet import EVENTS_PER_H, UNSURE_BEFORE, Faults, VirtualFleet

START_MS = 1_790_000_000_000
TICK_MS = 5_000  # facts of so long are one step
SIGHT_MS = 10_000  # hosts that wait are looked at so often at first
GATE_MS = 300_000
SAMPLE_MS = 300_000  # between two points of the picture
MAX_KITS = 100_000
UNDER_WAY_MS = 10_000.0  # that a delivery which a halt overtakes may take


@dataclass(slots=True)
class LiveFigures:
    """What only the live form measures. `hosts` waited when the rules changed for all of them; `delivered_ms`, `active_ms`: (p50,
    p99) from that change; `last_delivery_ms`: from the halt to the last delivery of what was halted, None without a halt, below
    nought where none came after it; `memory`: bytes of the controller for each waiting host; `counts`: of what hosts did."""

    hosts: int
    delivered_ms: tuple[float, float]
    active_ms: tuple[float, float]
    last_delivery_ms: float | None
    memory: float
    counts: dict[str, int]


@dataclass(slots=True)
class Story:
    """What a simulation came to. Instants in ms since the start, virtual or, with `live`, real; `series`: (instant, in flight,
    kits by status)."""

    kits: int
    bricks: int
    seed: int
    faults: dict[str, float]
    phase: str = ""
    reason: str = ""
    virtual_ms: int = 0
    seconds: float = 0.0
    steps: int = 0
    facts: int = 0
    events: int = 0
    deliveries: int = 0
    most_in_flight: int = 0
    halt_ms: int | None = None
    given_before_halt: int = 0
    given_after_halt: int = 0
    still_running: int = 0
    outcomes: dict[str, int] = field(default_factory=dict[str, int])
    waves: list[int] = field(default_factory=list[int])
    took_ms: list[int] = field(default_factory=list[int])
    series: list[tuple[int, int, dict[str, int]]] = field(
        default_factory=list[tuple[int, int, dict[str, int]]]
    )
    words: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    live: LiveFigures | None = None

    @property
    def late(self) -> bool:
        """Whether something was given out after a halt: at all, or on a real network later than what was under way."""
        if self.live is None:
            return self.given_after_halt > 0
        return (self.live.last_delivery_ms or 0.0) > UNDER_WAY_MS

    def as_json(self) -> dict[str, Any]:
        """For programs; times that kits took as percentiles."""
        out = asdict(self)
        took = sorted(out.pop("took_ms"))
        out["took_ms"] = (
            {str(p): took[min(len(took) - 1, len(took) * p // 100)] for p in (50, 90, 99)} if took else {}
        )
        return out


class Simulation:
    """One rollout over a virtual fleet."""

    def __init__(self, plan: Plan, kits: int, bricks: int, faults: Faults, seed: int) -> None:
        """Raises PlanError where the plan does not fit the fleet."""
        back = plan.rollback
        old = back.digest if back is not None else "00" * 32
        self.plan = plan
        self.fleet = VirtualFleet(kits, bricks, faults, seed, START_MS, plan.release.digest, old)
        about = {kit: (dict[str, str](), names) for kit, names in self.fleet.bricks.items()}
        self.state: State = engine.begin(f"simulated-{seed}", plan, about, START_MS)
        self.story = Story(kits, bricks, seed, asdict(faults))
        self._faults = faults
        self._random = random.Random(seed + 1)
        self._look_ms = self._gate_ms = self._sample_ms = START_MS
        self._looks = 0
        self._pause_ms = SIGHT_MS

    def run(self, days: float, progress: Callable[[State], None] = lambda state: None) -> Story:
        """Until everything that can happen by itself has, or so many virtual days are over."""
        began, now, end = time.monotonic(), START_MS, START_MS + int(days * 86_400_000)
        said: list[facts.Fact] = [facts.Rented(kit, True) for kit in sorted(self.fleet.rented)]
        self._step([*said, facts.Verb("start", "simulator")], now)
        while now < end and not self._over():
            now = self._next(now)
            said = [one for one in self.fleet.until(now) if self._news(one)]
            said += self._sights(now)
            said += self._gates(now)
            if self._step(said, now):
                progress(self.state)
            if now >= self._sample_ms:
                self._sample_ms = now + SAMPLE_MS
                self._sample(now)
        self._sample(now)
        return self._end(now, time.monotonic() - began)

    def _next(self, now: int) -> int:
        """The next instant at which something is to be done, in whole ticks; quiet times are leapt over."""
        at = [
            one
            for one in (self.fleet.next_ms(), engine.next_ms(self.state), self._look_ms)
            if one is not None
        ]
        if self.plan.gates:
            at.append(self._gate_ms)
        return max(now + TICK_MS, -(-min(at) // TICK_MS) * TICK_MS)

    def _over(self) -> bool:
        state = self.state
        if state.phase in (PAUSED, ROLLED_BACK) or (state.phase == HALTED and not state.flying):
            return True
        if state.phase == COMPLETE:
            return not state.flying and not state.count(WAITING, UNREACHED, DEFERRED)
        return state.phase in BACKWARD and not state.flying and not state.count(GO_BACK)

    def _news(self, one: facts.Fact) -> bool:
        """A kit that is through and asks again is none: a controller does not tell the engine either."""
        return not isinstance(one, facts.Seen) or self.state.kits[one.kit].status not in (OK, BACK)

    def _sights(self, now: int) -> list[facts.Fact]:
        """Kits that wait at their host's open question; those that come back say so themselves, so looks get rarer."""
        state = self.state
        if now < self._look_ms or state.ready or len(state.flying) >= self.plan.limits.in_flight:
            return []
        here = self.fleet.here
        found = engine.sights(self.state, lambda kit: now if here[kit] else 0, now)
        self._pause_ms = SIGHT_MS if found else min(3_600_000, 2 * self._pause_ms)
        self._look_ms = now + self._pause_ms
        return found

    def _gates(self, now: int) -> list[facts.Fact]:
        if now < self._gate_ms or self.state.wave < 0:
            return []
        self._gate_ms = now + GATE_MS
        self._looks += 1
        return [self._gate(gate) for gate in self.plan.gates]

    def _gate(self, gate: Gate) -> facts.Gate:
        """Shares of uncertain decisions as they would be with so many bricks on the release; other figures stay as they were."""
        state = self.state
        kits = self.fleet.carriers() / max(1, self.story.bricks)
        n = int(kits * EVENTS_PER_H * (self._looks_ms() / 3_600_000))
        share = UNSURE_BEFORE + (self._faults.uncertain / 100 if gate.name == "uncertain" else 0)
        if self._faults.flap and self._random.random() * 100 < self._faults.flap:
            share = 0.5
        before, after = Sample(20_000, 400), Sample(n, self._drawn(n, share))
        if gate.name not in ("uncertain", "errors"):
            before, after = Sample(n, 100), Sample(n, 100)
        verdict, why = judge(gate, before, after)
        return facts.Gate(gate.name, state.wave, verdict, why, self._looks)

    def _looks_ms(self) -> int:
        return min(3_600_000, max(GATE_MS, self._gate_ms - self.state.wave_ms))

    def _drawn(self, n: int, share: float) -> int:
        spread = (n * share * (1 - share)) ** 0.5
        return min(n, max(0, round(n * share + self._random.gauss(0, 1) * spread)))

    def _step(self, said: list[facts.Fact], now: int) -> bool:
        before = self.state
        due = engine.next_ms(before)
        if not said and (due is None or now < due):
            return False
        self.state, commands = engine.step(before, said, now)
        story = self.story
        story.steps += 1
        story.facts += len(said)
        if self.state is before:
            return False
        story.events += 1
        story.most_in_flight = max(story.most_in_flight, len(self.state.flying))
        for one in commands:
            if isinstance(one, facts.Halt) and story.halt_ms is None:
                story.halt_ms = now - START_MS
                story.given_before_halt = story.deliveries
            elif isinstance(one, facts.Advance | facts.Rollback):
                self._look_ms, self._pause_ms = now, SIGHT_MS
            if isinstance(one, facts.Advance):
                story.waves.append(now - START_MS)
            if isinstance(one, facts.Deliver) and not one.back:
                story.deliveries += 1
                story.given_after_halt += story.halt_ms is not None
            elif isinstance(one, facts.Rollback):
                self.fleet.wake(now)
        self.fleet.obey(commands, now)
        kits = self.state.kits
        self.fleet.rest(
            one.kit for one in said if isinstance(one, facts.Reported) and kits[one.kit].status == OK
        )
        return True

    def _sample(self, now: int) -> None:
        counts: dict[str, int] = {}
        for (_, status, _), n in self.state.counts.items():
            counts[status] = counts.get(status, 0) + n
        self.story.series.append((now - START_MS, len(self.state.flying), counts))

    def _end(self, now: int, seconds: float) -> Story:
        story, state = self.story, self.state
        story.phase, story.reason = state.phase, state.reason
        story.virtual_ms, story.seconds = now - START_MS, round(seconds, 3)
        story.outcomes = story.series[-1][2]
        story.took_ms = [kit.since_ms - START_MS for kit in state.kits.values() if kit.status == OK]
        story.still_running = self.fleet.carriers()
        story.words = [(word.at_ms - START_MS, word.text) for word in state.words]
        return story
