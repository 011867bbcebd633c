"""A start of the lane reads what was written since its records were folded up, and knows the same as from all of them."""

import asyncio
import random

import pytest
from hostkit import until
from lanekit import FIFTEEN, RULE2, V2, LaneWorld, play, post, records
from stallmark import cbor, state
from stallmark import registry as reg

from hostagent.lane import fold, plain, slipbook
from hostagent.lane.book import Place
from hostagent.lane.fold import Fold

# Tokens with their balances; people in one slot, rights, limits, slips are of the rules that a LaneWorld has of itself.
TOKENS = {**V2, 5: [{**RULE2, 0: "drip", 4: [2, [0], [11, [30], 0]], 6: [[8, 2, 0, 30]], 7: []}]}


def fold_of(stored, brick8, rules) -> Fold:
    """Of all records, from the first on."""
    found = Fold(brick8, rules)
    for item in stored:
        found.add(item)
    return found


def same(one: Fold, other: Fold) -> None:
    assert one.seq == other.seq and one.place == other.place
    assert one.slips.reserves == other.slips.reserves and one.slips.paid == other.slips.paid
    assert plain.difference(one.state, other.state) == {} == plain.difference(other.state, one.state)


@pytest.fixture(scope="module", params=[None, TOKENS], ids=["rights", "tokens"])
def day(request, tmp_path_factory):
    """(records of a busy lane, its brick8, its rules)."""
    chance = random.Random(771)
    print("seed", 771)
    found = []
    data = None if request.param is None else cbor.encode(request.param)

    async def scenario():
        kit = LaneWorld(771, tmp_path_factory.mktemp("day"), data=data)
        if data is None:
            kit.slice("fifteen", 1, 20_000)
        async with kit.up() as agent, kit.client(agent) as till:
            for number in range(45):
                body = {
                    "type": "till sale",
                    "basket": f"{chance.randrange(1, 30)}.00",
                    "reference": f"T-{number}",
                }
                if chance.random() < 0.8:
                    body["customer"] = {"pass": kit.pass_text(chance.randrange(1, 12))}
                await post(till, f"k-{number}", body)
                if chance.random() < 0.2:
                    await post(
                        till,
                        f"r-{number}",
                        {"type": "refund", "reference": f"T-{chance.randrange(number + 1)}"},
                    )
                if number in (20, 40) and data is None:
                    made = await agent.lane.reserve_slips(0, 2, "Ana")
                    await agent.lane.pay_slip(made[0].code, "Ana")
                if number == 30:
                    await agent.lane.closing("Ana")
            found.extend((records(agent), agent.lane.brick8, agent.lane.ruleset))
        await kit.controller.stop()

    play(scenario())
    return found


def test_a_fold_is_the_same_as_all_its_records_wherever_it_was_kept(day):
    stored, brick8, rules = day
    whole = fold_of(stored, brick8, rules)
    assert whole.place.epoch == 1
    if whole.slips.reserves:
        assert (len(whole.state.open_reserves()), len(whole.slips.paid)) == (2, 2)
    else:
        assert any(whole.state.balance(item.record.private_fields[1]) for item in whole.recent)
    for cut in range(0, len(stored) + 1, 7):
        data = fold_of(stored[:cut], brick8, rules).data()
        assert len(data) < 200_000
        found = fold.unfolded(data, brick8, rules)
        assert found.seq == cut
        same(found, fold_of(stored[:cut], brick8, rules))
        for item in stored[cut:]:
            found.add(item)
        same(found, whole)


def test_a_fold_of_another_brick_other_rules_or_another_program_is_not_used(day, monkeypatch):
    stored, brick8, rules = day
    data = fold_of(stored, brick8, rules).data()
    assert fold.unfolded(data, bytes(8), rules).seq == 0
    assert fold.unfolded(data, brick8, None).seq == 0
    for cut in range(0, len(data), 997):
        assert fold.unfolded(data[:cut], brick8, rules).seq == 0, cut
    with monkeypatch.context() as patched:
        patched.setattr(fold, "program", lambda: bytes(16))
        assert fold.unfolded(data, brick8, rules).seq == 0
    assert fold.unfolded(data, brick8, rules).seq == len(stored)


def test_what_is_no_plain_value_is_refused_and_the_records_are_read():
    used, fresh = state.State(None), state.State(None)
    used.rights.strange = {1, 2}
    with pytest.raises(plain.NotPlain):
        plain.difference(used, fresh)
    for told in (
        {"rights": [0, {"_had": [2, b"1234567"]}]},
        {"rights": [1, "Nothing", {}]},
        {"seq": [9, 1]},
        {"none": [0, {}]},
    ):
        with pytest.raises(plain.NotPlain):
            plain.put_back(state.State(None), told)


