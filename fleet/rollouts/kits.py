"""What facts make of one kit: reports, sightings, rentals; each may come twice, late, or in another order."""

from __future__ import annotations

from fleet.rollouts import facts
from fleet.rollouts.kitorder import Judged, judge
from fleet.rollouts.plan import HOST, Plan
from fleet.rollouts.rank import rank
from fleet.rollouts.state import (
    BACK,
    BACKWARD,
    BAD,
    CANARY,
    COMPLETE,
    DEFERRED,
    FAILED,
    FLYING,
    GO_BACK,
    GOING_BACK,
    HALTED,
    HOST_STEP,
    INSTALLING,
    OFFERED,
    OK,
    PAUSED,
    REST,
    ROLLED_BACK,
    ROLLING_BACK,
    STUCK,
    SUPERSEDED,
    UNREACHED,
    WAITING,
    WHOLE,
    Kit,
    Order,
    Work,
)

_LETTERS = {facts.OK: "o", facts.FAILED: "f", facts.REJECTED: "r"}
_SAID = {"o": "good", "f": "failed", "r": "refused it", "t": "out of time", "d": "runs something else"}
_SETTLED = frozenset((OK, BACK, SUPERSEDED, *BAD))


def fresh(rollout: str, wave: int, bricks: tuple[str, ...], kind: int = 1) -> Kit:
    """A kit that nothing is known of yet. Where the host alone gets something (`kind`), it is the kit."""
    units = WHOLE if kind == HOST else tuple(rank(rollout, bricks)) or WHOLE
    return Kit(wave, units, marks="-" * (len(units) + 1), heard=((-1, 0),) * (len(units) + 2))


def backwards(work: Work) -> bool:
    """Whether kits are on their way back, at a pause, too."""
    return work.phase in BACKWARD or (work.phase == PAUSED and work.before in BACKWARD)


def make_ready(work: Work, name: str, kit: Kit) -> None:
    """Puts the kit into the queue where it may be given something and is there to take it."""
    if not work.here(kit):
        return
    if backwards(work):
        if kit.status == GO_BACK:
            work.ready.setdefault(name)
    elif kit.status in (WAITING, UNREACHED) and kit.wave <= work.wave and work.phase != HALTED:
        late = kit.late or kit.wave < work.wave or work.soak_ms is not None or work.phase == COMPLETE
        if late != kit.late:
            work.put(name, kit._replace(late=late))
        work.ready.setdefault(name)


def seen(work: Work, fact: facts.Seen) -> None:
    """Its host is there."""
    kit = work.kits.get(fact.kit)
    if kit is None or kit.status in _SETTLED:
        return
    _saw(work, fact.kit, kit, fact.at_ms)


def _saw(work: Work, name: str, kit: Kit, at_ms: int) -> Kit:
    at_ms = min(at_ms, work.now)
    if at_ms > kit.seen_ms:
        kit = kit._replace(seen_ms=at_ms)
    if kit != work.kits[name]:  # it may bring letters of a report that is not newer than the host's last word
        work.put(name, kit)
    make_ready(work, name, kit)
    return work.kits[name]


def fetched(work: Work, fact: facts.Fetched) -> None:
    """It has its directive in hands: from now on its time runs."""
    kit = work.kits.get(fact.kit)
    if kit is None or kit.status in _SETTLED:
        return
    kit = _saw(work, fact.kit, kit, fact.at_ms)
    plan = work.plan
    if kit.status == OFFERED and fact.digest == plan.release.digest:
        work.turn(fact.kit, kit, INSTALLING, "", stage_ms=work.now, taken=True)
    elif kit.status == GOING_BACK and not kit.taken and plan.rollback and fact.digest == plan.rollback.digest:
        work.put(fact.kit, kit._replace(stage_ms=work.now, taken=True))


def rented(work: Work, fact: facts.Rented) -> None:
    """With a renter it is left alone, unless the release is critical; what it has begun, it ends."""
    kit = work.kits.get(fact.kit)
    if kit is None or kit.rented == fact.rented:
        return
    kit = kit._replace(rented=fact.rented)
    work.put(fact.kit, kit)
    if work.plan.security_critical:
        return
    if fact.rented and kit.status in (WAITING, OFFERED, UNREACHED):
        work.turn(fact.kit, kit, DEFERRED, "", taken=False)
    elif not fact.rented and kit.status == DEFERRED:
        make_ready(work, fact.kit, work.turn(fact.kit, kit, WAITING, ""))


