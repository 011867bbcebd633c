"""The rollout engine: `step(state, facts, now_ms) -> (state, commands)`. Pure: the same in production, replay and simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fleet.rollouts import facts as said
from fleet.rollouts import kits, waves
from fleet.rollouts.allow import BACKWARDS, NOTHING, RELEASE, Want, want
from fleet.rollouts.back import finish
from fleet.rollouts.facts import Command, Deliver, Fact, Withdraw
from fleet.rollouts.kits import backwards
from fleet.rollouts.plan import Plan
from fleet.rollouts.rank import membership
from fleet.rollouts.state import (
    BACKWARD,
    COMPLETE,
    GO_BACK,
    GOING_BACK,
    HALTED,
    OFFERED,
    PAUSED,
    PLANNED,
    ROLLED_BACK,
    RUNNING,
    SHADOWING,
    UNREACHED,
    WAITING,
    Kit,
    State,
    Work,
    counted,
)
from fleet.rollouts.verbs import verb

MAX_KITS = 100_000


def begin(
    rollout: str, plan: Plan, fleet: Mapping[str, tuple[Mapping[str, str], Sequence[str]]], now_ms: int
) -> State:
    """A rollout before its start. `fleet`: kit in hex → its facts for queries, and its bricks. Raises PlanError."""
    members = membership(rollout, plan.waves, {kit: about for kit, (about, _) in fleet.items()})
    made = {kit: kits.fresh(rollout, wave, tuple(fleet[kit][1]), plan.release.kind) for kit, wave in members.items()}
    return State(rollout, plan, now_ms, phase_ms=now_ms, kits=made, counts=counted(made))


def step(state: State, facts: Iterable[Fact], now_ms: int) -> tuple[State, list[Command]]:
    """What facts and time make of a state, and what is to be done. Where nothing changes, the very same state comes back, and
    the step need not be written down. A fact may come twice, late and in any order. `now_ms` never runs back: an earlier
    instant than the last turn counts as that."""
    work = Work(state, max(now_ms, state.phase_ms, state.wave_ms))
    for fact in facts:
        _HANDLERS[type(fact)](work, fact)
    for name in list(work.flying):
        kits.expire(work, name)
    waves.check(work)
    _fill(work)
    finish(work)
    made = work.done()
    return made, [*work.commands, *_orders(work, state)]


def next_ms(state: State) -> int | None:
    """When time alone may change the state, at the earliest; None: never. A runner need not step before, without facts."""
    limits, found = state.plan.limits, list[int]()
    for name in state.flying:
        kit = state.kits[name]
        found.append(
            kit.stage_ms + kits.step_s(state.plan, kit) * 1000 if kit.taken else kit.since_ms + limits.reach_s * 1000
        )
    if state.phase == SHADOWING and state.plan.shadow is not None:
        end = max(state.phase_ms, state.resumed_ms) + state.plan.shadow.seconds * 1000
        found += (end, end + limits.gate_deadline_s * 1000)
    if state.phase == RUNNING and not state.flying:
        wave = state.plan.waves[state.wave]
        since = max(state.wave_ms, state.resumed_ms)
        if state.soak_ms is None:
            found.append(since + wave.deadline_s * 1000)
        else:
            end = state.soak_ms + wave.soak_s * 1000
            found += (end, max(end, state.resumed_ms) + limits.gate_deadline_s * 1000)
    return min(found, default=None)


def sights(state: State, seen_ms: Callable[[str], int], now_ms: int) -> list[Fact]:
    """Who is there, of those for whom it matters now: kits whose turn it is, while there are places and nobody waits for one.
    `seen_ms`: when a kit's host was heard of last, 0 for never. A step with no news of this kind writes nothing down."""
    limits, found = state.plan.limits, list[Fact]()
    open_now = state.phase in (RUNNING, COMPLETE) or state.phase in BACKWARD
    if not open_now or state.ready or len(state.flying) >= limits.in_flight:
        return found
    back = state.phase in BACKWARD
    if not state.count(GO_BACK) if back else not state.count(WAITING, UNREACHED):
        return found
    for name, kit in state.kits.items():
        if kit.status == GO_BACK if back else kit.status in (WAITING, UNREACHED) and kit.wave <= state.wave:
            at_ms = seen_ms(name)
            if at_ms > kit.seen_ms and now_ms - at_ms < limits.reach_s * 1000:
                found.append(said.Seen(name, at_ms))
                if len(found) >= 4 * limits.in_flight:
                    break
    return found


