"""The brick's radio as a line, with a bluetooth module made of lists: when it rings, hangs up, drops and begins anew."""

import asyncio
import importlib
import itertools
import random
import sys
import types
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from stallmark import frame, pulled

BRICK = bytes.fromhex("5ab1c0de00112233")
CONNECT, DISCONNECT, WRITE, MTU = 1, 2, 3, 21


class Ble:
    """bluetooth.BLE: values by handle, what was notified, advertised and disconnected."""

    def __init__(self) -> None:
        self.values: dict[int, bytes] = {}
        self.notified: list[bytes] = []
        self.advertised: list[tuple[int, bytes, bytes]] = []
        self.hung_up = 0
        self.full = False

    def config(self, **options: Any) -> None:
        self.options = options

    def gatts_register_services(self, services: Any) -> Any:
        return (tuple(range(1, 1 + len(services[0][1]))),)

    def gatts_set_buffer(self, *_: Any) -> None:
        pass

    def irq(self, handler: Callable[[int, Any], None]) -> None:
        self.handler = handler

    def gatts_read(self, handle: int) -> bytes:
        return self.values.get(handle, b"")

    def gatts_write(self, handle: int, value: bytes) -> None:
        self.values[handle] = bytes(value)

    def gatts_notify(self, _conn: int, _handle: int, data: bytes) -> None:
        if self.full:
            raise OSError(12)
        self.notified.append(bytes(data))

    def gap_advertise(self, interval_us: int, adv_data: bytes, resp_data: bytes) -> None:
        self.advertised.append((interval_us, adv_data, resp_data))

    def gap_disconnect(self, _conn: int) -> bool:
        self.hung_up += 1
        return True


class World:
    """A radio, its ble, and a clock that a test moves."""

    def __init__(self, module: Any) -> None:
        self.now = 1000
        self.ble = Ble()
        self.radio = module.Radio(self.ble, BRICK, lambda: self.now)

    def connect(self) -> None:
        self.ble.handler(CONNECT, (0, 1, b""))
        self.ble.handler(MTU, (0, 247))

    def pull(self, index: int) -> bytes:
        self.ble.values[2] = index.to_bytes(2, "big")
        self.ble.handler(WRITE, (0, 2))
        return self.ble.values[3]

    def into(self, data: bytes) -> None:
        self.ble.values[1] = data
        self.ble.handler(WRITE, (0, 1))

    async def read(self) -> bytes:
        buffer = bytearray(100)
        return bytes(buffer[: await asyncio.wait_for(self.radio.readinto(buffer), 60)])

    def attend(self, ms: int = 0) -> None:
        self.now += ms
        self.radio._attend(self.now)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[World], Awaitable[None]]], None]]:
    bluetooth: Any = types.ModuleType("bluetooth")
    bluetooth.UUID = lambda text: bytes(reversed(bytes.fromhex(text.replace("-", ""))))
    monkeypatch.setitem(sys.modules, "bluetooth", bluetooth)
    monkeypatch.setattr(asyncio, "ThreadSafeFlag", _Flag, raising=False)
    monkeypatch.delitem(sys.modules, "brick.radio.radio", raising=False)
    module = importlib.import_module("brick.radio.radio")

    def play(scene: Callable[[World], Awaitable[None]]) -> None:
        async def whole() -> None:
            await scene(World(module))

        asyncio.run(whole())

    yield play
    sys.modules.pop("brick.radio.radio", None)


class _Flag:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event.clear()


def test_it_tells_its_service_name_and_identity_and_fits(world) -> None:
    async def scene(w: World) -> None:
        w.radio._advertise()
        ((interval, data, response),) = w.ble.advertised
        assert interval == 200_000 and len(data) <= 31 and len(response) <= 31
        assert b"SM-5ab1" in data and data[5:21] == response[2:18] and response.endswith(BRICK)
        w.radio._advertise()
        assert len(w.ble.advertised) == 1, "once, until a connection came and went"
        w.connect()
        w.ble.handler(DISCONNECT, (0, 1, b""))
        w.radio._advertise()
        assert len(w.ble.advertised) == 2

    world(scene)


def test_what_the_host_writes_is_read_and_half_a_frame_of_a_broken_connection_is_ended(world) -> None:
    async def scene(w: World) -> None:
        w.connect()
        assert await w.read() == b"\x00"
        w.into(b"x" * 150)
        assert await w.read() + await w.read() == b"x" * 150
        w.into(b"half")
        w.connect()
        assert await w.read() == b"\x00"
        for _ in range(12):
            w.into(bytes(244))
        assert w.radio.dropped == 4, "2048 bytes wait at most"

    world(scene)


