"""What a state is told: entries of other bricks, signals, balances, revoked subjects; what others are told."""

from rulekit import HOUR, MINUTE, START, subject
from stallmark import cbor, people
from stallmark import registry as reg
from stallmark.crypt import sha256
from statekit import HERE, PEOPLE_KIT, SIGNALS, THERE, Books, digest, entry, over, rule, ruleset

ELSEWHERE = b"brick--3"
EVENTS = [25, 0, HOUR, 0, 0]


def market(**other):
    found = [
        rule("people", over(PEOPLE_KIT), limits=[[0, 2], [1, 3]]),
        rule("events", [1, over(EVENTS), over([21])], people_trust=0),
        rule("loyal", [1, over([29], 2), over([30], 4)]),
        rule("rain", over([32, 0], 1)),
    ]
    slots = [[START + day * 24 * HOUR, START + day * 24 * HOUR + HOUR] for day in range(10)]
    return Books(ruleset(*found, slots=slots, signals=SIGNALS, **other))


def counted(at):
    return at.state.count(0, 0, START), at.state.count(0, 1, START)


# --- entries


def test_an_entry_is_fourteen_bytes():
    made = entry(0, 5000, reg.KIND_GRANT, 7, 3, 2, 1)
    assert made.hex() == subject(0)[:6].hex() + "02" + "83" + "07" + "01" + "00001388"
    assert people.read(made, 0) == (subject(0)[:6], 2, 3, 0x83, 7, 1, 5000)
    assert people.entry(None, 999, 0, reg.KIND_REDEEM, None, 0, 1 << 40).hex() == "00" * 7 + "20ff007fffffff"
    assert people.read(people.entry(None, 1, 0, reg.KIND_GHOST, 300, 0, -5), 0) == (
        None,
        1,
        0,
        0x40,
        255,
        0,
        0,
    )


def test_records_are_told_as_the_page_says():
    at = market()
    at.visit(0, MINUTE, kind=reg.KIND_GRANT)
    assert at.told() == entry(0, MINUTE, reg.KIND_GRANT)
    for fields in ({0: reg.FLAG_TRAINING}, {0: reg.FLAG_SHADOW}, {7: [1, 0]}, {5: None}, {5: START - 1}):
        found = {0: 0, 5: START, 7: [2, 0], 9: 0, 10: 1, 11: 19}
        found.update(fields)
        assert people.of_record(at.ruleset.slots, found, None) == b"", fields
    for kind in (reg.KIND_LATCH, reg.KIND_COLLECTIVE, reg.KIND_RESERVE, reg.KIND_RELEASE, reg.KIND_VOID):
        assert people.of_record(at.ruleset.slots, {0: 0, 5: START, 7: [2, 0], 10: kind}, None) == b""
    answer = {0: 0, 5: START, 7: [2, 0], 9: 1, 10: 1, 11: 19, 14: [23, 1]}
    assert people.of_record(at.ruleset.slots, answer, {1: subject(4)}) == entry(4, 0, 1, 1, 3, 0)


def test_a_person_seen_at_two_bricks_is_one():
    at = market()
    at.visit(0)
    at.visit(1)
    assert at.state.remote(THERE, 3, entry(1, 10) + entry(2, 20) + entry(None, 30), START)
    assert counted(at) == (3, 5)
    assert at.state.visits(at.state.person(0, subject(1))) == 2


def test_the_same_entries_again_in_any_cut_change_nothing():
    at = market()
    told = [entry(who, who * 100, reg.KIND_GRANT, who % 2) for who in range(9)]
    at.state.remote(THERE, 4, b"".join(told[:4]), START)
    at.state.remote(THERE, 9, b"".join(told[4:]), START)
    before = digest(at.state)
    assert not at.state.remote(THERE, 9, b"".join(told), START)
    assert not at.state.remote(THERE, 5, b"".join(told[2:5]), START)
    assert digest(at.state) == before
    at.state.remote(THERE, 12, b"".join(told) + entry(20, 900), START)
    assert counted(at) == (10, 10)


def test_what_comes_late_counts_as_people_and_no_more():
    at = market()
    at.state.remote(THERE, 9, entry(0, 900), START)
    assert not at.state.remote(THERE, 3, entry(1, 300, reg.KIND_GRANT), START)
    assert counted(at) == (2, 1)
    assert at.state.granted(at.state.person(0, subject(1)), 0) == 0
    assert at.state.heads() == [[THERE, 9]]


