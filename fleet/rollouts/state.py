"""The state of a rollout: a value that steps make anew, JSON in one version, and the workbench that a step builds it on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from fleet.rollouts.facts import Command, LogError
from fleet.rollouts.plan import Plan

VERSION = 1
KEPT_WORDS = 32  # of verbs and turns that a state remembers, the newest; the log has them all

# Phases of a rollout
PLANNED, RUNNING, PAUSED, HALTED, COMPLETE = "planned", "running", "paused", "halted", "complete"
ROLLING_BACK, ROLLED_BACK = "rolling back", "rolled back"
SHADOWING = "shadow"  # canary bricks try the release, nothing acts by it
BACKWARD = frozenset((ROLLING_BACK, ROLLED_BACK))

# What a kit is at
WAITING, OFFERED, INSTALLING = "waiting", "offered", "installing"
OK, FAILED, REJECTED, TIMED_OUT = "ok", "failed", "rejected", "timed out"
UNREACHED, DEFERRED, SUPERSEDED = "unreached", "deferred", "superseded"
GO_BACK, GOING_BACK, BACK, STUCK = "to go back", "going back", "back", "stuck"
FLYING = frozenset((OFFERED, INSTALLING, GOING_BACK))
BAD = frozenset((FAILED, REJECTED, TIMED_OUT))

# Steps within a kit
CANARY, REST, HOST_STEP = 0, 1, 2
WHOLE = ("",)  # the units of a kit whose bricks are not known: it reports as one

Order = tuple[int, int]


class Kit(NamedTuple):
    """One kit. `units`: its bricks, the canary first; `marks`: a letter for each and one for the host (- nothing heard, o good,
    f failed, r refused, t out of time, d runs something else); `heard`: number and instant of the newest report of each, and of
    the kit as one. `exposed`: it was ordered to take the release, ever. `late`: it came after its wave had reported."""

    wave: int
    units: tuple[str, ...] = WHOLE
    status: str = WAITING
    since_ms: int = 0
    stage: int = CANARY
    stage_ms: int = 0
    marks: str = "--"
    heard: tuple[Order, ...] = ((-1, 0),) * 3
    seen_ms: int = 0
    rented: bool = False
    exposed: bool = False
    taken: bool = False
    late: bool = False
    accepted: bool = False
    attempts: int = 0
    why: str = ""


class GateState(NamedTuple):
    """What a gate said in this wave: its verdict, the last looks' verdict and how many agreed, and how often it changed."""

    verdict: str
    last: str
    run: int
    flips: int
    why: str
    since_ms: int
    number: int


class Word(NamedTuple):
    """Something that happened to the rollout as a whole, in plain words."""

    at_ms: int
    text: str


@dataclass(frozen=True)
class State:
    """All that is known of a rollout. Never changed in place. `wave` is the index of the newest open one, -1 before the first;
    `before` the phase to go on in after a pause or halt; `waived` the wave whose lacks were accepted. `ready`: kits that may be
    given it and wait for a place, the first first; `flying`: those that have a place."""

    rollout: str
    plan: Plan
    made_ms: int
    phase: str = PLANNED
    phase_ms: int = 0
    reason: str = ""
    before: str = RUNNING
    wave: int = -1
    wave_ms: int = 0
    soak_ms: int | None = None
    resumed_ms: int = 0
    waived: int = -1
    kits: dict[str, Kit] = field(default_factory=dict[str, Kit])
    ready: dict[str, None] = field(default_factory=dict[str, None])
    flying: dict[str, None] = field(default_factory=dict[str, None])
    gates: dict[str, GateState] = field(default_factory=dict[str, GateState])
    words: tuple[Word, ...] = ()
    follows: bool = False  # newer rules of the folder take over once it is through
    counts: dict[tuple[int, str, bool], int] = field(
        default_factory=dict[tuple[int, str, bool], int], compare=False
    )

    def to_json(self) -> str:
        """The whole state in one line."""
        return json.dumps(
            {
                "version": VERSION, "rollout": self.rollout, "plan": self.plan.model_dump(mode="json"),
                "made_ms": self.made_ms, "phase": self.phase, "phase_ms": self.phase_ms, "reason": self.reason,
                "before": self.before, "wave": self.wave, "wave_ms": self.wave_ms, "soak_ms": self.soak_ms,
                "resumed_ms": self.resumed_ms, "waived": self.waived, "kits": self.kits, "ready": list(self.ready),
                "flying": list(self.flying), "gates": self.gates, "words": self.words, "follows": self.follows,
            },
            separators=(",", ":"),
        )  # fmt: skip

    def count(self, *statuses: str, wave: int | None = None, accepted: bool | None = None) -> int:
        """Kits of these statuses, of a wave or of all."""
        return counting(self.counts, statuses, wave, accepted)


