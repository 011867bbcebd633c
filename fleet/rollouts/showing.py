"""Rollouts for the terminal and for programs: the list, one rollout with its waves, reasons with ages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fleet.rollouts.gates import size as allowed
from fleet.rollouts.names import named
from fleet.rollouts.plan import HOST, Plan
from fleet.rollouts.rank import rank
from fleet.rollouts.state import (
    BAD,
    DEFERRED,
    FLYING,
    GO_BACK,
    OK,
    STUCK,
    SUPERSEDED,
    UNREACHED,
    WAITING,
    WHOLE,
    State,
)
from fleet.rollouts.why import Reason, age, why

KITS_SHOWN = 40


def as_json(state: State, now_ms: int, kits: bool = True, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Everything that a script may want. Instants are market ms. `names`: what kits and bricks are called, by their numbers."""
    out: dict[str, Any] = {
        "rollout": state.rollout, "name": state.plan.name, "phase": state.phase, "reason": named(state.reason, names or {}),
        "phase_ms": state.phase_ms, "wave": state.wave + 1, "waves": [_wave(state, at) for at in range(len(state.plan.waves))],
        "in_flight": len(state.flying), "in_flight_limit": state.plan.limits.in_flight,
        "gates": {name: {"verdict": one.verdict, "why": one.why} for name, one in state.gates.items()},
        "release": state.plan.release.model_dump(), "rollback": state.plan.rollback and state.plan.rollback.model_dump(),
        "why": [reason_json(one, now_ms) for one in why(state, None, now_ms, names)],
    }  # fmt: skip
    if kits:
        out["kits"] = {
            name: {"wave": kit.wave + 1, "status": kit.status, "why": why(state, name, now_ms, names)[0].text}
            for name, kit in state.kits.items()
        }
    return out


def reason_json(one: Reason, now_ms: int) -> dict[str, Any]:
    """With its age."""
    return {
        "code": one.code, "text": one.text, "since_ms": one.since_ms, "age_s": max(0, now_ms - one.since_ms) // 1000,
    }  # fmt: skip


def listing(states: list[State], now_ms: int, names: Mapping[str, str] | None = None) -> Table:
    """One line for each rollout."""
    made = Table(title="Rollouts")
    for name in ("rollout", "phase", "since", "wave", "good", "bad", "at it", "away or rented", "why"):
        made.add_column(name, overflow="fold")
    for state in states:
        first = why(state, None, now_ms, names)[0]
        made.add_row(
            state.rollout, state.phase, age(state.phase_ms, now_ms), f"{state.wave + 1}/{len(state.plan.waves)}",
            f"{state.count(OK)}/{len(state.kits)}", str(state.count(*BAD)), str(len(state.flying)),
            str(state.count(UNREACHED, DEFERRED)), first.text,
        )  # fmt: skip
    return made


def one(state: State, now_ms: int, names: dict[str, str]) -> Group:
    """A rollout with its waves, gates and the kits that need somebody."""
    table = Table(title=f"Rollout {state.rollout}: {state.plan.name}")
    for column in ("wave", "kits", "good", "bad", "at it", "waiting", "away, rented", ""):
        table.add_column(column, justify="right" if column else "left")
    for at in range(len(state.plan.waves)):
        row = _wave(state, at)
        word = "open" if at == state.wave and state.phase == "running" else "" if at > state.wave else "began"
        table.add_row(
            str(at + 1), str(row["kits"]), str(row["good"]), str(row["bad"]), str(row["flying"]), str(row["waiting"]),
            str(row["away"]), word,
        )  # fmt: skip
    lines = [Text(f"{one.text}  ({age(one.since_ms, now_ms)})") for one in why(state, None, now_ms, names)[:12]]
    troubled = [kit for kit, known in state.kits.items() if known.status in (*BAD, STUCK, GO_BACK)][
        :KITS_SHOWN
    ]
    for kit in troubled:
        lines.append(Text(f"kit {names.get(kit, kit)}: {why(state, kit, now_ms, names)[0].text}", style="yellow"))
    return Group(table, *lines)


