"""Configuration, clock and port: what is wrong is said in one sentence, and no secret is in it."""

import asyncio
import json
import os
import struct
import termios

import pytest
from hostkit import PtyBrick, host_folder, until
from stallmark import frame

from hostagent import config as configuration
from hostagent.clock import PLAUSIBLE_MS, FileClock, RealClock, open_clock
from hostagent.errors import ClockError, ConfigError
from hostagent.links.serial import Port
from tests.world import World


def test_a_kit_s_configuration_is_read_whole(tmp_path):
    world = World(101)
    world.brick()
    path = host_folder(world, tmp_path, "http://127.0.0.1:8780/", clock_file="../run/clock", terms="11" * 16)
    config = configuration.load(path)
    assert config.host == world.host.host8 and config.kit == world.kit and config.rental == world.rental
    assert config.controller == "http://127.0.0.1:8780" and config.public_url == "http://stall.test"
    assert config.store == tmp_path / "host.db" and config.terms == b"\x11" * 16
    assert config.bricks[0].port == tmp_path / "run" / "brick-1" and config.bricks[0].baud == 115200
    assert config.keys.links[0].brick == world.bricks[0].brick8
    for secret in (world.host.seed.hex(), world.host.token, world.host.handle_key.hex()):
        assert secret not in repr(config)


BRICK = {"brick": "00" * 8, "name": "b", "port": "p"}
KEY = {"kid": "00" * 8, "public": "x"}
LINK = {"brick": "00" * 8, "epoch": -1, "key": "00" * 32}


