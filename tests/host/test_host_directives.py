"""The host follows its kit's directive: takes what the director signed, fetches, offers, reports; a stop is kept at once."""

import asyncio
import base64
import contextlib
import hashlib
import random
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hostkit import host_folder, running, until
from lanekit import FIFTEEN, LaneWorld, post, ruleset
from nacl.bindings import crypto_sign_seed_keypair
from sqlalchemy import delete
from stallmark import registry as reg
from stallmark import rights
from test_host_updater import Installer, as_config

from fleet.app import create
from fleet.authoring.signing import make_bundle
from fleet.clock import RealClock
from fleet.config import load
from fleet.controller import initialise
from fleet.db.tables_desired import directives
from fleet.desired import orders, rows, stops, why
from fleet.server import Server
from hostagent import targets
from hostagent.clock import RealClock as HostClock
from hostagent.errors import ControllerError, DirectiveRefused
from hostagent.intent import Intent
from hostagent.store import open_store
from hostagent.store.intents import Intents
from hostagent.targets import Targets
from hostagent.updater import Offered, Updater
from tests.world import World

NOW = int(time.time() * 1000)
SALE = {"type": "till sale", "basket": "16.00", "currency": "EUR"}


@contextlib.contextmanager
def controller(world, folder, **more):
    """The real controller on a thread; its address and its parts."""
    config = load(world.controller(folder, **more))
    initialise(config, RealClock())
    app = create(config, RealClock())
    server = Server(app)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < end and thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", app.state.controller
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


class Obedient(Installer):
    """An installer that takes slices as a brick does, and loses them when it starts anew."""

    restarts = 0

    def _message(self, kind, value):
        super()._message(kind, value)
        if kind == reg.MSG_SLICE:
            self.slices[rights.decode_slice(value[0]).id] = 500
            self.status()
        elif kind == reg.MSG_RESTART:
            self.restarts += 1
            asyncio.get_running_loop().call_soon(self._anew)

    def _anew(self):
        self.unplug()
        self.power_on()
        self.plug()


def director_of(world):
    return base64.b64encode(crypto_sign_seed_keypair(world.director_seed)[0]).decode()


def test_a_directive_reaches_bricks_a_stop_takes_their_rights_and_lifting_gives_them_back(tmp_path):
    async def scenario():
        lane = LaneWorld(7, tmp_path)
        world = lane.world
        world.brick()
        data = ruleset(FIFTEEN)
        made = make_bundle(data, 1, world.author_seeds[:2], "till-hour")
        right = {"rule": "fifteen", "unit": 1, "slice": 500, "count": 8}
        with controller(world, tmp_path / "fleet", rights=[right]) as (address, parts):
            desired, kit = parts.desired, world.kit
            folder = tmp_path / "host"
            path = host_folder(world, folder, address, authors=as_config(world), director=director_of(world))
            brick = Obedient(world, 0, folder)
            async with running(path) as agent:
                brick.plug()
                await until(lambda: agent.following.understood, "asked, and nothing was ordered")
                (tmp_path / "fleet" / "rules").mkdir()
                (tmp_path / "fleet" / "rules" / "active.smbundle").write_bytes(made)
                await until(lambda: getattr(brick, "installed", None) == made, "the brick installs it")
                await until(lambda: agent.lane.ruleset is not None, "and so does the lane")
                await until(lambda: brick.slices and agent.lane.state.slices_left(), "and they have rights")
                await until(lambda: agent.intent.active_ms is not None, "the host says so")
                await until(lambda: desired.facts(kit).report and desired.facts(kit).report.active, "and reports it")
                said = desired.facts(kit).said(brick.brick.brick8)
                assert said.ruleset == hashlib.sha256(data).hexdigest() and said.result == reg.INSTALL_OK
                # The host's word is no proof: this brick never wrote a boot record.
                assert "never-booted" in [one.code for one in why.reasons(desired.facts(kit))]
                async with lane.client(agent) as client:
                    answer = await post(client, "a", SALE)
                    assert answer.json()["outcome"] == "granted", answer.text
                    await asyncio.to_thread(stops.stop, desired, [kit], "a wrong price")
                    await until(lambda: agent.intent.halted, "the stop is here")
                    answer = await post(client, "b", SALE)
                    assert answer.json()["outcome"] == "nothing this time", answer.text
                    await until(lambda: brick.restarts == 1 and not brick.slices, "the brick holds no rights")
                    await until(lambda: agent.bricks[brick.brick.brick8].status is not None, "it is back")
                    assert agent.updater.offer_for(agent.bricks[brick.brick.brick8]) is None
                    replies = []
                    agent.kitside.asking.ask(
                        agent.bricks[brick.brick.brick8], {0: bytes(8), 1: b"\x80", 2: bytes(8)}, replies.append
                    )
                    assert replies in ([], [{0: bytes(8), 1: reg.ANSWER_NO, 2: reg.REASON_HALTED}])
                    await until(lambda: desired.facts(kit).state == "stopped", "the controller knows")
                    assert why.reasons(desired.facts(kit))[0].code == "halted"
                    assert not brick.slices
                    with parts.database.read() as connection:
                        stops.lift(desired, connection, [kit])
                    await until(lambda: brick.slices, "rights again")
                    await until(lambda: not agent.intent.halted)
                    answer = await post(client, "c", SALE)
                    assert answer.json()["outcome"] == "granted", answer.text
                    assert brick.restarts == 1
                etag = agent.intent.etag
            # A start without a controller knows the directive, and begins nothing under it.
        async with running(path) as agent:
            assert agent.intent.etag == etag and not agent.intent.in_force
            assert agent.updater.current.data == made
        brick.unplug()

    asyncio.run(scenario())


