"""This machine's Bluetooth: one scan for all bricks that are looked for, one connection begun at a time."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from bleak import BleakAdapter, BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakBluetoothNotAvailableError, BleakError

# docs/formats/ble.md
SERVICE = "265ecebe-0831-42c0-9e1a-a38ff4a8eced"
INTO = "265ecebf-0831-42c0-9e1a-a38ff4a8eced"
PULL = "265ecec0-0831-42c0-9e1a-a38ff4a8eced"
OUT = "265ecec1-0831-42c0-9e1a-a38ff4a8eced"
BELL = "265ecec2-0831-42c0-9e1a-a38ff4a8eced"
BRICK_BYTES = 8
# One scan lasts this long at most; between two of them others may begin a connection.
SCAN_S = 4.0
PAUSE_S = 0.5
# After a failed scan (no adapter, switched off) it is tried again this late.
TROUBLE_S = 5.0
log = logging.getLogger("hostagent.radio")

RadioFailed = (BleakError, TimeoutError, OSError, EOFError)
"""What bleak and the bus below it raise when something outside this program is wrong."""


@dataclass(frozen=True)
class Found:
    """A brick that was heard: `rssi` in dBm."""

    brick: bytes
    device: BLEDevice
    rssi: int
    name: str | None


def brick_of(advertisement: AdvertisementData) -> bytes | None:
    """The brick's identity out of what it tells everybody; None: it is something else."""
    data = advertisement.service_data.get(SERVICE)
    return bytes(data) if data is not None and len(data) == BRICK_BYTES else None


class Radio:
    """Finds bricks for all ports of this host. `trouble`: why nothing can be found, in plain words, or None."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self._air = asyncio.Lock()
        self._wanted: dict[bytes, asyncio.Future[Found]] = {}
        self._needed = asyncio.Event()
        self._freed = False

    async def find(self, brick: bytes) -> Found:
        """Waits until this brick is heard, while `run` runs."""
        waiting = self._wanted.get(brick)
        if waiting is None:
            waiting = self._wanted[brick] = asyncio.get_running_loop().create_future()
        self._needed.set()
        try:
            return await asyncio.shield(waiting)
        finally:
            if self._wanted.get(brick) is waiting:
                del self._wanted[brick]

    @contextlib.asynccontextmanager
    async def connecting(self) -> AsyncGenerator[None]:
        """Adapters do not scan and connect well at once: whoever connects has the air for itself."""
        async with self._air:
            yield

    async def scan(self, seconds: float) -> list[Found]:
        """Every brick heard within `seconds`, the nearest first. Raises what RadioFailed lists."""
        heard: dict[bytes, Found] = {}

        def came(device: BLEDevice, advertisement: AdvertisementData) -> None:
            brick = brick_of(advertisement)
            if brick is not None:
                heard[brick] = Found(brick, device, advertisement.rssi, advertisement.local_name)

        async with self._air, BleakScanner(came, service_uuids=[SERVICE]):
            await asyncio.sleep(seconds)
        return sorted(heard.values(), key=lambda found: -found.rssi)

    async def run(self) -> None:
        """Scans whenever somebody looks for a brick, until cancelled."""
        while True:
            if not self._wanted:
                self._needed.clear()
                await self._needed.wait()
            try:
                await self._free_stale()
                async with self._air:
                    await self._listen()
                self.trouble = None
            except RadioFailed as failed:
                self._say(plain(failed))
                await asyncio.sleep(TROUBLE_S)
                continue
            await asyncio.sleep(PAUSE_S)

    async def _listen(self) -> None:
        heard = asyncio.Event()

        def came(device: BLEDevice, advertisement: AdvertisementData) -> None:
            brick = brick_of(advertisement)
            waiting = None if brick is None else self._wanted.get(brick)
            if brick is None or waiting is None or waiting.done():
                return
            waiting.set_result(Found(brick, device, advertisement.rssi, advertisement.local_name))
            heard.set()

        async with BleakScanner(came, service_uuids=[SERVICE]):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SCAN_S):
                    await heard.wait()

    async def _free_stale(self) -> None:
        """Connections that a killed program left behind: BlueZ keeps them, and such a brick advertises no more."""
        if self._freed:
            return
        adapter = await BleakAdapter.get()
        for device in await adapter.get_connected_devices([SERVICE]):
            log.info("%s is still connected from an earlier start; disconnecting", device.address)
            with contextlib.suppress(*RadioFailed):
                async with BleakClient(device):
                    pass
        self._freed = True

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("%s", trouble)
        self.trouble = trouble


def plain(failed: BaseException) -> str:
    """What went wrong, in words for a screen."""
    if isinstance(failed, (BleakBluetoothNotAvailableError, FileNotFoundError)):
        return "no Bluetooth on this machine: is there an adapter, and does the service bluetooth run?"
    if isinstance(failed, TimeoutError):
        return "did not answer in time"
    words = str(failed) or type(failed).__name__
    if "org.bluez.Error.NotReady" in words or "No powered" in words:
        return "Bluetooth is switched off: rfkill unblock bluetooth"
    if "AccessDenied" in words or "Rejected send message" in words:
        return "no permission for Bluetooth: add this user to the group bluetooth"
    return words[:120]
