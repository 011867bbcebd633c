"""Everybody's loyalty tokens are whole, however many receipts ago they were given, and over kills and restarts."""

import random
from collections import Counter

import pytest
from hostkit import until
from lanekit import RULE2, V2, LaneWorld, play, post, records
from stallmark import cbor, record
from stallmark import registry as reg

from hostagent import exchange, telling
from hostagent.intake import Outcome
from hostagent.store import tokens

TOKENS = {**V2, 5: [{**RULE2, 0: "drip", 4: [2, [0], [11, [30], 0]], 6: [[8, 2, 0, 30]], 7: []}]}


def sums_of(agent) -> dict[bytes, int]:
    """What the records say, one after another."""
    sums: Counter[bytes] = Counter()
    for item in records(agent):
        found = tokens.change(item.record.fields, item.record.private_fields or {})
        if found is not None:
            sums[found[0]] = tokens.changed(sums[found[0]], found[1])
    return dict(sums)


def table_of(agent) -> dict[bytes, int]:
    return agent.store.read(
        lambda sql: dict(sql.execute("SELECT subject, tokens FROM token_sums").fetchall())
    ).result()


def sale(kit: LaneWorld, number: int, person: int) -> dict:
    return {
        "type": "till sale", "basket": "5.00", "reference": f"T-{number}", "customer": {"pass": kit.pass_text(person)}
    }  # fmt: skip


@pytest.mark.parametrize("older", [False, True], ids=["table kept", "store of an older program"])
def test_balances_are_whole_though_their_receipts_are_not_read_any_more(tmp_path, monkeypatch, older):
    monkeypatch.setattr(exchange, "LOOK_BACK", 2)
    chance = random.Random(761)
    print("seed", 761)

    async def scenario():
        kit = LaneWorld(761, tmp_path, data=cbor.encode(TOKENS))
        async with kit.up() as agent, kit.client(agent) as till:
            agent.forwarder.close_s = 0.05
            for number in range(24):
                await post(till, f"k-{number}", sale(kit, number, chance.randrange(1, 6)))
                if number % 6 == 5:
                    await post(
                        till, f"r-{number}", {"type": "refund", "reference": f"T-{chance.randrange(number)}"}
                    )
            wanted = sums_of(agent)
            assert len(wanted) == 5 and sum(wanted.values()) > 30
            assert table_of(agent) == wanted
            # Sealed in batches: private parts stand in no receipt any more.
            await until(lambda: agent.forwarder.next_seq > agent.chain.host_seq - 2, "everything in a batch")
            if older:

                def forget(sql):
                    sql.execute("DROP TABLE token_sums")
                    sql.execute("DELETE FROM meta WHERE name = ?", (tokens.WHOLE,))

                agent.store.write(forget).result()
        async with kit.up() as agent, kit.client(agent) as till:
            await agent.exchange.whole()
            assert dict(agent.kitside.telling._tokens) == wanted
            assert table_of(agent) == wanted
            subject = next(iter(wanted))
            await until(
                lambda: agent.lane.state.balance(subject + bytes(2)) == wanted[subject], "the lane knows"
            )
            await post(till, "k-new", sale(kit, 99, 1))
            await agent.exchange.whole()
            assert dict(agent.kitside.telling._tokens) == table_of(agent) == sums_of(agent)
        await kit.controller.stop()

    play(scenario())


def test_with_more_people_than_are_known_at_once_the_store_has_all_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(telling, "PEOPLE_MOST", 3)

    async def scenario():
        kit = LaneWorld(762, tmp_path, data=cbor.encode(TOKENS))
        async with kit.up() as agent, kit.client(agent) as till:
            for number in range(6):
                await post(till, f"k-{number}", sale(kit, number, number + 1))
            await agent.exchange.whole()
            assert len(agent.kitside.telling._tokens) == 3
            assert table_of(agent) == sums_of(agent) and len(table_of(agent)) == 6
        async with kit.up() as agent:
            newest = [
                item.record.private_fields[1][:6]
                for item in records(agent)
                if item.record.fields[10] == reg.KIND_GRANT
            ]
            assert list(agent.kitside.telling._tokens) == newest[-3:]
        await kit.controller.stop()

    play(scenario())


def granted(brick, tokens_each: int, grants: int = 1, subject: bytes = b"subject8") -> list:
    """A record message that no honest brick sends."""
    private = record.encode_private({0: b"s" * 16, 1: subject})
    fields = {
        0: 0, 1: brick.brick, 2: brick.next_seq, 3: 0, 4: 1, 5: 1000, 6: 5, 7: [2, 100], 8: b"rules--8", 9: 0,
        10: reg.KIND_GRANT, 11: 16, 12: [[reg.GRANT_TOKENS, tokens_each, 0]] * grants, 14: [1, 0], 15: b"nonce--8",
        16: 1, 17: record.commit(private), 18: brick.prev16 or bytes(16),
    }  # fmt: skip
    return [brick.next_seq, record.encode_public(fields), b"m" * 16, private]


def test_more_tokens_than_a_sum_may_be_stop_neither_this_host_nor_its_next_start(tmp_path):
    async def scenario():
        kit = LaneWorld(763, tmp_path, data=cbor.encode(TOKENS))
        kit.world.brick()
        async with kit.up() as agent, kit.client(agent) as till:
            brick = next(one for one in agent.bricks.values() if one.brick != agent.lane.brick8)
            for each, grants, subject in ((2**63 - 1, 2, b"first--8"), (2**32 + 5, 1, b"second-8")):
                assert agent.intake.submit(brick, granted(brick, each, grants, subject)) == Outcome.TAKEN
                assert (
                    await post(till, f"k-{brick.next_seq}", sale(kit, brick.next_seq, 1))
                ).status_code == 200
                assert agent.intake.failed.done() is False and brick.durable_seq == brick.next_seq - 1
            assert table_of(agent)[b"first-"] == table_of(agent)[b"second"] == tokens.MOST_TOKENS
            older = "UPDATE token_sums SET tokens = 4294967301"
            agent.store.write(lambda sql: sql.execute(older).fetchall()).result()
        async with kit.up() as agent, kit.client(agent) as till:  # as a store has it from before
            await agent.exchange.whole()
            assert agent.kitside.telling.tokens(b"second-8") == tokens.MOST_TOKENS
            assert (await post(till, "k-new", sale(kit, 9, 1))).status_code == 200
            assert set(table_of(agent).values()) == {tokens.MOST_TOKENS, 4294967301}, (
                "whoever changes is bounded"
            )
        await kit.controller.stop()

    play(scenario())


def test_a_record_whose_sums_cannot_be_written_is_kept_aside_and_holds_up_nobody(tmp_path, monkeypatch):
    async def scenario():
        kit = LaneWorld(764, tmp_path, data=cbor.encode(TOKENS))
        kit.world.brick()
        async with kit.up() as agent, kit.client(agent) as till:
            brick = next(one for one in agent.bricks.values() if one.brick != agent.lane.brick8)
            with monkeypatch.context() as patched:
                patched.setattr(tokens, "statements", lambda *_: [("SELECT ?", (1 << 63,))])
                assert agent.intake.submit(brick, granted(brick, 2)) == Outcome.QUARANTINED
            assert agent.intake.submit(brick, granted(brick, 2)) == Outcome.TAKEN
            assert (await post(till, "k-1", sale(kit, 1, 1))).status_code == 200
            assert brick.durable_seq == 2
        await kit.controller.stop()

    play(scenario())
