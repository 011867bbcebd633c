"""Several rules at one event: groups, best of, exclusive, caps, amounts."""

from deckit import HOUR, Kit, data, rule, tap
from stallmark import registry as reg
from stallmark import rules

GRANT, DENY = reg.KIND_GRANT, reg.KIND_DENY


def given(decisions):
    return [(decision.rule, decision.grants) for decision in decisions if decision.kind == GRANT]


def basket(*found, minor=1000, **other):
    return Kit(data(*found, **other)).decide(tap(1, basket_minor=minor, tip_minor=300))


def test_without_a_group_the_first_that_grants_wins():
    assert given(basket(rule("a", when=[11, [22], 2000]), rule("b"), rule("c"))) == [(1, [[2, 1, 200]])]


def test_each_group_gives_what_its_mode_says():
    two = [[1, False, 0], [2, False, 0], [3, False, 0]]
    money = [[[2, 1, number]] for number in (100, 300, 300, 50)]
    for group, expected in ((0, [0]), (1, [1]), (2, [0, 1, 2, 3])):
        found = [rule("r{}".format(n), group=group, grants=grants) for n, grants in enumerate(money)]
        assert [number for number, _ in given(basket(*found, groups=two))] == expected
    mixed = [rule("a"), rule("b", group=0), rule("c"), rule("d", group=0), rule("e", group=1)]
    assert [number for number, _ in given(basket(*mixed, groups=two))] == [0, 1, 4]


def test_an_exclusive_group_grants_alone():
    groups = [[1, True, 0], [1, False, 0]]
    first = [rule("a", group=0), rule("b", group=1), rule("c")]
    assert [n for n, _ in given(basket(*first, groups=groups))] == [0]
    later = [rule("a", group=1), rule("b", group=0), rule("c")]
    assert [n for n, _ in given(basket(*later, groups=groups))] == [0, 2]
    every = [rule("a", group=0), rule("b", group=0), rule("c", group=1)]
    assert [n for n, _ in given(basket(*every, groups=[[3, True, 0], [1, False, 0]]))] == [0], "not its own either"


def test_at_most_four_grants_for_an_event():
    found = [rule("r{}".format(n), group=0) for n in range(7)]
    decisions = basket(*found, groups=[[3, False, 0]])
    assert [n for n, _ in given(decisions)] == [0, 1, 2, 3] and len(decisions) == 4


def test_money_is_cut_to_what_the_caps_leave():
    found = [rule("r{}".format(n), group=0, grants=[[2, 1, 300]]) for n in range(3)]
    decisions = basket(*found, groups=[[3, False, 500]])
    assert given(decisions) == [(0, [[2, 1, 300]]), (1, [[2, 1, 200]])]
    assert [decision.rights for decision in decisions] == [[[1, 300]], [[2, 200]]]
    found = [
        rule("a", grants=[[2, 1, 300]]),
        rule("b", group=0, grants=[[2, 1, 300], [5, 1, 0]], need=[1, 2]),
    ]
    decisions = basket(*found, groups=[[3, False, 0]], basket_cap=300)
    assert given(decisions) == [(0, [[2, 1, 300]]), (1, [[5, 1, 0]])]
    assert decisions[1].rights == [[3, 1]] and decisions[1].currency is None


def test_a_split_is_no_money_that_a_cap_bounds():
    both = [rule("a", group=0, grants=[[12, 8000, 800, "creator"], [2, 1, 200]])]
    decisions = basket(*both, groups=[[3, False, 0]], basket_cap=100)
    assert given(decisions) == [(0, [[12, 8000, 800], [2, 1, 100]])] and decisions[0].rights == [[1, 100]]
    only = [rule("a", group=0), rule("b", group=0, grants=[[12, 8000, 800, "creator"]], need=[])]
    assert given(basket(*only, groups=[[3, False, 200]])) == [(0, [[2, 1, 200]]), (1, [[12, 8000, 800]])]


def test_a_voucher_is_paid_whole_whatever_a_cap_leaves():
    pays = rule("pays", events=[2], trust=4, grants=[[2, 1, 0]], need=[], redeems=7, group=0)
    kit = Kit(data(pays, groups=[[3, False, 100]], basket_cap=50))
    serial = "".join(["{:02X}".format(byte) for byte in range(8)])
    shown = tap(1, trust=4, type=2, signal=["voucher:7", 250, 0], reference=serial)
    (decision,) = kit.decide(shown)
    assert (decision.kind, decision.grants) == (reg.KIND_REDEEM, [[2, 1, 250]])