def test_a_controller_that_was_restored_learns_of_the_newer_directive_from_its_host(tmp_path):
    async def scenario():
        world = World(8)
        world.brick()
        with controller(world, tmp_path / "fleet") as (address, parts):
            desired, kit = parts.desired, world.kit
            first = desired.set(kit, (), "yesterday")
            yesterday = desired.head(kit)
            path = host_folder(world, tmp_path / "host", address, director=director_of(world))
            async with running(path) as agent:
                await until(lambda: agent.intent.number == first)
                second = stops.stop(desired, [kit], "today")[kit]
                await until(lambda: agent.intent.number == second)
                # The database of yesterday is put back under the controller.
                with parts.database.write() as connection:
                    change = rows.last_change(connection) + 1
                    connection.execute(delete(directives))
                    rows.write(connection, [replace(yesterday, change=change)])
                await until(lambda: desired.current(kit)[0] == first, "yesterday's is served")
                await until(lambda: desired.current(kit)[0] == second, "the host showed today's")
                assert agent.intent.number == second and agent.intent.halted and desired.halted(kit)

    asyncio.run(scenario())


class Web:
    """What answers downloads: says what it is told to, piece by piece."""

    def __init__(self, data):
        self.data = data
        self.faults = []
        self.starts = []

    async def download(self, digest, start, most, sink):
        self.starts.append(start)
        fault = self.faults.pop(0) if self.faults else None
        if fault == "cut":
            sink(self.data[start : start + 100])
            raise ControllerError("offline", "cut")
        if fault == "away":
            raise ControllerError("offline", "away")
        if fault == "endless":
            sink(self.data[start:])
            raise ControllerError("unreadable", f"a target of more than {most} bytes")
        if fault == "poisoned":
            sink(bytes(len(self.data) - start))
            return True
        if fault == "from the start":
            sink(self.data)
            return start == 0
        sink(self.data[start:])
        return True


@pytest.fixture
def table(tmp_path):
    opened = open_store(tmp_path / "host.db", bytes(32))
    yield Intents(opened.store)
    opened.store.close()


@pytest.mark.parametrize(
    ("faults", "starts"),
    [
        ([], [0]),
        (["cut", "cut", "cut"], [0, 100, 200, 300]),
        (["cut", "away", "cut"], [0, 100, 100, 200]),
        (["cut", "poisoned"], [0, 100, 0]),
        (["poisoned", "poisoned"], [0, 0, 0]),
        (["cut", "endless"], [0, 100, 0]),
        (["cut", "from the start"], [0, 100]),
    ],
)
def test_a_download_goes_on_where_it_broke_off_and_takes_no_other_bytes(table, faults, starts):
    async def scenario():
        data = random.Random(9).randbytes(1000)
        digest = hashlib.sha256(data).digest()
        web = Web(data)
        web.faults = list(faults)
        for _ in range(len(starts)):
            with contextlib.suppress(ControllerError):
                # As after a start: nothing is known but what is on the disk.
                assert await Targets(table, web).get(digest, 1000) == data
        assert web.starts == starts and not web.faults
        assert await Targets(table, web).kept(digest) == data

    asyncio.run(scenario())