def orders(state: State) -> list[tuple[str, Want]]:
    """What the directive of every kit of this rollout is to say: for a restart, and for a look whether all is as it should be."""
    found = ((name, want(state, kit)) for name, kit in state.kits.items() if kit.exposed)
    return [(name, one) for name, one in found if one.what in (NOTHING, RELEASE, BACKWARDS)]


def command(name: str, wanted: Want, why: str) -> Command:
    """The order that brings a kit's directive there."""
    if wanted.what == NOTHING:
        return Withdraw(name, why)
    return Deliver(name, wanted.what == BACKWARDS, wanted.bricks, wanted.host, why)


def _restored(work: Work, fact: said.Restored) -> None:
    """Any kit may have been ordered anything by the events that are gone."""
    for name, kit in list(work.kits.items()):
        if kit.wave <= max(work.wave + 1, 0) and not kit.exposed:
            work.put(name, kit._replace(exposed=True))
    reason = f"the database is an older copy: {fact.missing} events are missing. Look at kits, then resume, halt or roll back"
    if work.phase == PLANNED:
        work.say(reason)
    elif work.phase not in (PAUSED, HALTED):
        if work.phase == ROLLED_BACK:
            work.say(reason)
        waves.pause(work, reason)


_HANDLERS: dict[type[Any], Callable[[Work, Any], None]] = {
    said.Reported: kits.reported, said.Seen: kits.seen, said.Fetched: kits.fetched, said.Rented: kits.rented,
    said.Joined: kits.joined, said.Superseded: kits.superseded, said.Gate: waves.gate, said.Verb: verb,
    said.Restored: _restored,
}  # fmt: skip


def _fill(work: Work) -> None:
    """Gives free places to kits that are there, the first in the queue first."""
    if work.phase not in (RUNNING, COMPLETE) and work.phase not in BACKWARD:
        return
    free = work.limits.in_flight - len(work.flying)
    if free <= 0 or not work.ready:
        return
    queue = list(work.ready)
    if work.phase in BACKWARD:
        queue.sort(key=lambda name: -work.kits[name].wave)
    for name in queue:
        if not free:
            return
        kit = work.kits[name]
        del work.ready[name]
        if work.here(kit):
            _offer(work, name, kit)
            free -= name in work.flying


def _offer(work: Work, name: str, kit: Kit) -> None:
    if backwards(work):
        work.turn(name, kit, GOING_BACK, kit.why, taken=False)
        return
    marks = "".join("o" if mark == "o" else "-" for mark in kit.marks)
    found = kits.look(work, kit._replace(marks=marks), 0)
    work.turn(
        name,
        kit,
        OFFERED,
        kit.why if kit.attempts else "",
        marks=marks,
        stage=found.stage,
        exposed=True,
        taken=False,
    )


def _orders(work: Work, was: State) -> list[Command]:
    """For every kit whose directive is to say something else than before."""
    found: list[Command] = []
    for name in work.touched:
        kit = work.kits[name]
        if not kit.exposed:
            continue
        wanted = want(work, kit)
        old = was.kits.get(name)
        if old is not None and want(was, old) == wanted:
            continue
        if wanted.what in (NOTHING, RELEASE, BACKWARDS):
            found.append(command(name, wanted, kit.why or work.reason))
    return found


__all__ = ["begin", "command", "next_ms", "orders", "sights", "step"]
