"""The virtual air: bumble's link bus with the holes of its controller closed, and with faults."""

# pyright: reportUnknownMemberType=false
# bumble and dbus-fast leave the parameters of their generic types open.

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from bumble import hci, ll
from bumble.controller import Connection, Controller, LegacyAdvertiser
from bumble.core import PhysicalTransport
from bumble.device import Device, DeviceConfiguration
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from virtualkit.airfaults import AirFaults

SUPERVISION_S = 0.5
"""A peer that is silent for this long is gone. Real hosts take 2 to 6 s; tests are not to wait for it."""
_LOST = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
_NOT_BEGUN = hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR
_ADV_IND = 0
_SLOT_MS = 0.625
_ATT = b"\x04\x00"
_NOTIFY, _WRITE_COMMAND = 0x1B, 0x52


@dataclass
class _Advert(ll.AdvInd):
    """An advertisement with the scan response that an active scanner would ask for."""

    response: bytes = b""
    rssi: int = -60


class _Advertiser(LegacyAdvertiser):
    def send_advertising_data(self) -> None:
        if not self.enabled:
            return
        if self.advertising_type == _ADV_IND:
            advert = _Advert(self.address, self.advertising_data, self.scan_response_data)
            self.controller.send_advertising_pdu(advert)


class AirController(Controller):
    """bumble's controller: a connect can be cancelled, a reset resets, scan responses and signal strength arrive."""

    le_features = Controller.le_features & ~hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
    le_acl_data_packet_length = 251

    def __init__(self, name: str, link: "Air", public_address: str) -> None:
        super().__init__(name, link=link, public_address=public_address)
        self.le_legacy_advertiser = _Advertiser(self)

    def on_hci_reset_command(self, _command: Any) -> Any:
        """Nothing of the host before stays."""
        self.pending_le_connection = None
        self.le_scan_enable = False
        self.le_legacy_advertiser.stop()
        self.le_connections.clear()
        return super().on_hci_reset_command(_command)

    def on_hci_le_create_connection_cancel_command(self, _command: Any) -> Any:
        """The pending connection ends as the specification says, vol. 4 part E 7.8.13."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        event = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, event)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_le_set_advertising_parameters_command(self, command: Any) -> Any:
        """Intervals come in slots of 0.625 ms."""
        result = super().on_hci_le_set_advertising_parameters_command(command)
        advertiser = self.le_legacy_advertiser
        advertiser.advertising_interval_min = max(1, round(command.advertising_interval_min * _SLOT_MS))
        return result

    def on_advertising_pdu(self, pdu: Any) -> None:
        """Two reports, advertisement and scan response, each with its own data."""
        if self.le_scan_enable and isinstance(pdu, _Advert):
            kinds = hci.HCI_LE_Advertising_Report_Event.EventType
            for kind, data in ((kinds.ADV_IND, pdu.data), (kinds.SCAN_RSP, pdu.response)):
                address = pdu.advertiser_address
                report = hci.HCI_LE_Advertising_Report_Event.Report(
                    event_type=kind,
                    address_type=address.address_type,
                    address=address,
                    data=data,
                    rssi=pdu.rssi,
                )
                self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))
        pending = self.pending_le_connection
        if pending and pending.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def lose(self, connection: Connection, reason: int) -> None:
        """The connection is over for this side."""
        if self.le_connections.get(connection.peer_address) is connection:
            self.on_le_disconnected(connection, reason)


class Air(LocalLink):
    """All radios near each other. `faults` may be changed at any time; the same seed drops the same packets of the same run."""

    def __init__(self, seed: int = 0, supervision_s: float = SUPERVISION_S) -> None:
        super().__init__()
        self.faults = AirFaults()
        self._rng = random.Random(seed)
        self._supervision_s = supervision_s
        self._free_at: dict[tuple[int, str], float] = {}
        self._away: set[str] = set()
        self._addresses = 0
        self.notifies = 0
        self.packets = 0

    def address(self) -> str:
        """A static random address that nobody else here has."""
        self._addresses += 1
        return f"F0:5A:11:00:{self._addresses >> 8:02X}:{self._addresses & 255:02X}"

    async def device(self, name: str, address: str | None = None) -> tuple[Device, AirController]:
        """A new radio, powered on, at this address or one of its own."""
        address = address or self.address()
        controller = AirController(
            name, self, f"00:5A:11:00:{self._addresses >> 8:02X}:{self._addresses & 255:02X}"
        )
        host = Host(controller, AsyncPipeSink(controller))
        device = Device(config=DeviceConfiguration(name=name, address=hci.Address(address)), host=host)
        await device.power_on()
        return device, controller

    # --- acts

    def interrupt(self, controller: Controller) -> None:
        """Every connection of this radio breaks, as when somebody walks through; it can connect again at once."""
        for connection in list(controller.le_connections.values()):
            self._break(controller, connection)

    def away(self, controller: Controller, out: bool) -> None:
        """Carries a radio out of range, or back: nobody hears it, its connections break after the supervision time."""
        name = str(controller.random_address)
        if not out:
            self._away.discard(name)
        elif name not in self._away:
            self._away.add(name)
            self._silent(controller)

    def kill(self, controller: Controller) -> None:
        """The battery is pulled: it vanishes without a word."""
        controller.le_legacy_advertiser.stop()
        self._silent(controller)
        self.controllers.discard(controller)
        controller.hci_sink = None

    def _silent(self, controller: Controller) -> None:
        loop = asyncio.get_running_loop()
        for connection in list(controller.le_connections.values()):
            loop.call_later(self._supervision_s, self._break, controller, connection)

    def _break(self, controller: Controller, connection: Connection) -> None:
        for other in list(self.controllers):
            for theirs in list(other.le_connections.values()):
                if (
                    theirs.peer_address == connection.self_address
                    and theirs.self_address == connection.peer_address
                    and isinstance(other, AirController)
                ):
                    other.lose(theirs, _LOST)
        if isinstance(controller, AirController):
            controller.lose(connection, _LOST)

    # --- bumble's three ways through the air

    def send_advertising_pdu(self, sender_controller: Controller, packet: ll.AdvertisingPdu) -> None:
        """Advertisements and the packet that begins a connection."""
        faults = self.faults
        if str(sender_controller.random_address) in self._away:
            return
        if isinstance(packet, ll.ConnectInd):
            if faults.fail_connects > 0:
                faults.fail_connects -= 1
                asyncio.get_running_loop().call_later(0.05, self._not_begun, sender_controller, packet)
                return
        elif isinstance(packet, _Advert):
            if faults.lost_adverts and self._rng.random() < faults.lost_adverts:
                return
            packet.rssi = faults.rssi
        super().send_advertising_pdu(sender_controller, packet)

    def _not_begun(self, central: Controller, packet: ll.ConnectInd) -> None:
        connection = central.le_connections.get(packet.advertiser_address)
        if connection and isinstance(central, AirController):
            central.lose(connection, _NOT_BEGUN)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """A packet of a connection."""
        faults, rng = self.faults, self._rng
        if {str(sender_controller.random_address), str(destination_address)} & self._away:
            return
        self.packets += 1
        if data[2:4] == _ATT and len(data) > 4:
            if data[4] == _NOTIFY:
                self.notifies += 1
                if faults.lost_notifies and rng.random() < faults.lost_notifies:
                    return
            elif data[4] == _WRITE_COMMAND and faults.lost_writes and rng.random() < faults.lost_writes:
                return
        key = (id(sender_controller), str(destination_address))
        if not faults.latency_ms and not faults.jitter_ms and key not in self._free_at:
            super().send_acl_data(sender_controller, destination_address, transport, data)
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + (faults.latency_ms + faults.jitter_ms * rng.random()) / 1000
        # Strictly rising: the loop does not keep the order of timers that are due together.
        at = self._free_at[key] = max(at, self._free_at.get(key, 0.0) + 1e-5)
        loop.call_at(at, super().send_acl_data, sender_controller, destination_address, transport, data)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """Control packets; one to a radio that has vanished is nobody's."""
        if self.find_le_controller(receiver_address) is not None:
            super().send_ll_control_pdu(sender_address, receiver_address, packet)
