"""Whatever shape a rule's condition has: where it would say no for the score alone, the stall is asked (docs/formats/risk.md)."""

from deckit import SALT, Kit, data, rule, tap
from stallmark import judge, risk
from stallmark import numbers as reg

RISK, VISITS, TRUST, BASKET, SINCE = [34], [21], [35], [22], [24]
GE, LE, LT, ALL, ANY, NOT, AT_LEAST, BETWEEN = 11, 13, 12, 1, 2, 3, 4, 15
MIN, ADD = 53, 50
CALM = [LE, RISK, 127]
# The score alone decides: at 0 each of them grants
SHAPES = (
    CALM,
    [NOT, [GE, RISK, 128]],
    [BETWEEN, RISK, 0, 127],
    [ALL, [GE, TRUST, 2], CALM],
    [ANY, [GE, VISITS, 3], CALM],
    [ANY, CALM, [GE, BASKET, 99999]],
    [AT_LEAST, 2, CALM, [GE, VISITS, 0]],
    [LE, [ADD, RISK, VISITS], 127],
    [LE, [MIN, RISK, 200], 127],
    [GE, VISITS, RISK],
    [LT, [ADD, RISK, RISK], 256],
)
SCANS = {"id": "scans", "events": [2]}


def found(rules, score=255, fast=True, **other):
    kit = Kit(data(*rules, **other))
    if fast:
        judge.prepare(kit.ruleset)
    return [(one.kind, one.why, one.rule) for one in risk.decide(kit.ruleset, kit.state, tap(1), score)]


def test_every_shape_is_asked_at_the_stall_by_hand_and_by_a_rules_function():
    for when in SHAPES:
        for fast in (False, True):
            assert found([rule(when=when)], 0, fast)[0][0] == reg.KIND_GRANT, when
            assert found([rule(when=when)], 255, fast) == [(reg.KIND_UNCERTAIN, [reg.REASON_RISK, 0], 0)], when


def test_the_rule_that_asks_is_the_one_that_the_score_stopped():
    """Comparisons are numbered within their rule: a rule before it must not be taken for it, nor the other way round."""
    rich = [GE, TRUST, 7]
    for fast in (False, True):
        for other in (rich, [GE, BASKET, 99999]):
            asked = found([rule(when=other, **SCANS), rule(when=CALM)], 255, fast)
            assert asked == [(reg.KIND_UNCERTAIN, [reg.REASON_RISK, 1], 1)]
            refused = found([rule(when=CALM, **SCANS), rule(when=other)], 255, fast)
            assert [one[0] for one in refused] == [reg.KIND_DENY]
        both = found([rule(id="big", when=other), rule(when=CALM)], 255, fast)
        assert both == [(reg.KIND_UNCERTAIN, [reg.REASON_RISK, 1], 1)]


def test_what_the_score_does_not_change_stays_as_it_was():
    assert [one[0] for one in found([rule(when=[ALL, CALM, [GE, BASKET, 99999]])])] == [reg.KIND_DENY]
    assert [one[0] for one in found([rule(when=[GE, RISK, 200])], 0)] == [reg.KIND_DENY]
    plain = found([rule(when=CALM), rule(id="less", grants=[[2, 1, 50]])])
    assert [(one[0], one[2]) for one in plain] == [(reg.KIND_GRANT, 1)], "an author may give less, never nothing"


def test_latches_are_those_of_the_score():
    kit = Kit(data(rule(when=CALM), rule(id="door", latch=True, when=[GE, SINCE, 0])))
    plain = kit.decide(tap(1), 255)[0]
    (asked,) = risk.decide(kit.ruleset, kit.state, tap(1), 255)
    assert plain.latches == asked.latches and asked.latches and plain.until == asked.until


def test_a_hidden_arm_does_not_swallow_the_question():
    """Another rule's control arm is shown as nothing: with it alone the score would have said no in silence."""
    experiment = ["surprise", SALT, [10000, 0], 0]
    for fast in (False, True):
        rules = [rule(when=CALM), rule(id="test", experiment=[0, 1])]
        kinds = [one[0] for one in found(rules, 255, fast, experiments=[experiment])]
        assert kinds == [reg.KIND_UNCERTAIN, reg.KIND_GHOST]
