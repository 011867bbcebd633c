"""A brick on a pseudo-terminal and the whole agent: records up, acknowledgements down, whatever the cable
does."""

import asyncio
import json
import random
import struct

from hostkit import OnDemand, PtyBrick, host_folder, running, until
from stallmark import cbor, frame, receipt
from stallmark import registry as reg

from tests.world import World


def stall(seed, tmp_path, bricks=1):
    """A world with bricks, its controller and the host's folder (not yet listening)."""
    world = World(seed)
    for _ in range(bricks):
        world.brick()
    return world, OnDemand(world), tmp_path / "host"


def records_of(controller):
    """(brick8, seq) of every receipt at the controller, in ledger order."""
    found = []
    for cose in controller.receipts:
        public = cbor.decode(receipt.parse(cose).fields[1])
        found.append((public[1], public[2]))
    return found


def test_a_decision_becomes_a_receipt_at_the_controller_and_the_brick_hears_of_both_marks(tmp_path):
    async def scenario():
        world, controller, folder = stall(1, tmp_path)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            brick.decide(20)
            await until(lambda: brick.host_seq == 20, "host mark 20")
            await until(lambda: brick.ledger_seq == 20, "ledger mark 20 with a good tag")
            assert agent.counts["receipts"] == 20
            # Acknowledgement and clock come before anything else of a session.
            assert [kind for kind, _ in brick.got[:2]] == [reg.MSG_ACK, reg.MSG_CLOCK]
        assert records_of(controller) == [(brick.brick.brick8, n) for n in range(1, 21)]
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_three_bricks_at_once_and_a_cable_that_is_pulled_and_put_back(tmp_path):
    async def scenario():
        world, controller, folder = stall(2, tmp_path, bricks=3)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        bricks = [PtyBrick(world, n, folder) for n in range(3)]
        async with running(path) as agent:
            for brick in bricks:
                brick.plug()
                brick.decide(10)
            await until(lambda: all(brick.host_seq == 10 for brick in bricks))
            bricks[1].unplug()
            await until(lambda: agent.lines[1].port.state != "open")
            bricks[1].decide(15)
            bricks[0].decide(5)
            await until(lambda: bricks[0].host_seq == 15)
            assert bricks[1].host_seq == 10
            bricks[1].plug()
            await until(lambda: bricks[1].host_seq == 25, "the rest after the cable is back")
            bricks[2].unplug()
            bricks[2].power_on()
            bricks[2].plug()
            bricks[2].decide(1)
            await until(lambda: bricks[2].host_seq == 11, "after a start of the brick")
            await until(lambda: len(controller.receipts) == 51)
        assert sorted(records_of(controller)) == sorted(
            (brick.brick.brick8, n) for brick in bricks for n in range(1, brick.head + 1)
        )
        for brick in bricks:
            brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_noise_damage_and_loss_on_the_wire_cost_resends_and_no_record(tmp_path):
    seed = 20260922
    print("seed", seed)

    async def scenario():
        world, controller, folder = stall(3, tmp_path)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        chance = random.Random(seed)

        def damage(data):
            draw = chance.random()
            if draw < 0.05:
                return b""
            if draw < 0.10:
                at = chance.randrange(len(data))
                return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]
            if draw < 0.13:
                return chance.randbytes(chance.randrange(700)) + data
            if draw < 0.16:
                return data + data
            return data

        async with running(path) as agent:
            brick.plug()
            await until(lambda: brick.link.up)
            brick.damage = damage
            brick.decide(120)
            await until(lambda: brick.host_seq == 120, "all of them in spite of the wire", 60)
            session = agent.lines[0].session
            assert session.count("noise") > 0
            brick.damage = lambda data: data
            await until(lambda: len(controller.receipts) == 120)
        assert [seq for _, seq in records_of(controller)] == list(range(1, 121))
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_frame_that_is_too_long_is_answered_and_a_stranger_gets_no_session(tmp_path):
    async def scenario():
        world, controller, folder = stall(4, tmp_path)
        world.brick()  # a brick of the world that this host does not get
        await controller.start()
        path = host_folder(world, folder, controller.address)
        told = json.loads(path.read_text())
        told["bricks"] = told["bricks"][:1]
        path.write_text(json.dumps(told))
        secrets = json.loads((folder / "keys.json").read_text())
        secrets["links"] = secrets["links"][:1]
        (folder / "keys.json").write_text(json.dumps(secrets))
        stranger = PtyBrick(world, 1, folder)
        stranger.path = folder / "run" / "brick-1"
        notices = []
        async with running(path) as agent:
            stranger.plug()
            original = stranger._events

            def heard(events):
                notices.extend(event[1] for event in events if event[0] == "notice")
                original(events)

            stranger._events = heard
            await until(lambda: reg.NOTICE_BAD_HANDSHAKE in notices)
            stranger.raw(b"\x00" + b"\x11" * 3000 + b"\x00")
            await until(lambda: reg.NOTICE_OVERSIZE in notices)
            session = agent.lines[0].session
            assert session.link.refusal == "brick not known here"
            assert session.count("oversize") == 1
            assert not session.link.up
        stranger.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_replayed_recording_of_the_wire_brings_nothing_new(tmp_path):
    async def scenario():
        world, controller, folder = stall(5, tmp_path)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        wire = []
        async with running(path) as agent:
            brick.damage = lambda data: (wire.append(data), data)[1]
            brick.plug()
            brick.decide(8)
            await until(lambda: brick.ledger_seq == 8)
            recorded = b"".join(wire)
            for at in range(0, len(recorded), 512):
                brick.raw(recorded[at : at + 512])
            brick.decide(2)
            await until(lambda: brick.host_seq == 10)
            assert agent.counts["receipts"] == 10
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_messages_that_are_none_are_counted_and_stop_nothing(tmp_path):
    async def scenario():
        world, controller, folder = stall(6, tmp_path)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            brick.decide(1)
            await until(lambda: brick.host_seq == 1)
            known = agent.bricks[brick.brick.brick8]
            bad = [
                (reg.MSG_RECORD, None),
                (reg.MSG_RECORD, [1, 2, 3]),
                (reg.MSG_RECORD, ["1", b"", b"", b""]),
                (reg.MSG_STATUS, {0: "boot"}),
                (reg.MSG_STATUS, 7),
                (reg.MSG_DIAGNOSTICS, []),
                (reg.MSG_CHUNK_WANTED, {0: 1, 1: 2}),
                (reg.MSG_SLICE_RESULT, {}),
                (200, {0: 1}),
            ]
            for kind, value in bad:
                await until(lambda: brick.link.room > 1)
                brick.send(kind, value)
            await until(lambda: known.counters["unreadable"] == len(bad))
            brick.decide(1)
            await until(lambda: brick.host_seq == 2)
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_records_that_the_brick_no_longer_has_are_named_as_lost(tmp_path):
    async def scenario():
        world, controller, folder = stall(7, tmp_path)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        brick.decide(12)
        for seq in range(1, 6):
            del brick.journal[seq]
        brick.oldest = 6
        brick.host_seq = 5  # it had freed them for another host
        async with running(path) as agent:
            brick.plug()
            await until(lambda: brick.host_seq == 12)
            assert agent.losses().lost == 5
            assert agent.bricks[brick.brick.brick8].counters["chain_breaks"] == 0
            await until(lambda: controller.receipts)
        assert [seq for _, seq in records_of(controller)] == list(range(6, 13))
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_host_with_an_older_store_asks_for_what_it_lacks(tmp_path):
    async def scenario():
        world, controller, folder = stall(8, tmp_path)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        brick.decide(9)
        brick.host_seq = 4  # acknowledged by a host that lost its disk; the brick still has them all
        async with running(path):
            brick.plug()
            await until(lambda: brick.host_seq == 9)
            assert (reg.MSG_RESEND, {0: 1}) in brick.got
            await until(lambda: len(controller.receipts) == 9)
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_the_market_clock_is_told_again_when_it_jumps(tmp_path):
    async def scenario():
        world, controller, folder = stall(9, tmp_path)
        folder.mkdir()
        clock = folder / "clock"
        clock.write_bytes(struct.pack(">Q", 1_790_000_000_000))
        await controller.start()
        path = host_folder(world, folder, controller.address, clock_file="clock")
        brick = PtyBrick(world, 0, folder)

        def told():
            return [value[0] for kind, value in brick.got if kind == reg.MSG_CLOCK]

        async with running(path):
            brick.plug()
            await until(lambda: told() == [1_790_000_000_000])
            with open(clock, "r+b") as out:
                out.write(struct.pack(">Q", 1_790_000_900_000))
            await until(lambda: told()[-1] == 1_790_000_900_000)
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_log_lines_and_close_and_identify_reach_where_they_should(tmp_path):
    async def scenario():
        world, controller, folder = stall(10, tmp_path)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            await until(lambda: agent.lines[0].brick is not None)
            brick.raw(frame.log(frame.LOG_WARNING, "reader does not answer"))
            session = agent.lines[0].session
            await until(lambda: session.lines)
            assert session.lines[0][1:] == (frame.LOG_WARNING, "reader does not answer")
            agent.bricks[world.bricks[0].brick8].closing = "Ana"
            session.ask_close()
            session.identify()
            await until(lambda: (reg.MSG_CLOSE, {0: "Ana"}) in brick.got)
            await until(lambda: (reg.MSG_IDENTIFY, {}) in brick.got)
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())
