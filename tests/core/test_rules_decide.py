"""What a ruleset gives: people, samples, limits, rights, and why not."""

from rulekit import HOUR, MINUTE, SLOT, START, Brick, data, rule, sample, shown, tap
from stallmark import registry as reg
from stallmark import rules, state

GRANT, DENY, UNCERTAIN = reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_UNCERTAIN


def surprise(**other):
    brick = Brick(data(rule(**other)))
    for number in range(1, 5):
        assert brick.slice(number, "surprise-15", 1, 2000) == reg.SLICE_OK
    return brick


def test_the_21st_different_person_opens_the_15_percent_and_is_granted_too():
    brick = surprise()
    for person in range(20):
        decision = brick.tap(person, at=person * MINUTE)
        assert decision.kind == DENY
        assert decision.why[0] == reg.REASON_NEAR
        assert decision.why[4:] == [person + 1, 21, None, 20 - person]
        assert brick.tap(person, at=person * MINUTE + 1000).why[4] == person + 1, "the same person again"
    decision = brick.tap(20, at=21 * MINUTE)
    assert (decision.kind, decision.rule) == (GRANT, 0)
    assert decision.grants == [[1, 1500, 500]] and decision.rights == [[1, 500]] and decision.opens == [1]
    assert decision.latches == [0] and decision.until == [SLOT[1]]
    assert decision.why == [reg.REASON_GRANTED, 0, 1, 0, 21, 21] and decision.currency == "EUR"
    again = brick.tap(20, at=22 * MINUTE)
    assert (again.kind, again.why) == (DENY, [reg.REASON_ALREADY_HAD, 0, 1, None, 1, 1])
    late = brick.tap(0, at=HOUR + MINUTE)
    assert late.kind == GRANT and late.latches == [] and late.why[4:] == [21, 21]
    assert brick.tap(1, at=HOUR + 15 * MINUTE).why[0] == reg.REASON_OUTSIDE_SLOT


def test_21_blank_tags_do_not_open_the_15_percent_rule():
    brick = surprise()
    for person in range(40):
        decision = brick.tap(person, at=person * 1000, trust=reg.TRUST_BARE)
        assert decision.why == [reg.REASON_TOKEN_KIND, 0, None, None, reg.TRUST_BARE, reg.TRUST_ISSUED]
    for person in range(100, 120):
        assert brick.tap(person, at=MINUTE).why[0] == reg.REASON_NEAR
    assert brick.tap(120, at=MINUTE).kind == GRANT


def test_blank_tags_take_no_place_in_the_table():
    brick = Brick(data(rule(), people=30))
    for person in range(100):
        brick.tap(person, trust=reg.TRUST_BARE)
        brick.tap(None, trust=reg.TRUST_ANONYMOUS)
    brick.slice(1, "surprise-15", 1, 1000)
    for person in range(100, 120):
        brick.tap(person)
    assert brick.tap(120).kind == GRANT


def test_people_after_the_first_hour_do_not_count():
    brick = surprise()
    for person in range(20):
        brick.tap(person, at=HOUR - 1)
    decision = brick.tap(20, at=HOUR)
    assert decision.kind == DENY
    assert decision.why == [reg.REASON_CONDITION, 0, 0, 0, 20, 21], "no longer near: the hour is over"
    assert brick.tap(21, at=HOUR).why[4] == 20 and brick.tap(22, at=HOUR + 1).why[4] == 20


def test_near_is_said_only_where_more_people_would_help():
    within = [1, [10, [20, HOUR], 2], [12, [24], HOUR]]
    brick = Brick(data(rule(when=within, latch=False)))
    assert brick.tap(0).why[0] == reg.REASON_NO_RIGHTS_YET
    brick.slice(1, "surprise-15", 1, 999)
    assert brick.tap(0).why[0] == reg.REASON_NEAR
    brick.tap(1)
    assert brick.tap(2).kind == GRANT
    assert brick.tap(2, at=HOUR).why[0] == reg.REASON_ALREADY_HAD, "and the condition is not true any more"
    assert brick.tap(0, at=HOUR).why[0] == reg.REASON_BUDGET_USED_UP


def test_the_last_millisecond_of_the_hour_counts():
    brick = surprise()
    for person in range(20):
        brick.tap(person)
    assert brick.tap(20, at=HOUR - 1).kind == GRANT


def test_a_latch_is_written_once_and_holds_over_a_restart_without_the_people():
    brick = surprise()
    for person in range(21):
        brick.tap(person)
    latch = [found for found in brick.journal if found.fields[10] == reg.KIND_LATCH]
    assert len(latch) == 1 and latch[0].seq == 21
    assert brick.journal[21].fields[10] == reg.KIND_RIGHTS and brick.journal[22].fields[10] == GRANT
    brick.restart(from_seq=21)
    brick.slice(1, "surprise-15", 1, 2000)
    decision = brick.tap(30, at=HOUR + 1)
    assert decision.kind == GRANT and decision.latches == []


