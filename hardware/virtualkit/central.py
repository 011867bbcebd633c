"""The host's side of the virtual air: a bumble central that scans, connects and speaks GATT, for both ways to bleak."""

# pyright: reportUnknownMemberType=false
# bumble and dbus-fast leave the parameters of their generic types open.

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bumble import gatt, gatt_client
from bumble.core import UUID, AdvertisingData, InvalidStateError, ProtocolError
from bumble.core import TimeoutError as BumbleTimeout
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.hci import Address

from virtualkit.air import Air

LOCAL_MTU = 517
GATT_SECONDS = 5.0
# bumble copies its constant of 30 s by name; a host's program gives up sooner.
gatt_client.GATT_REQUEST_TIMEOUT = GATT_SECONDS  # pyright: ignore[reportPrivateImportUsage]

GattFailed = (ProtocolError, BumbleTimeout, TimeoutError, InvalidStateError, asyncio.CancelledError)
"""What a request may end by; bumble cancels those that wait when a connection breaks."""


@dataclass
class Heard:
    """What was heard of one radio, advertisement and scan response together."""

    address: str
    rssi: int
    name: str | None = None
    uuids: list[str] = field(default_factory=list[str])
    service_data: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def take(self, rssi: int, data: AdvertisingData) -> None:
        """Adds one packet."""
        self.rssi = rssi
        for kind, value in data.ad_structures:
            if kind in (AdvertisingData.COMPLETE_LOCAL_NAME, AdvertisingData.SHORTENED_LOCAL_NAME):
                self.name = value.decode("utf-8", "replace")
            elif kind == AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS:
                found = [_long(UUID.from_bytes(value[at : at + 16])) for at in range(0, len(value), 16)]
                self.uuids = found
            elif kind == AdvertisingData.SERVICE_DATA_128_BIT_UUID and len(value) >= 16:
                self.service_data[_long(UUID.from_bytes(value[:16]))] = value[16:]


class Central:
    """One adapter. `heard` is called for every advertisement while it scans."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.known: dict[str, Heard] = {}
        self.heard: Callable[[Heard], None] = lambda _heard: None
        self.scanning = False
        self._connecting = asyncio.Lock()
        device.on(Device.EVENT_ADVERTISEMENT, self._advertisement)

    @classmethod
    async def on(cls, air: Air, name: str = "host") -> "Central":
        """A new adapter on this air."""
        device, _ = await air.device(name)
        return cls(device)

    async def scan(self, on: bool) -> None:
        """Starts or ends an active scan."""
        if on == self.scanning:
            return
        self.scanning = on
        if on:
            await self.device.start_scanning(legacy=True, active=True)
        else:
            await self.device.stop_scanning(legacy=True)

    async def connect(self, address: str, seconds: float) -> "Linked":
        """Connects, exchanges MTU, finds services. Raises TimeoutError, ConnectionError."""
        async with self._connecting:
            try:
                async with asyncio.timeout(seconds):
                    connection = await self.device.connect(Address(address), timeout=seconds)
            except BumbleTimeout:
                raise TimeoutError from None
            except (ProtocolError, InvalidStateError) as failed:
                raise ConnectionError(str(failed)) from None
        linked = Linked(connection)
        try:
            async with asyncio.timeout(seconds):
                await linked.begin()
        except asyncio.CancelledError:
            if linked.gone:
                raise ConnectionError("broke while it began") from None
            await linked.close()
            raise
        except (ProtocolError, BumbleTimeout, TimeoutError, InvalidStateError) as failed:
            await linked.close()
            raise ConnectionError(str(failed)) from None
        return linked

    def _advertisement(self, advertisement: Advertisement) -> None:
        address = advertisement.address.to_string(False)
        known = self.known.setdefault(address, Heard(address, advertisement.rssi))
        known.take(advertisement.rssi, advertisement.data)
        self.heard(known)


class Linked:
    """A connection: services found, characteristics read, written and listened to."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.peer = Peer(connection)
        self.gone = False
        self.ended: Callable[[], None] = lambda: None
        connection.on(Connection.EVENT_DISCONNECTION, self._went)

    @property
    def mtu(self) -> int:
        """The ATT MTU."""
        return self.connection.att_mtu

    async def begin(self) -> None:
        """MTU and services."""
        await self.peer.request_mtu(LOCAL_MTU)
        await self.peer.discover_services()
        for service in self.peer.services:
            await self.peer.discover_characteristics(service=service)
            for characteristic in service.characteristics:
                await self.peer.discover_descriptors(characteristic)

    async def close(self) -> None:
        """Disconnects."""
        if not self.gone:
            await self.connection.disconnect()

    def _went(self, _reason: int) -> None:
        self.gone = True
        self.ended()


def properties(characteristic: gatt_client.CharacteristicProxy[bytes]) -> list[str]:
    """The properties in BlueZ's words."""
    flags = gatt.Characteristic.Properties
    return [
        word
        for flag, word in (
            (flags.READ, "read"),
            (flags.WRITE_WITHOUT_RESPONSE, "write-without-response"),
            (flags.WRITE, "write"),
            (flags.NOTIFY, "notify"),
            (flags.INDICATE, "indicate"),
        )
        if characteristic.properties & flag
    ]


def text(uuid: UUID) -> str:
    """A UUID as BlueZ writes it: 36 characters, small letters."""
    return _long(uuid)


def _long(uuid: UUID) -> str:
    if len(uuid.uuid_bytes) == 16:
        return str(uuid.to_hex_str("-")).lower()
    return f"0000{uuid.to_hex_str().lower()}-0000-1000-8000-00805f9b34fb"
