"""What one brick may do alone: exposure, asking the host, people who answer, vouchers, revoked, stale, early."""

from deckit import HOUR, MINUTE, START, Kit, data, people_over, rule, subject, tap
from stallmark import byperson, people, rules
from stallmark import registry as reg

GRANT, DENY, UNCERTAIN, REDEEM = reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_UNCERTAIN, reg.KIND_REDEEM
SERIAL = bytes(range(8))


def kinds(kit, since=0):
    return [found.fields[10] for found in kit.journal[since:]]


def left(kit):
    return kit.state.slices_left()[0][1]


def test_alone_up_to_the_lower_limit_then_asking_then_not_without_an_answer():
    kit = Kit(data(rule(offline=[2, 2, 2, 4])))
    assert [kit.go(n, answer=None)[0].ask for n in range(4)] == [0, 0, 1, 1]
    (decision,) = kit.go(4, answer=None)
    assert decision.ask == 2
    assert kinds(kit)[-3:] == [reg.KIND_RESERVE, reg.KIND_RELEASE, DENY]
    assert kit.journal[-1].fields[14][0] == reg.REASON_EXPOSURE_LIMIT and left(kit) == 100000 - 4 * 200
    kit.state.reconciled(kit.state.seq)
    assert kit.go(5)[0].ask == 0
    assert kit.decide(tap(6), lane=True)[0].ask == 0, "the lane asks nobody"


def test_a_reserve_that_is_answered_with_yes_is_a_grant_without_rights_of_its_own():
    kit = Kit(data(rule(offline=[14, 3, 0, 0])))
    kit.go(1, answer=1)
    reserve, grant = kit.journal[-2:]
    assert (reserve.fields[10], grant.fields[10]) == (reg.KIND_RESERVE, GRANT)
    assert reserve.fields[13] == [[1, 200]] and 12 not in reserve.fields
    assert grant.fields[20] == reserve.seq and 13 not in grant.fields and grant.fields[12] == [[2, 1, 200]]
    assert grant.fields[15] == reserve.fields[15] and left(kit) == 100000 - 200


def test_no_and_nobody_give_back_what_was_reserved():
    kit = Kit(data(rule(offline=[14, 3, 0, 0])))
    kit.go(1, answer=2, reason=reg.REASON_ALREADY_HAD)
    assert kinds(kit)[-3:] == [reg.KIND_RESERVE, reg.KIND_RELEASE, DENY]
    release = kit.journal[-2].fields
    assert release[13] == [[1, 200]] and release[20] == kit.journal[-3].seq
    assert kit.journal[-1].fields[14][0] == reg.REASON_ALREADY_HAD and left(kit) == 100000
    kit.go(1, answer=2)
    assert kit.journal[-1].fields[14][0] == reg.REASON_HOST_REFUSED
    kit.go(1, answer=None)
    last = kit.journal[-1].fields
    assert (last[10], last[14][0]) == (UNCERTAIN, reg.REASON_ASK_HOST) and 12 not in last and 13 not in last
    kit.restart()
    assert left(kit) == 100000


def test_a_person_waives_conditions_not_rights_and_limits():
    kit = Kit(data(rule(when=[11, [22], 5000], limits=[[0, 1]], offline=[14, 1, 0, 0])))
    happened = tap(1, MINUTE)
    assert kit.decide(happened)[0].kind == UNCERTAIN
    question = (b"brick--1", 7, START + MINUTE)
    said = byperson.operator(kit.ruleset, kit.state, happened, 0, question, "staff-0a1b2c", True)
    assert (said.kind, said.why, said.rights) == (GRANT, [reg.REASON_PERSON, 0], [[1, 200]])
    assert said.detail == [b"brick--1", 7, "staff-0a1b2c", None, START + MINUTE]
    assert said.currency == "EUR" and said.opens == [1]
    kit.write(rules.record_fields(kit.ruleset, happened, said), subject(1))
    again = byperson.operator(kit.ruleset, kit.state, happened, 0, question, "staff", True)
    assert (again.kind, again.why[0]) == (DENY, reg.REASON_ALREADY_HAD)
    no = byperson.operator(kit.ruleset, kit.state, tap(2), 0, question, "staff", False)
    assert (no.kind, no.why, no.grants) == (DENY, [reg.REASON_PERSON, 0], [])
    poor = Kit(data(rule()), rich=False)
    assert byperson.operator(poor.ruleset, poor.state, tap(2), 0, question, "staff", True).kind == DENY


