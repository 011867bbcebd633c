"""What a brick remembers: rebuilt from records, bounded, and honest about its bounds."""

from rulekit import HOUR, MINUTE, SLOT, START, Brick, data, rule, sample, shown, subject, tap
from stallmark import counters, golden, peopleslots, rules, state
from stallmark import registry as reg
from stallmark.counters import Table
from stallmark.indexed import Indexed

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


def test_another_rental_knows_nobody_of_the_last_one():
    brick = Brick(data(rule()))
    for person in range(21):
        brick.tap(person)
    assert brick.tap(0).kind == reg.KIND_DENY, "had it already"
    brick.write({10: reg.KIND_RENTAL, 24: [2]})
    assert brick.state.person(0, subject(0)) < 0 and brick.state.count(0, 0) == 0
    for person in range(5):
        brick.tap(person)
    assert brick.state.person(0, subject(0)) >= 0 and not brick.state.unsure(0)


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
    table = kept._people.table
    assert table.pieces == [], "nobody came yet"
    while table.add(table.used.to_bytes(7, "big")) >= 0:
        pass
    assert 500 < table.used == kept.people_capacity
    assert sum([len(piece) for piece in table.pieces]) <= peopleslots.TABLE_BYTES
    assert max([len(piece) for piece in table.pieces]) <= 1024 and len(table._heads) <= 2000
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


def test_both_tables_find_what_was_added_and_forget_what_was_dropped():
    for kind in (Table, Indexed):
        for capacity, mask in ((200, 0), (900, 0xFFFF), (40, 7)):  # keys that begin alike, that differ, that come again
            _try_table(kind(capacity, 7, 3), mask)
    assert Table(0, 7, 3).find(bytes((9,)) * 7) == -1 and Table(0, 7, 3).add(bytes((9,)) * 7) == -1


def _try_table(table, mask):
    model = {}
    number = 1
    for _ in range(2000):
        number = number * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF
        key = bytes((1 + (number >> 8) % 5,)) + (number >> 40).to_bytes(3, "big") + (number >> 16 & mask).to_bytes(3, "big")
        if key not in model and len(model) < table.capacity:
            at = table.add(key)
            assert not any(table.pieces[at >> 12][at & 4095 : (at & 4095) + 3])
            table.pieces[at >> 12][at & 4095] = model[key] = number >> 16 & 255
        if len(model) == table.capacity:
            assert table.add(bytes((9,)) * 7) == -1
            gone = bytearray(16)
            gone[1 + (number >> 20) % 5] = 1
            keep = {known: value for known, value in model.items() if not gone[known[0]]}
            assert table.drop(gone) == len(model) - len(keep)
            model = keep
        assert table.used == len(model)
    for key in model:
        at = table.find(key)
        assert table.pieces[at >> 12][at & 4095] == model[key]
    assert sorted(table.keys()) == sorted(model)
    assert table.find(bytes((9,)) * 7) == -1


def test_chains_stay_short_and_nothing_is_made_before_it_is_needed():
    table = Table(1000, 7, 28)
    assert table.pieces == [] and len(table._heads) == 4
    for number in range(1000):
        table.add(b"\1" + (number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFF).to_bytes(6, "big"))
        assert (len(table.pieces) - 1) * 16 <= number < len(table.pieces) * 16, "sixteen entries of 37 bytes in a piece"
        assert len(table._heads) >= number
    lengths = {}
    for number in range(1000):
        chain = table._chain(*table._at(number))
        lengths[chain] = lengths.get(chain, 0) + 1
    assert max(lengths.values()) <= 8, max(lengths.values())


class Short:
    """Memory for two pieces, or so many."""

    def __init__(self, most=2):
        self._pieces = []
        self.most = most

    def __len__(self):
        return len(self._pieces)

    def __getitem__(self, index):
        return self._pieces[index]

    def append(self, piece):
        if len(self._pieces) >= self.most:
            raise MemoryError
        self._pieces.append(piece)


def test_without_memory_for_more_a_table_is_full_until_there_is_some():
    table = Table(1000, 7, 28)
    table.pieces = Short()
    for number in range(32):
        assert table.add(b"\1" + number.to_bytes(6, "big")) >= 0
    newcomer = b"\1" + bytes(5) + b"\x40"
    assert table.add(newcomer) == -1 and table.short and table.full
    assert table.used == 32 and table.capacity == 1000
    assert table.find(b"\1" + bytes(5) + b"\x1f") >= 0 and table.find(newcomer) == -1
    assert not table.ahead() and table.add(newcomer) == -1, "still none"
    table.pieces.most = 4
    assert table.ahead() and not table.full and len(table.pieces) == 3
    assert table.add(newcomer) >= 0 and table.find(newcomer) >= 0
    assert not table.ahead(1000) and not table.short and table.add(b"\1" + bytes(5) + b"\x41") >= 0, "no harm in asking"
    table = Table(1000, 7, 28)
    table.pieces = Short(0)
    assert table.add(newcomer) == -1
    table.pieces.most = 1
    assert table.drop(bytearray(2)) == 0 and table.add(newcomer) >= 0, "tried again after a slot's end"


