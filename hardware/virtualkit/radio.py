"""A virtual brick's radio: what its firmware says through the `bluetooth` shim becomes a peripheral on the virtual air."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from bumble import att, gatt
from bumble.core import UUID
from bumble.device import AdvertisingType, Connection, Device
from bumble.hci import HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR

from virtualkit.air import Air, AirController

ANSWER_S = 2.0
_READ, _NO_RESPONSE, _WRITE, _NOTIFY = 0x02, 0x04, 0x08, 0x10


class Radio:
    """One brick's radio. `path` is the socket that its `bluetooth` connects to; power and restarts show there.

    `controller` is its place in the air while its firmware runs (Air.interrupt, Air.away), else None.
    """

    def __init__(self, air: Air, name: str, path: Path) -> None:
        self.air = air
        self.name = name
        self.path = path
        self.controller: AirController | None = None
        self.address = air.address()
        self.connections = 0
        self._device: Device | None = None
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._values: dict[int, bytes] = {}
        self._characteristics: dict[int, gatt.Characteristic[bytes]] = {}
        self._connected: dict[int, Connection] = {}
        self._pending: dict[int, asyncio.Future[None]] = {}
        self._count = 0
        self._serving: asyncio.Task[Any] | None = None

    @property
    def connected(self) -> bool:
        """Whether a host is connected."""
        return bool(self._connected)

    async def start(self) -> None:
        """Listens for the firmware."""
        if self._server is not None:
            return
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def close(self) -> None:
        """The radio is gone for good."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._vanish()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    # --- the firmware's side

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._vanish()
        self._writer, self._serving = writer, asyncio.current_task()
        self._device, self.controller = await self.air.device(self.name, self.address)
        self._device.on(Device.EVENT_CONNECTION, self._came)
        try:
            while line := await reader.readline():
                await self._order(json.loads(line))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            if self._writer is writer:
                self._vanish()

    def _vanish(self) -> None:
        """The firmware is gone, and with it whatever the radio was doing."""
        if self.controller is not None:
            self.air.kill(self.controller)
        for waiting in self._pending.values():
            waiting.cancel()
        self._pending.clear()
        self._connected.clear()
        self._values.clear()
        self._characteristics.clear()
        if self._writer is not None:
            self._writer.close()
        self.controller = self._device = self._writer = None

    async def _order(self, order: dict[str, Any]) -> None:
        device = self._device
        assert device is not None
        what = order["op"]
        if what == "done":
            waiting = self._pending.pop(order["n"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        elif what == "value":
            self._values[order["handle"]] = bytes.fromhex(order["data"])
        elif what == "notify":
            connection = self._connected.get(order["conn"])
            if connection is not None:
                characteristic = self._characteristics[order["handle"]]
                await device.notify_subscriber(
                    connection, characteristic, bytes.fromhex(order["data"]), force=True
                )
        elif what == "advertise":
            kind = AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE
            await device.start_advertising(
                kind,
                advertising_data=bytes.fromhex(order["data"]),
                scan_response_data=bytes.fromhex(order["response"]),
                advertising_interval_min=order["ms"],
                advertising_interval_max=order["ms"],
            )
        elif what == "quiet":
            await device.stop_advertising()
        elif what == "disconnect":
            connection = self._connected.get(order["conn"])
            if connection is not None:
                await connection.disconnect(HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR)
        elif what == "mtu":
            self._mtu = order["mtu"]
        elif what == "register":
            self._register(device, order["services"])

    def _register(self, device: Device, services: list[Any]) -> None:
        for uuid, listed in services:
            made: list[gatt.Characteristic[bytes]] = []
            for characteristic, flags, handle in listed:
                made.append(self._characteristic(characteristic, flags, handle))
            device.add_service(gatt.Service(UUID(uuid), made))

    def _characteristic(self, uuid: str, flags: int, handle: int) -> gatt.Characteristic[bytes]:
        readable = bool(flags & _READ)

        async def read(_connection: Any) -> bytes:
            if not readable:
                raise att.ATT_Error(att.ErrorCode.READ_NOT_PERMITTED)
            await self._settled()
            return self._values.get(handle, b"")

        async def write(connection: Any, value: bytes) -> None:
            await self._wrote(connection, handle, value)

        characteristic = gatt.Characteristic[bytes](
            UUID(uuid),
            gatt.Characteristic.Properties(flags),
            gatt.Characteristic.READABLE | gatt.Characteristic.WRITEABLE,
            gatt.CharacteristicValue(read=read, write=write),
        )
        self._characteristics[handle] = characteristic
        return characteristic

    def _tell(self, event: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(json.dumps(event).encode() + b"\n")

    # --- the air's side

    def _came(self, connection: Connection) -> None:
        device = self._device
        assert device is not None
        device.gatt_server.max_mtu = min(self._mtu, self.air.faults.mtu)
        number = next(n for n in range(8) if n not in self._connected)
        self._connected[number] = connection
        self.connections += 1

        def went(_reason: int) -> None:
            if self._connected.get(number) is connection:
                del self._connected[number]
                self._tell({"ev": "disconnect", "conn": number})

        def resized() -> None:
            self._tell({"ev": "mtu", "conn": number, "mtu": connection.att_mtu})

        connection.on(Connection.EVENT_DISCONNECTION, went)
        connection.on(Connection.EVENT_CONNECTION_ATT_MTU_UPDATE, resized)
        self._tell({"ev": "connect", "conn": number, "address": bytes(connection.peer_address)[::-1].hex()})

    async def _wrote(self, connection: Any, handle: int, value: bytes) -> None:
        """Returns when the firmware's handler has: ESP32 sends the response to a write after it."""
        number = next((n for n, known in self._connected.items() if known is connection), None)
        if number is None:
            return
        self._count += 1
        done = self._pending[self._count] = asyncio.get_running_loop().create_future()
        self._tell({"ev": "write", "conn": number, "handle": handle, "data": value.hex(), "n": self._count})
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(ANSWER_S):
                await done

    async def _settled(self) -> None:
        """Handlers of writes that came before have run: the stack takes one packet after the other."""
        for waiting in list(self._pending.values()):
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(ANSWER_S):
                    await asyncio.shield(waiting)

    _mtu = 256
