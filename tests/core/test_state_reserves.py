"""Reserves and their ends, exposure, open values, spent vouchers: what records say and a restart keeps."""

from rulekit import HOUR, START, subject
from stallmark import registry as reg
from stallmark import rights
from statekit import OPEN_VALUES, THERE, Books, digest, entry, over, rule, ruleset


def market():
    found = [
        rule("lan", grants=[[5, [40, 1], 0]], need=[2], offline=[14, 2, 3, 5]),
        rule("strict", grants=[[2, 1, 200]], need=[1], offline=[14, 3, 0, 0]),
        rule("voucher", trust=4, grants=[[2, 1, 0]], need=[], redeems=7),
        rule("basket", over([22], [40, 0])),
    ]
    at = Books(ruleset(*found, open_values=OPEN_VALUES))
    held(at.state)
    return at


def held(state):
    for number, name, unit, amount in ((1, "lan", 2, 10), (2, "strict", 1, 1000)):
        piece = rights.Slice(number, rights.rule8(name), unit, amount, bytes(8), 1, START + 10 * HOUR)
        assert state.add_slice(piece, 0) == reg.SLICE_OK


def left(at):
    return [amount for _slice, amount in at.state.slices_left()]


def reserve(at, parts, rule_index=0):
    fields = {5: START, 9: rule_index, 13: parts, 15: b"nonce--1"}
    return at.write(reg.KIND_RESERVE, fields, 0)


# --- reserves


def test_a_commit_does_not_spend_again():
    at = market()
    seq = reserve(at, [[1, 3], [2, 200]])
    assert left(at) == [7, 800] and at.state.open_reserves() == [(seq, 0, [[1, 3], [2, 200]])]
    assert at.state.reserve(seq)[3] == b"nonce--1"
    at.visit(0, kind=reg.KIND_GRANT, f20=seq)
    assert left(at) == [7, 800] and at.state.open_reserves() == [] and at.state.reserve(seq) is None
    at.write(reg.KIND_RELEASE, {13: [[1, 3]], 20: seq})
    assert left(at) == [7, 800], "what was granted does not come back"


def test_a_release_gives_back_once_and_only_what_was_taken():
    at = market()
    seq = reserve(at, [[1, 3]])
    at.write(reg.KIND_RELEASE, {13: [[1, 9], [2, 500]], 20: seq})
    assert left(at) == [10, 1000]
    at.write(reg.KIND_RELEASE, {13: [[1, 3]], 20: seq})
    at.write(reg.KIND_RELEASE, {13: [[1, 3]], 20: 999})
    at.write(reg.KIND_VOID, {13: [[1, 3]], 20: seq})
    at.write(reg.KIND_REFUND, {13: [[1, 3]], 20: seq})
    assert left(at) == [10, 1000]
    seq = reserve(at, [[1, 4], [2, 300]])
    at.write(reg.KIND_RELEASE, {13: [[1, 1]], 20: seq})
    assert left(at) == [7, 700], "the rest stays spent"


def test_a_release_never_gives_back_what_others_were_granted():
    at = market()
    at.visit(1, kind=reg.KIND_GRANT, f13=[[1, 5]])
    seq = reserve(at, [[1, 2]])
    at.write(reg.KIND_RELEASE, {13: [[1, 7], [1, 7]], 20: seq})
    assert left(at)[0] == 5


def test_a_release_without_its_reserve_gives_nothing():
    at = market()
    seq = reserve(at, [[1, 3]])
    at.write(reg.KIND_RIGHTS, {13: [[1, 3]]})
    at.write(reg.KIND_RELEASE, {13: [[1, 3]], 20: seq})
    fresh = at.again(from_seq=seq + 1)
    held(fresh)
    assert fresh.slices_left()[0] == [1, 7], "its reserve was erased: safe, and the controller knows better"


def test_reserves_without_an_end_are_known_after_a_restart():
    at = market()
    first, second = reserve(at, [[1, 1]]), reserve(at, [])
    third = reserve(at, [[1, 2]])
    at.write(reg.KIND_RELEASE, {13: [[1, 1]], 20: first})
    fresh = at.again()
    held(fresh)
    assert fresh.open_reserves() == [(second, 0, []), (third, 0, [[1, 2]])]
    assert digest(fresh) == digest(at.state)
    at.write(reg.KIND_RENTAL, {16: 2, 24: [2]})
    at.journal[-1].fields[16] = 2
    assert at.state.open_reserves() == [], "numbers of the last rental mean nothing"


def test_of_too_many_open_reserves_the_oldest_stay_spent():
    at = market()
    first = reserve(at, [[1, 2]])
    for _ in range(128):
        reserve(at, [])
    at.write(reg.KIND_RELEASE, {13: [[1, 2]], 20: first})
    assert left(at)[0] == 8 and len(at.state.open_reserves()) == 128