def test_grants_of_others_count_towards_limits_once():
    at = market()
    grant = entry(0, 100, reg.KIND_GRANT, 0)
    ghost = entry(0, 100, reg.KIND_GHOST, 1)
    at.state.remote(THERE, 2, grant + ghost, START)
    at.state.remote(THERE, 2, grant + ghost, START)
    at.state.remote(ELSEWHERE, 7, grant, START)
    place = at.state.person(0, subject(0))
    assert at.state.granted(place, 0) == 2 and at.state.granted_ever(subject(0), 0) == 2
    assert at.state.visits(place) == 2, "two outcomes of one event are one visit"
    at.visit(0, 200, kind=reg.KIND_GHOST)
    assert at.state.granted(place, 0) == 3 and at.state.granted_ever(subject(0), 0) == 3


def test_heads_and_their_evidence():
    at = market()
    assert at.state.heads() == [] and at.state.evidence() is None and at.state.remote_age(START) is None
    at.visit(0)
    assert not at.state.remote(HERE, 9, entry(0), START), "its own records it has"
    at.state.remote(THERE, 5, b"", START)
    at.state.remote(ELSEWHERE, 2, b"", START + 3000)
    assert at.state.heads() == [[THERE, 5], [ELSEWHERE, 2]]
    expected = sha256(b"stallmark/heads/1\0", cbor.encode([[THERE, 5], [ELSEWHERE, 2]]))[:16]
    assert at.state.evidence() == expected
    assert at.state.remote_age(START + 5000) == 2 and at.state.remote_age(START) == 0
    at.state.remote(THERE, 6, b"", None)
    assert at.state.evidence() != expected and at.state.remote_age(START + 5000) == 2


def test_bricks_beyond_sixteen_and_odd_entries_change_nothing():
    at = market()
    for number in range(20):
        at.state.remote(bytes((number,)) * 8, 1, entry(number, number), START)
    assert len(at.state.heads()) == 16 and counted(at) == (16, 16)
    at.state.remote(bytes(8), 9, entry(90, 0, slot=200) + entry(91, HOUR) + b"short", START)
    at.state.remote(bytes(8), 10, entry(92, 500, reg.KIND_GRANT, 250, type=0), START)
    assert counted(at) == (17, 16)


def test_version_1_listens_to_nobody():
    from rulekit import Brick, data
    from rulekit import rule as rule1

    brick = Brick(data(rule1()))
    assert not brick.state.remote(THERE, 5, entry(0) + entry(1), START)
    assert brick.state.count(0, 0) == 0 and brick.state.heads() == []
    assert brick.state._ever is None and brick.state._spent is None and brick.state._exposure is None


# --- over the campaign


def test_slots_attended_are_a_union_too():
    at = market()
    day = 24 * HOUR
    at.visit(0, 0)
    at.visit(0, day)
    at.visit(0, day + 5)
    at.state.remote(
        THERE, 4, entry(0, 0, slot=1) + entry(0, 5, slot=4) + entry(1, 6, slot=4), START + 4 * day
    )
    assert at.state.attended(subject(0)) == 3 and at.state.attended(subject(0), 4) == 3
    assert at.state.attended(subject(0), 9) == 4 and at.state.attended(subject(9), 9) == 1
    assert at.state.attended(subject(9)) == 0
    assert digest(at.again(), False) != digest(at.state, False), "what others told is gone after a restart"


def test_newcomers_are_not_known_when_the_table_is_full():
    at = market(people=5)
    for who in range(5):
        at.visit(who, kind=reg.KIND_GRANT)
    assert at.state.granted_ever(subject(4), 0) == 1
    assert at.state.granted_ever(subject(5), 0) is None
    assert at.state.attended(subject(5)) is None and at.state.balance(subject(5)) is None
    assert at.state.balance(subject(4)) == 0


# --- balances


def tokens(at, who, number):
    return at.visit(who, kind=reg.KIND_GRANT, rule=2, f12=[[reg.GRANT_TOKENS, number, None]])


def balance(who, number):
    return subject(who)[:6] + number.to_bytes(4, "big")


