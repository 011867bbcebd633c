"""Gate 0: what a new ruleset would have done with the hub's own recorded events, as the sums that a plan limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleet.authoring import recorded, replay
from fleet.authoring.candidates import CandidateError, read_candidate
from fleet.authoring.engine import reg, word
from fleet.authoring.recorded import StreamError
from fleet.rollouts.gates import Replayed
from fleet.rollouts.plan import PlanError

UNSURE = word(reg.KIND_NAMES, reg.KIND_UNCERTAIN)


def replayed(
    old: Path, new: Path, events: Path, workers: int = 0, progress: Callable[[int], None] = lambda done: None
) -> Replayed:
    """Replays recorded events (`stallmark fleet export-events`) by both rulesets. Raises PlanError."""
    try:
        found = recorded.index(events)
        plan = replay.Plan(
            read_candidate(old, found.start_ms), read_candidate(new, found.start_ms), found, workers=workers
        )
        tally = replay.run(plan, progress).tally
    except (CandidateError, StreamError) as error:
        raise PlanError(f"gate 0: {error}") from None
    return Replayed(
        tally.events, tally.flipped, tally.old.minor, tally.new.minor,
        tally.old.kinds[UNSURE], tally.new.kinds[UNSURE], replay.currency_of(plan.new),
    )  # fmt: skip