def test_a_start_reads_only_what_came_since_and_loses_no_limit_right_slip_or_refund(tmp_path, monkeypatch):
    monkeypatch.setattr(fold, "KEEP_AFTER", 5)
    monkeypatch.setattr(fold, "PAGE", 4)
    read = []
    page = Fold.page

    def counted(self, store, most):
        read.append(self.seq)
        return page(self, store, most)

    sale = {"type": "till sale", "basket": "16.00", "reference": "A-1"}

    async def scenario():
        kit = LaneWorld(772, tmp_path, FIFTEEN)
        kit.slice("fifteen", 1, 1200)
        async with kit.up() as agent, kit.client(agent) as till:
            assert (await post(till, "s-1", sale)).json()["credit"]["minor"] == 240
            part = {"type": "refund", "reference": "A-1", "amount": "8.00"}
            assert (await post(till, "r-1", part)).json()["credit"]["minor"] == -120
            slips = await agent.lane.reserve_slips(0, 1, "Ana")
            left = agent.lane.state.slices_left()
            before = len(records(agent))
        async with kit.up() as agent:
            assert agent.lane._kept_seq >= before, "folded at this start"
        monkeypatch.setattr(Fold, "page", counted)
        async with kit.up() as agent, kit.client(agent) as till:
            assert read[0] >= before, "this start began behind the fold"
            assert agent.lane.given == {}
            assert agent.lane.state.slices_left() == left
            rest = (await post(till, "r-2", {"type": "refund", "reference": "A-1"})).json()
            assert rest["credit"]["minor"] == -120, "half of it had come back before the fold"
            assert (await post(till, "r-3", {"type": "void", "reference": "A-1"})).status_code == 409
            paid = (await post(till, "p-1", {"type": "till sale", "slip": slips[0].code})).json()
            assert paid["outcome"] == "granted"
            again = (await post(till, "p-2", {"type": "till sale", "slip": slips[0].code})).json()
            assert again["outcome"] == "nothing this time"
            # As long as it runs it folds, too.
            monkeypatch.setattr(fold, "KEEP_RUNNING", 3)
            kept = agent.lane._kept_seq
            agent.lane.look_for_offer()
            await until(lambda: agent.lane._kept_seq > kept, "folded beside the work")
            stored = records(agent)
            found = fold.unfolded(fold.kept(agent.store).result(), agent.lane.brick8, agent.lane.ruleset)
            same(found, fold_of(stored[: found.seq], agent.lane.brick8, agent.lane.ruleset))
        # A store of before there were folds: everything is read once more.
        async with kit.up() as agent:
            agent.store.write(
                lambda sql: sql.execute("DELETE FROM lane_fold; DELETE FROM taken_back")
            ).result()
        read.clear()
        async with kit.up() as agent, kit.client(agent) as till:
            assert read[0] == 0
            assert (await post(till, "r-4", {"type": "void", "reference": "A-1"})).status_code == 409
        await kit.controller.stop()

    play(scenario())


def test_two_who_take_back_a_sale_that_is_in_no_memory_take_it_back_once(tmp_path):
    async def scenario():
        kit = LaneWorld(773, tmp_path, FIFTEEN)
        kit.slice("fifteen", 1, 2000)
        sale = {"type": "till sale", "basket": "16.00", "reference": "A-1"}
        async with kit.up() as agent, kit.client(agent) as till:
            await post(till, "s-1", sale)
            for turn in range(3):
                agent.lane.given.clear()
                found = await asyncio.gather(
                    *(post(till, f"r-{turn}-{n}", {"type": "refund", "reference": "A-1"}) for n in range(6))
                )
                assert sorted(one.status_code for one in found) == (
                    [200] + [409] * 5 if turn == 0 else [409] * 6
                )
            backs = [item for item in records(agent) if item.record.fields[10] == reg.KIND_REFUND]
            assert len(backs) == 1
        await kit.controller.stop()

    play(scenario())


def test_slips_remembered_are_the_open_ones_and_the_newest(monkeypatch):
    monkeypatch.setattr(slipbook, "MOST", 3)
    book = slipbook.SlipBook()

    class Open:
        def open_reserves(self):
            return [(1, 0, []), (4, 0, [])]

    for seq in range(1, 8):
        record = type("Record", (), {"seq": seq, "fields": {10: reg.KIND_RESERVE, 24: [0, []]}})
        book.note(record, Open())
    assert list(book.reserves) == [1, 4, 7]


def test_where_a_chain_of_keys_is_follows_from_each_record():
    place = Place()
    for epoch, boot, kind in ((0, 1, reg.KIND_START), (0, 1, reg.KIND_CLOSE), (2, 3, reg.KIND_GRANT)):
        place.passed({3: epoch, 4: boot, 10: kind})
    assert place == Place(2, 1, False, 4)
