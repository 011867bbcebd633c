"""Which of the kit's signals a brick may have heard when it decided: when a signal reached it is in no record."""

from collections.abc import Sequence

from virtualkit.reference.events import BOOT
from virtualkit.reference.flashimage import FlashRecord

CLOCK = 18  # record kind: the wall clock was set; field 24 is [from ms, to ms, quality]
_LATE_MS = 2000  # clocks of one kit that were just set differ by less
_MOST_TRIES = 8


def slow_by(records: Sequence[FlashRecord]) -> list[int]:
    """For each record of one brick, in order of seq: how far its wall clock was behind, in ms, by what corrected it next.

    0 where it was ahead, and where no correction followed before the brick started anew. Corrections one after the other add up,
    as a clock that is far off is mended in steps. A clock that is behind hears of signals that are, by its own time, to come.
    """
    found: list[int] = []
    behind, run = 0, False
    for one in reversed(records):
        kind = one.fields[10]
        if kind == CLOCK and one.fields[24][0] is not None:
            step: int = one.fields[24][1] - one.fields[24][0]
            behind = max(0, step + (behind if run else 0))
        elif kind == BOOT:
            behind = 0
        run = kind == CLOCK
        found.append(behind)
    return found[::-1]


def counts(signals: Sequence[tuple[int, int, int]], wall_ms: int | None, slow_ms: int, heard: int) -> list[int]:
    """How many of `signals` ((index, value, instant ms), in the order of the lane) may have been heard, likeliest first: all that
    were there by the brick's clock, then those that a slow clock puts into the future, then fewer; never fewer than `heard`."""
    if wall_ms is None:
        return list(range(max(len(signals), heard), heard - 1, -1))[:_MOST_TRIES]
    by_clock = sum(at <= wall_ms + _LATE_MS for *_, at in signals)
    by_truth = sum(at <= wall_ms + _LATE_MS + slow_ms for *_, at in signals)
    likely = max(by_clock, heard)
    more = range(likely + 1, by_truth + 1)
    return [likely, *more, *range(likely - 1, heard - 1, -1)][:_MOST_TRIES]