# --- exposure


def test_grants_are_exposed_until_the_host_has_them():
    at = market()
    for who in range(4):
        at.visit(who, kind=reg.KIND_GRANT, rule=0)
    at.visit(9, kind=reg.KIND_GHOST, rule=0)
    at.visit(9, kind=reg.KIND_GRANT, rule=3)
    assert [at.state.exposed(number) for number in range(4)] == [4, 0, 0, 0]
    at.state.reconciled(2)
    assert at.state.exposed(0) == 2
    at.state.reconciled(1)
    assert at.state.exposed(0) == 2, "the host never has less"
    fresh = at.again()
    assert fresh.exposed(0) == 4
    fresh.reconciled(2)
    assert fresh.exposed(0) == 2
    at.state.reconciled(6)
    assert at.state.exposed(0) == 0


def test_more_exposed_grants_than_are_told_apart_count_to_the_last():
    at = market()
    for _ in range(200):
        at.visit(0, kind=reg.KIND_GRANT, rule=0)
    assert at.state.exposed(0) == 200
    at.state.reconciled(150)
    assert at.state.exposed(0) == 72, "50 are open; never too few"
    at.visit(0, kind=reg.KIND_GRANT, rule=1)
    at.state.reconciled(200)
    assert at.state.exposed(0) == 72 and at.state.exposed(1) == 1
    at.state.reconciled(201)
    assert at.state.exposed(0) == 0 and at.state.exposed(1) == 0
    at.visit(0, kind=reg.KIND_GRANT, rule=0)
    assert at.state.exposed(0) == 1


# --- open values


def test_open_values_hold_their_default_until_a_record_sets_them():
    at = market()
    assert [at.state.parameter(index) for index in range(2)] == [1000, 20]
    at.write(reg.KIND_PARAMETERS, {24: [[[0, 1500], [1, 7]], "Ana"]})
    assert [at.state.parameter(index) for index in range(2)] == [1500, 7]
    for detail in (
        [[[0, 2001]], "Ana"],
        [[[0, 499]], "Ana"],
        [[[2, 1]], ""],
        [[[0, None]], ""],
        [None],
        [[[0]]],
        [],
    ):
        at.write(reg.KIND_PARAMETERS, {24: detail})
    at.write(reg.KIND_PARAMETERS, {8: bytes(8), 24: [[[0, 600]], "Ana"]})
    at.write(reg.KIND_PARAMETERS)
    assert [at.state.parameter(index) for index in range(2)] == [1500, 7]
    assert [at.again().parameter(index) for index in range(2)] == [1500, 7]


def test_open_values_are_carried_forward():
    at = market()
    at.write(reg.KIND_PARAMETERS, {24: [[[0, 1500]], "Ana"]})
    at.visit(0)
    assert at.state.carry_parameters(1) == [] and at.state.carry_parameters(2) == [[0, 1500]]
    seq = at.write(reg.KIND_PARAMETERS, {24: [at.state.carry_parameters(2), "carried"]})
    assert at.state.carry_parameters(2) == []
    assert at.again(from_seq=seq).parameter(0) == 1500


# --- vouchers


def redeem(at, serial, who=None, **other):
    return at.visit(who, kind=reg.KIND_REDEEM, rule=2, trust=4, f24=[serial], **other)


def test_a_voucher_is_spent_once_here_or_elsewhere():
    at = market()
    serial = b"serial-1"
    assert at.state.spent(serial) is False
    redeem(at, serial)
    assert at.state.spent(serial) is True and at.again().spent(serial) is True
    other = b"serial-2"
    assert at.state.spent(other, subject(5)) is False
    at.state.remote(THERE, 1, entry(5, 0, reg.KIND_REDEEM, 2, 4), START)
    assert at.state.spent(other, subject(5)) is True and at.state.spent(other) is False
    redeem(at, b"too short"[:5])
    at.visit(1, kind=reg.KIND_REDEEM, rule=2)


def test_a_redeem_in_training_or_without_a_clock():
    at = market()
    redeem(at, b"serial-1", f0=reg.FLAG_TRAINING)
    assert at.state.spent(b"serial-1") is False
    redeem(at, b"serial-2", f5=None, f7=[0, 0])
    assert at.state.spent(b"serial-2") is True


def test_more_vouchers_than_are_remembered_are_not_known():
    at = market()
    for number in range(1024):
        assert at.state.spent(b"new-----") is False
        redeem(at, number.to_bytes(8, "big"))
        at.journal[-1] = None  # a brick does not hold them in memory either
    assert at.state.spent(b"new-----") is None
    assert at.state.spent((7).to_bytes(8, "big")) is True
    redeem(at, b"new-----")
    assert at.state.spent(b"new-----") is None, "one that could not be remembered"