def test_a_latch_ends_with_its_slot():
    day = 24 * HOUR
    brick = Brick(data(rule(slots=[0, 1]), slots=(SLOT, [START + day, START + day + HOUR])))
    brick.slice(1, "surprise-15", 1, 5000)
    for person in range(21):
        brick.tap(person)
    assert brick.tap(21, at=day).why[0] == reg.REASON_NEAR
    assert brick.tap(21, at=day - 1).why == [reg.REASON_OUTSIDE_SLOT, 0, None, None, None, None, None, 1]


def test_a_latch_of_another_ruleset_is_not_taken_for_ones_own():
    brick = surprise()
    for person in range(21):
        brick.tap(person)
    brick.install(data(rule(when=[10, [20, HOUR], 30])))
    brick.slice(1, "surprise-15", 1, 2000)
    decision = brick.tap(21)
    assert decision.why == [reg.REASON_NEAR, 0, 0, 0, 22, 31, None, 9], "people of the slot still count"


def test_first_tap_gives_a_sample_later_ones_can_win_the_15_percent():
    brick = Brick(data(sample(), rule()))
    brick.slice(1, "welcome-sample", 2, 100)
    brick.slice(2, "surprise-15", 1, 5000)
    for person in range(20):
        decision = brick.tap(person)
        assert (decision.kind, decision.rule, decision.grants) == (GRANT, 0, [[5, 1, 0]])
        assert decision.currency is None and decision.rights == [[1, 1]]
    assert brick.tap(3).why == [reg.REASON_NEAR, 1, 0, 0, 20, 21, None, 1], "near goes before already had"
    decision = brick.tap(20)
    assert decision.rule == 0 and decision.latches == [1], "the sample goes first, the latch is written too"
    decision = brick.tap(20)
    assert (decision.kind, decision.rule, decision.latches) == (GRANT, 1, [])


def test_a_sample_ends_with_its_stock():
    brick = Brick(data(sample()))
    assert brick.tap(0).why == [reg.REASON_NO_RIGHTS_YET, 0, None, None, None, 1]
    brick.slice(1, "welcome-sample", 2, 2)
    assert brick.tap(0).kind == GRANT and brick.tap(1).kind == GRANT
    assert brick.tap(2).why == [reg.REASON_STOCK_USED_UP, 0, None, None, 0, 1]
    assert brick.tap(0).why[0] == reg.REASON_ALREADY_HAD
    assert brick.state.slices_left() == [[1, 0]]


def test_a_budget_that_cannot_cover_the_cap_gives_nothing():
    brick = Brick(data(rule(when=[0], latch=False)))
    brick.slice(1, "surprise-15", 1, 499)
    assert brick.tap(0).why == [reg.REASON_BUDGET_USED_UP, 0, None, None, 499, 500]


def test_two_slices_together_cover_one_need_by_expiry_then_id():
    brick = Brick(data(rule(when=[0], latch=False)))
    brick.slice(9, "surprise-15", 1, 200, expires=START + 2 * HOUR)
    brick.slice(4, "surprise-15", 1, 150, expires=START + 3 * HOUR)
    brick.slice(3, "surprise-15", 1, 350, expires=START + 3 * HOUR)
    brick.slice(1, "surprise-15", 1, 600, expires=START + 4 * HOUR)
    first = brick.tap(0)
    assert first.rights == [[9, 200], [3, 300]] and first.opens == [9, 3]
    second = brick.tap(1)
    assert second.rights == [[3, 50], [1, 450]] and second.opens == [1]
    assert brick.tap(2).why[:1] == [reg.REASON_BUDGET_USED_UP]
    assert brick.state.slices_left() == [[1, 150], [3, 0], [4, 150], [9, 0]]
    brick.slice(2, "surprise-15", 1, 350, expires=START + 5 * HOUR)
    assert brick.tap(3).rights == [[4, 150], [2, 350]], "together exactly enough"


def test_a_clock_that_is_not_set_follows_the_offline_policy():
    ask = Brick(data(rule(when=[0], latch=False, policy=14)))
    ask.slice(1, "surprise-15", 1, 1000)
    for quality in (0, 1):
        decision = ask.tap(0, quality=quality)
        assert (decision.kind, decision.rule, decision.why) == (UNCERTAIN, 0, [reg.REASON_CLOCK_UNSET, 0])
        assert decision.grants == [] and decision.rights == []
    strict = Brick(data(rule(when=[0], latch=False)))
    strict.slice(1, "surprise-15", 1, 1000)
    decision = strict.tap(0, quality=1)
    assert (decision.kind, decision.why) == (DENY, [reg.REASON_CLOCK_UNSET, 0])


def test_what_is_certainly_false_is_not_called_unknown():
    brick = Brick(data(rule(when=[0], latch=False, policy=14)))
    assert brick.tap(0, quality=0).why[0] == reg.REASON_NO_RIGHTS_YET, "no rights: the clock does not matter"
    brick.slice(1, "surprise-15", 1, 1000)
    assert brick.tap(0, quality=0, trust=2).kind == DENY


