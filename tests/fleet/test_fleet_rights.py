"""Budgets at the controller: cut by forecast, kept back, minted anew from what came back, never more than they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from stallmark import leaf, record
from stallmark import registry as reg
from stallmark import rights as core

from fleet import rights, settlements, sizes
from fleet.config import Expected, Right
from fleet.db import tables
from fleet.returns import GRACE_MS
from tests.stall import Stall

HOUR = 3_600_000


def stall_of(tmp_path, *rights_, bricks=2, **more):
    return Stall(tmp_path, bricks=bricks, rights=list(rights_), **more)


@pytest.fixture
def stall(tmp_path):
    """Two bricks, one budget of 1,000 in slices of 100 that live an hour."""
    made = stall_of(tmp_path, {"rule": "rule-1", "unit": 1, "slice": 100, "count": 10, "life_ms": HOUR})
    yield made
    made.publish()
    made.fsck()
    made.close()


def figures(stall):
    found = rights.figures(stall.controller.database, stall.config, stall.world.now_ms)
    assert all(one.minted == one.spent + one.returned + one.stranded for one in found)
    assert all(one.budget == one.kept + one.minted - one.returned for one in found)
    return found[0]


def ids(stall):
    now_ms = stall.world.now_ms
    return [one.id for one in rights.of_kit(stall.controller.database, stall.world.kit, now_ms)]


def start(stall, *bricks):
    """These show their clock, start again and write a record: whatever they held is gone."""
    for brick in bricks:
        hand_in(stall, reg.KIND_DENY, brick)
        brick.boot += 1
        hand_in(stall, reg.KIND_DENY, brick)


def hand_in(stall, kind, brick, **more):
    item = stall.world.record(kind, brick, **more)
    stall.hand_in([item])
    return item


# --- sizes

BRICKS = [bytes([n]) * 8 for n in range(1, 6)]
cells = st.lists(
    st.builds(Expected, st.sampled_from(BRICKS), st.integers(0, 9), st.integers(0, 500)), max_size=30
)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 10**6), st.integers(1, 5000), cells, st.integers(1, 300), st.integers(1, 64))
def test_slices_are_the_whole_budget_in_a_bounded_number(amount, each, forecast, least, most):
    cut = sizes.cut(amount, each, forecast, least, most)
    assert sum(one.amount for one in cut) == amount
    assert len(cut) <= most and all(one.amount > 0 for one in cut)
    assert cut == sizes.cut(amount, each, forecast, least, most)
    takers = {brick: sum(c.takers for c in forecast if c.brick == brick) for brick in BRICKS}
    if any(one.brick for one in cut):
        for brick in BRICKS:
            share = sum(one.amount for one in cut if one.brick == brick)
            assert abs(share * sum(takers.values()) - amount * takers[brick]) <= sum(takers.values())


def test_a_brick_with_three_times_the_takers_gets_three_times_the_budget_hour_by_hour():
    forecast = [Expected(BRICKS[0], 9, 30), Expected(BRICKS[1], 9, 10), Expected(BRICKS[0], 10, 60)]
    forecast += [Expected(BRICKS[1], 10, 20)]
    cut = sizes.cut(1200, 500, forecast)
    assert [(one.amount, one.brick) for one in cut] == [
        (300, BRICKS[0]), (100, BRICKS[1]), (300, BRICKS[0]), (300, BRICKS[0]), (200, BRICKS[1])
    ]  # fmt: skip


def test_without_a_forecast_slices_are_equal():
    assert [one.amount for one in sizes.cut(1050, 500)] == [500, 500, 50]


# --- kept back, returned, minted anew


def test_part_is_kept_back_until_three_quarters_of_the_rest_are_spent(tmp_path):
    asked = {"rule": "rule-1", "unit": 1, "slice": 100, "count": 10, "reserve_bps": 2000}
    stall = stall_of(tmp_path, asked)
    one, two = stall.world.bricks
    assert len(ids(stall)) == 8 and figures(stall).kept == 200
    for number in range(1, 7):
        hand_in(stall, reg.KIND_GRANT, one, f13=[[number, 100]])
        stall.controller.renew(force=True)
    assert len(ids(stall)) == 8
    hand_in(stall, reg.KIND_GRANT, two, f13=[[7, 1]])
    stall.controller.renew(force=True)
    assert ids(stall)[8:] == [9, 10] and figures(stall).kept == 0
    stall.restart()
    assert len(ids(stall)) == 10, "a restart mints nothing twice"
    stall.close()


def test_a_slice_comes_back_only_when_its_holders_chain_has_arrived(stall):
    one, two = stall.world.bricks
    hand_in(stall, reg.KIND_GRANT, one, f13=[[1, 40]])
    one.boot += 1
    hand_in(stall, reg.KIND_DENY, one)
    stall.world.now_ms += HOUR + 2 * GRACE_MS
    hand_in(stall, reg.KIND_DENY, one)
    stall.controller.renew(force=True)
    assert figures(stall).returned == 0 and figures(stall).expired == 960, "it may hold them still"
    start(stall, one)
    stall.controller.renew(force=True)
    assert figures(stall).returned == 60, "slice 1 is the first brick's; any other may be the second's"
    late = [stall.world.record(reg.KIND_DENY, two) for _ in range(2)]
    stall.hand_in(late[1:])
    start(stall, two)
    stall.controller.renew(force=True)
    assert figures(stall).returned == 60, "a record of the second brick is missing"
    stall.hand_in(late[:1])
    stall.controller.renew(force=True)
    found = figures(stall)
    assert (found.returned, found.spent, found.unassigned, found.kept) == (960, 40, 960, 0)
    assert min(ids(stall)) == 11, "what came back goes out under new numbers"
    stall.restart()
    assert figures(stall) == found


def test_a_clock_that_no_host_set_shows_nothing(stall):
    one, two = stall.world.bricks
    stall.world.now_ms += HOUR + 2 * GRACE_MS
    for brick in (one, two):
        hand_in(stall, reg.KIND_DENY, brick, f7=[1, 50])
        hand_in(stall, reg.KIND_DENY, brick, f7=[2, HOUR])
        brick.boot += 1
        hand_in(stall, reg.KIND_DENY, brick)
    stall.controller.renew(force=True)
    assert figures(stall).returned == 0


def test_the_next_rental_ends_the_slices_of_the_last(stall):
    for brick in stall.world.bricks:
        hand_in(stall, reg.KIND_RENTAL, brick, f24=[2], f5=None)
    stall.controller.renew(force=True)
    assert figures(stall).returned == 0, "not before they expire"
    stall.world.now_ms += HOUR + 2 * GRACE_MS
    stall.controller.renew(force=True)
    assert figures(stall).returned == 1000


def test_what_is_spent_after_the_slice_came_back_is_charged_to_the_rental(stall):
    one, two = stall.world.bricks
    stall.world.now_ms += HOUR + 2 * GRACE_MS
    start(stall, one, two)
    stall.controller.renew(force=True)
    hand_in(stall, reg.KIND_GRANT, one, f13=[[1, 30]])
    assert figures(stall).spent == 0
    (line,) = settlements.charges_of(stall.controller.database, stall.world.kit)
    assert (line["code"], line["slice"], line["amount"], line["unit"], line["rental"]) == (9, 1, 30, 1, 1)


def test_a_budget_whose_end_has_come_mints_nothing_more():
    right = Right("r", 1, 100, 10, expires_ms=1000, life_ms=600)
    nothing = rights.Figures("", 1, "r", 1, 1000)
    assert rights.to_mint(right, nothing, 999) == 1000 and rights.to_mint(right, nothing, 1000) == 0
    assert (right.expires(300), right.expires(700)) == (900, 1000)


# --- charged


def test_a_slice_in_two_chains_is_charged_to_the_rental(stall):
    one, two = stall.world.bricks
    hand_in(stall, reg.KIND_GRANT, one, f13=[[1, 20]])
    hand_in(stall, reg.KIND_GRANT, two, f13=[[1, 50], [2, 10]])
    lines = settlements.charges_of(stall.controller.database, stall.world.kit)
    assert [(line["code"], line["slice"], line["amount"]) for line in lines] == [(5, 1, 50), (5, 2, 10)]
    assert all(line["brick"] == two.brick8.hex() and line["rental"] == 1 for line in lines)
    assert figures(stall).spent == 20


def remade(item, brick, prev=None, **more):
    """Another record of the same brick and seq, with a good MAC: what only a copy of the brick can write."""
    fields = {**item.fields, 15: b"another!", **{int(name[1:]): value for name, value in more.items()}}
    if prev is not None:
        fields[18] = prev
    public = record.encode_public(fields)
    return record.from_parts(item.seq, public, record.mac(brick.mac_key, public), item.private)


def charges(stall):
    lines = settlements.charges_of(stall.controller.database, stall.world.kit)
    return [(line["code"], line["slice"], line["amount"]) for line in lines]


def test_what_a_copy_of_a_brick_gives_away_is_charged_once(stall):
    one, _ = stall.world.bricks
    item = stall.world.record(reg.KIND_GRANT, one, f13=[[1, 20]])
    other = remade(item, one, f13=[[1, 30], [2, 5]])
    stall.hand_in([item, other, other])
    assert charges(stall) == [(4, 1, 30), (4, 2, 5)] and figures(stall).spent == 20
    stall.restart()
    stall.hand_in([other])
    assert len(charges(stall)) == 2


def test_what_is_given_away_in_a_broken_chain_is_charged(stall):
    one, _ = stall.world.bricks
    item = hand_in(stall, reg.KIND_GRANT, one, f13=[[1, 20]])
    broken = remade(stall.world.record(reg.KIND_GRANT, one), one, b"x" * 16, f13=[[1, 30]])
    one.prev = record.link(broken.public, broken.mac)
    stall.hand_in([broken])
    assert charges(stall) == [(2, 1, 30)] and figures(stall).spent == 20 and item.seq == 1
    stall.hand_in(
        [remade(stall.world.record(reg.KIND_REDEEM, one), one, b"y" * 16, f12=[[2, 1, 400]], f24=[bytes(8)])]
    )
    assert charges(stall)[1:] == [(2, None, 400)]


# --- reserve, commit, release


def test_a_reserve_spends_its_commit_does_not_and_a_release_gives_back_once(stall):
    one, two = stall.world.bricks
    reserve = hand_in(stall, reg.KIND_RESERVE, one, f13=[[1, 60]])
    assert figures(stall).spent == 60
    hand_in(stall, reg.KIND_GRANT, one, f20=reserve.seq)
    assert figures(stall).spent == 60
    hand_in(stall, reg.KIND_RELEASE, one, f20=reserve.seq, f13=[[1, 60]])
    assert figures(stall).spent == 60 and codes(stall) == {"reserve": 1}
    stall.restart()
    other = hand_in(stall, reg.KIND_RESERVE, one, f13=[[1, 30], [2, 5]])
    stall.restart()
    hand_in(stall, reg.KIND_RELEASE, two, f20=other.seq, f13=[[1, 30], [2, 5]])
    hand_in(stall, reg.KIND_RELEASE, one, f20=other.seq, f13=[[1, 30]])
    assert figures(stall).spent == 95 and codes(stall) == {"reserve": 3}
    hand_in(stall, reg.KIND_RELEASE, one, f20=other.seq, f13=[[2, 5], [1, 30]])
    assert figures(stall).spent == 60
    hand_in(stall, reg.KIND_RELEASE, one, f20=other.seq, f13=[[2, 5], [1, 30]])
    assert figures(stall).spent == 60 and codes(stall) == {"reserve": 4}


def codes(stall):
    """How often which finding, by a word of it."""
    with stall.controller.database.read() as connection:
        entries = connection.execute(select(tables.leaves.c.entry)).scalars().all()
    found = [leaf.decode_finding(entry[1:])[1] for entry in entries if entry[0] == reg.LEAF_FINDING]
    words = {reg.FINDING_RESERVE: "reserve", reg.FINDING_GAP: "gap"}
    return {words[code]: found.count(code) for code in set(found)}


@pytest.mark.parametrize("end", [reg.KIND_GRANT, reg.KIND_RELEASE])
def test_an_end_that_comes_before_its_reserve_holds_when_the_gap_closes(stall, end):
    one, _ = stall.world.bricks
    reserve = stall.world.record(reg.KIND_RESERVE, one, f13=[[1, 60]])
    parts = {"f13": [[1, 60]]} if end == reg.KIND_RELEASE else {}
    hand_in(stall, end, one, f20=reserve.seq, **parts)
    assert figures(stall).spent == 0 and codes(stall) == {"gap": 1}
    stall.restart()
    stall.hand_in([reserve])
    assert figures(stall).spent == (60 if end == reg.KIND_GRANT else 0) and codes(stall) == {"gap": 1}
    hand_in(stall, end, one, f20=reserve.seq, **parts)
    assert codes(stall) == {"gap": 1, "reserve": 1}


def test_a_grant_that_names_no_reserve_is_charged(stall):
    one, _ = stall.world.bricks
    denied = hand_in(stall, reg.KIND_DENY, one)
    hand_in(stall, reg.KIND_GRANT, one, f20=denied.seq, f12=[[2, 1, 250]])
    (line,) = settlements.charges_of(stall.controller.database, stall.world.kit)
    assert (line["code"], line["slice"], line["amount"]) == (12, None, 250)


def test_slices_say_whom_the_forecast_had_in_mind(tmp_path):
    stall = stall_of(tmp_path, {"rule": "rule-1", "unit": 1, "slice": 100, "count": 6})
    one, two = stall.world.bricks
    kit = {"kit": stall.world.kit.hex(), "name": "kit-1", "rental": 2}
    forecast = [{"brick": one.brick8.hex(), "takers": 20}, {"brick": two.brick8.hex(), "takers": 10}]
    stall.settings["kits"] = [{**kit, "forecast": forecast}]
    stall.restart()
    made = rights.of_kit(stall.controller.database, stall.world.kit)[6:]
    assert sorted(m.brick for m in made) == sorted([one.brick8] * 4 + [two.brick8] * 2)
    assert sum(core.decode_slice(m.payload).amount for m in made) == 600
    stall.close()
