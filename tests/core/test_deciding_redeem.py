"""What a voucher pays: its own value without rights and uncut, anything more from rights."""

from deckit import MINUTE, Kit, data, rule, tap

SERIAL = bytes(range(8))


def voucher(minor, basket_minor=None):
    reference = "".join(["{:02X}".format(byte) for byte in SERIAL])
    return tap(
        8,
        MINUTE,
        trust=4,
        type=2,
        signal=["voucher:7", minor, 0],
        reference=reference,
        basket_minor=basket_minor,
    )


def test_a_vouchers_own_value_takes_no_rights_and_no_cap_cuts_it():
    own = rule("redeem", events=[2], grants=[[2, 1, 0], [2, 1, 100]], redeems=7)
    (decision,) = Kit(data(own)).decide(voucher(minor=250))
    assert (decision.grants, decision.rights) == ([[2, 1, 250], [2, 1, 100]], [[1, 100]])
    (decision,) = Kit(data(own, basket_cap=60)).decide(voucher(minor=250))
    assert (decision.grants, decision.rights) == ([[2, 1, 250], [2, 1, 60]], [[1, 60]])
    share = Kit(data(rule("redeem", events=[2], grants=[[1, 1000, 0]], need=[], redeems=7)))
    for basket, minor in ((1000, 100), (9000, 500), (None, 500)):
        (decision,) = share.decide(voucher(minor=500, basket_minor=basket))
        assert (decision.grants, decision.rights) == ([[1, 1000, minor]], [])
    best = rule("best", events=[2], group=0, grants=[[2, 1, 200]])
    own = rule("redeem", events=[2], group=0, grants=[[2, 1, 0]], need=[], redeems=7)
    (decision,) = Kit(data(best, own, groups=[[2, False, 0]])).decide(voucher(minor=250))
    assert decision.rule == 1


def test_a_share_of_the_next_basket_sets_its_cap_aside():
    kit = Kit(data(rule(grants=[[3, 1000, 500, 30]])))
    for basket in (None, 4, 1600, 90000):
        (decision,) = kit.decide(tap(1, MINUTE, basket_minor=basket))
        assert (decision.grants, decision.rights) == ([[3, 1000, 500]], [[1, 500]])
