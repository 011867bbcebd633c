"""The same recorded events through two rulesets, kit by kit on every core: what would have come out differently."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fleet.authoring import recorded
from fleet.authoring.engine import explain, reg, rules, word
from fleet.authoring.place import YES, Place, Written
from fleet.authoring.recorded import Index
from fleet.authoring.tally import EXAMPLES, MONEY, PIECES, Outcome, Tally

TOLD_EVERY, TOLD_EVERY_S = 1_000, 0.25  # events of a kit, seconds
PLENTY = 1 << 31  # units of rights where nothing is to run out
SHARED, EACH, ENDLESS = "shared", "each", "endless"
KITS_SHOWN = 50  # of the table by kit: those with the largest change
_KINDS = {number: name for number, name in reg.KIND_NAMES}
_GIVES = frozenset((reg.KIND_GRANT, reg.KIND_REDEEM))
_TOP = (reg.KIND_GRANT, reg.KIND_REDEEM, reg.KIND_UNCERTAIN, reg.KIND_GHOST, reg.KIND_DENY)


@dataclass(frozen=True, slots=True)
class Share:
    """Rights of one rule: `count` slices of `slice` units. Registry: rights units."""

    rule: str
    unit: int
    slice: int
    count: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ruleset to replay, as compiled bytes, and the rights minted for it (None: they never run out)."""

    name: str
    data: bytes
    rights: tuple[Share, ...] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay does. `exchange`: bricks of a kit hear of each other at once; else every brick is alone."""

    old: Candidate
    new: Candidate
    events: Index
    exchange: bool = True
    budget: str = "shared"  # or "each": every kit has the whole of it; or "endless": nothing runs out
    workers: int = 0  # 0: one for each core


@dataclass(slots=True)
class Result:
    """The tally, and how long it took."""

    tally: Tally
    seconds: float
    workers: int
    kits: int

    @property
    def rate(self) -> float:
        """Events per second, through both rulesets."""
        return self.tally.events / self.seconds if self.seconds else 0.0


def run(plan: Plan, progress: Callable[[int], None] = lambda done: None) -> Result:
    """Replays; `progress` hears how many events are done. Memory: one kit per worker, whatever the stream's length.

    Raises StreamError where an event cannot be read."""
    began = time.monotonic()
    kits = sorted(plan.events.counts, key=lambda kit: (-plan.events.counts[kit], kit))  # the long ones first
    workers = min(plan.workers or os.cpu_count() or 1, max(1, len(kits)))
    tally = Tally()
    for part in _parts(plan, kits, workers, progress):
        tally.add(part)
        if len(tally.by_kit) > 4 * KITS_SHOWN:
            keep_largest(tally)
    progress(tally.events)
    keep_largest(tally)
    return Result(tally, time.monotonic() - began, workers, len(kits))


def keep_largest(tally: Tally) -> None:
    """Of the rows by kit only those whose money changed most are told; the hubs' rows hold everything."""
    ranked = sorted(tally.by_kit.items(), key=lambda one: (-abs(one[1].new_minor - one[1].old_minor), one[0]))
    tally.by_kit = dict(ranked[:KITS_SHOWN])


def _parts(plan: Plan, kits: list[str], workers: int, progress: Callable[[int], None]) -> Iterator[Tally]:
    before = 0  # events of the kits before: a kit's part of the budget is by its part of the events
    tasks: list[tuple[str, int]] = []
    for kit in kits:
        tasks.append((kit, before))
        before += plan.events.counts[kit]
    if workers == 1:
        for kit, at in tasks:
            yield replay_kit(plan, kit, at, lambda done, at=at: progress(at + done))
        return
    # spawn: no copy of this process, its threads and its progress bar
    context = multiprocessing.get_context("spawn")
    done = context.Value("Q", 0)
    with context.Pool(workers, initializer=_begin, initargs=(plan, done)) as pool:
        # One kit at a time: of larger chunks the pool gives a generator, which knows no time-out.
        parts = pool.imap_unordered(_one, tasks)
        for _ in tasks:
            while True:
                try:
                    part = parts.next(timeout=TOLD_EVERY_S)
                    break
                except multiprocessing.TimeoutError:
                    progress(done.value)
            yield part
            progress(done.value)


