"""The host's radio port against a peripheral that behaves and misbehaves, on the virtual air and without a bus."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from bumble import att, gatt
from bumble.core import UUID
from bumble.device import AdvertisingType, Connection, Device
from stallmark import pulled
from virtualkit.air import Air
from virtualkit.bleakair import on_air
from virtualkit.central import Central

from hostagent.links import radio as names
from hostagent.links.ble import BlePort
from hostagent.links.radio import Radio

BRICK = bytes.fromhex("5ab1c0de00112233")
SECONDS = 60.0  # a loaded machine lets a process stand still for seconds


class Peripheral:
    """A brick's radio without its firmware: the core's Source behind four characteristics. `mute`: it never notifies."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.source = pulled.Source()
        self.taken = bytearray()
        self.shown = b"\0\0"
        self.pulls: list[int] = []
        self.mute = False
        self.wrong = False
        self.connections = 0
        self.connection: Connection | None = None
        self.mtu = 23
        both = gatt.Characteristic.Properties.WRITE | gatt.Characteristic.Properties.WRITE_WITHOUT_RESPONSE
        self.bell = self._made(names.BELL, gatt.Characteristic.Properties.NOTIFY, self._refuse, self._ignore)
        device.add_service(
            gatt.Service(
                UUID(names.SERVICE),
                [
                    self._made(names.INTO, both, self._refuse, self._into),
                    self._made(names.PULL, both, self._refuse, self._pull),
                    self._made(names.OUT, gatt.Characteristic.Properties.READ, self._out, self._ignore),
                    self.bell,
                ],
            )
        )
        device.on(Device.EVENT_CONNECTION, self._came)

    @staticmethod
    def _made(
        uuid: str, flags: gatt.Characteristic.Properties, read: Callable, write: Callable
    ) -> gatt.Characteristic:
        allowed = gatt.Characteristic.READABLE | gatt.Characteristic.WRITEABLE
        return gatt.Characteristic(
            UUID(uuid), flags, allowed, gatt.CharacteristicValue(read=read, write=write)
        )

    def _came(self, connection: Connection) -> None:
        self.connection = connection
        self.connections += 1
        self.source.begin()
        connection.on(
            Connection.EVENT_CONNECTION_ATT_MTU_UPDATE, lambda: setattr(self, "mtu", connection.att_mtu)
        )
        connection.on(Connection.EVENT_DISCONNECTION, lambda _reason: setattr(self, "connection", None))

    def _refuse(self, _connection: Connection) -> bytes:
        raise att.ATT_Error(att.ErrorCode.READ_NOT_PERMITTED)

    def _ignore(self, _connection: Connection, _value: bytes) -> None:
        pass

    def _into(self, _connection: Connection, value: bytes) -> None:
        self.taken += value

    def _pull(self, _connection: Connection, value: bytes) -> None:
        self.pulls.append(int.from_bytes(value, "big"))
        self.shown = self.source.pull(value, self.mtu)

    def _out(self, _connection: Connection) -> bytes:
        return b"\x77\x77wrong" if self.wrong else self.shown

    async def say(self, data: bytes) -> None:
        """A frame for the host."""
        assert self.source.feed(data)
        if self.connection is not None and not self.mute:
            await self.device.notify_subscriber(
                self.connection, self.bell, pulled.pull(self.source.next), force=True
            )

    async def advertise(self) -> None:
        data = bytes((17, 0x07)) + UUID(names.SERVICE).to_bytes()
        response = bytes((25, 0x21)) + UUID(names.SERVICE).to_bytes() + BRICK
        await self.device.start_advertising(
            AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE,
            advertising_data=data,
            scan_response_data=response,
            advertising_interval_min=20,
            advertising_interval_max=20,
            auto_restart=True,
        )


class Scene:
    def __init__(
        self, air: Air, peripheral: Peripheral, port: BlePort, got: bytearray, ended: list[str]
    ) -> None:
        self.air, self.peripheral, self.port, self.got, self.ended = air, peripheral, port, got, ended

    async def until(self, condition: Callable[[], object], what: str) -> None:
        end = asyncio.get_running_loop().time() + SECONDS
        while not condition():
            assert asyncio.get_running_loop().time() < end, (
                f"waited for {what}; the port says: {self.port.state}"
            )
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def scene(seed: int = 1) -> AsyncGenerator[Scene]:
    air = Air(seed)
    device, _ = await air.device("brick")
    peripheral = Peripheral(device)
    await peripheral.advertise()
    central = await Central.on(air)
    got, ended = bytearray(), []
    with on_air(central):
        radio = Radio()
        port = BlePort(BRICK, "brick-1", radio, lambda: None, got.extend, ended.append, random.Random(seed))
        tasks = [asyncio.create_task(radio.run()), asyncio.create_task(port.run())]
        try:
            made = Scene(air, peripheral, port, got, ended)
            await made.until(lambda: port.is_open, "the connection")
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def play(part: Callable[[Scene], Awaitable[None]], seed: int = 1) -> None:
    async def whole() -> None:
        async with scene(seed) as made:
            await part(made)

    asyncio.run(whole())


