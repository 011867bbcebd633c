"""Gates: the same figure of the same kits before and after a release; pass, fail, or too little to say. Pure, whole numbers.

A gate compares what worsens: a share of events in parts of 10,000 (errors, uncertain), milliseconds (latency, 95th percentile),
parts of 10,000 of the budget an hour (budget), or what should not shrink: free heap in kB, battery in percent."""

from __future__ import annotations

from typing import NamedTuple

from fleet.amounts import amount, change
from fleet.core import reg
from fleet.rollouts import facts
from fleet.rollouts.plan import Gate, Replay
from fleet.rollouts.waves import REPLAY

SHARES = ("errors", "uncertain")
SHRINKING = ("heap", "battery")
_SEEN = {"latency": "lights", "budget": "decisions", "heap": "bricks", "battery": "kits"}
# What `worse` and `worst` count in
UNITS = {
    "errors": "in 10,000", "uncertain": "in 10,000", "latency": "ms for 95 of 100 lights",
    "budget": "in 10,000 of the budget an hour", "heap": "kB free", "battery": "%",
}  # fmt: skip


class Sample(NamedTuple):
    """A figure over kits: `n` what it was seen on (events, kits, bricks); `value` the count of bad ones for shares, else the
    figure, which lies between `least` and `most` where chance is in it. `of`: whose it is. `lacks`: why there is none; `fails`:
    what is bad by itself."""

    n: int
    value: int
    least: int | None = None
    most: int | None = None
    of: str = "before"
    lacks: str | None = None
    fails: str | None = None


class Judgement(NamedTuple):
    """A verdict and what it rests on."""

    verdict: str
    why: str


def judge(gate: Gate, before: Sample, after: Sample) -> Judgement:
    """Pass, fail or inconclusive. For shares chance is taken into account: between "worse by less than `worse`" and "worse by
    more, even at the best" lies inconclusive. `worst` alone needs no before."""
    if after.fails is not None:
        return Judgement(facts.FAIL, after.fails)
    if after.lacks is not None:
        return Judgement(facts.INCONCLUSIVE, after.lacks)
    if after.n < gate.min_sample:
        return Judgement(
            facts.INCONCLUSIVE, f"{after.n} samples with the release: {gate.min_sample} are asked for"
        )
    if gate.name in SHARES:
        return _share(gate, before, after)
    sign = -1 if gate.name in SHRINKING else 1
    # What the figure is at the best, and what it was at the worst: beyond chance is only what lies between those.
    low = after.value if after.least is None else after.least
    high = before.value if before.most is None else before.most
    text = f"{before.value} {before.of}, {after.value} now, {UNITS[gate.name]} ({after.n} {_SEEN[gate.name]})"
    if gate.worst is not None and sign * (low - gate.worst) > 0:
        return Judgement(facts.FAIL, f"{text}: {gate.worst} is the worst that is allowed")
    if before.n < gate.min_sample:
        return Judgement(
            facts.INCONCLUSIVE,
            f"{after.value} now, {UNITS[gate.name]}; {before.n} samples {before.of}: {gate.min_sample} are asked for",
        )
    if sign * (low - high) > gate.worse:
        return Judgement(facts.FAIL, f"{text}: worse by more than {gate.worse}")
    if sign * (after.value - before.value) > gate.worse:
        return Judgement(facts.INCONCLUSIVE, f"{text}: worse, and it may be chance")
    if gate.worst is not None and sign * (after.value - gate.worst) > 0:
        return Judgement(facts.INCONCLUSIVE, f"{text}: beyond {gate.worst}, and it may be chance")
    return Judgement(facts.PASS, text)


def _share(gate: Gate, before: Sample, after: Sample) -> Judgement:
    now = after.value * 10_000 // after.n
    if before.n < gate.min_sample:
        if gate.worst is not None and _low(after) > gate.worst:
            return Judgement(
                facts.FAIL, f"{part(now)} with the release: {part(gate.worst)} is the worst allowed"
            )
        return Judgement(
            facts.INCONCLUSIVE, f"{before.n} samples before the release: {gate.min_sample} are asked for"
        )
    was = before.value * 10_000 // before.n
    text = f"{part(was)} before, {part(now)} now ({after.n} events)"
    if gate.worst is not None and _low(after) > gate.worst:
        return Judgement(facts.FAIL, f"{text}: {part(gate.worst)} is the worst that is allowed")
    if now - was <= gate.worse and (gate.worst is None or now <= gate.worst):
        return Judgement(facts.PASS, text)
    if _low(after) - _high(before) > gate.worse:
        return Judgement(facts.FAIL, f"{text}: worse by more than {part(gate.worse)}, and not by chance")
    return Judgement(facts.INCONCLUSIVE, f"{text}: worse, and it may be chance")


def _low(sample: Sample) -> int:
    return max(0, sample.value * 10_000 // sample.n - _spread(sample))


def _high(sample: Sample) -> int:
    return min(10_000, sample.value * 10_000 // sample.n + _spread(sample))


def _spread(sample: Sample) -> int:
    """Two standard errors of a share, in parts of 10,000, of one more good and one more bad event: never none."""
    n, bad = sample.n + 2, sample.value + 1
    return int(20_000 * (bad * (n - bad) / n**3) ** 0.5)


def part(bps: int) -> str:
    """Parts of 10,000 as percent."""
    return f"{bps // 100}.{bps % 100:02d} %"


def size(name: str, value: int) -> str:
    """What a gate allows, as people read it: "2.00 % of events", "50 ms for 95 of 100 lights"."""
    if name in SHARES:
        return f"{part(value)} of events"
    return f"{part(value)} of the budget an hour" if name == "budget" else f"{value} {UNITS[name]}"


class Replayed(NamedTuple):
    """What gate 0 looks at: the sums of a replay of recorded events, money in minor units."""

    events: int
    flipped: int
    old_minor: int
    new_minor: int
    old_uncertain: int
    new_uncertain: int
    currency: str | None = None


def gate_zero(limits: Replay, found: Replayed, number: int) -> facts.Gate:
    """Whether the release may begin at all, by what it would have done."""

    def said(verdict: str, why: str) -> facts.Gate:
        return facts.Gate(REPLAY, -1, verdict, why, number)

    if found.events < limits.min_events:
        return said(
            facts.INCONCLUSIVE, f"{found.events} events were replayed: {limits.min_events} are asked for"
        )
    flipped = found.flipped * 10_000 // found.events
    more = found.new_minor - found.old_minor
    unsure = (found.new_uncertain - found.old_uncertain) * 10_000 // found.events
    text = f"{found.events} events: {part(flipped)} flipped, change of money {change(more, found.currency)}"
    if flipped > limits.flipped_bps:
        return said(facts.FAIL, f"{text}: {part(limits.flipped_bps)} may flip")
    if unsure > limits.uncertain_bps:
        return said(
            facts.FAIL,
            f"{text}: {part(unsure)} more are uncertain, {part(limits.uncertain_bps)} are allowed",
        )
    if limits.more_minor is not None and more > limits.more_minor:
        return said(facts.FAIL, f"{text}: {amount(reg.UNIT_MINOR, limits.more_minor, found.currency)} more are allowed")
    if limits.less_minor is not None and -more > limits.less_minor:
        return said(facts.FAIL, f"{text}: {amount(reg.UNIT_MINOR, limits.less_minor, found.currency)} less are allowed")
    return said(facts.PASS, text)
