"""Counts with a window: first ms, eight sliding steps, tumbling; of people, of events, of one subject's events."""

from rulekit import HOUR, MINUTE, START, subject
from statekit import PEOPLE_KIT, THERE, Books, digest, entry, over, rule, ruleset

SECOND = 1000
SLIDING = [20, 1, 8 * MINUTE, 0]
TUMBLING = [20, 2, 10 * MINUTE, 0]
ALL_TAPS = [25, 0, HOUR, 0, 0]
SCANS = [25, 1, 80 * SECOND, 0, 2]
FENCE = [26, 5, 30 * MINUTE]


def books(*values, **other):
    """One rule for each value, so that each is a counter in this order."""
    found = [rule("rule-{}".format(number), over(value)) for number, value in enumerate(values)]
    made = Books(ruleset(*found, **other))
    asked = [value[0] for value in values if value[0] != 21]
    assert [counter[0] for counter in made.ruleset.counters] == asked
    return made


def test_first_counts_each_person_once_and_nobody_later():
    at = books(PEOPLE_KIT)
    for who in (0, 1, 0, 2):
        at.visit(who, MINUTE * who)
    at.visit(3, HOUR)
    assert at.state.count(0, 0, START + HOUR) == 3
    assert at.state.counts(at.state.person(0, subject(1)), 0, 0, START)
    assert not at.state.counts(at.state.person(0, subject(3)), 0, 0, START)


def test_sliding_forgets_who_came_more_than_eight_steps_ago():
    at = books(SLIDING)
    for who in range(8):
        at.visit(who, who * MINUTE + 100)
    assert at.state.count(0, 0, START + 7 * MINUTE + 200) == 8
    assert at.state.count(0, 0, START + 8 * MINUTE) == 7, "the first minute left the window"
    at.visit(1, 8 * MINUTE)
    assert at.state.count(0, 0, START + 8 * MINUTE) == 7, "the same person again"
    assert at.state.count(0, 0, START + 15 * MINUTE) == 1
    assert at.state.count(0, 0, START + 16 * MINUTE) == 0
    place = at.state.person(0, subject(1))
    assert at.state.counts(place, 0, 0, START + 15 * MINUTE)
    assert not at.state.counts(place, 0, 0, START + 16 * MINUTE)


def test_what_comes_eight_steps_late_is_in_no_window():
    at = books(SLIDING, [25, 1, 8 * MINUTE, 0, 0])
    at.visit(0, 8 * MINUTE)
    for late, more in ((0, 0), (MINUTE - 1, 0), (MINUTE, 1), (7 * MINUTE, 2)):
        at.visit(1 + at.state.seq, late)
        for counter in range(2):
            assert at.state.count(0, counter, START + 8 * MINUTE) == 1 + more


def test_a_step_is_a_second_at_least():
    at = books([20, 1, 8 * SECOND, 0])
    at.visit(0, 0)
    assert at.state.count(0, 0, START + 7 * SECOND) == 1
    assert at.state.count(0, 0, START + 8 * SECOND) == 0


def test_tumbling_begins_anew():
    at = books(TUMBLING)
    for who in (0, 1, 2, 3, 0):
        at.visit(who, at.state.seq * 3 * MINUTE)
    assert at.state.count(0, 0, START + 9 * MINUTE) == 3, "the clock went back: the least that is known"
    assert at.state.unsure(0, 0, START + 9 * MINUTE)
    assert at.state.count(0, 0, START + 12 * MINUTE) == 1
    assert not at.state.unsure(0, 0, START + 12 * MINUTE)
    assert at.state.count(0, 0, START + 20 * MINUTE) == 0


def test_a_day_of_short_steps_stays_right():
    day = [[START, START + 11 * 24 * HOUR]]
    at = books([20, 1, 8 * SECOND, 0], slots=day)
    for step in (0, 70000, 900000):
        at.visit(1, step * SECOND)
        at.visit(2, step * SECOND + 500)
        assert at.state.count(0, 0, START + step * SECOND) == 2


def test_events_count_every_time_and_by_type():
    at = books(ALL_TAPS, SCANS)
    for number in range(6):
        at.visit(number % 2 if number < 4 else None, number * SECOND, type=1 + number % 2)
    assert at.state.count(0, 0, START + MINUTE) == 6
    assert at.state.count(0, 1, START + MINUTE) == 3
    assert at.state.count(0, 1, START + 85 * SECOND) == 0


