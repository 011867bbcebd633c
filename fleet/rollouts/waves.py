"""What lets a wave go on and what stops a rollout: counts over kits that reported, gates with three verdicts, time."""

from __future__ import annotations

from fleet.rollouts import facts
from fleet.rollouts.back import halt, pause
from fleet.rollouts.kits import make_ready
from fleet.rollouts.state import (
    BAD,
    COMPLETE,
    DEFERRED,
    FAILED,
    OK,
    PAUSED,
    PLANNED,
    REJECTED,
    RUNNING,
    SHADOWING,
    SUPERSEDED,
    TIMED_OUT,
    WAITING,
    GateState,
    Work,
)

REPLAY = "replay"
SHADOW = "shadow"
BEFORE = (REPLAY, SHADOW)  # gates that stand before the first wave


def gate(work: Work, fact: facts.Gate) -> None:
    """Somebody looked at a gate: of the open wave, or at gate 0 before the first."""
    phase = {REPLAY: PLANNED, SHADOW: SHADOWING}.get(fact.name)
    zero = fact.wave == -1 and phase is not None and work.phase == phase
    asked = next((one for one in work.plan.gates if one.name == fact.name), None)
    if not zero and (asked is None or fact.wave != work.wave or work.wave < 0):
        return
    passes, fails, flips = (asked.passes, asked.fails, asked.flips) if asked else (1, 1, 1 << 30)
    old = work.gates.get(fact.name)
    if old is not None and fact.number <= old.number:
        return
    if old is None:
        old = GateState(facts.INCONCLUSIVE, "", 0, -1, "", work.now, -1)
    same = fact.verdict == old.last
    run = old.run + 1 if same else 1
    changed = old.flips + (not same)
    verdict = facts.INCONCLUSIVE
    why = fact.why[: facts.MAX_WHY]
    if fact.verdict == facts.FAIL and run >= fails:
        verdict = facts.FAIL
    elif changed > flips:
        why = f"it changed {changed} times in this wave: {why}"[: facts.MAX_WHY]
    elif fact.verdict == facts.PASS and run >= passes:
        verdict = facts.PASS
    if same and verdict == old.verdict and why == old.why:
        return  # nothing new: the log need not hold it
    since = old.since_ms if verdict == old.verdict else work.now
    work.gates[fact.name] = GateState(verdict, fact.verdict, min(run, 100), changed, why, since, fact.number)


def check(work: Work) -> None:
    """Halts where limits or gates say so, opens the next wave, pauses where time is over without an answer."""
    if work.phase in (RUNNING, COMPLETE, PAUSED) and work.wave >= 0:
        before = work.before if work.phase == PAUSED else work.phase
        if before in (RUNNING, COMPLETE) and (reason := _stops(work)):
            halt(work, reason, by_itself=True)
    if work.phase == SHADOWING:
        _shadow(work)
    while work.phase == RUNNING and _advances(work):
        open_wave(work, work.wave + 1)


def _shadow(work: Work) -> None:
    """The step before the first wave: through, stopped, or for a person to look at."""
    asked = work.plan.shadow
    verdict = _verdict(work, SHADOW)
    if verdict == facts.FAIL:
        halt(work, f"gate {SHADOW}: {work.gates[SHADOW].why}", by_itself=True)
        return
    end = max(work.phase_ms, work.resumed_ms) + (0 if asked is None else asked.seconds * 1000)
    if work.now < end:
        return
    if verdict == facts.PASS:
        begin(work)
    elif work.now >= end + work.limits.gate_deadline_s * 1000:
        said = work.gates[SHADOW].why if SHADOW in work.gates else "nobody has looked at it"
        pause(work, f"gate {SHADOW} gives no clear answer: {said}"[: facts.MAX_WHY])


def begin(work: Work) -> None:
    """The first wave."""
    work.enter(RUNNING, "")
    open_wave(work, 0)


