"""Monotone conditions never grant wrongly: a grant anywhere means that it was true of all that really happened."""

import sys
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stallmark import registry as reg

sys.path.insert(0, str(Path(__file__).resolve().parent / "core"))

import deckit

START, HOUR, MINUTE = deckit.START, deckit.HOUR, deckit.MINUTE
FIRST_TAP, REVIEW = reg.EVENT_NFC_TAP, reg.EVENT_REVIEW
SLOTS = [[START, START + 2 * HOUR], [START + HOUR, START + 3 * HOUR]]
Came = tuple[int, int, int, int]  # person, ms after START, trust, event type

_parts = st.one_of(
    st.tuples(st.just(20), st.integers(0, 2), st.sampled_from([16 * MINUTE, HOUR]), st.integers(0, 4)),
    st.tuples(st.just(25), st.integers(0, 2), st.sampled_from([16 * MINUTE, HOUR]), st.integers(0, 6)),
    st.tuples(st.just(29), st.just(0), st.just(0), st.integers(0, 1)),
)
_steps = st.one_of(
    st.tuples(st.just("came"), st.integers(0, 2), st.integers(0, 6), st.sampled_from([1, 2, 3, 3, 3, 4])),
    st.tuples(st.just("came"), st.integers(0, 2), st.integers(0, 6), st.sampled_from([1, 2, 3, 3, 3, 4])),
    st.tuples(st.just("told"), st.integers(0, 2), st.integers(0, 2), st.integers(0, 40)),
    st.tuples(st.just("restart"), st.integers(0, 2), st.just(0), st.just(0)),
    st.tuples(st.just("later"), st.integers(0, 30), st.just(0), st.just(0)),
)


def _condition(part: tuple[int, int, int, int]) -> list[Any]:
    what, window, ms, more_than = part
    value = {20: [20, window, ms, 0], 25: [25, window, ms, 0, REVIEW], 29: [29]}[what]
    return [10, value, more_than]


def _inside(window: int, ms: int, at: int, now: int, slot: int) -> bool:
    start, end = (one - START for one in SLOTS[slot])
    if not start <= at < end:
        return False
    if window == 0:
        return at - start < ms
    step = ms // 8 if window == 1 else ms
    apart = (now - start) // step - (at - start) // step
    return apart == 0 if window == 2 else 0 <= apart < 8


def _true(part: tuple[int, int, int, int], came: list[Came], who: int, now: int, slot: int) -> bool:
    """Of all that happened, whoever knows of it."""
    what, window, ms, more_than = part
    if what == 29:
        mine = [(at, trust) for person, at, trust, _ in came if person == who and trust >= 3]
        slots = [n for n, (s, e) in enumerate(SLOTS) if any(s <= START + at < e for at, _ in mine)]
        return len(slots) > more_than
    here = [one for one in came if _inside(window, ms, one[1], now, slot)]
    if what == 25:
        return sum(kind == REVIEW for *_, kind in here) > more_than
    return len({person for person, _, trust, _ in here if trust >= 3}) > more_than


@given(
    parts=st.lists(_parts, min_size=1, max_size=3),
    both=st.booleans(),
    latch=st.booleans(),
    slot=st.sampled_from([0, 1]),
    steps=st.lists(_steps, min_size=10, max_size=60),
    people=st.sampled_from([2, 4, 60]),
)
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
def test_a_grant_of_a_monotone_rule_was_true_of_what_really_happened(
    parts: list[tuple[int, int, int, int]],
    both: bool,
    latch: bool,
    slot: int,
    steps: list[tuple[str, int, int, int]],
    people: int,
) -> None:
    """Three bricks; what one tells another is cut, late, repeated, out of order, lost at restarts; tables are small.

    With *latch* it was true then, for whoever came, or is now."""
    latch = latch and all(what != 29 and window == 0 for what, window, _, _ in parts)  # else no such rule
    when = [1 if both else 2, *(_condition(part) for part in parts)]
    rule = deckit.rule(when=when, slots=[slot], latch=latch, events=[FIRST_TAP, REVIEW])
    ruleset = deckit.data(rule, slots=SLOTS)
    bricks = [deckit.Kit(ruleset, people_capacity=people, brick=b"brick--%d" % n) for n in range(3)]
    came: list[Came] = []
    now, was_true = 0, False
    for what, a, b, c in steps:
        if what == "later":
            now += a * MINUTE
        elif what == "told" and a != b:
            bricks[b].hears(bricks[a], START + now, c % (1 + len(bricks[a].journal)))
        elif what == "restart":
            bricks[a].restart()
        elif what == "came":
            now += 1
            kind = REVIEW if (b + c) % 3 == 0 else FIRST_TAP
            came.append((b, now, c, kind))
            truth = [_true(part, came, b, now, slot) for part in parts]
            really = all(truth) if both else any(truth)
            was_true = was_true or really
            for decision in bricks[a].go(b, now, trust=c, type=kind):
                if decision.kind == reg.KIND_GRANT:
                    assert really or (latch and was_true), (parts, now, b)