def reasons(found: list[Reason], now_ms: int) -> Group:
    """Reasons, what matters most first."""
    return Group(
        *(Text(f"{at}. {one.text}  ({age(one.since_ms, now_ms)})") for at, one in enumerate(found, 1))
    )


def plan_words(state: State, names: dict[str, str]) -> list[str]:
    """What would happen, before it does."""
    plan, out = state.plan, list[str]()
    for at, wave in enumerate(plan.waves):
        kits = [kit for kit, known in state.kits.items() if known.wave == at]
        shown = ", ".join(names.get(kit, kit) for kit in kits[:4]) + (
            f" and {len(kits) - 4} more" if len(kits) > 4 else ""
        )
        out.append(
            f"wave {at + 1}: {len(kits)} {'kit' if len(kits) == 1 else 'kits'} ({shown}); goes on after {wave.min_sample}"
            f" {'report' if wave.min_sample == 1 else 'reports'} and {_length(wave.soak_s)}"
        )
    if plan.shadow is not None:
        n = sum(kit.wave == 0 and kit.units != WHOLE for kit in state.kits.values())
        who = "1 canary brick tries" if n == 1 else f"{n} canary bricks try"
        out.insert(0, f"first {who} it for {plan.shadow.seconds // 60} min beside what runs: nothing acts by it")
    units = next((kit.units for kit in state.kits.values() if len(kit.units) > 1), ())
    if units:
        out.append("in every kit one brick tries it first, then the rest")
    out += _host_words(plan)
    limits = plan.limits
    out.append(
        f"halts at {limits.failures} failures, or at more than {limits.failure_percent} % of those that reported;"
        f" at most {limits.in_flight} kits at a time"
    )
    for gate in plan.gates:
        worst = "" if gate.worst is None else f", and never pass {allowed(gate.name, gate.worst)}"
        out.append(f"gate {gate.name}: may worsen by {allowed(gate.name, gate.worse)}{worst}")
    if plan.release.kind != HOST:
        out.append(
            "once it is through, newer rules of the folder take over"
            if plan.follow
            else "kits keep it until another rollout; newer rules of the folder wait for `follow`"
        )
    back = plan.rollback
    out.append(f"goes back to {back.name or back.digest[:12]} by itself after a halt" if back and plan.auto_rollback
               else "does not go back by itself")  # fmt: skip
    return out


def _host_words(plan: Plan) -> list[str]:
    new, time = plan.release, _length(plan.limits.host_deadline_s)
    if new.kind == HOST:
        return [f"the host alone gets something: release {new.host_digest[:8]}, which it installs by itself; {time} at most"]
    out: list[str] = []
    if new.host_release:
        back = plan.rollback.host_release if plan.rollback else ""
        ways = f"hosts go back to release {back[:8]} with the rest" if back else "hosts do not go back with the rest"
        out.append(f"the host is last: release {new.host_release[:8]}, which it installs by itself; {time} at most; {ways}")
    if new.host:
        out.append(f"the host is last: {new.host[:12]} by the host OS service")
    return out


def _length(seconds: int) -> str:
    """A stated time: "30 s", "5 min", "2 h", "1 d"."""
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {word}"
    return f"{seconds} s"


def _wave(state: State, at: int) -> dict[str, int]:
    return {
        "kits": sum(n for (wave, _, _), n in state.counts.items() if wave == at),
        "good": state.count(OK, wave=at), "bad": state.count(*BAD, wave=at), "flying": state.count(*FLYING, wave=at),
        "waiting": state.count(WAITING, GO_BACK, wave=at), "away": state.count(UNREACHED, DEFERRED, wave=at),
        "elsewhere": state.count(SUPERSEDED, wave=at),
    }  # fmt: skip


__all__ = ["as_json", "listing", "one", "plan_words", "rank", "reason_json", "reasons"]
