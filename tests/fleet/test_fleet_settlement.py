"""A voucher that was paid twice: found, settled with winner, loser and who bears it, whichever came first."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from stallmark import leaf, record
from stallmark import registry as reg

from fleet.db import tables
from fleet.settlement import MOST_ASIDE, UNKNOWN_SPREAD, Redemption, settle
from fleet.settlements import charges_of, settlements_of, spent_after
from tests.stall import Stall

SERIAL = b"voucher1"


@pytest.fixture
def stall(tmp_path):
    made = Stall(tmp_path, bricks=3)
    yield made
    made.publish()
    made.fsck()
    made.close()


def redeem(stall, brick, at=0, serial=SERIAL, minor=200, spread=50, **more):
    """A redeem record of a brick, `at` ms after now; not handed in."""
    wall = stall.world.now_ms + at
    grants = {"f12": [[2, 1, minor]], "f24": [serial], "f5": wall, "f7": [2, spread]}
    return stall.world.record(reg.KIND_REDEEM, brick, **{**grants, **more})


def twice(stall):
    """(brick8, seq) that finding 11 names, in order."""
    with stall.controller.database.read() as connection:
        query = select(tables.leaves.c.entry).order_by(tables.leaves.c.position)
        entries = connection.execute(query).scalars().all()
    found = [leaf.decode_finding(entry[1:]) for entry in entries if entry[0] == reg.LEAF_FINDING]
    return [(f[2], f[3]) for f in found if f[1] == reg.FINDING_VOUCHER_TWICE]


def settled(stall):
    return settlements_of(stall.controller.database, stall.world.kit)


def test_the_earlier_wins_and_the_later_is_charged_to_its_rental(stall):
    one, two, _ = stall.world.bricks
    first, second = redeem(stall, one), redeem(stall, two, at=60_000)
    stall.hand_in([first])
    assert settled(stall) == []
    assert spent_after(stall.controller.database, 0) == [(1, SERIAL)]
    assert spent_after(stall.controller.database, 1) == []
    stall.restart()
    stall.hand_in([second])
    (line,) = settled(stall)
    assert line["winner"]["brick"] == one.brick8.hex() and line["loser"]["brick"] == two.brick8.hex()
    assert line["why"] == "earlier" and line["minor"] == 200
    assert line["liable"] == {"kit": stall.world.kit.hex(), "rental": 1}
    assert twice(stall) == [(two.brick8, second.seq)]
    charged = charges_of(stall.controller.database, stall.world.kit)
    assert [(c["code"], c["amount"], c["slice"]) for c in charged] == [(11, 200, None)]


def remade(item, brick, **more):
    """Another record of the same brick and seq, with a good MAC: what only a copy of the brick can write."""
    fields = {**item.fields, 15: b"another!", **{int(name[1:]): value for name, value in more.items()}}
    public = record.encode_public(fields)
    return record.from_parts(item.seq, public, record.mac(brick.mac_key, public), item.private)


def sides(stall):
    """(winner, seq, loser, seq, why) of each settlement, in order."""
    return [
        (bytes.fromhex(line["winner"]["brick"]), line["winner"]["seq"],
         bytes.fromhex(line["loser"]["brick"]), line["loser"]["seq"], line["why"])
        for line in settled(stall)
    ]  # fmt: skip


def charges(stall):
    """(finding, brick, seq, amount) of each charge, in order."""
    lines = charges_of(stall.controller.database, stall.world.kit)
    return [(line["code"], bytes.fromhex(line["brick"]), line["seq"], line["amount"]) for line in lines]


@pytest.mark.parametrize("same_batch", [False, True])
def test_a_winner_that_arrives_later_sets_the_one_before_aside(stall, same_batch):
    one, two, _ = stall.world.bricks
    early, late = redeem(stall, one), redeem(stall, two, at=60_000)
    if same_batch:
        stall.hand_in([late, early])
    else:
        stall.hand_in([late])
        stall.restart()
        stall.hand_in([early])
    assert twice(stall) == [(two.brick8, late.seq)]
    with stall.controller.database.read() as connection:
        query = select(tables.receipts.c.brick, tables.receipts.c.findings)
        marked = {row.brick: row.findings for row in connection.execute(query)}
    assert marked == {one.brick8: 0, two.brick8: 1 << reg.FINDING_VOUCHER_TWICE}
    stall.publish()
    assert len(stall.receipt(late).findings) == 1 and not stall.receipt(early).findings


def near(stall, brick, **more):
    """A redemption whose time is too uncertain to decide anything."""
    return redeem(stall, brick, spread=600_000, **more)


def test_where_the_times_are_too_near_a_hosts_own_payment_decides_then_the_lower_id(stall):
    lane = stall.world.new_lane()
    one, two, _ = sorted(stall.world.bricks, key=lambda brick: brick.brick8)
    stall.restart()
    stall.hand_in([near(stall, two)])
    stall.hand_in([near(stall, lane, f0=reg.FLAG_GATEWAY)])
    line = settled(stall)[0]
    assert line["why"] == "paid by the host" and line["winner"]["brick"] == lane.brick8.hex()
    stall.hand_in([near(stall, two, serial=b"voucher2")])
    stall.hand_in([near(stall, one, f0=reg.FLAG_GATEWAY, serial=b"voucher2")])
    line = settled(stall)[1]
    assert line["why"] == "lower id" and line["loser"]["brick"] == two.brick8.hex()


def test_a_brick_that_says_it_is_the_host_or_that_it_asked_wins_nothing_by_that(stall):
    """Field 20 is written where nobody answered, too, and any brick can set the gateway flag."""
    one, two, _ = sorted(stall.world.bricks, key=lambda brick: brick.brick8)
    reserve = stall.world.record(reg.KIND_RESERVE, two)
    said = near(stall, two, f20=reserve.seq, f0=reg.FLAG_GATEWAY)
    stall.hand_in([near(stall, one), reserve, said])
    (line,) = settled(stall)
    assert line["why"] == "lower id" and line["winner"]["brick"] == one.brick8.hex()
    gap = stall.world.record(reg.KIND_RESERVE, two)  # never delivered
    stall.hand_in([near(stall, one, serial=b"voucher2"), near(stall, two, f20=gap.seq, serial=b"voucher2")])
    assert settled(stall)[1]["winner"]["brick"] == one.brick8.hex()


def test_a_redemption_that_is_set_aside_wins_nothing_and_charges_nobody_else(stall):
    one, two, _ = stall.world.bricks
    honest = redeem(stall, one)
    other = redeem(stall, two, serial=b"voucher2")
    made_up = redeem(stall, two, at=-60_000, f20=other.seq)  # which is no reserve
    stall.hand_in([other, made_up, honest])
    assert sides(stall) == [(one.brick8, honest.seq, two.brick8, made_up.seq, "set aside")]
    assert twice(stall) == [] and charges(stall) == [(12, two.brick8, made_up.seq, 200)]
    assert spent_after(stall.controller.database, 0) == [(1, b"voucher2"), (2, SERIAL)]


@pytest.mark.parametrize("when", ["same batch", "before", "after"])
def test_a_payment_from_an_old_copy_of_a_brick_is_settled_too_and_charged_once(stall, when):
    """Its record has finding 4 and is charged as that; who won and who is liable is said all the same."""
    one, two, _ = stall.world.bricks
    honest = redeem(stall, one, at=60_000)
    kept = stall.world.record(reg.KIND_DENY, two)
    forked = remade(kept, two, f10=reg.KIND_REDEEM, f12=[[2, 1, 200]], f24=[SERIAL])
    stall.hand_in([kept])
    batches = {
        "same batch": [[forked, honest]],
        "before": [[forked], [honest]],
        "after": [[honest], [forked]],
    }
    for batch in batches[when]:
        stall.hand_in(batch)
        stall.restart()
    assert sides(stall) == [(one.brick8, honest.seq, two.brick8, forked.seq, "set aside")]
    (line,) = settled(stall)
    assert line["liable"] == {"kit": stall.world.kit.hex(), "rental": 1} and line["minor"] == 200
    assert twice(stall) == [] and charges(stall) == [(4, two.brick8, forked.seq, 200)]
    stall.hand_in([forked, honest])
    assert len(settled(stall)) == len(charges(stall)) == 1


def test_where_every_payment_was_set_aside_nobody_wins_and_each_is_charged_until_a_good_one_comes(stall):
    one, two, three = stall.world.bricks
    bad = [redeem(stall, one, f18=b"x" * 16), redeem(stall, two, f20=99)]
    stall.hand_in(bad)
    assert settled(stall) == [] and [c[0] for c in charges(stall)] == [2, 12]
    assert spent_after(stall.controller.database, 0) == []
    stall.restart()
    good = redeem(stall, three, at=60_000)
    stall.hand_in([good])
    why = "set aside"
    assert sides(stall) == [
        (three.brick8, good.seq, brick.brick8, item.seq, why)
        for brick, item in zip((one, two), bad, strict=True)
    ]
    assert len(charges(stall)) == 2
    stall.restart()
    late = redeem(stall, three, at=120_000)
    stall.hand_in([late])
    assert len(sides(stall)) == 3 and twice(stall) == [(three.brick8, late.seq)]


def test_of_many_payments_that_were_set_aside_a_limited_number_waits_for_a_winner(stall):
    one, two, _ = stall.world.bricks
    stall.hand_in([redeem(stall, one, f18=b"x" * 16) for _ in range(MOST_ASIDE + 3)])
    stall.hand_in([redeem(stall, one, f18=b"x" * 16)])
    stall.hand_in([redeem(stall, two)])
    assert len(settled(stall)) == MOST_ASIDE and len(charges(stall)) == MOST_ASIDE + 4


def test_practice_and_what_is_set_aside_pay_no_voucher(stall):
    one, two, _ = stall.world.bricks
    stall.hand_in([redeem(stall, one, f0=reg.FLAG_TRAINING), redeem(stall, one, f18=b"x" * 16)])
    assert spent_after(stall.controller.database, 0) == []
    stall.hand_in([redeem(stall, two, at=60_000)])
    assert [line["why"] for line in settled(stall)] == ["set aside"]
    assert spent_after(stall.controller.database, 0) == [(1, SERIAL)]


redemptions = st.builds(
    Redemption, st.just(SERIAL), st.sampled_from([bytes(8), b"b" * 8]), st.integers(1, 3), st.none(),
    st.just(1), st.integers(0, 300), st.sampled_from([0, 50, 100, UNKNOWN_SPREAD]), st.booleans(),
    st.just(100), st.just(bytes(8)), st.integers(1, 9),
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(redemptions, redemptions)
def test_who_wins_does_not_depend_on_who_came_first(one, other):
    found, again = settle(one, other), settle(other, one)
    assert {found.winner, found.loser} == {one, other}
    if (one.brick, one.seq) != (other.brick, other.seq):
        assert found == again
