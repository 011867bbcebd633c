"""What rollouts that are under way say of one kit, among all other reasons why it is as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleet.desired.reason import Reason
from fleet.rollouts.allow import quarantined
from fleet.rollouts.state import OK, PLANNED, SUPERSEDED, State
from fleet.rollouts.why import why

QUARANTINE = "quarantine"
TOLD = 2  # reasons of a rollout that a kit's own list takes over


def of_kit(states: Mapping[str, State], kit: bytes, now_ms: int, names: Callable[[], Mapping[str, str]]) -> list[Reason]:
    """`names()`: what kits and bricks are called; asked for where there is something to say."""
    found: list[Reason] = []
    for rollout, state in states.items():
        known = state.kits.get(kit.hex())
        if known is None or known.status == SUPERSEDED or state.phase == PLANNED:
            continue
        if known.status == OK and not quarantined(known):
            continue
        told = why(state, kit.hex(), now_ms, names())
        # A kit that is good without one of its bricks goes on saying so.
        told = [one for one in told if one.code == QUARANTINE] if known.status == OK else told[:TOLD]
        for one in told:
            found.append(Reason(f"rollout-{one.code.replace(' ', '-')}", f"rollout {rollout}: {one.text}", one.since_ms))
    return found
