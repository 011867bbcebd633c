"""Experiments: who is in which arm, ghosts for the control arm and the holdout, and nothing told apart from outside."""

from hashlib import sha256

from deckit import SALT, Kit, data, rule, subject, tap
from stallmark import arms, byperson, rules
from stallmark import registry as reg

GRANT, DENY, GHOST = reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_GHOST
HALVES = ["surprise", SALT, [5000, 5000], 0]


def people_in(experiment, arm, count=3):
    """Numbers of people in an arm."""
    held = (experiment[0], experiment[1], tuple(experiment[2]), experiment[3])
    return [n for n in range(200) if arms.arm(held, subject(n)) == arm][:count]


def test_a_bucket_is_the_first_four_bytes_of_a_hash():
    for number in range(50):
        found = int.from_bytes(sha256(SALT + b"surprise" + subject(number)).digest()[:4], "big") % 10000
        assert arms.bucket(SALT, "surprise", subject(number)) == found
    shares = (2500, 2500, 4000, 1000)
    counted = [0, 0, 0, 0]
    for number in range(2000):
        arm = arms.arm(("surprise", SALT, shares, 0), subject(number))
        counted[arm] += 1
        bucket = arms.bucket(SALT, "surprise", subject(number))
        assert sum(shares[:arm]) <= bucket < sum(shares[: arm + 1])
    assert all([abs(got * 5 - share) < 600 for got, share in zip(counted, shares)]), counted


def test_the_control_arm_gets_ghosts_that_spend_nothing():
    kit = Kit(data(rule(experiment=[0, 1], limits=[[0, 1]]), experiments=[HALVES]))
    treated, control = people_in(HALVES, 1)[0], people_in(HALVES, 0)[0]
    (decision,) = kit.go(treated)
    assert decision.kind == GRANT and decision.experiment == [0, 1]
    (ghost,) = kit.go(control)
    assert (ghost.kind, ghost.why[0], ghost.experiment) == (GHOST, reg.REASON_CONTROL_ARM, [0, 0])
    assert ghost.grants == [] and ghost.rights == [] and ghost.message == 1 and ghost.currency is None
    assert kit.state.slices_left() == [[1, 100000 - 200]]
    again = kit.go(control)[0]
    assert again.why[0] == reg.REASON_ALREADY_HAD, "a ghost counts as a grant"


def test_a_ghost_needs_everything_that_a_grant_needs():
    control = people_in(HALVES, 0)[0]
    poor = Kit(data(rule(experiment=[0, 1]), experiments=[HALVES]), rich=False)
    assert poor.decide(tap(control))[0].why[0] == reg.REASON_NO_RIGHTS_YET
    false = Kit(data(rule(experiment=[0, 1], when=[11, [22], 5]), experiments=[HALVES]))
    assert false.decide(tap(control, basket_minor=4))[0].kind == DENY


def test_a_person_who_says_yes_moves_nobody_out_of_the_control_arm_or_the_holdout():
    found = rule(experiment=[0, 1], limits=[[0, 1]], when=[11, [22], 500])
    kit = Kit(data(found, experiments=[HALVES]))
    treated, control = people_in(HALVES, 1)[0], people_in(HALVES, 0)[0]

    def asked(person, at=kit):
        happened = tap(person)
        question = (b"brick--1", 1, happened.wall_ms)
        return happened, byperson.operator(at.ruleset, at.state, happened, 0, question, "staff", True)

    _, yes = asked(treated)
    assert (yes.kind, yes.experiment) == (GRANT, [0, 1])
    happened, ghost = asked(control)
    assert (ghost.kind, ghost.experiment, ghost.grants, ghost.rights) == (GHOST, [0, 0], [], [])
    assert ghost.why == [reg.REASON_CONTROL_ARM, 0] and ghost.detail[:2] == [b"brick--1", 1]
    kit.write(rules.record_fields(kit.ruleset, happened, ghost), subject(control))
    assert asked(control)[1].why[0] == reg.REASON_ALREADY_HAD
    nobody = tap(None)
    said = byperson.operator(kit.ruleset, kit.state, nobody, 0, (b"brick--1", 1, None), "staff", True)
    assert said.kind == DENY
    everybody = Kit(data(rule(), holdout=[SALT, 10000]))
    assert asked(3, everybody)[1].experiment == [arms.HOLDOUT, 0]
    assert asked(3, everybody)[1].kind == GHOST


def test_another_arm_is_passed_over():
    thirds = ["three", SALT, [3000, 3000, 4000], 0]
    found = [rule("one", experiment=[0, 1]), rule("two", experiment=[0, 2], grants=[[5, 1, 0]], need=[2])]
    kit = Kit(data(*found, experiments=[thirds]))
    for arm, expected in ((1, [(GRANT, 0)]), (2, [(GRANT, 1)]), (0, [(GHOST, 0), (GHOST, 1)])):
        for person in people_in(thirds, arm):
            assert [(d.kind, d.rule) for d in kit.decide(tap(person))] == expected
    alone = Kit(data(rule(experiment=[0, 1]), experiments=[thirds]))
    assert alone.decide(tap(people_in(thirds, 2)[0]))[0].why == [reg.REASON_OTHER_ARM, 0]


def test_a_ghost_leaves_what_else_there_is():
    kit = Kit(data(rule(experiment=[0, 1]), rule("plain"), experiments=[HALVES]))
    decisions = kit.decide(tap(people_in(HALVES, 0)[0]))
    assert [(d.kind, d.rule) for d in decisions] == [(GRANT, 1), (GHOST, 0)]
    assert rules.outcome(decisions) == GRANT


def test_the_holdout_gets_ghosts_of_everything():
    kit = Kit(data(rule("a", group=0), rule("b", group=0), holdout=[SALT, 3000], groups=[[3, False, 0]]))
    held = [n for n in range(60) if arms.bucket(SALT, "", subject(n)) < 3000]
    assert 8 < len(held) < 30
    for person in range(60):
        decisions = kit.go(person)
        kinds = [decision.kind for decision in decisions]
        assert kinds == ([GHOST, GHOST] if person in held else [GRANT, GRANT])
        if person in held:
            assert decisions[0].experiment == [255, 0] and rules.outcome(decisions) == GHOST
    assert kit.state.slices_left() == [
        [1, 100000 - 200 * (60 - len(held))],
        [2, 100000 - 200 * (60 - len(held))],
    ]


def test_nobody_known_is_in_no_arm():
    for top in ({"experiments": [HALVES]}, {"holdout": [SALT, 1]}):
        found = rule(experiment=[0, 1] if "experiments" in top else None, trust=0, offline=[14, 1, 0, 0])
        decision = Kit(data(found, **top)).decide(tap(None, trust=0))[0]
        assert (decision.kind, decision.why) == (reg.KIND_UNCERTAIN, [reg.REASON_TOKEN_KIND, 0])


def test_an_arm_can_be_asked_in_a_condition():
    kit = Kit(data(rule(when=[14, [33, 0], 1]), experiments=[HALVES]))
    assert kit.decide(tap(people_in(HALVES, 1)[0]))[0].kind == GRANT
    assert kit.decide(tap(people_in(HALVES, 0)[0]))[0].kind == DENY


def test_salts_keep_experiments_apart():
    both = 0
    for number in range(1000):
        one = arms.bucket(b"salt---1", "x", subject(number)) < 5000
        two = arms.bucket(b"salt---2", "x", subject(number)) < 5000
        both += one == two
    assert 430 < both < 570
