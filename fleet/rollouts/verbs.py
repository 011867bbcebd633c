"""What people ask of a rollout: start, pause, resume, halt, roll back. What cannot be done is said, and changes nothing."""

from __future__ import annotations

from fleet.rollouts import facts
from fleet.rollouts.back import halt, pause, roll_back
from fleet.rollouts.kits import make_ready
from fleet.rollouts.state import (
    BAD,
    COMPLETE,
    HALTED,
    PAUSED,
    PLANNED,
    ROLLING_BACK,
    RUNNING,
    SHADOWING,
    Work,
)
from fleet.rollouts.waves import BEFORE, REPLAY, SHADOW, begin

VERBS = ("start", "pause", "resume", "halt", "rollback", "follow")


def verb(work: Work, fact: facts.Verb) -> None:
    """Does it, or says why not."""
    tail = f": {fact.reason}" if fact.reason else ""
    asked = f"{fact.who} asked to {fact.verb}{tail}"[: 2 * facts.MAX_WHY]
    refusal = fact.refused or _do(work, fact)
    work.say(f"{asked}. Not done: {refusal}" if refusal else asked)


def _do(work: Work, fact: facts.Verb) -> str:
    """ "" or why it was not done."""
    reason = (fact.reason or f"{fact.verb} by {fact.who}")[: facts.MAX_WHY]
    match fact.verb:
        case "start":
            return _start(work)
        case "pause":
            if work.phase not in (RUNNING, COMPLETE, ROLLING_BACK, SHADOWING):
                return f"it is {work.phase}"
            pause(work, reason)
        case "resume":
            return _resume(work, fact)
        case "halt":
            going = work.before if work.phase == PAUSED else work.phase
            if going not in (PLANNED, SHADOWING, RUNNING, COMPLETE):
                return f"it is {work.phase}"
            halt(work, reason, by_itself=False)
        case "rollback":
            return _roll_back(work, reason)
        case "follow":
            if work.follows or work.plan.follow:
                return "its kits follow the rules folder already, once it is through"
            work.follows = True
        case _:
            return f"there is no such verb; there are {', '.join(VERBS)}"
    return ""


def _start(work: Work) -> str:
    if work.phase != PLANNED:
        return f"it is {work.phase}"
    if work.plan.replay is not None:
        found = work.gates.get(REPLAY)
        if found is None:
            return "gate 0 is open: nobody has replayed the release over recorded events"
        if found.verdict != facts.PASS:
            return f"gate 0 did not pass: {found.why}"
    if work.plan.shadow is not None:
        work.enter(SHADOWING, "")
    else:
        begin(work)
    return ""


def _resume(work: Work, fact: facts.Verb) -> str:
    if fact.accept and not fact.reason:
        return "accepting failures needs a reason"
    if work.phase == HALTED:
        if not fact.accept:
            return "it is halted: resume with --accept-failures and a reason, or roll back"
        if work.before == PLANNED:
            return "it was halted before it began: plan another"
    elif work.phase != PAUSED:
        return f"it is {work.phase}"
    if fact.accept and work.before != ROLLING_BACK:
        for name, kit in list(work.kits.items()):
            if kit.status in BAD and not kit.accepted:
                work.put(name, kit._replace(accepted=True))
        work.waived = work.wave
        work.gates = {name: state for name, state in work.gates.items() if name in BEFORE}
    work.resumed_ms = work.now
    if fact.accept and work.before == SHADOWING:
        begin(work)
        return ""
    if work.before == SHADOWING:
        work.gates.pop(SHADOW, None)
    work.enter(work.before, "")
    for name, kit in list(work.kits.items()):
        make_ready(work, name, kit)
    return ""


def _roll_back(work: Work, reason: str) -> str:
    if work.plan.rollback is None:
        return "the plan names nothing to go back to: make a rollout of an earlier content with a higher revision"
    going = work.before if work.phase == PAUSED else work.phase
    if going not in (RUNNING, COMPLETE, HALTED):
        return f"it is {work.phase}"
    if going != HALTED:
        halt(work, reason, by_itself=False)
    roll_back(work, reason)
    return ""
