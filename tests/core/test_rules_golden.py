"""Golden vectors: a ruleset is tried on the bench before it decides anything."""

from rulekit import HOUR, MINUTE, Brick, data, rule, sample, tap
from stallmark import event, golden, rules
from stallmark import registry as reg


def vector(happened, kind, rule_index, reason):
    return [event.to_fields(happened), kind, rule_index, reason]


def opening():
    """21 people, then the 15 %: what the market's ruleset must do."""
    out = [vector(tap(n, at=n * MINUTE), reg.KIND_GRANT, 0, reg.REASON_GRANTED) for n in range(20)]
    out.append(vector(tap(0, at=20 * MINUTE), reg.KIND_DENY, 1, reg.REASON_NEAR))
    out.append(vector(tap(20, at=21 * MINUTE), reg.KIND_GRANT, 0, reg.REASON_GRANTED))
    out.append(vector(tap(20, at=22 * MINUTE), reg.KIND_GRANT, 1, reg.REASON_GRANTED))
    out.append(vector(tap(20, at=HOUR), reg.KIND_DENY, 0, reg.REASON_ALREADY_HAD))
    return out


def test_a_good_ruleset_passes_and_keeps_nothing():
    ruleset = rules.Ruleset(data(sample(), rule()))
    for _ in range(2):
        assert golden.check(ruleset, opening())
        assert golden.first_wrong(ruleset, opening()) is None


def test_a_changed_ruleset_fails_at_the_event_that_tells():
    ruleset = rules.Ruleset(data(sample(), rule(when=[10, [20, HOUR], 21])))
    assert not golden.check(ruleset, opening())
    assert golden.first_wrong(ruleset, opening()) == (22, (reg.KIND_DENY, 1, reg.REASON_NEAR))


def test_unreadable_vectors_fail():
    ruleset = rules.Ruleset(data(sample(), rule()))
    good = opening()[0]
    for bad in ([], [{}, 1, 0, 1], [good[0], 1, 0], 5, [None, 1, 0, 1]):
        assert not golden.check(ruleset, [good, bad])
        assert golden.first_wrong(ruleset, [good, bad])[0] == 1
    assert not golden.check(ruleset, [good] * 33)


def test_no_vectors_are_no_objection():
    assert golden.check(rules.Ruleset(data(rule())), [])


def test_the_bench_decides_as_a_brick_with_plenty_of_rights():
    brick = Brick(data(sample(), rule()))
    brick.slice(1, "welcome-sample", 2, 10000)
    brick.slice(2, "surprise-15", 1, 100000)
    trial = golden.Trial(brick.ruleset)
    for step in range(120):
        person, at = step * 11 % 29, step * MINUTE
        here = trial.decide(tap(person, at=at))
        there = brick.tap(person, at=at)
        assert (here.kind, here.rule, here.why) == (there.kind, there.rule, there.why)
        assert (here.latches, here.until) == (there.latches, there.until)