def joined(work: Work, fact: facts.Joined) -> None:
    """A kit that is new in the fleet goes with the last wave."""
    if fact.kit not in work.kits:
        work.put(fact.kit, fresh(work.was.rollout, len(work.plan.waves) - 1, fact.bricks, work.plan.release.kind))


def superseded(work: Work, fact: facts.Superseded) -> None:
    """This rollout has no say about it any more."""
    kit = work.kits.get(fact.kit)
    if kit is not None and kit.status != SUPERSEDED:
        work.turn(fact.kit, kit, SUPERSEDED, fact.why[: facts.MAX_WHY])


def reported(work: Work, fact: facts.Reported) -> None:
    """The newest report of each brick counts, whatever the order in which they come."""
    kit = work.kits.get(fact.kit)
    if kit is None or kit.status == SUPERSEDED or fact.outcome not in _LETTERS:
        return
    slots = _slots(kit, fact.brick)
    order: Order = (fact.number, fact.at_ms)
    if not slots or all(order <= kit.heard[slot] for slot in slots):
        return
    if not fact.brick:
        if order <= kit.heard[-1]:
            return
        kit = kit._replace(heard=(*kit.heard[:-1], order))
    back = work.plan.rollback
    if backwards(work) and back is not None:
        _reported_back(work, fact, kit, slots, order, back.digest)
        return
    letter = _letter(fact, kit, slots, work.plan.release.digest)
    if letter is None:
        _saw(work, fact.kit, kit, fact.at_ms)
        return
    kit = _marked(kit, slots, letter, order)._replace(seen_ms=max(kit.seen_ms, min(fact.at_ms, work.now)))
    if letter == "d":
        if kit.status == OK:
            _drifted(work, fact, kit)
            return
        work.put(fact.kit, kit)
    _settle(work, fact.kit, kit, fact.why)


def _slots(kit: Kit, brick: str) -> tuple[int, ...]:
    """Places of what a report is of among the letters; the kit as one: every brick, and the host where it is its turn."""
    if brick == facts.HOST:
        return (len(kit.units),)
    if brick:
        return (kit.units.index(brick),) if brick in kit.units else ()
    return (*range(len(kit.units)), len(kit.units)) if kit.stage > REST else tuple(range(len(kit.units)))


def _letter(fact: facts.Reported, kit: Kit, slots: tuple[int, ...], digest: str) -> str | None:
    if fact.digest == digest:
        return _LETTERS[fact.outcome]
    # It says that it runs something else: news only where it had the release
    if fact.outcome == facts.OK and any(kit.marks[slot] == "o" for slot in slots):
        return "d"
    return None


def _marked(kit: Kit, slots: tuple[int, ...], letter: str, order: Order) -> Kit:
    marks, heard = list(kit.marks), list(kit.heard)
    for slot in slots:
        if order > heard[slot]:
            marks[slot], heard[slot] = letter, order
    return kit._replace(marks="".join(marks), heard=tuple(heard))


def _drifted(work: Work, fact: facts.Reported, kit: Kit) -> None:
    """It had the release and runs something else now: once more, but not for ever."""
    attempts = kit.attempts + 1
    if attempts < work.limits.attempts:
        kit = kit._replace(marks=kit.marks.replace("d", "-"))
    if attempts >= work.limits.attempts:
        work.turn(fact.kit, kit, FAILED, "it did not stay on the release", attempts=attempts, accepted=False)
    else:
        why = "it had the release and runs something else now: it is to take it once more"
        kit = work.turn(fact.kit, kit, WAITING, why, attempts=attempts, taken=False, late=True)
        make_ready(work, fact.kit, kit)


def _settle(work: Work, name: str, kit: Kit, why: str) -> None:
    """A report is in: is the kit through, is it its next step's turn, or is it bad?"""
    flying = kit.status in FLYING
    found = look(work, kit, CANARY if not flying else kit.stage)
    if found.outcome == OK:
        if kit.status == OK:
            work.put(name, kit)
        else:
            note = "" if flying else "it runs the release already"
            work.turn(name, kit, OK, note, marks=found.marks, stage=found.stage, accepted=False, exposed=True)
    elif found.outcome and (flying or (kit.exposed and kit.status not in _SETTLED)):
        said = why[: facts.MAX_WHY] or _sentence(kit, found)
        work.turn(name, kit, found.outcome, said, marks=found.marks, stage=found.stage, taken=False)
    elif flying and found.stage != kit.stage:
        work.turn(
            name, kit, INSTALLING, "", marks=found.marks, stage=found.stage, stage_ms=work.now, taken=True
        )
    elif kit.status == OFFERED:
        work.turn(name, kit, INSTALLING, "", stage_ms=work.now, taken=True)
    else:
        work.put(name, kit)


