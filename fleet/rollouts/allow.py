"""What a kit may have at any time: the one answer behind every order, every delivery and every restart."""

from __future__ import annotations

from typing import NamedTuple

from fleet.rollouts.state import (
    BACK,
    BACKWARD,
    CANARY,
    GOING_BACK,
    HALTED,
    HOST_STEP,
    INSTALLING,
    OFFERED,
    OK,
    PAUSED,
    PLANNED,
    REST,
    STUCK,
    SUPERSEDED,
    WHOLE,
    Kit,
    State,
    Work,
)

# What a kit's directive is to say
UNTOUCHED, NOTHING, RELEASE, BACKWARDS = "untouched", "nothing", "release", "back"


class Want(NamedTuple):
    """What a kit's directive is to say: `bricks` () means all that it has."""

    what: str
    bricks: tuple[str, ...] = ()
    host: bool = False


class Allowed(NamedTuple):
    """What a kit may have now, and why. `since_ms`: since when it is so."""

    want: Want
    why: str
    since_ms: int


def good_bricks(kit: Kit) -> tuple[str, ...]:
    """The kit's bricks that are not in quarantine; () where its bricks are not known."""
    if kit.units == WHOLE:
        return ()
    return tuple(unit for unit, mark in zip(kit.units, kit.marks, strict=False) if mark in "-o")


def quarantined(kit: Kit) -> tuple[str, ...]:
    """The bricks of a good kit that did not take the release: the others go on without them."""
    if kit.units == WHOLE or not (kit.status == OK or (kit.status == INSTALLING and kit.stage == HOST_STEP)):
        return ()
    return tuple(unit for unit, mark in zip(kit.units, kit.marks, strict=False) if mark not in "-o")


def want(of: State | Work, kit: Kit) -> Want:
    """What the kit's directive is to say. A kit that this rollout never gave an order is none of its business."""
    if not kit.exposed or kit.status == SUPERSEDED:
        return Want(UNTOUCHED)
    if of.phase in (HALTED, PLANNED):
        return Want(NOTHING)
    if of.phase in BACKWARD or (of.phase == PAUSED and of.before in BACKWARD):
        if kit.status in (GOING_BACK, BACK, STUCK):
            return Want(BACKWARDS, (), bool(of.plan.rollback and of.plan.rollback.host_step))
        return Want(NOTHING)
    host = of.plan.release.host_step
    if kit.status == OK:
        return Want(RELEASE, good_bricks(kit), host)
    if kit.status not in (OFFERED, INSTALLING):
        return Want(NOTHING)
    if kit.units == WHOLE:
        return Want(RELEASE, (), host and kit.stage == HOST_STEP)
    if kit.stage == CANARY:
        return Want(RELEASE, kit.units[:1])
    if kit.stage == REST:
        return Want(RELEASE, kit.units)
    return Want(RELEASE, good_bricks(kit), host)


def allowed(state: State, name: str, now_ms: int) -> Allowed:
    """What this kit may have now. Asked at every delivery, so that a halt reaches latecomers, too."""
    from fleet.rollouts.why import why

    kit = state.kits.get(name)
    if kit is None:
        return Allowed(Want(UNTOUCHED), "this kit is not in this rollout", state.made_ms)
    first = why(state, name, now_ms)[0]
    return Allowed(want(state, kit), first.text, first.since_ms)
