"""A host that is killed at random instants goes on without loss and without anything twice."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from diskkit import draw
from hostkit import OnDemand, PtyBrick, host_folder, until
from stallmark import batch, cbor, receipt

from tests.world import World

ROOT = Path(__file__).parents[2]


async def start(path):
    """A real process of the agent."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from hostagent.cli import app; app(sys.argv[1:])",
        "run",
        "--config",
        str(path),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


def test_kill_minus_nine_again_and_again(tmp_path):
    chance = draw(61)

    async def scenario():
        world = World(61)
        for _ in range(2):
            world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        bricks = [PtyBrick(world, n, folder) for n in range(2)]
        for brick in bricks:
            brick.plug()
        kills = 8
        for turn in range(kills):
            agent = await start(path)
            before = [len(brick.acks) for brick in bricks]
            for brick in bricks:
                brick.decide(40)
            # Killed once it has begun to acknowledge, an instant of chance after that.
            wanted = chance.randrange(1, 8)
            await until(
                lambda before=before, wanted=wanted, agent=agent: agent.returncode is not None
                or any(len(brick.acks) - had >= wanted for brick, had in zip(bricks, before, strict=True))
                # The fewer groups, the fewer acknowledgements.
                or all(brick.host_seq == brick.head for brick in bricks),
                f"life {turn}",
            )
            assert agent.returncode is None, (await agent.stderr.read()).decode()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(agent.wait(), chance.random() * 0.05)
            agent.send_signal(signal.SIGKILL)
            await agent.wait()
        agent = await start(path)
        await until(
            lambda: all(brick.ledger_seq == brick.head for brick in bricks), "everything in the ledger", 60
        )
        agent.send_signal(signal.SIGTERM)
        assert await agent.wait() == 0, (await agent.stderr.read()).decode()
        prev, host_seq = bytes(16), 0
        seen = {brick.brick.brick8: [] for brick in bricks}
        for number, body in enumerate(controller.bodies, 1):
            parsed = batch.parse(body)
            assert parsed.head.fields[2] == number
            for cose in parsed.receipts:
                fields = receipt.parse(cose).fields
                host_seq += 1
                assert (fields[4], fields[5]) == (host_seq, prev)
                prev = receipt.short(cose)
                public = cbor.decode(fields[1])
                seen[public[1]].append(public[2])
        for brick in bricks:
            assert seen[brick.brick.brick8] == list(range(1, brick.head + 1))
            assert brick.head == 40 * kills
            brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_host_ends_in_order_on_sigint_and_keeps_no_secret_that_it_need_not(tmp_path):
    async def scenario():
        world = World(62)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        provisioned = (folder / "keys.json").read_text()
        link_key = provisioned.split('"key": "')[1][:64]
        brick = PtyBrick(world, 0, folder)
        brick.plug()
        agent = await start(path)
        brick.decide(10)
        await until(lambda: brick.host_seq == 10)
        agent.send_signal(signal.SIGINT)
        assert await agent.wait() == 0
        # The bench's link key has left keys.json: with it today's key could be computed.
        assert link_key not in (folder / "keys.json").read_text()
        assert oct((folder / "keys.json").stat().st_mode)[-3:] == "600"
        assert "host.db-wal" not in os.listdir(folder), "a clean end folds the log in"
        agent = await start(path)
        brick.decide(1)
        await until(lambda: brick.host_seq == 11)
        agent.terminate()
        assert await agent.wait() == 0
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())
