"""Tag keys from the controller at the host: durable before a brick hears of them, there after a start without network."""

import asyncio

import apsw
import pytest
from diskkit import FailingVFS
from hostkit import PtyBrick, host_folder, running, until
from stallmark import registry as reg
from stallmark import tagkeys as core_tagkeys
from workbench import tagexport, tagmaster

from fleet import tagkeys as fleet_tagkeys
from fleet.keys import Seal
from hostagent.answers import SealedTagKeys
from hostagent.errors import ControllerError, StoreUnavailable
from hostagent.store import open_store
from hostagent.tagkeys import MOST, TagKeys
from hostagent.tagside import TagSide
from tests.fleet.serving import served
from tests.stall import Stall

ONE, TWO = b"brick-01", b"brick-02"
EVENT = b"event-01"


def sealed(brick, fill=b"\x01"):
    return SealedTagKeys(brick, fill * 12, fill * 70, fill * 16)


def value(one):
    return {0: one.nonce, 1: one.sealed, 2: one.tag}


class Controller:
    """Answers what it is told to; counts how often."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def tag_keys(self, event, etag):
        assert event == EVENT
        self.asked.append(etag)
        if isinstance(self.answer, ControllerError):
            raise self.answer
        return None if self.answer[0] == etag else self.answer


def test_they_are_durable_before_a_brick_hears_of_them_and_there_after_a_start(tmp_path):
    async def scenario():
        vfs = FailingVFS("refuses-tag-keys")
        store = open_store(tmp_path / "host.db", bytes(32), "refuses-tag-keys").store
        controller = Controller(("a", [sealed(ONE), sealed(TWO)]))
        told = []
        try:
            held = TagKeys(store, controller, EVENT, lambda brick, message: told.append((brick, message)))
            vfs.fail(1, apsw.FullError("no room"), True)
            with pytest.raises(StoreUnavailable):
                await held.pull()
            assert told == [] and held.message(ONE) is None
            vfs.heal()
            await held.pull()
            assert told == [(ONE, value(sealed(ONE))), (TWO, value(sealed(TWO)))]
            await held.pull()
            assert controller.asked == [None, None, "a"] and len(told) == 2, (
                "asked with its ETag: nothing new"
            )
            controller.answer = ("b", [sealed(ONE, b"\x02")])
            await held.pull()
            assert told[2:] == [(ONE, value(sealed(ONE, b"\x02")))] and held.message(TWO) is None
        finally:
            vfs.heal()
            store.close()
            vfs.unregister()
        store = open_store(tmp_path / "host.db", bytes(32), None).store
        away = TagKeys(store, Controller(ControllerError("offline", "away")), EVENT, lambda *told: None)
        assert away.message(ONE) == value(sealed(ONE, b"\x02")) and away.message(TWO) is None
        with pytest.raises(ControllerError):
            await away.pull()
        crowd = Controller(("c", [sealed(number.to_bytes(8, "big")) for number in range(1, MOST + 2)]))
        with pytest.raises(ControllerError, match="at most 64"):
            await TagKeys(store, crowd, EVENT, lambda *told: None).pull()
        store.close()

    asyncio.run(scenario())


def test_file_and_controller_are_two_sources_and_the_same_is_said_once(tmp_path):
    one = sealed(ONE)
    file = tmp_path / "tag-keys.json"

    def write(entry):
        file.write_text(
            f'{{"bricks": [{{"brick": "{ONE.hex()}", "nonce": "{entry.nonce.hex()}", '
            f'"sealed": "{entry.sealed.hex()}", "tag": "{entry.tag.hex()}"}}]}}'
        )

    side = TagSide(tmp_path, lambda brick: brick.decode(), {ONE: value(one)}.get)
    assert side.keys_for(ONE) == [(reg.MSG_TAG_KEYS, value(one))] and side.keys_for(TWO) == []
    write(one)
    assert side.keys_for(ONE) == [(reg.MSG_TAG_KEYS, value(one))]
    write(sealed(ONE, b"\x09"))
    assert side.keys_for(ONE) == [
        (reg.MSG_TAG_KEYS, value(sealed(ONE, b"\x09"))),
        (reg.MSG_TAG_KEYS, value(one)),
    ]


def test_a_brick_whose_link_is_up_gets_the_keys_of_the_real_controller(tmp_path):
    stall = Stall(tmp_path / "fleet", bricks=1)
    world = stall.world
    made = tagmaster.event_keys(bytes(range(32)), world.event)

    async def scenario(running_fleet):
        path = host_folder(world, tmp_path / "host", running_fleet.url)
        brick = PtyBrick(world, 0, path.parent)
        async with running(path) as agent:
            brick.plug()
            await until(lambda: brick.link.up, "a link")
            with running_fleet.controller.database.write() as connection:
                seal = Seal(stall.config.secrets.seal_key)
                fleet_tagkeys.keep(connection, seal, world.event, tagexport.brick_part(made), world.now_ms)
            await agent.tagkeys.pull()
            await until(lambda: any(kind == reg.MSG_TAG_KEYS for kind, _ in brick.got), "message 47")
            message = next(told for kind, told in brick.got if kind == reg.MSG_TAG_KEYS)
            control_key, brick8 = brick.brick.control_key, brick.brick.brick8
            found = core_tagkeys.unseal(message, control_key, brick8, tagmaster.make_ecb)
            assert found[1:] == (world.event, made.meta, made.file, made.live)
        brick.unplug()

    with served(stall) as running_fleet:
        asyncio.run(scenario(running_fleet))
