"""Store and forward against a controller that misbehaves: nothing lost, nothing twice, the chain unbroken."""

import asyncio
import base64
import json

import pytest
from hostkit import OnDemand, PtyBrick, host_folder, running, until
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as open_xchacha
from stallmark import batch, cbor, receipt, record

from fleet.ingest import HostState
from hostagent import batches
from hostagent.backoff import Backoff
from hostagent.store.receipts import Row
from tests.world import World


def whole(controller, brick, count):
    """Every record of the brick stands exactly once, in order, in chained batches."""
    seen = []
    prev = bytes(32)
    for number, body in enumerate(controller.bodies, 1):
        parsed = batch.parse(body)
        assert parsed.head.fields[2] == number and parsed.head.fields[3] == prev
        prev = batch.link(parsed.header)
        for cose in parsed.receipts:
            seen.append(cbor.decode(receipt.parse(cose).fields[1])[2])
    assert seen == list(range(1, count + 1))
    assert brick.ledger_seq == count


@pytest.mark.parametrize(
    "fault",
    ["500", "401", "413", "422", "half", "nothing", "not json", "nested", "nested 500", "lost", "other number"],
)
def test_whatever_the_controller_answers_the_batch_goes_again_until_it_is_there(tmp_path, fault):
    async def scenario():
        world = World(51)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        controller.faults.extend([fault] * 3)
        controller.key_faults.extend([True, False, True])
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            brick.decide(30)
            await until(lambda: agent.forwarder.trouble is not None or not controller.faults)
            await until(lambda: brick.ledger_seq == 30)
            await until(lambda: agent.forwarder.trouble is None)
            brick.decide(3)
            await until(lambda: brick.ledger_seq == 33)
        whole(controller, brick, 33)
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_controller_that_hangs_costs_a_time_out_and_no_receipt(tmp_path):
    async def scenario():
        world = World(52)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        controller.faults.append("hang")
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent:
            from hostagent.controller import Controller

            config = agent.config
            patient = agent.forwarder._controller
            agent.forwarder._controller = Controller(
                config.controller, config.keys.api_token, config.host, config.kit, silence_s=0.2, whole_s=0.5
            )
            brick.plug()
            brick.decide(5)
            await until(lambda: agent.forwarder.trouble is not None)
            assert agent.forwarder.trouble.kind == "offline"
            await until(lambda: brick.ledger_seq == 5)
            await agent.forwarder._controller.close()
            agent.forwarder._controller = patient
        whole(controller, brick, 5)
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_an_outage_is_stored_and_forwarded_in_full_batches(tmp_path):
    async def scenario():
        world = World(53)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            brick.decide(2)
            await until(lambda: brick.ledger_seq == 2)
            await controller.stop()
            brick.decide(600)
            await until(lambda: brick.host_seq == 602, "the host takes records without a controller", 60)
            assert brick.ledger_seq == 2
            assert agent.forwarder.trouble.kind == "offline"
            await controller.start()
            await until(lambda: brick.ledger_seq == 602)
        whole(controller, brick, 602)
        sizes = [len(batch.parse(body).receipts) for body in controller.bodies]
        assert len(sizes) <= 7 and max(sizes) == 256
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_restart_in_the_middle_of_an_outage_goes_on_with_the_same_bytes(tmp_path):
    async def scenario():
        world = World(54)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        brick.plug()
        for turn in range(1, 5):
            # The controller takes the batch and the answer is lost every time; then the host goes down.
            controller.faults.extend(["lost"] * 2)
            async with running(path):
                brick.decide(10)
                await until(lambda turn=turn: len(controller.receipts) >= turn * 10)
        async with running(path):
            await until(lambda: brick.ledger_seq == 40)
        whole(controller, brick, 40)
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_controller_restored_from_an_older_copy_gets_the_missing_batches_again(tmp_path):
    async def scenario():
        world = World(55)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path):
            brick.plug()
            for upto in (5, 10, 15, 20):
                brick.decide(5)
                await until(lambda upto=upto: brick.ledger_seq == upto)
            bodies = list(controller.bodies)
            # Back to the state after the first batch.
            first = batch.parse(bodies[0])
            last = receipt.parse(first.receipts[-1]).fields[4]
            controller.state = HostState(1, batch.link(first.header), last, receipt.short(first.receipts[-1]))
            del controller.bodies[1:], controller.receipts[last:]
            controller.keys.clear()
            brick.decide(5)
            await until(lambda: len(controller.receipts) == 25)
            await until(lambda: brick.ledger_seq == 25)
        assert controller.bodies[: len(bodies)] == bodies
        whole(controller, brick, 25)
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_store_older_than_the_controller_stops_and_says_so(tmp_path):
    async def scenario():
        world = World(56)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        controller.state = HostState(7, bytes(32), 70, bytes(16))
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            brick.decide(3)
            await until(lambda: brick.host_seq == 3)
            await until(lambda: agent.forwarder.trouble is not None)
            assert agent.forwarder.trouble.kind == "fork"
            assert "older copy" in agent.forwarder.trouble.text
        assert not controller.bodies
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_private_parts_travel_sealed_under_one_key_a_subject_and_open_at_the_controller(tmp_path):
    async def scenario():
        world = World(57)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        regular = world.octets(8)
        async with running(path) as agent:
            brick.plug()
            brick.decide(3, subject=regular)
            await until(lambda: brick.ledger_seq == 3)
            brick.decide(2, subject=regular)
            brick.decide(2)
            brick.decide(1, kind=0)
            await until(lambda: brick.ledger_seq == 8)
            left = agent.store.read(
                lambda sql: sql.execute("SELECT count(*) FROM receipts WHERE private IS NOT NULL").fetchall()
            ).result()
            assert left == [(0,)], "after sealing no private part stands by itself"
        entries = [entry for body in controller.bodies for entry in batch.parse(body).private]
        assert len(entries) == 7
        opened = {}
        for brick8, seq, alg, key_id, nonce, ciphertext in entries:
            assert (brick8, alg) == (brick.brick.brick8, 1)
            key = controller.keys[key_id.hex()]
            assert key["event"] == world.event.hex()
            plain = open_xchacha(
                ciphertext, batch.private_aad(brick8, seq), nonce, base64.b64decode(key["key"])
            )
            assert plain == brick.journal[seq].private
            assert record.commit(plain) == brick.journal[seq].fields[17]
            opened.setdefault(key_id, set()).add(key["subject"])
        assert all(len(subjects) == 1 for subjects in opened.values())
        assert len(opened) == 3  # the regular's, and two others'
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_what_goes_into_one_batch():
    def row(n, ms=0, size=400):
        return Row(n, 1, n, ms, bytes(size), bytes(40))

    assert len(batches.cut([row(n) for n in range(1, 400)])) == 256
    assert len(batches.cut([row(n, size=15_000) for n in range(1, 100)])) == 17
    windows = [row(1, 299_999), row(2, 299_999), row(3, 300_000), row(4, 10)]
    assert [taken.host_seq for taken in batches.cut(windows)] == [1, 2]
    assert batches.cut([row(1, size=300_000)]) == [row(1, size=300_000)]


def test_waiting_grows_to_its_cap_and_never_in_step():
    waits = Backoff(0.5, 60)
    drawn = [waits.next() for _ in range(2000)]
    for number, wait in enumerate(drawn[:7]):
        assert 0 <= wait <= 0.5 * 2**number
    assert max(drawn) <= 60 and max(drawn[10:]) > 55 and min(drawn[10:]) < 5
    waits.reset()
    assert waits.next() <= 0.5


def test_requests_carry_nothing_but_what_they_should(tmp_path):
    async def scenario():
        world = World(58)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path):
            brick.plug()
            brick.decide(1)
            await until(lambda: brick.ledger_seq == 1)
        posted = [request for request in controller.requests if request.startswith("POST")]
        assert posted == ["POST /v1/private-keys", "POST /v1/batches"]
        assert len(controller.keys) == 1 and not json.dumps(controller.keys).count(world.host.seed.hex())
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())