def test_an_unknown_rule_does_not_stop_a_later_one_that_grants():
    brick = Brick(data(rule(when=[11, [22], 1000], latch=False, policy=14), sample()))
    brick.slice(1, "surprise-15", 1, 1000)
    brick.slice(2, "welcome-sample", 2, 1)
    assert brick.tap(0).rule == 1
    decision = brick.tap(0)
    assert decision.kind == UNCERTAIN and decision.why == [reg.REASON_CONDITION, 0, 0, 0, None, 1000]
    assert brick.tap(1, basket_minor=999).why[0] == reg.REASON_STOCK_USED_UP


def test_a_basket_says_how_much_is_missing():
    brick = Brick(data(rule(when=[11, [22], 1000], latch=False)))
    brick.slice(1, "surprise-15", 1, 1000)
    decision = brick.tap(0, basket_minor=680)
    assert decision.why == [reg.REASON_BASKET_SMALL, 0, 0, 0, 680, 1000, None, 320]
    assert decision.currency == "EUR"
    assert brick.tap(0, basket_minor=1000).kind == GRANT


def test_a_phone_with_a_random_uid_is_a_decision_without_subject():
    brick = Brick(data(rule(when=[0], latch=False, trust=0)))
    brick.slice(1, "surprise-15", 1, 1000)
    assert brick.tap(None, trust=0).why == [reg.REASON_TOKEN_KIND, 0, 0], "a limit per person needs a person"
    free = Brick(data(rule(when=[0], latch=False, trust=0, limit=0)))
    free.slice(1, "surprise-15", 1, 1000)
    assert free.tap(None, trust=0).kind == GRANT


def test_events_of_another_type_have_no_rule():
    brick = surprise()
    decision = brick.tap(0, type=reg.EVENT_TILL_SALE)
    assert (decision.kind, decision.rule, decision.why) == (DENY, None, [reg.REASON_NO_RULE])


def test_no_ruleset_is_uncertain():
    brick = Brick(None)
    decision = brick.tap(0)
    assert (decision.kind, decision.rule, decision.why) == (UNCERTAIN, None, [reg.REASON_NO_RULESET])


def test_visits_count_every_decision_of_one_person_in_the_slot():
    brick = Brick(data(rule(when=[11, [21], 3], latch=False)))
    brick.slice(1, "surprise-15", 1, 1000)
    assert brick.tap(0).why == [reg.REASON_CONDITION, 0, 0, 0, 1, 3]
    brick.tap(0)
    brick.tap(1)
    assert brick.tap(0).kind == GRANT


def test_time_since_the_slot_began():
    within = [1, [11, [24], 10 * MINUTE], [12, [24], 20 * MINUTE]]
    brick = Brick(data(rule(when=within, latch=False, limit=0)))
    brick.slice(1, "surprise-15", 1, 1000)
    for at, kind, path in ((10 * MINUTE - 1, DENY, 2), (10 * MINUTE, GRANT, 3), (20 * MINUTE, DENY, 1)):
        decision = brick.tap(0, at=at)
        assert (decision.kind, decision.why[2]) == (kind, path)


def test_decide_changes_nothing():
    brick = surprise()
    for person in range(20):
        brick.tap(person)
    first = shown(brick.look(tap(20)))
    for _ in range(3):
        assert shown(brick.look(tap(20))) == first
    assert brick.look(tap(21)).why[4] == 21, "person 20 was looked at, not counted"


def test_messages_are_the_authors_words_for_the_outcome():
    words = {0: "Surprise!", 1: "Not now", 2: "Nearly there"}
    brick = surprise(messages=words)

    def said(decision):
        return brick.ruleset.words(decision.rule, decision.message)

    assert said(brick.tap(0)) == "Nearly there"
    assert said(brick.tap(0, trust=2)) == "Not now"
    for person in range(1, 21):
        last = brick.tap(person)
    assert said(last) == "Surprise!"


def test_a_rule_of_several_slots_says_when_the_next_begins():
    brick = Brick(data(sample(slots=[0, 1]), slots=(SLOT, [START + 5 * HOUR, START + 6 * HOUR])))
    between = brick.tap(0, at=2 * HOUR)
    assert between.why == [reg.REASON_OUTSIDE_SLOT, 0, None, None, None, None, None, 3 * 3600]
    assert brick.tap(0, at=6 * HOUR).why == [reg.REASON_OUTSIDE_SLOT, 0]


def test_training_and_shadow_records_change_nothing_but_rights():
    brick = surprise()
    for flag in (reg.FLAG_TRAINING, reg.FLAG_SHADOW):
        for person in range(30):
            brick.tap(person, flags=flag)
    assert brick.tap(0).why[4] == 1, "nobody was counted in training"


def test_decide_on_a_fresh_state_of_no_ruleset():
    (decision,) = rules.decide(None, state.State(), tap(0))
    assert decision.why == [reg.REASON_NO_RULESET] and decision.latches == [] and decision.opens == []