def from_json(text: str) -> State:
    """A state again. Raises LogError where it is not of this version."""
    try:
        data = cast("dict[str, Any]", json.loads(text))
        if data.pop("version") != VERSION:
            raise LogError("this rollout was written by a later version of the controller")
        data["plan"] = Plan.model_validate(data["plan"])
        data["kits"] = {kit: _kit(row) for kit, row in data["kits"].items()}
        data["gates"] = {name: GateState(*row) for name, row in data["gates"].items()}
        data["words"] = tuple(Word(*row) for row in data["words"])
        for name in ("ready", "flying"):
            data[name] = dict.fromkeys(data[name])
        return State(**data, counts=counted(data["kits"]))
    except (KeyError, TypeError, ValueError) as error:
        raise LogError(f"the state of a rollout cannot be read: {type(error).__name__}: {error}") from None


def _kit(row: list[Any]) -> Kit:
    made = Kit(*row)
    return made._replace(units=tuple(made.units), heard=tuple((one[0], one[1]) for one in made.heard))


def counted(kits: dict[str, Kit]) -> dict[tuple[int, str, bool], int]:
    """Kits by wave, status and whether their failure was accepted."""
    return dict(Counter((kit.wave, kit.status, kit.accepted) for kit in kits.values()))


def counting(
    counts: dict[tuple[int, str, bool], int],
    statuses: tuple[str, ...],
    wave: int | None,
    accepted: bool | None,
) -> int:
    """The sum of those that are meant."""
    return sum(
        n
        for (of, status, forgiven), n in counts.items()
        if status in statuses and wave in (None, of) and accepted in (None, forgiven)
    )


class Work:
    """A state in the making: copies what it changes, keeps the counts, and remembers whose orders may have changed."""

    def __init__(self, state: State, now_ms: int) -> None:
        self.was = state
        self.plan = state.plan
        self.limits = state.plan.limits
        self.now = now_ms
        self.phase, self.reason, self.before = state.phase, state.reason, state.before
        self.phase_ms = state.phase_ms
        self.wave, self.wave_ms, self.soak_ms = state.wave, state.wave_ms, state.soak_ms
        self.resumed_ms, self.waived = state.resumed_ms, state.waived
        self.kits, self._own = state.kits, False
        self.ready, self.flying = dict(state.ready), dict(state.flying)
        self.gates, self.words = dict(state.gates), state.words
        self.follows = state.follows
        self.counts = dict(state.counts)
        self.touched: dict[str, None] = {}
        self.commands: list[Command] = []

    def put(self, name: str, kit: Kit) -> None:
        """The kit is so from now on."""
        if not self._own:
            self.kits, self._own = dict(self.kits), True
        old = self.kits.get(name)
        if old is not None:
            key = (old.wave, old.status, old.accepted)
            self.counts[key] -= 1
            if not self.counts[key]:
                del self.counts[key]
        key = (kit.wave, kit.status, kit.accepted)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.kits[name] = kit
        if kit.status in FLYING:
            self.flying.setdefault(name)
            self.ready.pop(name, None)
        else:
            self.flying.pop(name, None)
            if kit.status not in (WAITING, UNREACHED, GO_BACK):
                self.ready.pop(name, None)
        self.touched[name] = None

    def turn(self, name: str, kit: Kit, status: str, why: str, **more: Any) -> Kit:
        """The kit's status becomes this, now; returns the kit."""
        made = kit._replace(status=status, since_ms=self.now, why=why, **more)
        self.put(name, made)
        return made

    def enter(self, phase: str, reason: str) -> None:
        """The rollout's phase becomes this: every order may change."""
        self.phase, self.phase_ms, self.reason = phase, self.now, reason
        self.touched.update(dict.fromkeys(self.kits))
        self.say(f"{phase}: {reason}" if reason else phase)

    def say(self, text: str) -> None:
        """Remembers a turn."""
        self.words = (*self.words, Word(self.now, text))[-KEPT_WORDS:]

    def here(self, kit: Kit) -> bool:
        """Whether its host was heard of within its reach."""
        return kit.seen_ms > 0 and self.now - kit.seen_ms < self.limits.reach_s * 1000

    def count(self, *statuses: str, wave: int | None = None, accepted: bool | None = None) -> int:
        """As State.count."""
        return counting(self.counts, statuses, wave, accepted)

    def done(self) -> State:
        """The new state; the very old one where nothing is different."""
        old = self.was
        made = State(
            old.rollout, self.plan, old.made_ms, self.phase, self.phase_ms, self.reason, self.before, self.wave, self.wave_ms,
            self.soak_ms, self.resumed_ms, self.waived, self.kits, self.ready, self.flying, self.gates, self.words,
            self.follows, self.counts,
        )  # fmt: skip
        if not self._own and _plain(made) == _plain(old) and list(made.ready) == list(old.ready):
            return old
        return made


def _plain(state: State) -> tuple[Any, ...]:
    return (
        state.phase, state.phase_ms, state.reason, state.before, state.wave, state.wave_ms, state.soak_ms, state.resumed_ms,
        state.waived, state.gates, state.words, state.follows,
    )  # fmt: skip