def test_a_download_goes_on_after_the_host_was_killed_in_the_middle(table, monkeypatch):
    monkeypatch.setattr(targets, "NOTED", 100)
    data = random.Random(10).randbytes(1000)
    digest = hashlib.sha256(data).digest()

    class Killed(BaseException):
        """What no handler sees: the process is gone."""

    class Dying(Web):
        async def download(self, wanted, start, most, sink):
            if self.starts:
                return await super().download(wanted, start, most, sink)
            self.starts.append(start)
            for at in range(0, 450, 50):
                sink(self.data[at : at + 50])
            raise Killed

    async def scenario():
        web = Dying(data)
        with contextlib.suppress(Killed):
            await Targets(table, web).get(digest, 1000)
        await asyncio.wrap_future(table.tidy([digest]))  # what was to be written before this is written
        assert await Targets(table, web).get(digest, 1000) == data
        assert web.starts == [0, 400]

    asyncio.run(scenario())


def test_a_target_of_another_length_is_refused(table):
    async def scenario():
        data = bytes(1000)
        with pytest.raises(ControllerError):
            await Targets(table, Web(data)).get(hashlib.sha256(data).digest(), 999)
        with pytest.raises(ControllerError, match="at most"):
            await Targets(table, Web(data)).get(bytes(32), 2_000_000)

    asyncio.run(scenario())


def test_only_what_the_director_signed_for_this_kit_and_newer_is_taken(table):
    async def scenario():
        seed, kit = bytes(range(32)), b"kit-kit-"
        public = crypto_sign_seed_keypair(seed)[0]

        def signed(number, by=seed, to=kit, **more):
            fields = {"issued_ms": NOW, "expires_ms": NOW + 86_400_000, "items": (), **more}
            return orders.sign(orders.Order(to, number, **fields), by)

        intent = Intent(table, HostClock(), kit, public)
        good = signed(5)
        assert await intent.take(good, '"5"') and intent.number == 5 and intent.in_force
        assert not await intent.take(good, '"5"')
        refused = {
            "did not sign": signed(6, by=bytes(32)),
            "another kit": signed(6, to=bytes(8)),
            "older": signed(4),
            "second directive 5": signed(5, reason="other"),
            "expired": signed(6, expires_ms=NOW - 1),
            "does not know": signed(6, flags=4),
            "unreadable": good[:-1],
        }
        for word, envelope in refused.items():
            with pytest.raises(DirectiveRefused, match=word) as caught:
                await intent.take(envelope, '"x"')
            assert caught.value.older == (word == "older")
            assert intent.envelope == good and intent.etag == '"5"'
        # A stop is taken however late it comes, and stands after a start; nothing older lifts it.
        stop = signed(7, flags=orders.HALTED, expires_ms=NOW - 1)
        assert await intent.take(stop, '"7"') and intent.halted and not intent.in_force
        again = Intent(table, HostClock(), kit, public)
        await again.load()
        assert again.halted and again.envelope == stop and again.confirmed_at is None
        with pytest.raises(DirectiveRefused, match="older"):
            await again.take(signed(6), '"6"')
        # With another director's key the stop stands, and his numbers begin anew.
        other = Intent(table, HostClock(), kit, crypto_sign_seed_keypair(bytes(32))[0])
        await other.load()
        assert other.halted
        assert await other.take(signed(1, by=bytes(32)), '"1"') and other.number == 1 and not other.halted
        nobody = Intent(table, HostClock(), kit, None)
        with pytest.raises(DirectiveRefused, match="names no director"):
            await nobody.take(good, '"5"')

    asyncio.run(scenario())


def test_nothing_more_of_a_bundle_is_handed_out_while_the_kit_is_stopped():
    intent = SimpleNamespace(halted=False)
    updater = Updater(None, None, None, lambda *_: None, intent)
    updater.current = Offered(bytes(300), b"d" * 32, 1, bytes(32), 1, "rules", None)
    assert updater.chunk(b"d" * 8, 256) == bytes(44)
    intent.halted = True
    assert updater.chunk(b"d" * 8, 256) is None
    intent.halted = False
    assert updater.chunk(b"d" * 8, 256) == bytes(44)