def test_a_balance_is_what_the_host_says_and_what_came_since():
    at = market()
    first = tokens(at, 0, 3)
    assert at.state.balance(subject(0)) == 3 and at.state.balance_age(START) is None
    second = tokens(at, 0, 2)
    assert at.state.balances(START, first, balance(0, 10) + balance(1, 4))
    assert at.state.balance(subject(0)) == 12 and at.state.balance(subject(1)) == 4
    assert at.state.balance_age(START + 7500) == 7
    assert at.state.balances(START + 9000, second, balance(0, 12))
    assert at.state.balance(subject(0)) == 12
    at.state.balances(START, first, balance(0, 10))
    assert at.state.balance(subject(0)) == 12, "an older one came late"
    tokens(at, 0, 1)
    assert at.state.balance(subject(0)) == 13


def test_a_restart_counts_no_token_twice():
    at = market()
    for _ in range(5):
        last = tokens(at, 0, 1)
    fresh = at.again()
    assert fresh.balance(subject(0)) == 5
    fresh.balances(START, last - 2, balance(0, 3))
    assert fresh.balance(subject(0)) == 5
    fresh.balances(START + 1, last, balance(0, 5))
    assert fresh.balance(subject(0)) == 5


def test_of_many_grants_the_snapshot_may_count_less_and_never_more():
    at = market()
    for _ in range(100):
        last = tokens(at, 0, 1)
    at.state.balances(START, last - 50, balance(0, 50))
    assert 50 + 32 == at.state.balance(subject(0))
    at.state.balances(START + 1, last, balance(0, 100))
    assert at.state.balance(subject(0)) == 100


def test_a_voided_grant_takes_its_tokens_back_once():
    at = market()
    first = tokens(at, 0, 3)
    second = tokens(at, 0, 2)
    at.write(reg.KIND_VOID, {20: first})
    at.write(reg.KIND_VOID, {20: first})
    assert at.state.balance(subject(0)) == 2 == at.again().balance(subject(0))
    at.state.balances(START, at.state.seq, balance(0, 2))
    at.write(reg.KIND_VOID, {20: second})
    assert at.state.balance(subject(0)) == 2, "the host counts it from here on"


def test_balances_leave_room_for_those_who_come():
    at = market(people=40)
    entries = b"".join([balance(who, 1) for who in range(100, 140)])
    assert not at.state.balances(START, 0, entries)
    assert at.state.balance(subject(100)) == 1
    for who in range(10):
        tokens(at, who, 1)
        assert at.state.balance(subject(who)) == 1


# --- signals, revoked subjects


def test_a_signal_is_known_while_it_is_young():
    at = market()
    assert at.state.signal(0, START) is None
    assert at.state.signals(0, 7, START)
    assert not at.state.signals(0, 9, START - 1) and not at.state.signals(5, 1, START)
    assert at.state.signal(0, START + 600999) == (7, 600)
    assert at.state.signal(0, START + 601000) is None
    assert at.state.signals(1, -3, START) and at.state.signal(1, START) == (-3, 0)


def test_revoked_subjects_have_a_bound():
    at = market()
    assert not at.state.revoked(subject(0)) and not at.state.revoked(None)
    assert at.state.revoke(True, subject(0)[:6] + subject(1)[:6])
    assert at.state.revoke(False, subject(2)[:6] + subject(2)[:6])
    assert [at.state.revoked(subject(who)) for who in range(4)] == [True, True, True, False]
    assert at.state.revoke(True, subject(3)[:6])
    assert [at.state.revoked(subject(who)) for who in range(4)] == [False, False, False, True]
    assert not at.state.revoke(False, b"".join([subject(who)[:6] for who in range(300)]))


def test_without_a_ruleset_there_is_nothing_to_be_told():
    at = Books(None)
    at.write(reg.KIND_GRANT, {5: START, 11: 19, 13: [[1, 2]], 20: 9}, 0)
    assert not at.state.remote(THERE, 1, entry(0), START) and at.state.heads() == []
    assert not at.state.signals(0, 1, START) and not at.state.balances(START, 0, balance(0, 1))
    assert at.state.open_slots(START) == () and at.state.exposed(0) == 0 and at.state.evidence() is None
    assert at.state.balance(subject(0)) is None and at.state.people_capacity == 0
    assert at.state.carry_forward() == [[1, 2]] and at.state.carry_parameters(9) == []
    at.state.reconciled(5)
