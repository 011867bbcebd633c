"""Conditions of version 2: every operator and value, what is not known, and numbers beyond int64."""

from deckit import HOUR, MINUTE, START, Kit, data, people_over, rule, subject, tap
from stallmark import registry as reg

GRANT, DENY, UNCERTAIN = reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_UNCERTAIN
BIG = 0x7FFFFFFFFFFFFFFF


def one(when, happened, lane=False, risk=None, **other):
    """The Decision on one event under a rule with this condition that asks where it does not know."""
    top = {key: other.pop(key) for key in ("signals", "open_values", "experiments", "slots") if key in other}
    kit = Kit(data(rule(when=when, offline=[14, 1, 0, 0], **other), **top))
    (decision,) = kit.decide(happened, risk, lane)
    return decision


def kind(when, happened=None, **other):
    return one(when, happened or tap(1, MINUTE, basket_minor=1000, tip_minor=50, items=3), **other).kind


def test_at_least_so_many_of_several():
    three = [4, 2, [11, [22], 1000], [11, [23], 60], [11, [27], 3]]
    assert kind(three) == GRANT
    assert kind([4, 3] + three[2:]) == DENY
    assert kind([4, 2, [11, [22], 1000], [11, [34], 1], [11, [23], 60]]) == UNCERTAIN, "the risk is not known"
    assert kind([4, 1, [11, [22], 1000], [11, [34], 1]]) == GRANT, "whatever the risk is"
    assert kind([4, 2, [11, [22], 1001], [11, [34], 1]]) == DENY
    decision = one(
        [4, 2, [11, [22], 1000], [11, [23], 60], [11, [27], 4]],
        tap(1, 0, basket_minor=1000, tip_minor=50, items=3),
    )
    assert decision.why[2:6] == [1, 1, 50, 60], "the first that would have to change"


def test_between_and_one_of():
    assert kind([15, [22], 1000, 1000]) == GRANT and kind([15, [22], 1001, 2000]) == DENY
    assert kind([15, [34], 1, 2]) == UNCERTAIN and kind([15, [34], 1, 2], risk=2) == GRANT
    assert (
        kind([16, [36], 2, 1]) == GRANT
        and kind([16, [36], 2, 3]) == DENY
        and kind([16, [34], 1]) == UNCERTAIN
    )
    assert kind([3, [16, [35], 3]]) == DENY


def test_arithmetic_of_integers_alone():
    for value, expected in (
        ([50, [22], 5], 1005), ([51, [22], 1001], -1), ([52, [22], 1505], 151), ([52, [22], 1504], 150), ([53, [22], 7], 7),
        ([54, [22], 7], 1000), ([55, [22], 300], 900), ([55, [51, 0, [22]], 300], -1200), ([52, [51, 0, [23]], 100], 0),
    ):  # fmt: skip
        assert kind([14, value, expected]) == GRANT, (value, expected)
    assert kind([14, [50, [22], [34]], 3]) == UNCERTAIN


def test_beyond_int64_is_not_known():
    assert kind([10, [50, [22], BIG], 0]) == UNCERTAIN
    assert kind([12, [51, [51, 0, [22]], BIG], 0]) == UNCERTAIN
    assert kind([10, [52, BIG, [22]], 0]) == GRANT, "only the result counts"
    assert kind([10, [52, BIG, [50, [22], 9001]], 0]) == UNCERTAIN
    assert kind([14, [50, [51, [22], 1000], BIG], BIG]) == GRANT


def test_items_of_a_basket():
    lines = [["tea", 2, 500], [7, 1, 300], ["tea", 1, 250]]
    assert kind([14, [28, "tea"], 3], tap(1, lines=lines)) == GRANT
    assert kind([14, [28, 7], 1], tap(1, lines=lines)) == GRANT
    assert kind([14, [28, "cake"], 0], tap(1, lines=lines)) == GRANT
    assert kind([14, [28, "tea"], 3], tap(1)) == UNCERTAIN
    assert kind([14, [27], 4], tap(1, lines=lines)) == GRANT and kind([14, [27], 2], tap(1, items=2)) == GRANT
    near = one([11, [27], 5], tap(1, items=3))
    assert near.why == [reg.REASON_NEAR, 0, 0, 0, 3, 5, None, 2] and near.message == 2


def test_events_of_a_type_and_people_in_windows():
    kit = Kit(data(rule(when=[11, [25, 0, HOUR, 1, 3], 3], events=[1, 3])))
    assert kit.go(1, 0, type=3)[0].why[4:] == [1, 3, None, 2]
    assert kit.go(1, MINUTE)[0].why[4] == 1, "a tap is no sale"
    kit.go(2, MINUTE, type=3)
    assert kit.go(2, 2 * MINUTE, type=3)[0].kind == GRANT, "events, not people"
    kit = Kit(data(rule(when=[11, [20, 1, 8 * MINUTE, 1], 2])))
    kit.go(1, 0)
    assert kit.go(2, 7 * MINUTE)[0].kind == GRANT
    kit.go(3, 30 * MINUTE)
    assert kit.go(3, 31 * MINUTE)[0].why[:1] == [reg.REASON_NEAR], "the others are long gone"
    kit = Kit(data(rule(when=[11, [20, 2, 10 * MINUTE, 1], 2])))
    kit.go(1, 9 * MINUTE)
    assert kit.go(2, 10 * MINUTE)[0].kind == DENY, "another ten minutes"
    assert kit.go(3, 19 * MINUTE)[0].kind == GRANT


