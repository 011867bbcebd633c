"""What a brick remembers: rebuilt from records, bounded, and honest about its bounds."""

from rulekit import HOUR, MINUTE, SLOT, START, Brick, data, rule, sample, shown, subject, tap
from stallmark import counters, golden, peopleslots, rules, state
from stallmark import registry as reg
from stallmark.counters import Table

GRANT, DENY, UNCERTAIN = reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_UNCERTAIN


def market():
    brick = Brick(data(sample(), rule()))
    brick.slice(1, "welcome-sample", 2, 15)
    brick.slice(2, "surprise-15", 1, 3000)
    return brick


def test_a_restart_at_any_moment_decides_as_if_there_had_been_none():
    steady, shaken = market(), market()
    for step in range(80):
        person, at = step * 7 % 31, step * MINUTE // 2
        shaken.restart()
        assert shaken.slice(1, "welcome-sample", 2, 15) == reg.SLICE_OK
        assert shaken.slice(2, "surprise-15", 1, 3000) == reg.SLICE_OK
        assert shown(steady.tap(person, at=at)) == shown(shaken.tap(person, at=at)), step
    assert steady.state.slices_left() == shaken.state.slices_left() == [[1, 0], [2, 0]]


def test_the_same_record_twice_changes_nothing():
    brick = market()
    brick.tap(0)
    before = brick.state.slices_left()
    assert not brick.state.apply(brick.journal[-1])
    assert brick.state.slices_left() == before


def test_what_was_spent_counts_whatever_ruleset_wrote_the_record():
    brick = market()
    for person in range(10):
        brick.tap(person)
    brick.install(data(sample(limit=0), rule()))
    brick.slice(1, "welcome-sample", 2, 15)
    assert brick.state.slices_left() == [[1, 5]]
    for _ in range(5):
        assert brick.tap(0).kind == GRANT
    assert brick.tap(0).why[0] != reg.REASON_GRANTED


def test_without_a_ruleset_rights_are_kept_all_the_same():
    brick = market()
    for person in range(3):
        brick.tap(person)
    brick.install(None)
    assert brick.state.carry_forward() == [[1, 3]]
    assert brick.slice(1, "welcome-sample", 2, 15) == reg.SLICE_UNKNOWN_RULE


def test_a_sum_carried_forward_stands_for_what_is_erased_before_it():
    brick = market()
    for person in range(4):
        brick.tap(person)
    first = brick.journal[0].seq
    assert brick.state.carry_forward(before_seq=first) == []
    assert brick.state.carry_forward(before_seq=first + 1) == [[1, 4]], "its first use rests on record 1"
    brick.write({10: reg.KIND_RIGHTS, 13: brick.state.carry_forward()})
    carried = brick.journal[-1].seq
    assert brick.state.carry_forward(before_seq=carried) == []
    brick.tap(4)
    brick.restart(from_seq=carried)
    brick.slice(1, "welcome-sample", 2, 15)
    assert brick.state.slices_left() == [[1, 10]]
    brick.restart()
    brick.slice(1, "welcome-sample", 2, 15)
    assert brick.state.slices_left() == [[1, 10]], "the whole journal gives the same"
    brick.write({10: reg.KIND_RIGHTS, 13: [[1, 2]]})
    assert brick.state.slices_left() == [[1, 10]], "what was spent never becomes less"


def test_carrying_is_cut_to_what_fits_a_record():
    brick = Brick(data(sample(limit=0)))
    for number in range(1, 21):
        brick.slice(number, "welcome-sample", 2, 1)
        brick.tap(number)
    erased = len(brick.journal) + 1
    seen = []
    for size in (12, 8, 0):
        due = brick.state.carry_forward(before_seq=erased)
        assert len(due) == size
        seen += due
        if due:
            brick.write({10: reg.KIND_RIGHTS, 13: due})
    assert seen == [[number, 1] for number in range(1, 21)]


