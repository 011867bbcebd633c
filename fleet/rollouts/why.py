"""Why a rollout, or one kit of it, is where it is: ordered reasons with their age, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fleet.rollouts.allow import quarantined
from fleet.rollouts.names import named
from fleet.rollouts.plan import HOST
from fleet.rollouts.state import (
    BACK,
    BACKWARD,
    BAD,
    CANARY,
    COMPLETE,
    DEFERRED,
    FAILED,
    GO_BACK,
    GOING_BACK,
    HALTED,
    HOST_STEP,
    INSTALLING,
    OFFERED,
    OK,
    PAUSED,
    PLANNED,
    REJECTED,
    REST,
    RUNNING,
    SHADOWING,
    STUCK,
    SUPERSEDED,
    TIMED_OUT,
    UNREACHED,
    Kit,
    State,
)
from fleet.rollouts.waves import SHADOW

_BAD_WORDS = {FAILED: "it failed", REJECTED: "it refused the release", TIMED_OUT: "it ran out of time"}
_PHASES = {
    PLANNED: "the rollout is planned and was not started",
    PAUSED: "the rollout is paused",
    HALTED: "the rollout is halted: nobody gets the release any more",
    SHADOWING: "canary bricks try the release beside what they run; nothing acts by it yet",
    "rolling back": "the rollout goes back: kits get what was there before",
    "rolled back": "the rollout went back",
    COMPLETE: "all waves are through",
}


class Reason(NamedTuple):
    """One reason: a word for programs, a sentence, and since when (market time, ms)."""

    code: str
    text: str
    since_ms: int


def why(state: State, name: str | None, now_ms: int, names: Mapping[str, str] | None = None) -> list[Reason]:
    """Of the whole rollout, or of one kit (id in hex): never empty, what matters most first. `names`: what kits and bricks are
    called, by their numbers."""
    return [one._replace(text=named(one.text, names or {})) for one in _reasons(state, name, now_ms)]


def _reasons(state: State, name: str | None, now_ms: int) -> list[Reason]:
    if name is None:
        return _whole(state, now_ms)
    kit = state.kits.get(name)
    if kit is None:
        return [Reason("elsewhere", "this kit is not in this rollout", state.made_ms)]
    found = _kit(state, kit, now_ms)
    if kit.status != SUPERSEDED and state.phase != RUNNING and _phase(state) not in found:
        found.append(_phase(state))
    return found


def age(since_ms: int, now_ms: int) -> str:
    """ "3 min", "2 h", "4 days"."""
    seconds = max(0, now_ms - since_ms) // 1000
    for size, word in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word}"
    return f"{seconds} s"


def _phase(state: State) -> Reason:
    text = _PHASES[state.phase]
    return Reason(state.phase, f"{text}: {state.reason}" if state.reason else text, state.phase_ms)


def _kit(state: State, kit: Kit, now_ms: int) -> list[Reason]:
    more = f": {kit.why}" if kit.why else ""
    since = kit.since_ms or state.made_ms

    def one(code: str, text: str, at_ms: int = since) -> list[Reason]:
        return [Reason(code, text, at_ms)]

    reach_ms = state.plan.limits.reach_s * 1000
    match kit.status:
        case "superseded":
            return one(SUPERSEDED, f"it is no longer this rollout's business{more}")
        case "ok":
            found = one(OK, f"it runs the release{more}")
            if left := quarantined(kit):
                text = f"in quarantine, without the release: brick {', '.join(left)}"
                found.append(Reason("quarantine", text, since))
            found.append(Reason("kept", _kept(state), since))
            return found
        case "failed" | "refused" | "rejected" | "timed out":
            text = _BAD_WORDS[kit.status] + more
            return one(kit.status, text + ("; accepted by a person" if kit.accepted else ""))
        case "offered":
            return one(OFFERED, "its directive waits for its host to take it")
        case "installing":
            return one(INSTALLING, _installing(state, kit), kit.stage_ms)
        case "deferred":
            return one(DEFERRED, "it is out with a renter: it gets the release when it is back")
        case "to go back":
            word = (
                "waits for a place to go back"
                if now_ms - kit.seen_ms < reach_ms
                else "is away and still has to go back"
            )
            return one(GO_BACK, f"it {word}{more}")
        case "going back":
            return one(GOING_BACK, f"it is ordered to go back{more}")
        case "back":
            return one(BACK, "it went back")
        case "stuck":
            return one(STUCK, f"somebody has to look at it{more}")
        case _:
            return _waiting(state, kit, now_ms, since)


def _kept(state: State) -> str:
    """How long the release stands."""
    if state.plan.release.kind == HOST:
        return "its host keeps it until another release of the host is ordered"
    if state.follows or state.plan.follow:
        return f"rules of the folder take over once their revision is above {state.plan.release.rev}"
    return (
        "it keeps the release until another rollout: newer rules of the folder wait; "
        f"`stallmark fleet rollout follow {state.rollout}` lets them take over"
    )


def _waiting(state: State, kit: Kit, now_ms: int, since: int) -> list[Reason]:
    found: list[Reason] = []
    if state.phase in BACKWARD or state.phase in (HALTED, SHADOWING):
        found.append(_phase(state))
    elif kit.wave > state.wave and state.phase != PLANNED:
        words = f"it is in wave {kit.wave + 1}, and wave {state.wave + 1} is not through"
        found.append(Reason("wave", words, state.wave_ms))
    if kit.why:
        found.append(Reason("before", kit.why, since))
    if kit.wave > state.wave:
        pass  # whether it is there matters when it is its turn
    elif not kit.seen_ms:
        found.append(Reason("away", "its host was not heard of since its wave began", state.wave_ms))
    elif now_ms - kit.seen_ms >= state.plan.limits.reach_s * 1000:
        found.append(Reason("away", "it is away: its host was last heard of then", kit.seen_ms))
    elif not found and state.phase == RUNNING:
        limit = state.plan.limits.in_flight
        found.append(
            Reason("place", f"it waits for a place: {limit} kits may be at it at a time", kit.seen_ms)
        )
    return found or [_phase(state) if state.phase in _PHASES else Reason(kit.status, "it waits", since)]


def _installing(state: State, kit: Kit) -> str:
    of = len(kit.units)
    itself = state.plan.release.host_digest
    if state.plan.release.kind == HOST:
        step = f"its host installs release {itself[:8]} by itself: fetched, in a quiet moment, on trial"
    elif kit.stage == HOST_STEP and itself and not state.plan.release.host:
        step = f"its bricks are through, its host takes release {itself[:8]} by itself: fetched, in a quiet moment, on trial"
    elif of == 1 or kit.units[0] == "":
        step = "its host is installing it" if kit.stage < 2 else "the host takes its own step"
    elif kit.stage == CANARY:
        step = f"its canary brick {kit.units[0]} tries it first"
    elif kit.stage == REST:
        missing = [unit for unit, mark in zip(kit.units, kit.marks, strict=False) if mark == "-"]
        step = f"{of - len(missing)} of {of} bricks have reported; missing: {', '.join(missing)}"
    else:
        step = "its bricks are through, the host takes its own step"
    if state.phase in (HALTED, PAUSED):
        step += " (begun before)"
    return step


def _whole(state: State, now_ms: int) -> list[Reason]:
    found: list[Reason] = []
    tried = state.gates.get(SHADOW)
    if state.phase != RUNNING:
        found.append(_phase(state))
    else:
        wave = state.plan.waves[state.wave]
        of = sum(n for (index, _, _), n in state.counts.items() if index == state.wave)
        good = state.count(OK, wave=state.wave)
        bad = state.count(*BAD, wave=state.wave, accepted=False)
        text = f"wave {state.wave + 1} of {len(state.plan.waves)}: {good + bad} of {of} kits reported, {good} are good"
        if good + bad < wave.min_sample:
            text += f"; {wave.min_sample} {'report is' if wave.min_sample == 1 else 'reports are'} asked for"
        found.append(Reason("wave", text, state.wave_ms))
        if state.soak_ms is not None:
            left = max(0, state.soak_ms + wave.soak_s * 1000 - now_ms) // 1000
            found.append(
                Reason("soak", f"it soaks: {left} s are left" if left else "it has soaked", state.soak_ms)
            )
        for gate in state.plan.gates:
            said = state.gates.get(gate.name)
            if said is None:
                found.append(
                    Reason("gate", f"gate {gate.name}: nobody has looked at it in this wave", state.wave_ms)
                )
            else:
                found.append(Reason("gate", f"gate {gate.name}: {said.verdict}: {said.why}", said.since_ms))
    if state.plan.shadow is not None and (tried is not None or state.phase == SHADOWING):
        said = "nobody has looked at it yet" if tried is None else f"{tried.verdict}: {tried.why}"
        found.append(Reason("gate", f"in the shadow: {said}", state.phase_ms if tried is None else tried.since_ms))
    for status, words in (
        (OFFERED, "a directive waits for them"), (INSTALLING, "installing"), (GOING_BACK, "going back"),
        (GO_BACK, "still to go back"), (STUCK, "did not go back, somebody has to look at them"),
        (FAILED, "failed"), (REJECTED, "refused the release"), (TIMED_OUT, "ran out of time"),
        (DEFERRED, "out with renters, later"), (UNREACHED, "not there, when they come"),
    ):  # fmt: skip
        if n := state.count(status):
            found.append(Reason(status, f"{n} {'kit' if n == 1 else 'kits'}: {words}", state.phase_ms))
    found += [Reason("word", word.text, word.at_ms) for word in reversed(state.words)]
    return found
