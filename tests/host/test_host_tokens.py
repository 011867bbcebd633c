"""Everybody's loyalty tokens are whole, however many receipts ago they were given, and over kills and restarts."""

import random
from collections import Counter

import pytest
from hostkit import until
from lanekit import RULE2, V2, LaneWorld, play, post, records
from stallmark import cbor
from stallmark import registry as reg

from hostagent import exchange, telling
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