def test_a_latch_is_carried_while_its_slot_lasts():
    brick = Brick(data(rule()))
    for person in range(21):
        brick.tap(person)
    latch = next(found.seq for found in brick.journal if found.fields[10] == reg.KIND_LATCH)
    assert brick.state.carry_latches(latch, START) == []
    assert brick.state.carry_latches(latch + 1, START + HOUR) == [[0, SLOT[1]]]
    assert brick.state.carry_latches(latch + 1, SLOT[1]) == []
    brick.write({8: brick.ruleset.digest8, 9: 0, 10: reg.KIND_LATCH, 24: [SLOT[1]]})
    assert brick.state.carry_latches(latch + 1, START) == []


def test_another_rental_starts_without_the_last_ones_rights():
    brick = market()
    brick.tap(0)
    assert brick.state.slices_left() == [[1, 14], [2, 3000]]
    brick.write({10: reg.KIND_RENTAL, 16: 2, 24: [2]})
    assert brick.state.slices_left() == [] and brick.state.carry_forward() == []
    assert brick.slice(1, "welcome-sample", 2, 15) == reg.SLICE_OK, "numbers of the last rental mean nothing"
    assert brick.state.slices_left() == [[1, 15]]


def test_a_voided_grant_gives_no_rights_back():
    brick = market()
    brick.tap(0)
    brick.write({10: reg.KIND_VOID, 13: [[1, 1]], 20: 2})
    assert brick.state.slices_left()[0] == [1, 14]


def test_a_full_table_lets_nobody_in_whom_it_could_not_remember():
    brick = Brick(data(sample(policy=14), people=10))
    brick.slice(1, "welcome-sample", 2, 100)
    for person in range(10):
        assert brick.tap(person).kind == GRANT
    for person in range(10, 15):
        decision = brick.tap(person)
        assert (decision.kind, decision.why) == (UNCERTAIN, [reg.REASON_TOO_MANY_PEOPLE, 0, 0])
    assert brick.tap(3).why[0] == reg.REASON_ALREADY_HAD


def test_a_full_table_only_delays_what_counts_people():
    brick = Brick(data(rule(limit=0), people=20))
    brick.slice(1, "surprise-15", 1, 5000)
    for person in range(20):
        assert brick.tap(person).why[0] == reg.REASON_NEAR
    for person in range(20, 40):
        assert brick.tap(person).why == [reg.REASON_TOO_MANY_PEOPLE, 0, 0, 0, 20, 21]
    enough = Brick(data(rule(limit=0), people=21))
    enough.slice(1, "surprise-15", 1, 50000)
    for person in range(21):
        decision = enough.tap(person)
    assert decision.kind == GRANT
    assert enough.tap(50).kind == GRANT, "more than 20 are certain, whoever this is"


def test_less_than_is_not_believed_of_a_count_that_may_be_higher():
    brick = Brick(data(rule(when=[12, [20, HOUR], 30], latch=False, limit=0), people=10))
    brick.slice(1, "surprise-15", 1, 50000)
    for person in range(10):
        assert brick.tap(person).kind == GRANT
    assert brick.tap(10).why[0] == reg.REASON_TOO_MANY_PEOPLE
    assert brick.tap(0).why[0] == reg.REASON_TOO_MANY_PEOPLE, "one was not remembered: 10 or more"


def test_people_of_ended_slots_make_room_and_their_slot_stays_closed():
    later = [START + 5 * HOUR, START + 6 * HOUR]
    brick = Brick(data(sample(slots=[0, 1]), slots=(SLOT, later), people=25))
    brick.slice(1, "welcome-sample", 2, 100)
    for person in range(25):
        brick.tap(person)
    assert brick.tap(25).why[0] == reg.REASON_TOO_MANY_PEOPLE
    for person in range(24):
        assert brick.tap(person, at=5 * HOUR).kind == GRANT, "a new slot: a sample once more"
    back = brick.tap(7, at=MINUTE)
    assert back.kind == DENY and back.why[0] == reg.REASON_TOO_MANY_PEOPLE, "the clock went back"


