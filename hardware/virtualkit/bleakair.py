"""bleak's two back ends over the virtual air, in one process and without a bus: the second route to a host's program.

`with on_air(central):` lets every BleakScanner and BleakClient of this process use that adapter. Choices follow the BlueZ
back end: a characteristic's handle is that of its declaration, the MTU is exchanged while connecting.
"""

# pyright: reportUnknownMemberType=false
# bumble leaves the parameters of its generic types open.

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any

import bleak
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError

from virtualkit.central import Central, GattFailed, Heard, Linked, properties, text

_adapter: list[Central] = []


@contextlib.contextmanager
def on_air(central: Central) -> Generator[None]:
    """Every bleak object that is made inside uses `central`."""
    names = (
        "get_platform_client_backend_type",
        "get_platform_scanner_backend_type",
        "get_platform_adapter_backend_type",
    )
    before = {name: getattr(bleak, name) for name in names}
    _adapter.append(central)
    backends = (AirClient, AirScanner, AirAdapter)
    for name, backend in zip(names, backends, strict=True):
        setattr(bleak, name, lambda backend=backend: (backend, "virtual air"))
    try:
        yield
    finally:
        _adapter.remove(central)
        for name, value in before.items():
            setattr(bleak, name, value)


class AirAdapter:
    """What bleak asks an adapter for."""

    @classmethod
    async def get(cls, **_more: Any) -> "AirAdapter":
        """The one adapter."""
        return cls()

    async def get_connected_devices(self, _services: frozenset[str]) -> list[BLEDevice]:
        """Nothing outlives a process here."""
        return []


class AirScanner(BaseBleakScanner):
    """Reports what the central hears, of the services that were asked for."""

    def __init__(self, detection_callback: Any, service_uuids: Any, scanning_mode: Any, **_more: Any) -> None:
        super().__init__(detection_callback, service_uuids)
        self._central = _adapter[-1]

    async def start(self) -> None:
        """Begins to listen."""
        self._central.heard = self._heard
        await self._central.scan(True)

    async def stop(self) -> None:
        """Ends it."""
        self._central.heard = lambda _heard: None
        await self._central.scan(False)

    def _heard(self, heard: Heard) -> None:
        wanted = set(self._service_uuids or ())
        if wanted and not wanted & set(heard.uuids):
            return
        data = AdvertisementData(
            local_name=heard.name,
            manufacturer_data={},
            service_data=dict(heard.service_data),
            service_uuids=list(heard.uuids),
            tx_power=None,
            rssi=heard.rssi,
            platform_data=(heard,),
        )
        device = self.create_or_update_device(heard.address, heard.address, heard.name, heard, data)
        self.call_detection_callbacks(device, data)


class AirClient(BaseBleakClient):
    """A connection of the central."""

    def __init__(self, address_or_ble_device: Any, **more: Any) -> None:
        super().__init__(address_or_ble_device, **more)
        self._central = _adapter[-1]
        self._linked: Linked | None = None
        self._names: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """What it is called."""
        known = self._central.known.get(self.address)
        return (known.name if known else None) or self.address

    @property
    def mtu_size(self) -> int:
        """The ATT MTU."""
        return 23 if self._linked is None else self._linked.mtu

    @property
    def is_connected(self) -> bool:
        """Whether it is."""
        return self._linked is not None and not self._linked.gone

    async def connect(self, pair: bool, **more: Any) -> None:
        """Raises BleakError."""
        if self.address not in self._central.known:
            raise BleakDeviceNotFoundError(self.address, "was never heard")
        try:
            linked = await self._central.connect(self.address, more.get("timeout", self._timeout))
        except ConnectionError as failed:
            raise BleakError(str(failed)) from None
        self._linked = linked
        linked.ended = self._ended
        collection = BleakGATTServiceCollection()
        for service in linked.peer.services:
            made = BleakGATTService(service, service.handle, text(service.uuid))
            collection.add_service(made)
            for characteristic in service.characteristics:
                handle = characteristic.handle - 1
                self._names[handle] = characteristic
                collection.add_characteristic(
                    BleakGATTCharacteristic(
                        characteristic,
                        handle,
                        text(characteristic.uuid),
                        properties(characteristic),  # pyright: ignore[reportArgumentType] - words of bleak's own list
                        lambda: linked.mtu - 3,
                        made,
                    )
                )
        self.services = collection

    def _ended(self) -> None:
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        """Ends the connection."""
        if self._linked is not None:
            await self._linked.close()

    async def pair(self, *_args: Any, **_more: Any) -> None:
        """Refused: nothing here pairs."""
        raise BleakError("pairing refused")

    async def unpair(self) -> None:
        """Nothing to undo."""

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_more: Any) -> bytearray:
        """The value. Raises BleakError."""
        linked = self._up()
        return bytearray(await self._try(linked.peer.read_value(self._names[characteristic.handle])))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
    ) -> None:
        """Writes at most MTU - 3 bytes. Raises BleakError."""
        linked = self._up()
        await self._try(
            linked.peer.write_value(self._names[characteristic.handle], bytes(data), with_response=response)
        )

    async def read_gatt_descriptor(self, *_args: Any, **_more: Any) -> bytearray:
        """Not here."""
        raise BleakError("descriptors are not read on the virtual air")

    async def write_gatt_descriptor(self, *_args: Any, **_more: Any) -> None:
        """Not here."""
        raise BleakError("descriptors are not written on the virtual air")

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Any, **_more: Any
    ) -> None:
        """Raises BleakError."""
        linked = self._up()

        def came(value: bytes) -> None:
            callback(bytearray(value))

        await self._try(linked.peer.subscribe(self._names[characteristic.handle], came))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Raises BleakError."""
        linked = self._up()
        await self._try(linked.peer.unsubscribe(self._names[characteristic.handle]))

    def _up(self) -> Linked:
        if self._linked is None or self._linked.gone:
            raise BleakError("Not connected")
        return self._linked

    async def _try(self, request: Any) -> Any:
        """bumble cancels what waits when a connection breaks: that is not a cancellation of ours."""
        asking = asyncio.ensure_future(request)
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            if not asking.cancelled():
                asking.cancel()
                raise
            raise BleakError("Not connected") from None
        except GattFailed as failed:
            raise BleakError(f"Operation failed ({type(failed).__name__})") from None