@pytest.mark.parametrize(
    ("where", "change", "said"),
    [
        ("config.json", {"host": "12"}, "host: expected 8 bytes"),
        ("config.json", {"controller": None}, "controller: found None, expected a text"),
        ("config.json", {"controller": "127.0.0.1:1"}, "expected an address like http://"),
        ("config.json", {"rental": "1"}, "rental: found '1', expected a number"),
        ("config.json", {"port": 70000}, "port: found 70000"),
        ("config.json", {"bricks": {}}, "bricks: expected a list"),
        ("config.json", {"bricks": [{"brick": "00" * 8, "name": "b"}]}, "bricks[0]: port: found None"),
        ("config.json", {"bricks": [BRICK, BRICK]}, "are one brick, "),
        ("config.json", {"authors": {"threshold": 3, "keys": []}}, "threshold: found 3"),
        ("config.json", {"authors": {"threshold": 1, "keys": [KEY]}}, "32 bytes in base64"),
        ("config.json", {"director": "AAAA"}, "director: expected 32 bytes"),
        ("config.json", {"poll_s": 0}, "poll_s: found 0"),
        ("keys.json", {"store_key": "secret"}, "store_key: expected 32 bytes as 64 hex digits"),
        ("keys.json", {"links": [LINK]}, "links[0]: epoch: found -1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, where, change, said):
    world = World(102)
    world.brick()
    path = host_folder(world, tmp_path)
    values = json.loads((tmp_path / where).read_text())
    (tmp_path / where).write_text(json.dumps({**values, **change}))
    with pytest.raises(ConfigError) as refused:
        configuration.load(path)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


def test_missing_torn_and_readable_by_others(tmp_path):
    world = World(103)
    world.brick()
    with pytest.raises(ConfigError, match="stallmark kit new"):
        configuration.load(tmp_path / "config.json")
    path = host_folder(world, tmp_path)
    (tmp_path / "keys.json").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        configuration.load(path)
    (tmp_path / "keys.json").chmod(0o600)
    path.write_text(path.read_text()[:-5])
    with pytest.raises(ConfigError, match="not JSON"):
        configuration.load(path)
    path.write_text("[1]")
    with pytest.raises(ConfigError, match="expected an object"):
        configuration.load(path)


def test_the_clock_file_and_the_machine_s_clock(tmp_path):
    path = tmp_path / "clock"
    with pytest.raises(ClockError, match="start the market's clock"):
        open_clock(path)
    path.write_bytes(b"1234")
    with pytest.raises(ClockError, match="found 4 bytes"):
        open_clock(path)
    path.write_bytes(struct.pack(">Q", 1_790_000_000_123))
    clock = open_clock(path)
    assert isinstance(clock, FileClock) and clock.known()
    assert clock.now_ms() == 1_790_000_000_123
    with open(path, "r+b") as out:
        out.write(struct.pack(">Q", 5))
        out.flush()
        assert clock.now_ms() == 5
        out.truncate(3)
        assert clock.now_ms() == 5, "a short read keeps the last known time"
    clock.close()
    real = open_clock(None)
    assert isinstance(real, RealClock) and real.known() and real.now_ms() > PLAUSIBLE_MS


def test_a_machine_that_does_not_know_the_time_says_so(monkeypatch):
    monkeypatch.setattr("hostagent.clock.time.time_ns", lambda: 86_400_000_000_000)
    assert not RealClock().known()


def test_a_port_appears_vanishes_comes_back_elsewhere_and_says_how_it_is(tmp_path):
    async def scenario():
        world = World(104)
        world.brick()
        (tmp_path / "run").mkdir()
        brick = PtyBrick(world, 0, tmp_path)
        got, happened = [], []
        port = Port(
            brick.path,
            115200,
            lambda: happened.append("open"),
            got.append,
            lambda why: happened.append("gone"),
        )
        task = asyncio.create_task(port.run())
        await until(lambda: port.state == "not plugged in")
        brick.plug()
        await until(lambda: port.is_open)
        settings = termios.tcgetattr(port._handle)
        assert not settings[2] & termios.HUPCL, "closing must not drop DTR and RTS"
        brick.raw(b"hello")
        await until(lambda: b"hello" in b"".join(got))
        port.write(frame.notice(1, "x"))
        await until(lambda: brick._reader.frames == 1)
        # The name leads to another device while the first stays open at the other end.
        first = (brick._master, brick._slave)
        asyncio.get_running_loop().remove_reader(brick._master)
        brick.plug()
        await until(lambda: happened == ["open", "gone", "open"])
        brick.raw(b"again")
        await until(lambda: b"again" in b"".join(got))
        for handle in first:
            os.close(handle)
        brick.unplug()
        await until(lambda: happened[3:] == ["gone"])
        assert port.state in ("not plugged in", "unplugged", "unplugged (Input/output error)")
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scenario())


def test_a_peer_that_does_not_read_costs_only_what_is_over(tmp_path):
    async def scenario():
        world = World(105)
        world.brick()
        (tmp_path / "run").mkdir()
        brick = PtyBrick(world, 0, tmp_path)
        brick.plug()
        port = Port(brick.path, 115200, lambda: None, lambda data: None, lambda why: None)
        task = asyncio.create_task(port.run())
        await until(lambda: port.is_open)
        asyncio.get_running_loop().remove_reader(brick._master)
        for _ in range(200):
            port.write(bytes(500))
        assert port.overruns > 0
        asyncio.get_running_loop().add_reader(brick._master, brick._readable)
        await until(lambda: not port._out)
        before = brick._reader.frames
        port.write(b"\x00" + frame.notice(1, "x"))
        await until(lambda: brick._reader.frames == before + 1)
        task.cancel()
        await asyncio.wait([task])
        brick.unplug()

    asyncio.run(scenario())


def test_two_agents_do_not_share_a_port(tmp_path):
    async def scenario():
        world = World(106)
        world.brick()
        (tmp_path / "run").mkdir()
        brick = PtyBrick(world, 0, tmp_path)
        brick.plug()
        ports = [Port(brick.path, 9600, lambda: None, lambda data: None, lambda why: None) for _ in range(2)]
        tasks = [asyncio.create_task(port.run()) for port in ports]
        states = ["another program uses this port", "open"]
        await until(lambda: sorted(port.state for port in ports) == states)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        brick.unplug()

    asyncio.run(scenario())