def test_a_slot_has_ended_at_its_very_end():
    brick = Brick(data(sample(slots=[0, 1]), slots=(SLOT, [SLOT[1], SLOT[1] + HOUR]), people=5))
    brick.slice(1, "welcome-sample", 2, 100)
    for person in range(5):
        assert brick.tap(person).kind == GRANT
    for person in range(5, 10):
        assert brick.tap(person, at=SLOT[1] - START).kind == GRANT
    assert brick.tap(5, at=SLOT[1] - START).why[0] == reg.REASON_ALREADY_HAD


def test_counts_of_ended_slots_stay_true_as_the_least():
    later = [START + 5 * HOUR, START + 6 * HOUR]
    brick = Brick(data(rule(slots=[0, 1], limit=0), slots=(SLOT, later), people=20))
    brick.slice(1, "surprise-15", 1, 5000)
    for person in range(20):
        brick.tap(person)
    for person in range(100, 119):
        assert brick.tap(person, at=5 * HOUR).why[0] == reg.REASON_NEAR
    for person in (0, 1, 200):
        assert brick.tap(person, at=MINUTE).why == [reg.REASON_TOO_MANY_PEOPLE, 0, 0, 0, 20, 21]


def test_a_board_may_remember_fewer_people_than_the_ruleset_asks():
    brick = Brick(data(rule(), people=100), people_capacity=5)
    brick.slice(1, "surprise-15", 1, 500)
    for person in range(5):
        assert brick.tap(person).why[0] == reg.REASON_NEAR
    assert brick.tap(5).why[0] == reg.REASON_TOO_MANY_PEOPLE


def test_memory_for_people_has_a_bound():
    many = [rule("rule-{}".format(number), limit=1) for number in range(60)]
    ruleset = rules.Ruleset(data(*many, people=8192))
    kept = state.State(ruleset)
    assert len(kept._people.table.data) <= peopleslots.TABLE_BYTES
    assert state.State(rules.Ruleset(data(rule(), people=500))).people_capacity == 500


def test_records_without_a_trusted_clock_count_nobody():
    brick = Brick(data(rule()))
    brick.slice(1, "surprise-15", 1, 500)
    for person in range(30):
        brick.tap(person, quality=1)
    assert brick.tap(30).why[4] == 1


def test_other_peoples_records_cannot_break_the_state():
    brick = market()
    odd = (
        {10: 99, 13: [[7, 5]]},
        {10: reg.KIND_LATCH},
        {10: reg.KIND_LATCH, 8: bytes(8), 9: 0, 24: [1]},
        {10: reg.KIND_LATCH, 8: brick.ruleset.digest8, 9: 60000, 24: [1]},
        {10: reg.KIND_LATCH, 8: brick.ruleset.digest8, 9: 0},
        {10: GRANT, 5: START, 7: [2, 0]},
        {10: GRANT, 5: START, 7: [2, 0], 9: 60000, 11: 0xFFFF, 13: [[0xFFFFFFFF, 1 << 62]]},
        {10: reg.KIND_RIGHTS, 13: [[8, 1 << 62]]},
        {10: reg.KIND_COLLECTIVE, 24: [3, None]},
    )
    for found in odd:
        brick.write(found, subject(1))
    assert brick.tap(0).kind == GRANT
    assert [7, 5] in brick.state.carry_forward(), "an unknown kind that spends rights has spent them"


# --- rights


def test_slices_are_taken_once_in_time_for_known_rules():
    brick = market()
    assert brick.slice(1, "welcome-sample", 2, 15) == reg.SLICE_HELD
    assert brick.slice(3, "no-such-rule", 2, 15) == reg.SLICE_UNKNOWN_RULE
    assert brick.slice(3, "welcome-sample", 1, 15) == reg.SLICE_UNKNOWN_RULE, "not its unit"
    assert brick.slice(3, "welcome-sample", 2, 15, expires=START, floor=START) == reg.SLICE_EXPIRED
    assert brick.slice(3, "welcome-sample", 2, 15, expires=START + 1, floor=0) == reg.SLICE_OK
    late = brick.slice(4, "welcome-sample", 2, 15, expires=START, floor=0)
    assert late == reg.SLICE_EXPIRED, "the floor never goes back"