def test_a_question_is_answered_for_the_slot_in_which_it_was_asked():
    kit = Kit(data(rule(when=[11, [22], 5000], limits=[[0, 1]], offline=[14, 1, 0, 0])))
    kit.go(1, MINUTE)
    late = tap(1, 2 * HOUR)
    asked = START + MINUTE
    assert not kit.state.open_slots(late.wall_ms)
    over = byperson.operator(kit.ruleset, kit.state, late, 0, (b"brick--1", 1, None), "staff", True)
    assert (over.kind, over.why) == (DENY, [reg.REASON_OUTSIDE_SLOT, 0])
    yes = byperson.operator(kit.ruleset, kit.state, late, 0, (b"brick--1", 1, asked), "staff", True)
    assert yes.kind == GRANT
    made = kit.write(rules.record_fields(kit.ruleset, late, yes), subject(1))
    assert people.came(made.fields) == asked
    assert people.of_record(kit.ruleset.slots, made.fields, made.private_fields) == people.entry(
        subject(1), 0, 3, GRANT, 0, 0, MINUTE
    )
    soon = dict(made.fields)
    soon[5] = asked + MINUTE
    told = people.of_record(kit.ruleset.slots, soon, made.private_fields)
    assert people.read(told, 0)[-1] == 2 * MINUTE, "later than what was told before: others count it"
    again = byperson.operator(kit.ruleset, kit.state, late, 0, (b"brick--1", 2, asked), "staff", True)
    assert (again.kind, again.why[0]) == (DENY, reg.REASON_ALREADY_HAD)
    kit.restart()
    again = byperson.operator(kit.ruleset, kit.state, late, 0, (b"brick--1", 2, asked), "staff", True)
    assert (again.kind, again.why[0]) == (DENY, reg.REASON_ALREADY_HAD)


def voucher(series=7, minor=250, serial=SERIAL, **other):
    reference = "".join(["{:02X}".format(byte) for byte in serial])
    values = {
        "trust": 4,
        "type": 2,
        "signal": ["voucher:{}".format(series), minor, 0],
        "reference": reference,
    }
    values.update(other)
    return tap(8, MINUTE, **values)


def test_a_voucher_is_redeemed_once():
    found = rule("redeem", events=[2], trust=4, grants=[[2, 1, 0]], need=[], redeems=7)
    kit = Kit(data(found, rule("tap", events=[1])))
    (decision,) = kit.take(voucher())
    assert (decision.kind, decision.grants, decision.detail) == (REDEEM, [[2, 1, 250]], [SERIAL])
    assert kit.journal[-1].fields[24] == [SERIAL]
    assert kit.decide(voucher())[0].why == [reg.REASON_VOUCHER_SPENT, 0]
    kit.restart()
    assert kit.decide(voucher())[0].why == [reg.REASON_VOUCHER_SPENT, 0]
    assert kit.decide(voucher(serial=bytes(8)))[0].kind == REDEEM
    for other in (
        voucher(series=8),
        voucher(trust=3),
        voucher(reference="77"),
        voucher(reference="0" * 15 + "x"),
        voucher(signal=None),
    ):
        assert kit.decide(other)[0].why == [reg.REASON_NO_RULE]
    assert kit.decide(voucher(minor=0, serial=bytes(8)))[0].why[0] == reg.REASON_BASKET_SMALL


def test_a_rule_that_says_the_value_itself():
    kit = Kit(data(rule("redeem", events=[2], grants=[[2, 1, 300]], redeems=7)))
    (decision,) = kit.decide(voucher(minor=0))
    assert (decision.grants, decision.rights) == ([[2, 1, 300]], [[1, 300]])


def test_revoked_comes_before_every_rule():
    kit = Kit(data(rule()))
    kit.state.revoke(True, subject(3)[:6])
    assert kit.decide(tap(3))[0][:5] == (DENY, None, [], [], [reg.REASON_REVOKED])
    assert kit.decide(tap(4))[0].kind == GRANT