def test_a_geofence_entry_of_the_same_person_a_while_ago():
    kit = Kit(data(rule(when=[14, [26, 5, 10 * MINUTE], 1], events=[1, 5])))
    assert kit.go(1, 0)[0].kind == DENY
    kit.go(1, MINUTE, type=5)
    assert kit.go(1, 11 * MINUTE)[0].kind == GRANT and kit.go(1, 11 * MINUTE + 1)[0].kind == DENY
    assert kit.go(2, 2 * MINUTE)[0].kind == DENY
    assert one([14, [26, 5, MINUTE], 1], tap(None, trust=3)).why[0] == reg.REASON_TOKEN_KIND


def test_slots_attended():
    days = [[START + n * 24 * HOUR, START + n * 24 * HOUR + HOUR] for n in range(3)]
    kit = Kit(data(rule(when=[11, [29], 2], slots=[0, 1, 2]), slots=days))
    assert kit.go(1, 0)[0].why == [reg.REASON_NEAR, 0, 0, 0, 1, 2, None, 1]
    assert kit.go(1, MINUTE)[0].kind == DENY, "the same day"
    assert kit.go(1, 24 * HOUR)[0].kind == GRANT and kit.go(2, 24 * HOUR)[0].kind == DENY


def test_tokens_and_how_old_they_are():
    kit = Kit(data(rule(when=[1, [11, [30], 5], [12, [31], 60]], offline=[14, 1, 0, 0])))
    assert kit.decide(tap(1))[0].why[4:] == [0, 5, None, 5], (
        "own tokens are known; how old the host's are is not"
    )
    assert kit.decide(tap(None))[0].why[0] == reg.REASON_TOKEN_KIND
    kit.state.balances(
        START, 0, subject(1)[:6] + (5).to_bytes(4, "big") + subject(2)[:6] + (3).to_bytes(4, "big")
    )
    good = kit.decide(tap(1, 30000))[0]
    assert good.kind == GRANT and good.why[6] == 30 and not good.stale
    short = kit.decide(tap(2, 30000))[0]
    assert short.why == [reg.REASON_NEAR, 0, 2, 0, 3, 5, 30, 2]
    old = kit.decide(tap(1, 61000))[0]
    assert old.kind == DENY and old.stale and old.why[6] == 61


def test_signals_keep_their_age():
    signals = [["rain", 6, 600]]
    kit = Kit(data(rule(when=[11, [32, 0], 40], offline=[14, 1, 0, 0]), signals=signals))
    assert kit.decide(tap(1))[0].why[0] == reg.REASON_STALE
    assert kit.state.signals(0, 41, START)
    fresh = kit.decide(tap(1, 10000))[0]
    assert fresh.kind == GRANT and fresh.why[6] == 10
    assert kit.decide(tap(1, 600000))[0].stale
    assert kit.decide(tap(1, 601000))[0].kind == UNCERTAIN
    own = kit.decide(tap(1, 601000, type=1, signal=["rain", 50, 3]))[0]
    assert own.kind == UNCERTAIN, "a tap brings no rain: the signal is of another type of event"
    any_type = Kit(data(rule(when=[11, [32, 0], 40]), signals=[["rain", 0, 600]]))
    assert any_type.decide(tap(1, 0, signal=["rain", 50, 3]))[0].why[6] == 3


def test_open_values_stand_where_numbers_do():
    values = [
        [2, 500, 2000, 900, "least basket"],
        [1, 0, 2000, 1000, "percent"],
        [2, 100, 600, 500, "at most"],
    ]
    found = rule(when=[11, [22], [40, 0]], grants=[[1, [40, 1], [40, 2]]])
    kit = Kit(data(found, open_values=values))
    assert kit.decide(tap(1, basket_minor=899))[0].why == [
        reg.REASON_BASKET_SMALL,
        0,
        0,
        0,
        899,
        900,
        None,
        1,
    ]
    assert kit.decide(tap(1, basket_minor=1005))[0].grants == [[1, 1000, 101]]
    kit.write(
        {
            5: START,
            7: [2, 0],
            8: kit.ruleset.digest8,
            10: reg.KIND_PARAMETERS,
            24: [[[0, 2000], [1, 1500]], "Ana"],
        }
    )
    assert kit.decide(tap(1, basket_minor=1005))[0].why[5] == 2000
    assert kit.decide(tap(1, basket_minor=9000))[0].grants == [[1, 1500, 500]]
    kit.write({5: START, 7: [2, 0], 8: kit.ruleset.digest8, 10: reg.KIND_PARAMETERS, 24: [[[1, 0]], "Ana"]})
    assert kit.decide(tap(1, basket_minor=9000))[0].why == [reg.REASON_BASKET_SMALL, 0], (
        "set to nothing: nothing is granted"
    )


def test_latched_says_what_an_earlier_rule_reached():
    first = rule("many", when=people_over(1, 1), latch=True, events=[2], grants=[[5, 1, 0]], need=[2])
    kit = Kit(data(first, rule("then", when=[14, [37, 0], 1])))
    assert kit.go(1)[0].why[:2] == [reg.REASON_CONDITION, 1]
    decision = kit.go(2)[0]
    assert decision.latches == [0] and decision.kind == GRANT and decision.rule == 1
    assert kit.go(1)[0].kind == GRANT and kit.go(1)[0].latches == []
    kit.restart(from_seq=3)
    assert kit.go(9, 70 * MINUTE)[0].kind == GRANT


def test_conditions_of_others_are_asked_once_each():
    """Equal comparisons of several rules are one entry, whatever their place in each."""
    kit = Kit(
        data(
            rule("a", when=[1, people_over(3), [11, [22], 5]]),
            rule("b", when=[2, [11, [22], 5], people_over(3)]),
        )
    )
    assert len(kit.ruleset.leaves[0]) == 2 and len(kit.ruleset.values) == 2
    assert kit.ruleset.tree(0)[1][0][3] == 0 and kit.ruleset.tree(1)[1][0][3] == 0
    assert kit.ruleset.leaf(1, 1)[1][0] == 20
