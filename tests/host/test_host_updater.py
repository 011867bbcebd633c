"""Bundles: fetched, verified in full against the authors' quorum, offered, served in chunks."""

import asyncio
import base64
import hashlib

import pytest
from hostkit import OnDemand, PtyBrick, host_folder, running, until
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from stallmark import bundle, receipt
from stallmark import registry as reg

from hostagent.config import Quorum
from hostagent.errors import BundleRefused
from hostagent.updatelock import NAME
from hostagent.updater import verify
from tests.world import World


def authors_of(world, threshold=2):
    publics = [crypto_sign_seed_keypair(seed)[0] for seed in world.author_seeds]
    return Quorum(threshold, {receipt.kid(public): public for public in publics})


def make(world, artefact, rev=1, signers=(0, 1), terms=None):
    payload = bundle.manifest(artefact, rev, name=f"rules {rev}", terms16=terms)
    message = bundle.pae(bundle.TYPE, payload)
    signatures = []
    for number in signers:
        public, secret = crypto_sign_seed_keypair(world.author_seeds[number])
        signatures.append((receipt.kid(public), crypto_sign(message, secret)[:64]))
    return bundle.join(bundle.envelope(bundle.TYPE, payload, signatures), artefact)


def as_config(world):
    quorum = authors_of(world)
    return {
        "threshold": quorum.threshold,
        "keys": [
            {"kid": kid.hex(), "public": base64.b64encode(public).decode()}
            for kid, public in quorum.keys.items()
        ],
    }


class Installer(PtyBrick):
    """A brick that fetches what it is offered, chunk by chunk, and installs it."""

    fetching = None

    def _message(self, kind, value):
        super()._message(kind, value)
        if kind == reg.MSG_OFFER:
            self.fetching = (value[0], value[1], bytearray())
            self._want()
        elif kind == reg.MSG_CHUNK and self.fetching and value[1] == len(self.fetching[2]):
            self.fetching[2].extend(value[2])
            self._want()

    def _want(self):
        digest8, length, data = self.fetching
        if len(data) < length:
            self.link.send(reg.MSG_CHUNK_WANTED, {0: digest8, 1: len(data)}, None, self._now())
            return
        envelope, artefact = bundle.split(bytes(data))
        assert bundle.parse(envelope).digest[:8] == digest8
        self.installed = bytes(data)
        self.ruleset = hashlib.sha256(artefact).digest()
        self.link.send(reg.MSG_BUNDLE_RESULT, {0: digest8, 1: reg.INSTALL_OK, 2: ""}, None, self._now())
        self.status()


def test_a_brick_gets_the_bundle_and_later_the_next_one_and_none_twice(tmp_path):
    async def scenario():
        world = World(81)
        world.brick()
        terms = world.octets(16)
        controller = OnDemand(world)
        first, second = make(world, world.octets(5000), 1, terms=terms), make(world, world.octets(9000), 2)
        controller.bundle = ('"1"', first)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address, authors=as_config(world))
        brick = Installer(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            await until(lambda: getattr(brick, "installed", None) == first)
            assert agent.store.rulesets[brick.ruleset[:8]] == (brick.ruleset, terms)
            await until(lambda: agent.bricks[brick.brick.brick8].bundle_result is not None)
            controller.bundle = ('"2"', second)
            await until(lambda: brick.installed == second)
            offers = [value for kind, value in brick.got if kind == reg.MSG_OFFER]
            assert len(offers) == 2
        # The last good one survives a restart without a controller; but nothing is begun while it is away.
        await controller.stop()
        async with running(path) as agent:
            assert agent.updater.current.data == second
            brick.ruleset = world.octets(32)
            brick.unplug()
            brick.power_on()
            brick.plug()
            await until(lambda: agent.bricks[brick.brick.brick8].status is not None)
            assert agent.updater.offer_for(agent.bricks[brick.brick.brick8]) is None
        brick.unplug()

    asyncio.run(scenario())


class Halting(Installer):
    """One that asks for nothing more after its first chunk, as a brick that writes flash, until it is let."""

    let = False
    locked: list[bool]

    def _want(self):
        begun = bool(self.fetching[2])
        self.locked.append((self.folder.parent / "lock" / NAME).exists())
        if self.let or not begun:
            super()._want()


def test_nobody_updates_the_host_in_the_middle_of_an_installation_also_after_a_crash(tmp_path):
    async def scenario():
        world = World(83)
        world.brick()
        controller = OnDemand(world)
        controller.bundle = ('"1"', make(world, world.octets(5000), 1))
        await controller.start()
        lock = tmp_path / "lock" / NAME
        lock.parent.mkdir()
        path = host_folder(
            world, tmp_path / "host", controller.address, authors=as_config(world), update_lock=str(lock.parent)
        )
        brick = Halting(world, 0, tmp_path / "host")
        brick.folder, brick.locked = tmp_path / "host", []
        async with running(path) as agent:
            brick.plug()
            await until(lambda: len(brick.locked) == 2)
            assert agent.update_lock.held and "is being installed" in lock.read_text()
            left = lock.read_text()
        assert not lock.exists()  # an agent that ends lets it go
        lock.write_text(left)  # one that is killed does not
        brick.unplug()
        brick.let = True
        brick.power_on()
        async with running(path) as agent:
            brick.plug()
            await until(lambda: getattr(brick, "installed", None) is not None)
            await until(lambda: not agent.update_lock.held)
            assert not lock.exists()
            assert brick.locked[-1] and not brick.locked[0]
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("one signature", "1 good author signatures, 2 are needed"),
        ("one author twice", "1 good author signatures, 2 are needed"),
        ("stranger's signatures", "0 good author signatures"),
        ("other artefact", "not the one that was signed"),
        ("cut short", "not the one that was signed"),
        ("not a bundle", "unreadable bundle"),
        ("empty", "unreadable bundle"),
        ("no authors known", "names no authors"),
    ],
)
def test_what_the_quorum_did_not_sign_is_not_passed_on(what, reason):
    world, stranger = World(82), World(83)
    artefact = world.octets(3000)
    good = make(world, artefact)
    quorum = authors_of(world)
    made = {
        "one signature": lambda: make(world, artefact, signers=(0,)),
        "one author twice": lambda: make(world, artefact, signers=(1, 1)),
        "stranger's signatures": lambda: make(stranger, artefact),
        "other artefact": lambda: good[:-1] + bytes((good[-1] ^ 1,)),
        "cut short": lambda: good[:-10],
        "not a bundle": lambda: world.octets(4000),
        "empty": lambda: b"",
        "no authors known": lambda: good,
    }[what]()
    with pytest.raises(BundleRefused, match=reason):
        verify(made, None if what == "no authors known" else quorum)
    assert verify(good, quorum).data == good


def test_a_bad_bundle_leaves_the_last_good_one_on_offer_and_is_shown(tmp_path):
    async def scenario():
        world = World(84)
        world.brick()
        controller = OnDemand(world)
        good = make(world, world.octets(800), 1)
        controller.bundle = ('"1"', good)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address, authors=as_config(world))
        async with running(path) as agent:
            await until(lambda: agent.updater.current is not None)
            controller.bundle = ('"2"', make(world, world.octets(800), 2, signers=(2,)))
            await until(lambda: agent.updater.trouble is not None)
            assert agent.updater.current.data == good
            controller.bundle = ('"3"', make(world, world.octets(800), 3))
            await until(lambda: agent.updater.current.rev == 3)
            assert agent.updater.trouble is None
        await controller.stop()

    asyncio.run(scenario())