def _no_memory(kept):
    """No piece can be had for people's tables of a state; returns what gives them memory again."""
    people = kept._people
    people._pieces = people._grants.pieces = people.table.pieces = short = Short(0)
    return short


def test_whoever_found_no_memory_stays_unknown_and_the_next_slot_remembers_again():
    two = [[START - 1000, START + 100_000], [START + 100_000, START + 200_000]]
    brick = Brick(data(rule(slots=[0, 1]), slots=two))
    brick.slice(1, "surprise-15", 1, 500)
    memory = _no_memory(brick.state)
    kept = brick.state
    kept._people.meet(0, subject(1)[:6], 10, START + 10, reg.EVENT_NFC_TAP, 3, True, True, 0)
    assert kept.short and not kept.room(0, START + 10) and kept.unsure(0)
    memory.most = 9
    kept.ahead()
    assert not kept.room(0, START + 10) and kept.short, "nobody can tell newcomers from whom it lost"
    assert kept.room(1, START + 100_010), "nobody was lost there"
    kept._people.meet(1, subject(1)[:6], 10, START + 100_010, reg.EVENT_NFC_TAP, 3, True, True, 0)
    assert kept.granted(kept.person(1, subject(1)), 0) == 1


def test_a_slot_that_is_over_leaves_no_state_short():
    two = [[START - 1000, START + 100_000], [START + 100_000, START + 200_000]]
    kept = Brick(data(rule(slots=[0, 1]), slots=two)).state
    memory = _no_memory(kept)
    kept._people.meet(0, subject(1)[:6], 10, START + 10, reg.EVENT_NFC_TAP, 3, True, True, 0)
    memory.most = 9
    kept.ahead(START + 99_999)
    assert kept.short
    kept.ahead(None)
    assert kept.short, "nobody knows what time it is"
    kept.ahead(START + 100_000)
    assert not kept.short and not kept.room(0, START + 100_000) and kept.unsure(0), "nobody is taken for a newcomer there"
    kept._people.meet(0, subject(2)[:6], 10, START + 99_000, reg.EVENT_NFC_TAP, 3, True, True, 0)
    assert kept.person(0, subject(2)) < 0 and kept.room(1, START + 100_000)


def test_memory_for_those_who_come_next_is_there_before_they_come():
    kept = Brick(data(rule())).state
    kept.ahead()
    assert len(kept._people.table.pieces) == 1 and not kept.short


def test_a_slice_that_is_accepted_has_room_for_what_is_spent_of_it():
    brick = Brick(data(rule()))
    rights = brick.state.rights
    rights._known.pieces = Short(0)
    assert brick.slice(1, "surprise-15", 1, 500) == reg.SLICE_NO_ROOM and not rights.short
    rights._known.pieces.most = 1
    assert brick.slice(1, "surprise-15", 1, 500) == reg.SLICE_OK
    rights._known.pieces.most = 0
    rights.spend(1, 15, 9)
    assert not rights.short and rights.lefts() == [[1, 485]]
    rights.forget()
    rights._known.pieces = Short(0)
    rights.spend(7, 15, 10)
    assert rights.short and brick.state.short, "read back from the journal, without memory: it fails safe, and says so"


def test_small_counts_take_the_bits_that_they_need():
    mosts = [1, 2, 0, 1, 15, 255, 1, 3]
    small = counters.Tallies(mosts, 3)
    assert small.size == 4 and counters.Tallies([]).size == 0 and counters.Tallies([1] * 9).size == 2
    place = 1 << 12 | 5
    pieces = small.pieces = [bytearray(8), bytearray(8 + small.size)]
    for number, most in enumerate(mosts):
        for had in range(most):
            assert small.get(place, number) == had
            small.add(place, number)
        small.add(place, number)
        assert small.get(place, number) == (3 if most == 2 else most)
        for other in range(number + 1, len(mosts)):
            assert small.get(place, other) == 0
    assert not any(pieces[0]) and not any(pieces[1][:8]), "what stands before them is another's"