def test_a_slice_expires_by_the_signed_floor_only():
    brick = market()
    brick.slice(5, "welcome-sample", 2, 5, expires=START + 1)
    assert brick.tap(0, at=HOUR).rights == [[5, 1]], "the brick's own clock expires nothing"
    brick.slice(6, "welcome-sample", 2, 5, expires=START + 9, floor=START + 1)
    assert brick.tap(1, at=HOUR).rights == [[6, 1]]


def test_24_slices_are_held_and_spent_ones_make_room():
    brick = Brick(data(sample(limit=0)))
    for number in range(24):
        assert brick.slice(100 + number, "welcome-sample", 2, 1, expires=START + number + 1) == reg.SLICE_OK
    assert brick.slice(200, "welcome-sample", 2, 1) == reg.SLICE_NO_ROOM
    assert brick.tap(0).rights == [[100, 1]]
    assert brick.slice(200, "welcome-sample", 2, 1) == reg.SLICE_OK
    assert brick.slice(100, "welcome-sample", 2, 1) == reg.SLICE_HELD, "it comes again, and it is used up"
    assert len(brick.state.slices_left()) == 24


def test_more_slices_than_can_be_remembered_are_not_taken():
    brick = Brick(data(sample(limit=0)))
    spent = {0: 0, 10: reg.KIND_RIGHTS, 16: 1}
    for number in range(1, 512):
        spent[13] = [[number, 1]]
        brick.state.apply(golden.Seen(number, spent, None))
    assert brick.slice(1000, "welcome-sample", 2, 9) == reg.SLICE_OK
    assert brick.slice(1001, "welcome-sample", 2, 9) == reg.SLICE_NO_ROOM
    assert brick.look(tap(0)).kind == GRANT
    spent[13] = [[1000, 1]]
    brick.state.apply(golden.Seen(600, spent, None))
    assert brick.look(tap(0)).kind == GRANT
    spent[13] = [[5000, 1]]
    brick.state.apply(golden.Seen(601, spent, None))
    assert brick.state.rights.short
    assert brick.look(tap(0)).kind == DENY, "what cannot be remembered cannot be spent"


# --- the table


def test_the_table_finds_what_was_added_and_forgets_what_was_dropped():
    table = Table(200, 7, 3)
    model = {}
    number = 1
    for _ in range(2000):
        number = number * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF
        key = bytes((1 + (number >> 8) % 5,)) + (number >> 40).to_bytes(3, "big") + bytes(3)
        if key not in model and len(model) < 200:
            at = table.add(key)
            table.data[at] = model[key] = number >> 16 & 255
        if len(model) == 200:
            assert table.add(bytes((9,)) * 7) == -1
            gone = bytearray(16)
            gone[1 + (number >> 20) % 5] = 1
            keep = {known: value for known, value in model.items() if not gone[known[0]]}
            assert table.drop(gone) == len(model) - len(keep)
            model = keep
        assert table.used == len(model)
    for key in model:
        assert table.data[table.find(key)] == model[key]
    assert sorted(table.keys()) == sorted(model)
    assert table.find(bytes((9,)) * 7) == -1
    assert Table(0, 7, 3).find(bytes((9,)) * 7) == -1 and Table(0, 7, 3).add(bytes((9,)) * 7) == -1


def test_small_counts_take_the_bits_that_they_need():
    places, size = counters.tallies([1, 2, 1, 15, 255, 1, 3])
    assert size == 4 and counters.tallies([]) == ((), 0) and counters.tallies([1] * 9)[1] == 2
    data = bytearray(1 + size)
    for number, most in enumerate([1, 2, 1, 15, 255, 1, 3]):
        for had in range(most):
            assert counters.tally(data, 1, places[number]) == had
            counters.raise_tally(data, 1, places[number])
        assert counters.tally(data, 1, places[number]) == most
        for other in range(number + 1, 7):
            assert counters.tally(data, 1, places[other]) == 0
    counters.raise_tally(data, 1, places[0])
    assert counters.tally(data, 1, places[0]) == 1 and data[0] == 0
