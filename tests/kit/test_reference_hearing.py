"""What the reference model grants a brick to have heard: no more than its clock allows, and how wrong that clock was."""

from types import SimpleNamespace

from virtualkit.reference.hearing import counts, slow_by

SIGNALS = [(0, 19, 10_000), (0, 44, 50_000), (0, 25, 90_000)]


def record(kind, set_to=None):
    return SimpleNamespace(fields={10: kind, 24: set_to})


def test_by_a_right_clock_signals_to_come_are_unheard():
    assert counts(SIGNALS, 30_000, 0, 0) == [1, 0]


def test_a_signal_of_the_same_second_may_have_been_heard():
    assert counts(SIGNALS, 48_500, 0, 1) == [2, 1]


def test_a_clock_that_is_behind_hears_what_is_still_to_come_by_it():
    # Seen in a market hour with faults: set forward by 17.6 s after the event, its newest signal 6.1 s ahead of its clock.
    assert counts(SIGNALS, 43_900, 0, 1) == [1]
    assert counts(SIGNALS, 43_900, 17_602, 1) == [1, 2]


def test_a_brick_without_a_clock_may_have_heard_all():
    assert counts(SIGNALS, None, 0, 0) == [3, 2, 1, 0]


def test_what_was_heard_stays_heard_though_the_clock_goes_back():
    assert counts(SIGNALS, 1_000, 0, 2) == [2]


def test_how_slow_a_clock_was_is_said_by_its_next_correction():
    records = [record(1), record(18, [1000, 4000, 2]), record(1), record(18, [9000, 5000, 2]), record(17), record(1)]
    assert slow_by(records) == [3000, 3000, 0, 0, 0, 0]


def test_a_clock_that_was_not_set_was_not_slow():
    assert slow_by([record(1), record(18, [None, 4000, 2])]) == [0, 0]


def test_corrections_one_after_the_other_add_up():
    steps = [record(1), record(18, [1000, 4000, 2]), record(18, [4000, 9000, 2]), record(1), record(18, [10_000, 11_000, 2])]
    assert slow_by(steps)[0] == 8000
    assert slow_by(steps)[3] == 1000