def look(work: Work, kit: Kit, stage: int, expired: bool = False) -> Judged:
    """Where the kit stands, by this rollout's quorum."""
    return judge(kit.marks, stage, work.plan.release.host_step, work.limits.quorum_percent, expired)


def _sentence(kit: Kit, found: Judged) -> str:
    bad = [
        f"{'its canary brick' if at == 0 and len(kit.units) > 1 else f'brick {unit}' if unit else 'it'} {_SAID[mark]}"
        for at, (unit, mark) in enumerate(zip((*kit.units, "host"), found.marks, strict=True))
        if mark not in "-o"
    ]
    return ", ".join(bad)[: facts.MAX_WHY]


def step_s(plan: Plan, kit: Kit) -> int:
    """How long the kit's step may take."""
    alone = plan.release.kind == HOST
    by_itself = alone or (kit.stage == HOST_STEP and kit.status != GOING_BACK and bool(plan.release.host_release))
    return plan.limits.host_deadline_s if by_itself else plan.limits.kit_deadline_s


def expire(work: Work, name: str) -> None:
    """A kit that has a place: is its time over?"""
    kit = work.kits[name]
    limits = work.limits
    if not kit.taken:
        if work.now - kit.since_ms >= limits.reach_s * 1000:
            away = GO_BACK if kit.status == GOING_BACK else UNREACHED
            make_ready(work, name, work.turn(name, kit, away, "it was not there to take its directive"))
    elif work.now - kit.stage_ms >= (time_s := step_s(work.plan, kit)) * 1000:
        if kit.status == GOING_BACK:
            _back_again(work, name, kit, "no report in time")
            return
        found = look(work, kit, kit.stage, expired=True)
        kit = kit._replace(marks=found.marks, stage=found.stage, stage_ms=work.now)
        if found.outcome == OK:
            work.turn(name, kit, OK, "", accepted=False)
        elif found.outcome:
            said = (
                f"no report within {time_s} s"
                if found.outcome != FAILED
                else _sentence(kit, found)
            )
            work.turn(name, kit, found.outcome, said, taken=False)
        else:
            work.turn(name, kit, INSTALLING, "")


# --- on the way back


def _reported_back(
    work: Work, fact: facts.Reported, kit: Kit, slots: tuple[int, ...], order: Order, digest: str
) -> None:
    runs_new = fact.digest == work.plan.release.digest and fact.outcome == facts.OK
    if runs_new and kit.status not in (GO_BACK, GOING_BACK):
        # It took the release after all, or came back to it
        kit = _marked(kit, slots, "-", order)
        work.turn(
            fact.kit,
            kit,
            GO_BACK,
            "it reports that it runs the release",
            exposed=True,
            taken=False,
            attempts=0,
        )
        if work.phase == ROLLED_BACK:
            work.enter(ROLLING_BACK, "a kit runs the release again")
        _saw(work, fact.kit, work.kits[fact.kit], fact.at_ms)
        return
    if fact.digest != digest or kit.status not in (GO_BACK, GOING_BACK, STUCK):
        _saw(work, fact.kit, kit, fact.at_ms)
        return
    kit = _marked(kit, slots, _LETTERS[fact.outcome], order)
    found = judge(kit.marks, REST, False, work.limits.quorum_percent)
    if found.outcome == OK:
        work.turn(fact.kit, kit, BACK, "", taken=False)
    elif found.outcome and kit.status == GOING_BACK:
        _back_again(work, fact.kit, kit, fact.why[: facts.MAX_WHY] or _sentence(kit, found))
    else:
        _saw(work, fact.kit, kit, fact.at_ms)


def _back_again(work: Work, name: str, kit: Kit, why: str) -> None:
    attempts = kit.attempts + 1
    status = STUCK if attempts >= work.limits.attempts else GO_BACK
    clean = "-" * len(kit.marks)
    kit = work.turn(
        name, kit, status, f"it did not go back: {why}", attempts=attempts, taken=False, marks=clean
    )
    make_ready(work, name, kit)


__all__ = [
    "expire",
    "fetched",
    "fresh",
    "joined",
    "look",
    "make_ready",
    "rented",
    "reported",
    "seen",
    "step_s",
    "superseded",
]
