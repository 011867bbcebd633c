"""A host that was restored, robbed of its store or copied goes on under new link keys; its copies never do."""

import asyncio
import base64
import shutil
import socket

from hostkit import PtyBrick, host_folder, running, until
from nacl.bindings import crypto_sign_seed_keypair
from test_host_with_controller import fleet
from typer.testing import CliRunner

from cli.main import app
from fleet.rekeys import STEP
from tests.world import World


def order(config, *more):
    """`stallmark fleet bricks rekey`, beside the running controller."""
    made = CliRunner().invoke(app, ["fleet", "bricks", "rekey", "--config", str(config), *more])
    assert made.exit_code == 0, made.output
    return made.output


async def market(tmp_path, seed):
    """A controller that runs, a host's folder, a brick."""
    world = World(seed)
    world.brick()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = world.controller(tmp_path / "fleet", port=port)
    process = await fleet(config, port)
    director = base64.b64encode(crypto_sign_seed_keypair(world.director_seed)[0]).decode()
    folder = tmp_path / "host"
    path = host_folder(world, folder, f"http://127.0.0.1:{port}", director=director)
    return world, config, process, path, PtyBrick(world, 0, folder)


async def handshakes(brick, count):
    """The brick starts so often, and gets its session each time."""
    for _ in range(count):
        brick.power_on()
        await until(lambda: brick.link.up, "a session")


def test_a_host_that_was_robbed_or_restored_gets_its_bricks_back_and_a_copy_never(tmp_path):
    async def scenario():
        world, config, process, path, brick = await market(tmp_path, 301)
        name = brick.brick.brick8.hex()
        async with running(path):
            brick.plug()
            brick.decide(5)
            await until(lambda: brick.ledger_seq == 5, "in the ledger")
        # The store is gone, and with it every link key.
        for file in ("host.db", "host.db-wal", "host.db-shm"):
            (path.parent / file).unlink(missing_ok=True)
        async with running(path) as agent:
            brick.power_on()
            link = agent.lines[0].session.link
            await until(lambda: link.refusal is not None, "refused")
            assert "not known here" in link.refusal and not brick.link.up
            assert f"brick {name}: link key 1, from epoch {STEP} on" in order(config, "--kit", "kit-1")
            await until(lambda: brick.link.up, "up under the new key")
            assert brick.epoch == STEP + 1
        copy = tmp_path / "copy.db"
        shutil.copy(path.parent / "host.db", copy)
        async with running(path):
            await handshakes(brick, 4)
        # An old backup: its keys are of long ago. The order is known there, and done.
        shutil.copy(copy, path.parent / "host.db")
        async with running(path) as agent:
            brick.power_on()
            link = agent.lines[0].session.link
            await until(lambda: link.refusal is not None, "refused")
            assert "link key of epoch" in link.refusal and "re-key" in link.refusal and not brick.link.up
            order(config, name)
            await until(lambda: brick.link.up, "up under the second new key")
            await handshakes(brick, 2)
            order(config, name)
            await until(lambda: brick.epoch > 3 * STEP, "a third order reaches a link that is up")
            await until(lambda: brick.link.up)
        # The disk of before knows older keys only: nothing that it says is good any more.
        clone = host_folder(world, tmp_path / "clone", "http://127.0.0.1:9")
        shutil.copy(copy, clone.parent / "host.db")
        brick.unplug()
        brick.path = clone.parent / "run" / "brick-1"
        async with running(clone) as agent:
            brick.plug()
            brick.power_on()
            link = agent.lines[0].session.link
            await until(lambda: link.refusal is not None, "refused")
            assert not brick.link.up and brick.epoch > 3 * STEP
        brick.unplug()
        process.terminate()
        await process.wait()

    asyncio.run(scenario())


def test_orders_for_nobody_are_refused_in_words(tmp_path):
    world = World(303)
    world.brick()
    config = world.controller(tmp_path / "fleet")
    for more, words in (
        ([], "either a kit"),
        (["--kit", "no such kit"], "no kit 'no such kit'"),
        (["0011223344556677"], "stallmark fleet init"),
        (["--kit", "kit-1"], "stallmark fleet init"),
    ):
        made = CliRunner().invoke(app, ["fleet", "bricks", "rekey", "--config", str(config), *more])
        assert made.exit_code == 1 and words in made.output, made.output