_plan: list[Plan] = []  # of a worker process
_done: list[Any] = []  # and the number of events that all of them are through with


def _begin(plan: Plan, done: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that people see
    _plan[:] = [plan]
    _done[:] = [done]


def _one(task: tuple[str, int]) -> Tally:
    told = 0

    def tell(count: int) -> None:
        nonlocal told
        with _done[0].get_lock():
            _done[0].value += count - told
        told = count

    return replay_kit(_plan[0], *task, tell)


def replay_kit(
    plan: Plan, kit: str, before: int = 0, tell: Callable[[int], None] = lambda done: None
) -> Tally:
    """One kit's events through both rulesets; `before`: how many events of the stream other kits' parts of the budget
    are for; `tell` hears now and then how many are done."""
    tally = Tally()
    part = before, before + plan.events.counts[kit], plan.events.count
    old, new = (_Kit(candidate, plan, part) for candidate in (plan.old, plan.new))
    with _few_collections(), recorded.opened(plan.events.path) as data:
        for source, event in recorded.events_of(plan.events, kit, data):
            was, now = old.take(source.brick, event), new.take(source.brick, event)
            if not tally.events % TOLD_EVERY:
                tell(tally.events)
            tally.note(source, event, old.outcome(was), new.outcome(now), _teller(old, was, new, now))
    tell(tally.events)
    return tally


@contextmanager
def _few_collections() -> Generator[None]:
    """What is made here for an event goes with it, without cycles: looking for those takes a tenth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _teller(old: _Kit, was: list[Written], new: _Kit, now: list[Written]) -> Callable[[], tuple[str, str]]:
    return lambda: (old.sentence(was), new.sentence(now))


class _Kit:
    """The bricks of one kit under one ruleset."""

    def __init__(self, candidate: Candidate, plan: Plan, part: tuple[int, int, int]) -> None:
        self._ruleset = _ruleset(candidate.data)
        self._exchange = plan.exchange
        self._places: dict[str, Place] = {}
        self._heard: dict[str, dict[str, int]] = {}  # by brick: how many bytes of each other's
        self._told: dict[
            str, bytearray
        ] = {}  # by brick: entries of 14 bytes for the others, all that it wrote
        self._signals: dict[int, tuple[int, int]] = {}  # by index: newest value and its instant
        self._next = 0
        self._pool: dict[tuple[int, int], list[int]] = {}
        for name, unit, size, count in _shares(candidate, self._ruleset, plan.budget, part):
            self._pool[name, unit] = [size, count]

    def take(self, brick: str, event: Any) -> list[Written]:
        """The records that say what came of an event."""
        place = self._places.get(brick)
        if place is None:
            place = Place(
                brick.encode()[-8:].rjust(8, b"-"), self._ruleset, brick == recorded.LANE, keep=False
            )
            self._places[brick] = place
            self._told[brick] = bytearray()
            for index, (value, at_ms) in self._signals.items():
                place.state.signals(index, value, at_ms)
            for rule, unit in self._pool:
                self._hand_out(place, rule, unit)
        if self._exchange:
            self._hear(brick, place, event.wall_ms)
        written = place.take(event, YES)
        if event.signal is not None and event.wall_ms is not None and (place.lane or not self._exchange):
            self._signal(event, self._places.values() if self._exchange else (place,))
        for one in written:
            if one.fields[10] in _GIVES:
                rule = one.fields[9]
                for unit, _amount in self._ruleset.rules[rule].need:
                    self._hand_out(place, rule, unit)
        if self._exchange:
            entries = place.entries(written)
            if entries:
                self._told[brick] += entries
        return written

    def _signal(self, event: Any, places: Iterable[Place]) -> None:
        """What the lane was told, every brick learns at once, behind the decision on it."""
        name, value, age_s = event.signal
        for index, (known, event_type, *_) in enumerate(self._ruleset.signals):
            if known == name and event_type == event.type:
                at_ms = event.wall_ms - age_s * 1000
                if self._exchange and self._signals.get(index, (0, 0))[1] <= at_ms:
                    self._signals[index] = value, at_ms
                for place in places:
                    place.state.signals(index, value, at_ms)

    def _hand_out(self, place: Place, rule: int, unit: int) -> None:
        """As the host does: the next slice before the last one is empty, while there are any."""
        pool = self._pool.get((rule, unit))
        if pool is None or not pool[1]:
            return
        most = _most(self._ruleset, rule, unit)
        if place.state.rights.available(rule, unit) < 2 * most:
            pool[1] -= 1
            self._next += 1
            place.slices.clear()
            place.slice(self._next, self._ruleset.rules[rule].id, unit, pool[0])

    def _hear(self, brick: str, place: Place, wall_ms: int | None) -> None:
        """Everything that the kit's other bricks wrote since this one last heard of them, at the instant of its event."""
        if wall_ms is None:
            return
        heard = self._heard.setdefault(brick, {})
        for other, told in self._told.items():
            since = heard.get(other, 0)
            if len(told) > since and other != brick:
                source = self._places[other]
                place.hear(source, source.seq, bytes(told[since:]), wall_ms)
                heard[other] = len(told)

    def outcome(self, written: list[Written]) -> Outcome:
        """What those records come to."""
        minor = pieces = tokens = 0
        granted: list[str] = []
        first = written[0]
        if len(written) > 1:
            first = min(written, key=lambda one: _TOP.index(one.fields[10]) if one.fields[10] in _TOP else 9)
        for one in written:
            if one.fields[10] not in _GIVES:
                continue
            granted.append(self._ruleset.rules[one.fields[9]].id)
            for grant in one.fields.get(12) or ():
                if grant[0] in MONEY:
                    minor += grant[2] or 0
                elif grant[0] in PIECES:
                    pieces += grant[1] or 0
                elif grant[0] == reg.GRANT_TOKENS:
                    tokens += grant[1] or 0
        fields = first.fields
        kind = _KINDS.get(fields[10]) or word(reg.KIND_NAMES, fields[10])
        return Outcome(kind, tuple(granted), fields[14][0], minor, pieces, tokens, "")

    def sentence(self, written: list[Written]) -> str:
        """What a person was told."""
        return " ".join(explain.sentence(one.fields, self._ruleset) for one in written)


def currency_of(candidate: Candidate) -> str:
    """The currency of its amounts."""
    found: str = _ruleset(candidate.data).currency
    return found


def _most(ruleset: Any, index: int, unit: int) -> int:
    """The most of a unit that one grant of a rule may need."""
    rule = ruleset.rules[index]
    for needed, amount in rule.need:
        if needed == unit and amount:
            return amount
    if unit == reg.UNIT_PEOPLE:
        return 1
    place, kinds = (2, MONEY) if unit == reg.UNIT_MINOR else (1, PIECES)
    most = 0
    for grant in rule.grants:
        if grant[0] in kinds:
            number = grant[place]
            # An open value is (code, its index): its highest
            most += number if isinstance(number, int) else ruleset.open_values[number[1]][2]
    return most


@lru_cache(maxsize=4)
def _ruleset(data: bytes) -> Any:
    return rules.Ruleset(data)


def _shares(
    candidate: Candidate, ruleset: Any, budget: str, part: tuple[int, int, int]
) -> Iterator[tuple[int, int, int, int]]:
    """(rule index, unit, slice size, slices) of a kit: of a shared budget the part that goes with its events, in whole
    slices; over all kits exactly what was minted."""
    first, last, everything = part
    minted = {(right.rule, right.unit): right for right in candidate.rights or ()}
    for index, rule in enumerate(ruleset.rules):
        for unit, _amount in rule.need:
            right = minted.get((rule.id, unit))
            if candidate.rights is None or budget == ENDLESS:
                yield index, unit, PLENTY, PLENTY
            elif right is None:
                continue
            elif budget == EACH:
                yield index, unit, right.slice, right.count
            else:
                count = right.count * last // everything - right.count * first // everything
                yield index, unit, right.slice, count


__all__ = ["EXAMPLES", "Candidate", "Plan", "Result", "Share", "currency_of", "replay_kit", "run"]