def test_an_event_of_several_records_is_one_event():
    at = books(ALL_TAPS, [21])
    for rule_index in range(3):
        at.visit(0, 0, kind=1, rule=rule_index, f15=b"nonce--1")
    assert at.state.count(0, 0, START) == 1
    assert at.state.visits(at.state.person(0, subject(0))) == 1
    at.visit(0, 0, kind=1, f14=[23, 0], f24=[THERE, 7, "who", "late bus"])
    assert at.state.count(0, 0, START) == 1, "a person's answer is no event"


def test_the_last_event_of_a_type_is_remembered_for_its_ms():
    at = books(FENCE)
    at.visit(0, MINUTE, type=5)
    at.visit(0, 2 * MINUTE, type=1)
    place = at.state.person(0, subject(0))
    assert at.state.seen(place, 0, 0, START + 31 * MINUTE)
    assert not at.state.seen(place, 0, 0, START + 31 * MINUTE + 1)
    at.visit(1, MINUTE)
    assert not at.state.seen(at.state.person(0, subject(1)), 0, 0, START + MINUTE)


def test_a_count_of_this_brick_alone_leaves_others_out():
    at = books([20, 0, HOUR, 1], [25, 0, HOUR, 1, 0], [20, 1, 8 * MINUTE, 1], PEOPLE_KIT, ALL_TAPS, SLIDING)
    at.visit(0)
    at.state.remote(THERE, 2, entry(0) + entry(1), START)
    assert [at.state.count(0, number, START) for number in range(6)] == [1, 1, 1, 2, 3, 2]


def test_trust_below_the_rules_counts_nowhere():
    at = books(PEOPLE_KIT, [25, 0, HOUR, 0, 1])
    at.visit(0, trust=2)
    assert at.state.count(0, 0, START) == 0
    at.visit(1, trust=3)
    assert at.state.count(0, 0, START) == 1


def test_windows_of_slots_one_after_the_other_share_their_place():
    slots = [[START, START + HOUR], [START + HOUR, START + 2 * HOUR], [START + HOUR // 2, START + 3 * HOUR]]
    found = [rule("rule-{}".format(slot), over(SLIDING), slots=[slot]) for slot in range(3)]
    at = Books(ruleset(*found, slots=slots))
    assert len(at.state._people._windows._owner) == 2, "at most two are open together"
    at.visit(0, 40 * MINUTE)
    assert [at.state.count(slot, 0, START + 40 * MINUTE) for slot in range(3)] == [1, 0, 1]
    at.visit(1, 61 * MINUTE)
    assert at.state.count(1, 0, START + 61 * MINUTE) == 1
    assert at.state.count(2, 0, START + 61 * MINUTE) == 1
    assert at.state.unsure(0, 0, START + 59 * MINUTE), "the clock went back into a slot that is over"
    assert at.state.count(0, 0, START + 59 * MINUTE) == 0
    before = at.state.count(1, 0, START + 61 * MINUTE)
    at.state.remote(THERE, 1, entry(5, 50 * MINUTE), START + 61 * MINUTE)
    assert at.state.count(1, 0, START + 61 * MINUTE) == before, "a late entry of the slot before"


def test_who_comes_early_belongs_to_the_slot():
    found = rule("early", over(PEOPLE_KIT), early=[[5, 30 * MINUTE]], limits=[[0, 1]])
    at = Books(ruleset(found))
    at.visit(0, -30 * MINUTE, kind=1)
    at.visit(1, -31 * MINUTE)
    place = at.state.person(0, subject(0))
    assert at.state.granted(place, 0) == 1 and at.state.visits(place) == 1
    assert at.state.count(0, 0, START) == 1, "who comes early comes at its start"
    assert at.state.person(0, subject(1)) == -1
    other = Books(at.ruleset, THERE)
    other.state.remote(at.brick, 2, at.told(), START)
    place = other.state.person(0, subject(0))
    assert other.state.granted(place, 0) == 1 and other.state.visits(place) == 1
    assert other.state.count(0, 0, START) == 1


def test_the_state_made_again_is_the_same_byte_for_byte():
    at = books(PEOPLE_KIT, SLIDING, TUMBLING, ALL_TAPS, SCANS, FENCE, people=20)
    for number in range(200):
        at.visit(number * 7 % 31, number * 17 * SECOND, type=(1, 2, 5)[number % 3], trust=2 + number % 2)
    assert digest(at.again()) == digest(at.state)
