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
# A brick that is not heard for so long may still be connected from an earlier start.
UNHEARD_S = 30.0
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
        self._freed_s: float | None = None  # when connections of an earlier start were ended last
        self._since: dict[bytes, float] = {}  # since when each is looked for
        self.ours: set[str] = set()  # addresses that ports here are connected to, or about to be

    async def find(self, brick: bytes) -> Found:
        """Waits until this brick is heard, while `run` runs."""
        waiting = self._wanted.get(brick)
        if waiting is None:
            loop = asyncio.get_running_loop()
            waiting = self._wanted[brick] = loop.create_future()
            self._since[brick] = loop.time()
        self._needed.set()
        try:
            return await asyncio.shield(waiting)
        finally:
            if self._wanted.get(brick) is waiting:
                del self._wanted[brick]
                self._since.pop(brick, None)

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
            except Exception as failed:  # the last line of defence, as in ble.py
                log.exception("the scan failed in a way nobody expected")
                self._say(f"Bluetooth failed unexpectedly ({type(failed).__name__}); trying again")
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
        """Connections that a killed program left behind: BlueZ keeps them, and such a brick advertises no more.

        At the start, and again while a brick is not heard for long. What ports here are connected to stays."""
        now = asyncio.get_running_loop().time()
        if self._freed_s is not None:
            unheard = any(now - since > UNHEARD_S for since in self._since.values())
            if not unheard or now - self._freed_s < UNHEARD_S:
                return
        adapter = await BleakAdapter.get()
        for device in await adapter.get_connected_devices([SERVICE]):
            if device.address in self.ours:
                continue
            log.info("%s is still connected from an earlier start; disconnecting", device.address)
            with contextlib.suppress(*RadioFailed):
                async with BleakClient(device):
                    pass
        self._freed_s = now

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("%s", trouble)
        self.trouble = trouble


def stale_pairing(failed: BleakError) -> bool:
    """Whether this machine holds a pairing that the brick knows nothing of: bricks pair with nobody (docs/formats/ble.md)."""
    return any(word in str(failed) for word in ("AuthenticationFailed", "Insufficient Authentication"))


def plain(failed: BaseException) -> str:
    """What went wrong, in words for a screen."""
    if isinstance(failed, BleakError) and stale_pairing(failed):
        return "an old pairing of this machine was in the way and is removed; a brick needs none"
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