def test_it_rings_once_for_what_waits_and_again_only_when_nobody_asks(world) -> None:
    async def scene(w: World) -> None:
        one = frame.build(7, b"\x01hello")
        w.radio.write(one)
        assert not w.radio.busy, "nobody is connected: dropped"
        w.connect()
        w.radio.write(one)
        assert w.radio.busy
        w.attend(60)
        w.attend(60)
        assert w.ble.notified == [b"\x00\x00"]
        w.attend(1000)
        assert len(w.ble.notified) == 2, "again after a second"
        assert w.pull(0)[2:] == one and w.pull(1) == b"\x00\x01"
        assert not w.radio.busy
        w.radio.write(one)
        w.attend(10)
        w.ble.full = True
        w.attend(50)
        w.ble.full = False
        w.attend(60)
        assert w.radio.lost_bells == 1 and w.ble.notified[2:] == [b"\x00\x01"], (
            "without a buffer it rings a little later"
        )

    world(scene)


def test_two_notifications_are_fifty_milliseconds_apart(world) -> None:
    async def scene(w: World) -> None:
        w.connect()
        index, rung = 0, []
        for _ in range(40):
            w.radio.write(frame.build(7, b"\x01"))
            before = len(w.ble.notified)
            w.attend(10)
            if len(w.ble.notified) > before:
                rung.append(w.now)
            while len(w.pull(index)) > 2:
                index += 1
        assert len(rung) >= 6 and min(b - a for a, b in itertools.pairwise(rung)) >= 50

    world(scene)


def test_who_shows_no_keys_or_asks_for_nothing_is_put_out(world) -> None:
    async def scene(w: World) -> None:
        w.connect()
        w.attend(19_900)
        assert w.ble.hung_up == 0
        w.attend(200)
        assert w.ble.hung_up == 1 and w.radio.hung_up == 1
        w.connect()
        w.radio.proven()
        w.attend(60_000)
        assert w.radio.hung_up == 1, "who has shown its keys may be silent"
        w.radio.write(frame.build(7, b"\x01"))
        w.pull(0)
        w.attend(10_100)
        assert w.radio.hung_up == 2, "something waits and nobody asks"

    world(scene)


def test_a_host_that_never_asks_costs_frames_and_nothing_else(world) -> None:
    async def scene(w: World) -> None:
        w.connect()
        for _ in range(40):
            w.radio.write(bytes(500))
        assert w.radio.dropped == 32, "4096 bytes wait at most, asked for or not"
        w.ble.values[2] = b"\x00"
        w.ble.handler(WRITE, (0, 2))
        assert w.ble.values[3] == b"", "a pull of one byte is passed over"
        assert len(w.pull(0)) == 244
        assert w.radio._source.dropped == 0
        for _ in range(40):
            w.radio.write(bytes(10))
        assert w.radio.dropped == 32 + 40 - 8, "and 16 frames"

    world(scene)


def test_a_stranger_who_writes_byte_by_byte_costs_no_more_than_anybody(world) -> None:
    async def scene(w: World) -> None:
        w.connect()
        ring = w.radio._ring
        data = random.Random(5).randbytes(7000)
        got, at = bytearray(), 0
        while len(got) < 7001:
            for byte in data[at : at + 2000]:
                w.into(bytes((byte,)))
            at += 2000
            while w.radio._head != w.radio._tail or w.radio._from is not None:
                got += await w.read()
        assert bytes(got) == b"\x00" + data and w.radio.dropped == 0
        for _ in range(3000):
            w.into(b"x")
        assert w.radio.dropped == 3000 - 2048 and w.radio._ring is ring and len(ring) == 2049
        w.connect()
        w.into(b"next")
        assert await w.read() == b"\x00next", "a full ring does not keep the next host out"

    world(scene)


def test_a_host_that_reads_before_its_first_pull_gets_no_old_slice(world) -> None:
    async def scene(w: World) -> None:
        w.connect()
        w.radio.write(frame.build(7, b"\x01old"))
        assert len(w.pull(0)) > 2
        w.ble.handler(DISCONNECT, (0, 1, b""))
        w.connect()
        sink = pulled.Sink()
        assert sink.take(w.ble.values[3]) is None, "it asks again"
        new = frame.build(7, b"\x01new")
        w.radio.write(new)
        assert sink.take(w.pull(0)) == new

    world(scene)


def test_a_host_that_goes_between_two_lines_ends_nothing(world) -> None:
    async def scene(w: World) -> None:
        w.connect()
        w.radio.write(frame.build(7, b"\x01"))
        asked = w.ble.gatts_notify

        def gone(conn: int, handle: int, data: bytes) -> None:
            assert conn is not None
            w.ble.handler(DISCONNECT, (0, 1, b""))
            asked(conn, handle, data)

        w.ble.gatts_notify = gone  # type: ignore[method-assign]
        w.attend(60)
        w.attend(60)

        def come_and_gone(*_: Any, **__: Any) -> None:
            w.connect()
            w.ble.handler(DISCONNECT, (0, 1, b""))

        advertise = w.ble.gap_advertise
        w.ble.gap_advertise = come_and_gone  # type: ignore[method-assign]
        w.radio._advertise()
        w.ble.gap_advertise = advertise  # type: ignore[method-assign]
        w.radio._advertise()
        assert len(w.ble.advertised) == 1, "it advertises again"
        w.now += 60_000
        w.radio._advertise()
        assert len(w.ble.advertised) == 2, "and every minute in any case"

    world(scene)
