"""Halt and the way back: nobody gets the release any more, and who has it gets what was there before, the last wave first."""

from __future__ import annotations

from fleet.rollouts import facts
from fleet.rollouts.kits import make_ready
from fleet.rollouts.state import (
    BACK,
    COMPLETE,
    GO_BACK,
    HALTED,
    OFFERED,
    PAUSED,
    PLANNED,
    REST,
    ROLLED_BACK,
    ROLLING_BACK,
    RUNNING,
    SHADOWING,
    STUCK,
    SUPERSEDED,
    WAITING,
    Work,
)


def pause(work: Work, reason: str) -> None:
    """Nothing new is given out; who has begun may end."""
    if work.phase not in (RUNNING, COMPLETE, ROLLING_BACK, SHADOWING):
        return
    work.before = work.phase
    work.enter(PAUSED, reason)
    _take_offers_back(work, "paused before it took the release")
    work.commands.append(facts.Pause(reason))


def halt(work: Work, reason: str, by_itself: bool) -> None:
    """Nobody gets the release any more, whoever comes and whenever. By itself it goes on to roll back, where the plan says so."""
    if work.phase == PAUSED:
        work.phase = work.before
    if work.phase not in (PLANNED, SHADOWING, RUNNING, COMPLETE):
        return
    work.before = work.phase
    work.enter(HALTED, reason)
    _take_offers_back(work, "halted before it took the release")
    work.ready.clear()
    work.commands.append(facts.Halt(reason))
    if by_itself and work.before != SHADOWING and work.plan.auto_rollback and work.plan.rollback is not None:
        roll_back(work, f"after the halt: {reason}")


def roll_back(work: Work, reason: str) -> None:
    """Every kit that was ever ordered to take the release goes back, rented or not."""
    work.enter(ROLLING_BACK, reason)
    work.commands.append(facts.Rollback(reason))
    work.ready.clear()
    for name in _backwards(work):
        kit = work.kits[name]
        if kit.exposed and kit.status != SUPERSEDED:
            clean = "-" * len(kit.marks)
            kit = work.turn(name, kit, GO_BACK, kit.why, marks=clean, stage=REST, taken=False, attempts=0)
            make_ready(work, name, kit)
        elif kit.status == OFFERED:
            work.turn(name, kit, WAITING, "", taken=False)


def finish(work: Work) -> None:
    """Is everybody back?"""
    if work.phase != ROLLING_BACK or work.flying or work.count(GO_BACK):
        return
    stuck = work.count(STUCK)
    back = work.count(BACK)
    words = f"{back} {'kit is' if back == 1 else 'kits are'} back" + (
        f", {stuck} did not go back and need somebody" if stuck else ""
    )
    work.enter(ROLLED_BACK, words)


def _backwards(work: Work) -> list[str]:
    """Kits by wave, the last first; within a wave by rank (the order in which they were put in)."""
    waves: dict[int, list[str]] = {}
    for name, kit in work.kits.items():
        waves.setdefault(kit.wave, []).append(name)
    return [name for wave in sorted(waves, reverse=True) for name in waves[wave]]


def _take_offers_back(work: Work, why: str) -> None:
    for name in list(work.flying):
        kit = work.kits[name]
        if kit.status == OFFERED:
            work.turn(name, kit, WAITING, why, taken=False)
        elif not kit.taken and kit.status != WAITING:
            work.turn(name, kit, GO_BACK, why, taken=False)