def test_people_of_other_bricks_open_a_rule_with_evidence_and_age():
    one, two = Kit(data(rule(when=people_over(3)))), Kit(data(rule(when=people_over(3))), brick=b"brick--2")
    for person in (1, 2, 3):
        two.go(person)
    assert one.go(3)[0].why[4:] == [1, 4, None, 3]
    assert one.hears(two, START + MINUTE)
    near = one.decide(tap(3, 2 * MINUTE))[0]
    assert (
        near.why == [reg.REASON_NEAR, 0, 0, 0, 3, 4, 60, 1]
        and not near.stale
        and near.evidence == one.state.evidence()
    )
    grant = one.decide(tap(9, 2 * MINUTE + 1000))[0]
    assert grant.kind == GRANT and grant.why[6] == 61 and grant.stale
    fields = rules.record_fields(one.ruleset, tap(9), grant)
    assert fields[0] == reg.FLAG_STALE and fields[21] == grant.evidence and len(grant.evidence) == 16


def test_data_too_old_deny_nobody_and_still_open():
    kit = Kit(data(rule(when=people_over(2), stale=300, offline=[14, 1, 0, 0])))
    other = Kit(data(rule(when=people_over(2), stale=300, offline=[14, 1, 0, 0])), brick=b"brick--2")
    other.go(1)
    kit.hears(other, START)
    assert kit.decide(tap(2, 300000))[0].why[0] == reg.REASON_NEAR
    late = kit.decide(tap(2, 301000))[0]
    assert (late.kind, late.why[0]) == (UNCERTAIN, reg.REASON_STALE)
    other.go(2, 1000)
    kit.hears(other, START + 2000, 1)
    assert kit.decide(tap(3, HOUR - 1))[0].kind == GRANT, "more could only confirm it"


def test_a_latch_of_a_kit_wide_count_is_kept():
    kit = Kit(data(rule(when=people_over(1), latch=True)))
    other = Kit(data(rule(when=people_over(1), latch=True)), brick=b"brick--2")
    other.go(1)
    kit.hears(other, START)
    assert kit.go(2)[0].latches == [0]
    kit.restart()
    assert kit.go(3, HOUR + 1)[0].kind == GRANT


def test_holders_of_tokens_come_earlier():
    found = rule(early=[[5, 30 * MINUTE], [1, 5 * MINUTE]], limits=[[0, 1]])
    kit = Kit(data(found))
    kit.state.balances(
        START - HOUR, 0, subject(1)[:6] + (5).to_bytes(4, "big") + subject(2)[:6] + (1).to_bytes(4, "big")
    )
    assert kit.go(1, -31 * MINUTE)[0].why[0] == reg.REASON_OUTSIDE_SLOT
    assert kit.go(2, -6 * MINUTE)[0].why == [reg.REASON_OUTSIDE_SLOT, 0, None, None, None, None, None, 360]
    assert kit.go(1, -30 * MINUTE)[0].kind == GRANT and kit.go(2, -5 * MINUTE)[0].kind == GRANT
    assert (
        kit.go(1, -MINUTE)[0].why[0] == reg.REASON_ALREADY_HAD
        and kit.go(1, MINUTE)[0].why[0] == reg.REASON_ALREADY_HAD
    )
    assert kit.go(3, -MINUTE)[0].why[0] == reg.REASON_OUTSIDE_SLOT and kit.go(3, 0)[0].kind == GRANT


def test_rules_that_are_not_for_this_place_do_not_apply():
    kit = Kit(data(rule("lane", flags=2), rule("brick", flags=1)))
    assert kit.decide(tap(1))[0].rule == 1 and kit.decide(tap(1), lane=True)[0].rule == 0


def test_a_clock_that_jumps_or_is_unset_never_raises():
    kit = Kit(
        data(
            rule(
                when=people_over(1),
                latch=True,
                limits=[[0, 1], [1, 1]],
                offline=[14, 2, 0, 1],
                early=[[1, 1]],
                stale=1,
            )
        )
    )
    for at in (0, -(10**12), 10**15, 5, -START, 0):
        for quality in (0, 1, 2, 3):
            for decision in kit.decide(tap(1, at, quality=quality)):
                assert decision.kind in (GRANT, DENY, UNCERTAIN)