def open_wave(work: Work, index: int) -> None:
    """The next wave begins; after the last, only catching up is left."""
    plan = work.plan
    if index == len(plan.waves):
        absent = len(work.kits) - work.count(OK, FAILED, REJECTED, TIMED_OUT, SUPERSEDED)
        more = f"; {absent} kits were away or rented and get it when they come" if absent else ""
        work.enter(COMPLETE, f"{index} {'wave' if index == 1 else 'waves'}{more}")
        work.commands.append(facts.Complete(index))
        return
    work.wave, work.wave_ms, work.soak_ms, work.resumed_ms = index, work.now, None, 0
    work.gates = {name: state for name, state in work.gates.items() if name in BEFORE}
    work.say(f"wave {index + 1} of {len(plan.waves)} begins")
    work.commands.append(facts.Advance(index))
    for name, kit in list(work.kits.items()):
        if kit.wave == index:
            if kit.rented and kit.status == WAITING and not plan.security_critical:
                work.turn(name, kit, DEFERRED, "")
            else:
                make_ready(work, name, kit)


def _stops(work: Work) -> str:
    """Why it has to halt; "" where it need not."""
    limits, wave = work.limits, work.plan.waves[work.wave]
    bad = work.count(*BAD, accepted=False)
    if bad >= limits.failures:
        return (
            f"{bad} kits failed, refused or ran out of time: {limits.failures} are the limit{_example(work)}"
        )
    for scope, words in ((work.wave, f"in wave {work.wave + 1}"), (None, "in all waves")):
        bad = work.count(*BAD, wave=scope, accepted=False)
        told = bad + work.count(OK, wave=scope)
        if bad and told >= wave.min_sample and bad * 100 > limits.failure_percent * told:
            return f"{bad} of {told} kits that reported {words} are bad: more than {limits.failure_percent} %{_example(work)}"
    for name, state in work.gates.items():
        if state.verdict == facts.FAIL and name not in BEFORE:
            return f"gate {name}: {state.why}"
    return ""


def _example(work: Work) -> str:
    """The first bad kit's own reason, for whoever reads the whole one."""
    for name, kit in work.kits.items():
        if kit.status in BAD and not kit.accepted and kit.why:
            return f". Kit {name}: {kit.why}"
    return ""


def _advances(work: Work) -> bool:
    """Whether the open wave is through. Pauses the rollout where it never will be by itself."""
    limits, wave, now = work.limits, work.plan.waves[work.wave], work.now
    of = sum(
        n for (index, status, _), n in work.counts.items() if index == work.wave and status != SUPERSEDED
    )
    good = work.count(OK, wave=work.wave)
    told = good + work.count(*BAD, wave=work.wave, accepted=False)
    waived = work.waived == work.wave
    enough = told >= wave.min_sample and told * 100 >= wave.coverage_percent * of
    fine = good * 100 >= limits.success_percent * told
    settled = not any(
        kit.wave == work.wave and not kit.late
        for kit in (work.kits[name] for queue in (work.flying, work.ready) for name in queue)
    )
    if not settled:
        return False
    if enough and not fine and not waived:
        pause(work, f"{good} of {told} kits that reported are good: {limits.success_percent} % are asked for")
        return False
    if not enough and not waived:
        work.soak_ms = None
        if now >= max(work.wave_ms, work.resumed_ms) + wave.deadline_s * 1000:
            pause(work, _silence(work, told, of))
        return False
    if work.soak_ms is None:
        work.soak_ms = now
    end = work.soak_ms + wave.soak_s * 1000
    if now < end:
        return False
    open_gates = [one.name for one in work.plan.gates if _verdict(work, one.name) != facts.PASS]
    if open_gates and not waived:
        if now >= max(end, work.resumed_ms) + limits.gate_deadline_s * 1000:
            name = open_gates[0]
            said = work.gates[name].why if name in work.gates else "nobody has looked at it"
            pause(work, f"gate {name} gives no clear answer: {said}"[: facts.MAX_WHY])
        return False
    return True


def _silence(work: Work, told: int, of: int) -> str:
    wave = work.plan.waves[work.wave]
    asked = max(wave.min_sample, -(-wave.coverage_percent * of // 100))
    return f"{told} of {of} kits of wave {work.wave + 1} reported in its time: {asked} are asked for. Silence is no success"


def _verdict(work: Work, name: str) -> str:
    state = work.gates.get(name)
    return facts.INCONCLUSIVE if state is None else state.verdict
