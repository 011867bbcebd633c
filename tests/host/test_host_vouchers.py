"""Vouchers at the host: issued from the record that grants them, spent with the receipt that pays, promised once."""

import asyncio
import json

from hostkit import OnDemand, PtyBrick, host_folder, running, store_key, until
from lanekit import LaneWorld, play, post
from stallmark import cbor, voucher
from stallmark import registry as reg

from hostagent import signer
from hostagent.store import open_store
from hostagent.store.spent import Spent
from hostagent.vouchers import Issuer
from tests.campaigns.bricks import ruleset
from tests.world import World

SERIAL = b"serial-1"
NOW_MS = 1_790_000_000_000


class Granted:
    """A ruleset whose first rule promises a voucher of series 7 for ten days."""

    digest8 = b"ruleset8"

    class rule:
        grants = ((reg.GRANT_VOUCHER, 7, 200, 10),)

    rules = (rule,)


def grant(**more):
    fields = {0: 0, 1: b"brick--1", 2: 5, 8: Granted.digest8, 9: 0, 10: reg.KIND_GRANT, 12: [[9, 7, 200]], 18: b"p" * 16}
    return {**fields, **{int(name[1:]): value for name, value in more.items()}}


def test_the_same_record_gives_the_same_voucher_and_anybody_can_check_it():
    issuer = Issuer(b"s" * 32, b"kit----1")
    (first,), (again,) = issuer.of(grant(), NOW_MS, Granted), issuer.of(grant(), NOW_MS, Granted)
    assert first == again and first.expires_s == NOW_MS // 1000 + 10 * 86_400
    read = voucher.parse(first.text)
    assert (read.serial, read.series, read.minor, read.audience) == (first.serial, 7, 200, b"kit----1")
    given = ([issuer.public], [b"kit----1"], 0, NOW_MS // 1000, signer.verify)
    assert voucher.refusal(read, *given) is None
    other = Issuer(b"t" * 32, b"kit----1").of(grant(), NOW_MS, Granted)[0]
    assert other.serial != first.serial
    assert voucher.refusal(voucher.parse(other.text), *given) == reg.REASON_VOUCHER_FALSE
    assert issuer.of(grant(f2=6), NOW_MS, Granted)[0].serial != first.serial


def test_only_a_real_grant_under_known_rules_promises_a_voucher():
    issuer = Issuer(b"s" * 32, b"kit----1")
    assert issuer.of(grant(f10=reg.KIND_GHOST), NOW_MS, Granted) == []
    assert issuer.of(grant(f0=reg.FLAG_TRAINING), NOW_MS, Granted) == []
    assert issuer.of(grant(f8=b"another8"), NOW_MS, Granted) == [] == issuer.of(grant(), NOW_MS, None)
    assert issuer.of(grant(f12=[[5, 1, 0]]), NOW_MS, Granted) == []
    assert issuer.of(grant(), NOW_MS, ruleset(0)) == []


def test_a_voucher_is_promised_to_one_question_and_stays_so_after_a_crash(tmp_path):
    world = World(301)
    opened = open_store(tmp_path / "host.db", store_key(world))
    table = Spent(opened.store)
    assert table.claim(SERIAL, b"brick--1", b"nonce--1", 1).result()
    assert table.claim(SERIAL, b"brick--1", b"nonce--1", 2).result(), "the same question, asked again"
    assert not table.claim(SERIAL, b"brick--2", b"nonce--2", 3).result()
    assert not table.claim(SERIAL, b"brick--1", b"nonce--3", 4).result()
    opened.store.close()
    again = open_store(tmp_path / "host.db", store_key(world)).store
    table = Spent(again)
    assert not table.claim(SERIAL, b"brick--2", b"nonce--2", 5).result()
    table.learn([SERIAL, b"serial-2"], 17, 6).result()
    assert table.find(SERIAL).result().brick == b"brick--1" and table.last().result() == 17
    assert not table.claim(b"serial-2", b"brick--1", b"nonce--4", 7).result(), "paid elsewhere"
    table.free(b"brick--1", b"nonce--1").result()
    assert table.claim(SERIAL, b"lane---1", b"nonce--5", 8).result()
    table.free(b"lane---1").result()
    assert table.claim(SERIAL, b"brick--2", b"nonce--2", 9).result(), "the lane's questions ended with its host"
    again.close()


def test_a_redeem_record_is_spent_with_its_receipt_and_a_release_gives_the_promise_back(tmp_path):
    async def scenario():
        world = World(302)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        path = host_folder(world, tmp_path / "host", controller.address)
        brick = PtyBrick(world, 0, tmp_path / "host")
        name = brick.brick.brick8
        async with running(path) as agent:
            table = Spent(agent.store)
            for serial, nonce in ((SERIAL, b"nonce--1"), (b"serial-2", b"nonce--2")):
                assert await asyncio.wrap_future(table.claim(serial, name, nonce, 1))
            brick.plug()
            reserve = world.record(reg.KIND_RESERVE, brick.brick, f15=b"nonce--2")
            brick.add(reserve)
            brick.add(world.record(reg.KIND_RELEASE, brick.brick, f15=b"nonce--2", f20=reserve.seq))
            brick.decide(1, kind=reg.KIND_REDEEM, f12=[[2, 1, 200]], f24=[SERIAL], f15=b"nonce--1")
            await until(lambda: brick.host_seq == 3)
            paid = await asyncio.wrap_future(table.find(SERIAL))
            assert (paid.brick, paid.seq) == (name, 3)
            assert await asyncio.wrap_future(table.find(b"serial-2")) is None
            brick.decide(1, kind=reg.KIND_RELEASE, f15=b"nonce--1", f20=1)
            await until(lambda: brick.host_seq == 4)
            assert (await asyncio.wrap_future(table.find(SERIAL))).seq == 3, "what was paid stays paid"
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_what_other_kits_paid_comes_from_the_controller(tmp_path):
    class Tells(OnDemand):
        async def _answer(self, writer, path, headers, body):
            if "/spent" in path:
                after = int(path.partition("after=")[2])
                answer = {"spent": [] if after else [SERIAL.hex()], "last": 4}
                data = json.dumps(answer).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
                await writer.drain()
                return True
            if path.endswith("/rights"):
                data = b'{"rights": [{"rule": "rule-1", "stranded": 3}]}'
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
                await writer.drain()
                return True
            return await super()._answer(writer, path, headers, body)

    async def scenario():
        world = World(303)
        world.brick()
        controller = Tells(world)
        await controller.start()
        path = host_folder(world, tmp_path / "host", controller.address)
        async with running(path) as agent:
            await until(lambda: SERIAL in agent.vouchers.spent)
            assert agent.budgets.figures == [{"rule": "rule-1", "stranded": 3}]
            assert not await agent.vouchers.claim(SERIAL, b"brick--1", b"nonce--1")
        async with running(path) as agent:
            assert SERIAL in agent.vouchers.spent, "known without asking again"
        await controller.stop()

    asyncio.run(scenario())


def test_a_record_of_practice_pays_nothing():
    from hostagent.store.spent import statements

    fields = {0: 0, 1: b"brick--1", 2: 3, 10: reg.KIND_REDEEM, 24: [SERIAL]}
    assert statements(reg.KIND_REDEEM, cbor.encode(fields), 1)
    assert not statements(reg.KIND_REDEEM, cbor.encode({**fields, 0: reg.FLAG_TRAINING}), 1)
    assert not statements(reg.KIND_REDEEM, cbor.encode({**fields, 24: ["text"]}), 1)
    assert not statements(reg.KIND_GRANT, b"", 1)


def redeeming(issuer, now_ms):
    """A ruleset by which a sale with a voucher of series 7 is worth the voucher's value."""
    rule = {
        0: "redeem", 1: [reg.EVENT_TILL_SALE], 2: 4, 3: [0], 4: [0], 5: False, 6: [[2, 1, 0]], 7: [], 8: [],
        9: [14, 1, 0, 0], 10: [[None, None, None]], 11: 3, 12: 3, 13: None, 14: None, 15: [], 16: None, 17: None,
        18: 0, 19: None, 20: 7, 21: None,
    }  # fmt: skip
    return cbor.encode({
        0: 2, 1: "vouchers", 2: 1, 3: "EUR", 4: [[now_ms - 600_000, now_ms + 86_400_000]], 5: [rule], 6: None, 7: 64,
        8: "World market", 9: ["en"], 10: [], 11: None, 12: [], 13: [], 14: [], 15: [issuer], 16: 0,
    })  # fmt: skip


def test_the_lane_pays_a_voucher_once_and_none_that_a_brick_was_promised(tmp_path):
    async def scenario():
        kit = LaneWorld(321, tmp_path)
        now_ms = kit.world.now_ms
        issuer = Issuer(b"s" * 32, kit.world.kit)
        texts = [issuer.of(grant(f2=n), now_ms, Granted)[0] for n in (1, 2)]
        kit.offer(redeeming(issuer.public, now_ms))
        async with kit.up() as agent, kit.client(agent) as till:
            sale = {"type": "till sale", "basket": "16.00", "currency": "EUR"}
            assert await agent.vouchers.claim(texts[1].serial, b"brick--1", b"nonce--1")
            said = [
                (await post(till, f"k-{n}", {**sale, "voucher": text})).json()
                for n, text in enumerate((texts[0].text, texts[0].text, texts[1].text))
            ]
            assert [one["credit"]["minor"] for one in said] == [200, 0, 0], said
            paid = await asyncio.wrap_future(Spent(agent.store).find(texts[0].serial))
            assert paid.brick == agent.lane.brick8 and paid.seq is not None
        await kit.controller.stop()

    play(scenario())
