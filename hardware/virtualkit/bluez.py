"""A stand-in for bluetoothd: as much of org.bluez as bleak's BlueZ back end asks for, on a private bus, over the virtual air.

Objects are data: paths with interfaces with properties, as ObjectManager lists them. It is as true as our reading of
BlueZ's D-Bus documentation and of what bleak sends; it was never compared with a bluetoothd's own trace.
"""

# pyright: reportUnknownMemberType=false
# bumble and dbus-fast leave the parameters of their generic types open.

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from bumble.gatt_client import CharacteristicProxy
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from virtualkit.air import Air
from virtualkit.central import Central, GattFailed, Heard, Linked, properties, text

ADAPTER_PATH = "/org/bluez/hci0"
CONNECT_SECONDS = 10.0
_ADAPTER, _DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
_SERVICE, _CHARACTERISTIC = "org.bluez.GattService1", "org.bluez.GattCharacteristic1"
_DESCRIPTOR = "org.bluez.GattDescriptor1"
_PROPERTIES, _OBJECTS = "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.ObjectManager"
_GENERIC = {"00001800-0000-1000-8000-00805f9b34fb"}  # BlueZ keeps the GAP service to itself

Properties = dict[str, Variant]


class Refused(Exception):
    """A D-Bus error: name and text."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(words)
        self.name = f"org.bluez.Error.{name}"


class FakeBluez:
    """org.bluez on the bus at `address`. `start`, then set DBUS_SYSTEM_BUS_ADDRESS for whoever is to use it."""

    def __init__(self, air: Air, address: str) -> None:
        self._air = air
        self._address = address
        self._bus: MessageBus | None = None
        self._central: Central | None = None
        self._objects: dict[str, dict[str, Properties]] = {}
        self._scanners: dict[str, set[str]] = {}
        self._linked: dict[str, Linked] = {}
        self._characteristics: dict[str, tuple[Linked, CharacteristicProxy[bytes]]] = {}
        self._bonded: set[str] = set()  # devices with a pairing that they know nothing of
        self._tasks: set[asyncio.Task[None]] = set()
        self.calls: dict[str, int] = {}

    async def start(self) -> None:
        """Takes the name org.bluez."""
        self._central = central = await Central.on(self._air)
        central.heard = self._heard
        self._objects[ADAPTER_PATH] = {
            _ADAPTER: {
                "Address": Variant("s", "00:5A:11:00:00:00"),
                "Name": Variant("s", "virtual air"),
                "Alias": Variant("s", "virtual air"),
                "Powered": Variant("b", True),
                "Discovering": Variant("b", False),
                "Roles": Variant("as", ["central"]),
                "UUIDs": Variant("as", []),
            }
        }
        self._bus = bus = await MessageBus(bus_address=self._address).connect()
        bus.add_message_handler(self._message)
        await bus.request_name("org.bluez")
        await bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="AddMatch",
                signature="s",
                body=["type='signal',member='NameOwnerChanged'"],
            )
        )

    async def stop(self) -> None:
        """Everything disconnected, name given back."""
        for linked in list(self._linked.values()):
            with contextlib.suppress(*GattFailed):
                await linked.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._bus is not None:
            self._bus.disconnect()

    # --- the bus

    def _message(self, message: Message) -> bool | None:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name, _, owner = message.body
            if not owner:
                self._gone(name)
            return None
        if message.message_type is not MessageType.METHOD_CALL or message.path == "/org/freedesktop/DBus":
            return None
        if message.interface in ("org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable"):
            return None
        task = asyncio.get_running_loop().create_task(self._answer(message), name=f"bluez {message.member}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, message: Message) -> None:
        interface, member = message.interface or "", message.member or ""
        self.calls[member] = self.calls.get(member, 0) + 1
        handler = self._handlers().get((interface, member))
        try:
            if handler is None:
                raise Refused("NotSupported", f"{interface}.{member}")
            signature, body = await handler(message)
            reply = Message.new_method_return(message, signature, body)
        except Refused as refused:
            reply = Message.new_error(message, refused.name, str(refused))
        if self._bus is not None and self._bus.connected:
            await self._bus.send(reply)

    def _handlers(self) -> dict[tuple[str, str], Callable[[Message], Awaitable[tuple[str, list[Any]]]]]:
        return {
            (_OBJECTS, "GetManagedObjects"): self._managed,
            (_PROPERTIES, "Get"): self._get,
            (_PROPERTIES, "GetAll"): self._get_all,
            (_PROPERTIES, "Set"): self._set,
            (_ADAPTER, "SetDiscoveryFilter"): self._filter,
            (_ADAPTER, "StartDiscovery"): self._start_discovery,
            (_ADAPTER, "StopDiscovery"): self._stop_discovery,
            (_ADAPTER, "RemoveDevice"): self._remove,
            (_DEVICE, "Connect"): self._connect,
            (_DEVICE, "Disconnect"): self._disconnect,
            (_DEVICE, "Pair"): self._pair,
            (_CHARACTERISTIC, "ReadValue"): self._read,
            (_CHARACTERISTIC, "WriteValue"): self._write,
            (_CHARACTERISTIC, "StartNotify"): self._start_notify,
            (_CHARACTERISTIC, "StopNotify"): self._stop_notify,
        }

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        if self._bus is not None and self._bus.connected:
            self._bus.send(Message.new_signal(path, interface, member, signature, body))

    def _change(self, path: str, interface: str, changed: Properties) -> None:
        self._objects[path][interface].update(changed)
        self._signal(path, _PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, changed, []])

    def _add(self, path: str, interface: str, values: Properties) -> None:
        self._objects[path] = {interface: values}
        self._signal("/", _OBJECTS, "InterfacesAdded", "oa{sa{sv}}", [path, {interface: values}])

    def _drop(self, path: str) -> None:
        interfaces = list(self._objects.pop(path))
        self._signal("/", _OBJECTS, "InterfacesRemoved", "oas", [path, interfaces])

    async def _managed(self, _message: Message) -> tuple[str, list[Any]]:
        return "a{oa{sa{sv}}}", [self._objects]

    async def _get(self, message: Message) -> tuple[str, list[Any]]:
        interface, name = message.body
        return "v", [self._object(message, interface)[name]]

    async def _get_all(self, message: Message) -> tuple[str, list[Any]]:
        return "a{sv}", [self._object(message, message.body[0])]

    async def _set(self, message: Message) -> tuple[str, list[Any]]:
        interface, name, value = message.body
        self._object(message, interface)
        self._change(message.path or "", interface, {name: value})
        return "", []

    def _object(self, message: Message, interface: str) -> Properties:
        found = self._objects.get(message.path or "", {}).get(interface)
        if found is None:
            raise Refused("DoesNotExist", f"{message.path} is not there")
        return found

    # --- scanning

    async def _filter(self, message: Message) -> tuple[str, list[Any]]:
        wanted: dict[str, Variant] = message.body[0]
        uuids: list[str] = wanted["UUIDs"].value if "UUIDs" in wanted else []
        self._filters = {**getattr(self, "_filters", {}), message.sender or "": set(uuids)}
        return "", []

    async def _start_discovery(self, message: Message) -> tuple[str, list[Any]]:
        sender = message.sender or ""
        if sender in self._scanners:
            raise Refused("InProgress", "Operation already in progress")
        self._scanners[sender] = self._filters.get(sender, set())
        await self._discover()
        return "", []

    async def _stop_discovery(self, message: Message) -> tuple[str, list[Any]]:
        if self._scanners.pop(message.sender or "", None) is None:
            raise Refused("Failed", "No discovery started")
        await self._discover()
        return "", []

    async def _discover(self) -> None:
        assert self._central is not None
        on = bool(self._scanners)
        await self._central.scan(on)
        if self._objects[ADAPTER_PATH][_ADAPTER]["Discovering"].value != on:
            self._change(ADAPTER_PATH, _ADAPTER, {"Discovering": Variant("b", on)})

    def _gone(self, sender: str) -> None:
        """A program ended: its scan ends; connections stay, as bluetoothd keeps them."""
        if self._scanners.pop(sender, None) is not None:
            task = asyncio.get_running_loop().create_task(self._discover())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _heard(self, heard: Heard) -> None:
        wanted = self._scanners.values()
        if not wanted or not any(not uuids or uuids & set(heard.uuids) for uuids in wanted):
            return
        path = self._path(heard.address)
        news = {
            "RSSI": Variant("n", heard.rssi),
            "UUIDs": Variant("as", heard.uuids),
            "ServiceData": Variant(
                "a{sv}", {uuid: Variant("ay", data) for uuid, data in heard.service_data.items()}
            ),
        }
        if heard.name:
            news |= {"Name": Variant("s", heard.name), "Alias": Variant("s", heard.name)}
        if path in self._objects:
            self._change(path, _DEVICE, news)
            return
        values = {
            "Address": Variant("s", heard.address),
            "AddressType": Variant("s", "random"),
            "Alias": Variant("s", heard.address.replace(":", "-")),
            "Adapter": Variant("o", ADAPTER_PATH),
            "Connected": Variant("b", False),
            "Paired": Variant("b", False),
            "Bonded": Variant("b", False),
            "Trusted": Variant("b", False),
            "Blocked": Variant("b", False),
            "LegacyPairing": Variant("b", False),
            "ServicesResolved": Variant("b", False),
        }
        self._add(path, _DEVICE, values | news)

    @staticmethod
    def _path(address: str) -> str:
        return f"{ADAPTER_PATH}/dev_{address.replace(':', '_')}"

    # --- connections

    async def _remove(self, message: Message) -> tuple[str, list[Any]]:
        path = message.body[0]
        self._bonded.discard(path)
        if path in self._linked:
            await self._linked[path].close()
        for known in [known for known in self._objects if known.startswith(path)]:
            self._drop(known)
        return "", []

    async def _connect(self, message: Message) -> tuple[str, list[Any]]:
        path = message.path or ""
        address: str = self._object(message, _DEVICE)["Address"].value
        await self._link(path, address)
        return "", []

    async def _link(self, path: str, address: str) -> None:
        if path in self._linked:
            return
        assert self._central is not None
        try:
            linked = await self._central.connect(address, CONNECT_SECONDS)
        except TimeoutError:
            raise Refused("Failed", "le-connection-abort-by-local") from None
        except ConnectionError as failed:
            raise Refused("Failed", f"le-connection-abort-by-remote ({failed})") from None
        self._linked[path] = linked
        linked.ended = lambda: self._broke(path)
        self._change(path, _DEVICE, {"Connected": Variant("b", True)})
        if self._air.faults.stale_bonds:
            self._air.faults.stale_bonds -= 1
            self._bonded.add(path)
            self._change(path, _DEVICE, {"Paired": Variant("b", True), "Bonded": Variant("b", True)})
        self._list(path, linked)
        self._change(path, _DEVICE, {"ServicesResolved": Variant("b", True)})

    def _list(self, path: str, linked: Linked) -> None:
        for service in linked.peer.services:
            if text(service.uuid) in _GENERIC:
                continue
            where = f"{path}/service{service.handle:04x}"
            self._add(
                where,
                _SERVICE,
                {
                    "UUID": Variant("s", text(service.uuid)),
                    "Device": Variant("o", path),
                    "Primary": Variant("b", True),
                    "Includes": Variant("ao", []),
                },
            )
            for characteristic in service.characteristics:
                # BlueZ names a characteristic by its declaration, one before its value.
                at = f"{where}/char{characteristic.handle - 1:04x}"
                self._characteristics[at] = (linked, characteristic)
                self._add(
                    at,
                    _CHARACTERISTIC,
                    {
                        "UUID": Variant("s", text(characteristic.uuid)),
                        "Service": Variant("o", where),
                        "Flags": Variant("as", properties(characteristic)),
                        "Notifying": Variant("b", False),
                        "MTU": Variant("q", linked.mtu),
                        "Value": Variant("ay", b""),
                    },
                )
                for descriptor in characteristic.descriptors:
                    self._add(
                        f"{at}/desc{descriptor.handle:04x}",
                        _DESCRIPTOR,
                        {
                            "UUID": Variant("s", text(descriptor.type)),
                            "Characteristic": Variant("o", at),
                            "Value": Variant("ay", b""),
                        },
                    )

    def _broke(self, path: str) -> None:
        self._linked.pop(path, None)
        for known in sorted((known for known in self._objects if known.startswith(path + "/")), reverse=True):
            self._characteristics.pop(known, None)
            self._drop(known)
        if path in self._objects:
            self._change(
                path, _DEVICE, {"ServicesResolved": Variant("b", False), "Connected": Variant("b", False)}
            )

    async def _disconnect(self, message: Message) -> tuple[str, list[Any]]:
        linked = self._linked.get(message.path or "")
        if linked is None:
            raise Refused("NotConnected", "Not Connected")
        await linked.close()
        return "", []

    async def _pair(self, message: Message) -> tuple[str, list[Any]]:
        raise Refused("AuthenticationRejected", "Authentication Rejected")  # a brick pairs with nobody

    # --- GATT

    def _characteristic(self, message: Message) -> tuple[Linked, CharacteristicProxy[bytes]]:
        found = self._characteristics.get(message.path or "")
        if found is None or found[0].gone:
            raise Refused("Failed", "Not connected")
        return found

    def _encrypted(self, message: Message) -> None:
        """A link that BlueZ could not encrypt with its old key carries no writes (bluez#634) and rings no bell."""
        if any((message.path or "").startswith(f"{path}/") for path in self._bonded):
            raise Refused("AuthenticationFailed", "Authentication Failed")

    async def _read(self, message: Message) -> tuple[str, list[Any]]:
        linked, characteristic = self._characteristic(message)
        if self._air.faults.nonsense:
            self._air.faults.nonsense -= 1
            return "s", ["nonsense"]
        value = bytes(await self._try(linked.peer.read_value(characteristic)))
        if self._objects[message.path or ""][_CHARACTERISTIC]["Notifying"].value:
            # A quirk of BlueZ: a value that is read comes to its subscribers as well.
            self._change(message.path or "", _CHARACTERISTIC, {"Value": Variant("ay", value)})
        return "ay", [value]

    async def _write(self, message: Message) -> tuple[str, list[Any]]:
        linked, characteristic = self._characteristic(message)
        self._encrypted(message)
        value, options = message.body
        command = "type" in options and options["type"].value == "command"
        if command and len(value) > linked.mtu - 3:
            raise Refused("Failed", "Operation failed with ATT error: 0x0d")
        await self._try(linked.peer.write_value(characteristic, bytes(value), with_response=not command))
        return "", []

    async def _start_notify(self, message: Message) -> tuple[str, list[Any]]:
        linked, characteristic = self._characteristic(message)
        self._encrypted(message)
        path = message.path or ""

        def came(value: bytes) -> None:
            if path in self._objects:
                self._change(path, _CHARACTERISTIC, {"Value": Variant("ay", bytes(value))})

        await self._try(linked.peer.subscribe(characteristic, came))
        self._change(path, _CHARACTERISTIC, {"Notifying": Variant("b", True)})
        return "", []

    async def _stop_notify(self, message: Message) -> tuple[str, list[Any]]:
        linked, characteristic = self._characteristic(message)
        await self._try(linked.peer.unsubscribe(characteristic))
        self._change(message.path or "", _CHARACTERISTIC, {"Notifying": Variant("b", False)})
        return "", []

    @staticmethod
    async def _try(request: Awaitable[Any]) -> Any:
        try:
            return await request
        except GattFailed as failed:
            raise Refused("Failed", f"Operation failed ({type(failed).__name__})") from None