def test_nothing_left_of_a_cap_is_a_reason():
    found = [rule("a", group=0, grants=[[5, 1, 0]], need=[2], events=[2]), rule("b", group=1)]
    kit = Kit(data(*found, groups=[[3, False, 0], [3, False, 0]], basket_cap=100))
    assert given(kit.decide(tap(1))) == [(1, [[2, 1, 100]])]
    both = [rule("a", group=0, grants=[[2, 1, 100]]), rule("b", group=0)]
    decisions = basket(*both, groups=[[3, False, 0]], basket_cap=100)
    assert given(decisions) == [(0, [[2, 1, 100]])], "what has no room beside others is no denial"


def test_rights_cover_what_is_given_not_more():
    kit = Kit(data(rule(grants=[[1, 1500, 500]])), rich=False)
    kit.slice(1, "offer", 1, 240)
    decision = kit.decide(tap(1, basket_minor=1600))[0]
    assert decision.grants == [[1, 1500, 240]] and decision.rights == [[1, 240]]
    assert kit.decide(tap(1, basket_minor=1700))[0].why == [
        reg.REASON_BUDGET_USED_UP,
        0,
        None,
        None,
        240,
        255,
    ]
    assert kit.decide(tap(1))[0].why[5] == 500, "no basket known: the cap"


def test_amounts_of_every_kind_of_grant():
    for grant, need, expected in (
        ([1, 1250, 500], [1], [1, 1250, 125]), ([1, 5000, 100], [1], [1, 5000, 100]), ([3, 1000, 300, 30], [1], [3, 1000, 300]),
        ([4, 1, 150, 30], [1], [4, 1, 150]), ([5, 2, 0], [2], [5, 2, 0]), ([6, 1, 0, "large"], [2], [6, 1, 0]),
        ([7, 10000, 200, "creator"], [1], [7, 10000, 200]), ([7, 5000, 200, "creator"], [1], [7, 5000, 150]),
        ([8, 2, 0, 90], [], [8, 2, 0]), ([9, 7, 250, 30], [1], [9, 7, 250]), ([10, 1, 0, "community:chat"], [], [10, 1, 0]),
        ([11, 500, 100, "school"], [1], [11, 500, 50]), ([12, 3000, 900, "creator"], [], [12, 3000, 300]),
    ):  # fmt: skip
        (decision,) = basket(rule(grants=[grant], need=need))
        assert decision.grants == [expected] and len(decision.rights) == len(need), grant
        assert (decision.currency is None) == (expected[0] in (5, 6, 8, 10))


def test_first_n_takes_one_person_each():
    kit = Kit(data(rule(need=[1, 3])), rich=False)
    kit.slice(1, "offer", 1, 10000)
    kit.slice(2, "offer", 3, 2)
    assert [kit.go(n)[0].kind for n in range(3)] == [GRANT, GRANT, DENY]
    assert kit.go(4)[0].why[0] == reg.REASON_STOCK_USED_UP


def test_money_that_comes_out_as_nothing_grants_nothing():
    assert basket(rule(grants=[[1, 10, 500]]), minor=40)[0].why == [reg.REASON_BASKET_SMALL, 0]
    (decision,) = basket(rule(grants=[[1, 10, 500], [8, 1, 0, 9]]), minor=40)
    assert decision.grants == [[8, 1, 0]] and decision.rights == []


def test_limits_in_the_slot_and_over_the_campaign():
    slots = [[0, HOUR], [2 * HOUR, 3 * HOUR], [4 * HOUR, 5 * HOUR]]
    slots = [[rules_start(start), rules_start(end)] for start, end in slots]
    kit = Kit(data(rule(limits=[[0, 1], [1, 2]], slots=[0, 1, 2]), slots=slots))
    assert kit.go(1)[0].kind == GRANT and kit.go(1)[0].why[4:] == [1, 1]
    assert kit.go(1, 2 * HOUR)[0].kind == GRANT
    assert kit.go(1, 4 * HOUR)[0].why == [reg.REASON_ALREADY_HAD, 0, 0, None, 2, 2]
    assert kit.go(2, 4 * HOUR)[0].kind == GRANT
    kit.restart()
    assert kit.go(1, 4 * HOUR)[0].why[0] == reg.REASON_ALREADY_HAD


def rules_start(ms):
    from deckit import START

    return START + ms


def test_several_records_of_one_event_are_one_visit():
    found = [rule("a", group=0), rule("b", group=0), rule("c", group=0, when=[11, [21], 3])]
    kit = Kit(data(*found, groups=[[3, False, 0]]))
    assert len(kit.go(1)) == 2 and len(kit.go(1)) == 2
    assert len(kit.go(1)) == 3
    assert rules.outcome(kit.go(1)) == GRANT
