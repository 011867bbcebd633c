"""A rollout as a picture: waves with a dot for each kit, as few bytes as a page that asks every other second needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.rollouts.names import named
from fleet.rollouts.state import (
    BACK,
    BAD,
    DEFERRED,
    FLYING,
    GO_BACK,
    OK,
    STUCK,
    SUPERSEDED,
    UNREACHED,
    WAITING,
    State,
)

MOST_DOTS = 2_000  # who needs somebody first; the others of a wave are only counted

# Status → how a dot looks. Every look has a colour and a sign of its own: fleet/web/static/rollouts-page.mjs
LOOKS: dict[str, str] = {
    **dict.fromkeys(BAD | {STUCK}, "bad"),
    **dict.fromkeys(FLYING, "moving"),
    GO_BACK: "back-open", WAITING: "open", UNREACHED: "away", DEFERRED: "away", OK: "good", BACK: "back", SUPERSEDED: "gone",
}  # fmt: skip
_ORDER = ("bad", "moving", "back-open", "away", "open", "back", "good", "gone")


def picture(state: State, names: Mapping[str, str], most: int = MOST_DOTS) -> dict[str, Any]:
    """`{"rollout", "name", "phase", "reason", "phase_ms", "wave", "gates", "waves": [{"counts": {status: n}, "dots": [[kit, name,
    status, look] …], "left_out"}]}`. Instants are market ms."""
    shown = list(state.kits)
    if len(shown) > most:
        shown.sort(key=lambda name: _ORDER.index(LOOKS[state.kits[name].status]))
        chosen = set(shown[:most])
        shown = [name for name in state.kits if name in chosen]
    waves: list[dict[str, Any]] = [{"counts": {}, "dots": [], "left_out": 0} for _ in state.plan.waves]
    for kit in state.kits.values():
        counts = waves[kit.wave]["counts"]
        counts[kit.status] = counts.get(kit.status, 0) + 1
    for name in shown:
        kit = state.kits[name]
        waves[kit.wave]["dots"].append([name, names.get(name, name), kit.status, LOOKS[kit.status]])
    for wave in waves:
        wave["left_out"] = sum(wave["counts"].values()) - len(wave["dots"])
    return {
        "rollout": state.rollout, "name": state.plan.name, "phase": state.phase, "reason": named(state.reason, names),
        "phase_ms": state.phase_ms, "wave": state.wave + 1,
        "gates": {name: {"verdict": one.verdict, "why": one.why} for name, one in state.gates.items()}, "waves": waves,
    }  # fmt: skip
