"""A card held against a reader: one record, then a count."""

from rulekit import MINUTE, Brick, data, rule, subject
from stallmark import registry as reg
from stallmark.collective import MAX_SUBJECTS, Collective
from stallmark.rules import Decision

ONE, TWO = subject(1), subject(2)


def deny(code=reg.REASON_ALREADY_HAD, rule=0, latches=()):
    return Decision(
        reg.KIND_DENY,
        rule,
        [],
        [],
        [code, rule],
        list(latches),
        None,
        None,
        [],
        [],
        None,
        0,
        None,
        False,
        None,
    )


def test_the_first_denial_is_written_and_the_rest_of_the_minute_is_counted():
    collective = Collective()
    assert collective.offer(ONE, deny(), 0, 5000) == "write"
    for at in range(1000, 60000, 1000):
        assert collective.offer(ONE, deny(), at, 5000 + at) == "merged"
    assert collective.due(59999) == []
    assert collective.due(60000) == [(ONE, 59, 6000)]
    assert collective.due(60000) == [] and collective.offer(ONE, deny(), 60001) == "write"


def test_subjects_are_kept_apart():
    collective = Collective()
    for who in (ONE, TWO, None):
        assert collective.offer(who, deny(), 0) == "write"
    collective.offer(TWO, deny(), 10, None)
    collective.offer(None, deny(), 20, 77)
    assert collective.due(None) == [(TWO, 1, None), (None, 1, 77)]


def test_whatever_is_new_is_written():
    collective = Collective()
    brick = Brick(data(rule(when=[0], latch=False, policy=14)))
    collective.offer(ONE, deny(), 0)
    assert collective.offer(ONE, deny(reg.REASON_NEAR), 1) == "write", "another reason"
    assert collective.offer(ONE, deny(reg.REASON_NEAR, 1), 2) == "write", "another rule"
    assert collective.offer(ONE, deny(reg.REASON_NEAR, 1, [0]), 3) == "write", "a latch goes with it"
    assert collective.offer(ONE, deny(reg.REASON_NEAR, 1), 4) == "merged"
    brick.slice(1, "surprise-15", 1, 500)
    assert collective.offer(ONE, brick.tap(1), 5) == "write", "a grant"
    assert collective.offer(ONE, brick.tap(2, quality=0), 6) == "write", "uncertain"


def test_a_count_is_never_lost_to_a_late_caller():
    collective = Collective()
    collective.offer(ONE, deny(), 0)
    collective.offer(ONE, deny(), 1)
    assert collective.offer(ONE, deny(), 2 * MINUTE) == "write"
    assert collective.due(2 * MINUTE) == [(ONE, 1, None)]


def test_subjects_are_bounded_and_counts_are_kept():
    collective = Collective()
    for number in range(MAX_SUBJECTS):
        collective.offer(subject(number), deny(), number)
        collective.offer(subject(number), deny(), number)
    assert collective.offer(subject(99), deny(), 100) == "write"
    assert collective.offer(subject(99), deny(), 100) == "write" and collective.untracked == 2
    assert len(collective.due(None)) == MAX_SUBJECTS
    for number in range(MAX_SUBJECTS):
        collective.offer(subject(number), deny(), number)
    assert collective.offer(subject(99), deny(), 100) == "write"
    assert collective.offer(subject(99), deny(), 100) == "merged", "one of which nothing was merged gave way"