def test_bytes_go_both_ways_whole_and_in_order() -> None:
    async def part(s: Scene) -> None:
        data = random.Random(3).randbytes(3000)
        for at in range(0, 3000, 500):
            await s.peripheral.say(data[at : at + 500])
            s.port.write(data[at : at + 500])
        await s.until(lambda: bytes(s.got) == data, "the brick's bytes")
        await s.until(lambda: bytes(s.peripheral.taken) == data, "the host's bytes")
        assert s.port.rssi == -60
        await s.until(lambda: s.peripheral.source.waiting == 0, "the word that the last slice came")

    play(part)


def test_the_smallest_mtu_and_lost_commands_lose_no_byte() -> None:
    async def part(s: Scene) -> None:
        s.air.faults.mtu = 23
        s.peripheral.device.gatt_server.max_mtu = 23
        s.air.interrupt(next(c for c in s.air.controllers if c.name == "brick"))
        await s.until(lambda: s.peripheral.connections == 2 and s.port.is_open, "the second connection")
        s.air.faults.lost_writes = 0.2
        data = random.Random(4).randbytes(700)
        await s.peripheral.say(data[:400])
        await s.peripheral.say(data[400:])
        s.port.write(data)
        await s.until(lambda: bytes(s.got) == data, "the brick's bytes")
        await s.until(lambda: bytes(s.peripheral.taken) == data, "the host's bytes")
        assert s.peripheral.mtu == 23

    play(part)


def test_a_brick_that_never_rings_is_looked_after_all_the_same() -> None:
    async def part(s: Scene) -> None:
        s.peripheral.mute = True
        await s.peripheral.say(b"quiet\0")
        await s.until(lambda: bytes(s.got) == b"quiet\0", "the bytes")
        assert s.port.polled >= 1

    play(part)


def test_a_brick_that_shows_other_slices_is_disconnected_and_tried_again() -> None:
    async def part(s: Scene) -> None:
        s.peripheral.wrong = True
        await s.peripheral.say(b"x\0")
        await s.until(lambda: s.ended, "the end of the connection")
        assert not s.got
        s.peripheral.wrong = False
        await s.until(lambda: s.peripheral.connections >= 2 and s.port.is_open, "another connection")
        await s.peripheral.say(b"y\0")
        await s.until(lambda: s.got.endswith(b"y\0"), "the bytes")

    play(part)


def test_what_a_silent_brick_does_not_take_is_dropped_and_counted() -> None:
    async def part(s: Scene) -> None:
        s.air.faults.latency_ms = 200.0
        for _ in range(40):
            s.port.write(bytes(500))
        assert s.port.overruns >= 7 and s.port.busy

    play(part)


def test_what_nobody_expected_is_an_end_of_the_connection_and_not_of_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def part(s: Scene) -> None:
        sliced, listened, raised = BlePort._slice, Radio._listen, []

        async def bad_slice(port: BlePort, *more: Any) -> bytes:
            if not raised:
                raised.append("slice")
                raise AssertionError("no bus")
            return await sliced(port, *more)

        async def bad_scan(radio: Radio) -> None:
            if len(raised) < 2:
                raised.append("scan")
                raise KeyError("org.bluez.Adapter1")
            await listened(radio)

        monkeypatch.setattr(names, "TROUBLE_S", 0.01)
        monkeypatch.setattr(Radio, "_listen", bad_scan)
        monkeypatch.setattr(BlePort, "_slice", bad_slice)
        await s.peripheral.say(b"x\0")
        await s.until(lambda: s.peripheral.connections >= 2 and s.port.is_open, "another connection")
        await s.peripheral.say(b"y\0")
        await s.until(lambda: s.got.endswith(b"y\0"), "the bytes")
        assert raised == ["slice", "scan"]

    play(part)


def test_connections_of_an_earlier_start_are_ended_again_while_a_brick_is_not_heard_but_never_our_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[str] = []

    class Device:
        def __init__(self, address: str) -> None:
            self.address = address

    class Adapter:
        @classmethod
        async def get(cls) -> "Adapter":
            return cls()

        async def get_connected_devices(self, _services: list[str]) -> list[Device]:
            return [Device("ours"), Device("left")]

    class Client:
        def __init__(self, device: Device) -> None:
            self.device = device

        async def __aenter__(self) -> None:
            if not ended:
                ended.append("failed")
                raise OSError("busy")
            ended.append(self.device.address)

        async def __aexit__(self, *_: object) -> None: ...

    async def part() -> None:
        monkeypatch.setattr(names, "BleakAdapter", Adapter)
        monkeypatch.setattr(names, "BleakClient", Client)
        radio = Radio()
        radio.ours.add("ours")
        await radio._free_stale()
        await radio._free_stale()
        assert ended == ["failed"], "not at every scan"
        monkeypatch.setattr(names, "UNHEARD_S", -1.0)
        finding = asyncio.create_task(radio.find(BRICK))
        await asyncio.sleep(0)
        await radio._free_stale()
        assert ended == ["failed", "left"]
        finding.cancel()

    asyncio.run(part())
