"""What the authors' signed list does not name is not passed on to a brick, whoever orders it; and is, once it is named."""

import asyncio
import threading

from hostkit import OnDemand, host_folder, running, until
from test_host_updater import Installer, as_config, make
from tufkit import Fleet, SetClock, host, source

from fleet.trust import keyfile, stick
from hostagent import report
from hostagent.clock import RealClock
from hostagent.trust import listing
from hostagent.trust.fetcher import carried_in
from hostagent.trust.listing import Listing
from tests.world import World


def fleet_of(world, folder):
    """A fleet whose authors are the world's."""
    authors = [keyfile.Key("author", f"author-{n}", seed) for n, seed in enumerate(world.author_seeds)]
    return Fleet(folder, RealClock().now_ms(), authors)


def test_a_bundle_reaches_a_brick_only_when_the_list_names_it(tmp_path, monkeypatch):
    async def scenario():
        world = World(91)
        world.brick()
        fleet = fleet_of(world, tmp_path / "controller")
        first, second = make(world, world.octets(700), 1), make(world, world.octets(900), 2)
        fleet.release(first)
        stick.write(fleet.repository, tmp_path / "stick", fleet.now, 1)
        monkeypatch.setattr(listing, "controller_of", lambda told: carried_in(tmp_path / "stick"))
        monkeypatch.setattr(listing, "AGAIN_S", 0.05)
        folder = tmp_path / "host"
        folder.mkdir()
        (folder / "root.json").write_bytes(fleet.bootstrap)
        controller = OnDemand(world)
        controller.bundle = ('"1"', first)
        await controller.start()
        more = {"authors": as_config(world), "trust": {"root": "root.json"}}
        path = host_folder(world, folder, controller.address, **more)
        brick = Installer(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            await until(lambda: getattr(brick, "installed", None) == first)
            controller.bundle = (
                '"2"',
                second,
            )  # two authors signed it, the director orders it, the list does not name it
            await until(lambda: agent.updater.current is not None and agent.updater.current.data == second)
            await until(lambda: agent.listing.unlisted is not None)
            again = agent.listing.refreshes
            await until(lambda: agent.listing.refreshes > again + 1)
            assert brick.installed == first
            assert (
                agent.updater.chunk(agent.updater.current.digest[:8], 0) is None
            )  # not even for a brick that asks
            said = await report.status(agent)
            assert any("not on the authors' signed list" in sentence for sentence in said["words"])
            assert said["trust"]["state"] == "good"
            fleet.release(second)
            stick.write(fleet.repository, tmp_path / "stick", fleet.now, 1)
            await until(lambda: brick.installed == second)
            said = await report.status(agent)
            assert not any("signed list" in sentence for sentence in said["words"])
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_host_without_a_root_goes_on_as_ever_and_says_so(tmp_path):
    async def scenario():
        world = World(92)
        world.brick()
        controller = OnDemand(world)
        controller.bundle = ('"1"', make(world, world.octets(700), 1))
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address, authors=as_config(world))
        brick = Installer(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            await until(lambda: getattr(brick, "installed", None) is not None)
            assert (await report.status(agent))["trust"]["state"] == "not configured"
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_lists_that_ran_out_pass_nothing_new(tmp_path):
    fleet = Fleet(tmp_path / "controller")
    data = fleet.bundle()
    fleet.release(data)
    clock = SetClock()
    trust = host(tmp_path, fleet, clock)
    gate = Listing(trust, source(fleet.copy()))
    name = bytes(32)
    assert not gate.passes(name, data)  # nothing was heard yet
    trust.refresh(source(fleet.copy()))
    assert gate.passes(name, data)
    assert gate.unlisted is None
    clock.now += 2 * 86_400_000
    assert not gate.passes(name, data)
    assert "run out" in gate.unlisted
    assert gate.as_json()["state"] == "ran out"


def test_a_host_stops_at_once_while_the_network_is_silent(tmp_path):
    held = threading.Event()

    def silent():
        held.wait(120)
        return iter([b""])

    async def scenario():
        fleet = Fleet(tmp_path / "controller")
        files = fleet.copy() | {"tuf/timestamp.json": silent}
        gate = Listing(host(tmp_path, fleet), source(files))
        task = asyncio.create_task(gate.run())
        await until(lambda: gate.refreshes == 1)
        task.cancel()
        await asyncio.wait([task])

    try:
        asyncio.run(scenario())  # ends although a thread still waits
        assert not held.is_set()
    finally:
        held.set()
