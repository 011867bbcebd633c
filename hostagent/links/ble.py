"""One brick's radio link as a port: found by its identity, connected, pulled from, written to, and found again."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakError

from hostagent.clock import monotonic_ms
from hostagent.core import FormatError, pulled
from hostagent.links.radio import (
    BELL,
    INTO,
    OUT,
    PULL,
    SERVICE,
    Found,
    Radio,
    RadioFailed,
    plain,
    stale_pairing,
)

CONNECT_S = 15.0
# A request that takes longer is a broken connection.
REQUEST_S = 6.0
# Where no notification came, it is looked this often all the same; and this soon while the brick may be answering: a brick
# rings at most every 50 ms, and an install is a question and an answer a hundred times.
POLL_S = 1.0
AWAIT_S = 0.03
EAGER_S = 0.4
# An older value was read: the brick's handler had not run yet.
STALE_S = 0.02
STALE_TRIES = 50
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# A connection that held for this long ends a row of failures.
STEADY_S = 5.0
# As on a serial port: what a silent peer does not take is dropped, and resent by the link.
WRITE_BUFFER = 16 * 1024
# So long after the last bytes the line still counts as carrying some.
QUIET_MS = 150
log = logging.getLogger("hostagent.ble")


class Broken(BleakError):
    """The connection does not do what docs/formats/ble.md says."""


@dataclass
class _Parts:
    """The characteristics of a connected brick."""

    client: BleakClient
    into: BleakGATTCharacteristic
    pull: BleakGATTCharacteristic
    out: BleakGATTCharacteristic
    bell: BleakGATTCharacteristic


class BlePort:
    """Keeps one brick connected while it is in range. `run` until cancelled; the same words as links.serial.Port."""

    kind = "ble"

    def __init__(
        self,
        brick: bytes,
        name: str,
        radio: Radio,
        opened: Callable[[], None],
        received: Callable[[bytes], None],
        closed: Callable[[str], None],
        jitter: random.Random | None = None,
    ) -> None:
        self.brick = brick
        self.name = name
        self.state = "not connected yet"
        self.since_ms = monotonic_ms()
        self.overruns = 0
        self.rssi: int | None = None
        self.address: str | None = None
        self.connections = 0
        self.polled = 0  # pulls that found something though no notification had told of it
        self._radio = radio
        self._opened = opened
        self._received = received
        self._closed = closed
        self._jitter = jitter or random.Random()
        self._out = bytearray()
        self._open = False
        self._writes = asyncio.Event()
        self._ring = asyncio.Event()
        self._rang = False
        self._gone = asyncio.Event()
        self._moved_ms = 0
        self._wrote_s = 0.0

    @property
    def path(self) -> str:
        """What a screen shows as its place."""
        return self.address or "Bluetooth"

    @property
    def is_open(self) -> bool:
        """Whether bytes can flow now."""
        return self._open

    @property
    def busy(self) -> bool:
        """Whether bytes are on their way: then a missing acknowledgement proves nothing."""
        return self._open and (bool(self._out) or monotonic_ms() - self._moved_ms < QUIET_MS)

    async def run(self) -> None:
        """Looks for the brick and serves it, until cancelled."""
        attempt = 0
        while True:
            trouble = self._radio.trouble
            self._say("looking for it" if trouble is None else trouble)
            found = await self._find()
            began = asyncio.get_running_loop().time()
            try:
                await self._serve(found)
                reason = "the connection broke"
            except RadioFailed as failed:
                reason = plain(failed)
            except FormatError as wrong:
                reason = f"speaks another language ({wrong})"
            except Exception as failed:  # the last line of defence: a radio must not end the cables, the till, the screen
                log.exception("%s: the radio failed in a way nobody expected", self.name)
                reason = f"failed unexpectedly ({type(failed).__name__}); trying again"
            steady = asyncio.get_running_loop().time() - began >= STEADY_S
            attempt = 0 if steady else attempt + 1
            self._say(reason)
            wait = RETRY_S[min(attempt, len(RETRY_S) - 1)]
            # Bricks that broke together are not to come back together.
            await asyncio.sleep(wait * (0.5 + self._jitter.random()))

    def write(self, data: bytes) -> None:
        """Queues bytes; over the limit they are dropped, counted, and resent by the link."""
        if not self._open:
            return
        if len(self._out) + len(data) > WRITE_BUFFER:
            self.overruns += 1
            return
        self._out += data
        self._writes.set()

    # --- one connection

    async def _find(self) -> Found:
        finding = asyncio.create_task(self._radio.find(self.brick), name=f"find {self.name}")
        try:
            while not finding.done():
                await asyncio.wait((finding,), timeout=1.0)
                if self._radio.trouble is not None:
                    self._say(self._radio.trouble)
                elif not finding.done() and monotonic_ms() - self.since_ms > 5000:
                    self._say("not in range, or switched off")
            return finding.result()
        finally:
            finding.cancel()

    async def _serve(self, found: Found) -> None:
        """Raises what RadioFailed lists, FormatError. Returns when the brick disconnected."""
        self.rssi, self.address = found.rssi, found.device.address
        self._gone.clear()
        client = BleakClient(found.device, lambda _client: self._gone.set(), timeout=CONNECT_S)
        try:
            async with self._radio.connecting():
                self._say("connecting")
                self._radio.ours.add(found.device.address)
                async with asyncio.timeout(CONNECT_S):
                    await client.connect()
            parts = _parts(client)
            self._rang = False
            async with asyncio.timeout(REQUEST_S):
                await client.start_notify(parts.bell, self._bell)
            await self._carry(parts)
        except BleakError as failed:
            if stale_pairing(failed):
                log.warning("%s: an old pairing of this machine is in the way; removing it", self.name)
                with contextlib.suppress(*RadioFailed):
                    async with asyncio.timeout(REQUEST_S):
                        await client.unpair()
            raise
        finally:
            self._shut()
            self._radio.ours.discard(found.device.address)
            with contextlib.suppress(*RadioFailed):
                async with asyncio.timeout(REQUEST_S):
                    await client.disconnect()

    async def _carry(self, parts: _Parts) -> None:
        self._out.clear()
        self._writes.clear()
        self._ring.set()
        self._open = True
        self.connections += 1
        self._say("open")
        self._opened()
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._writing(parts), name=f"write {self.name}"),
            asyncio.create_task(self._pulling(parts), name=f"pull {self.name}"),
            asyncio.create_task(self._gone.wait(), name=f"watch {self.name}"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for failed in ended:
            if isinstance(failed, Exception):
                raise failed

    async def _writing(self, parts: _Parts) -> None:
        while True:
            if not self._out:
                self._writes.clear()
                await self._writes.wait()
            most = min(pulled.MAX_VALUE, max(20, parts.into.max_write_without_response_size))
            data = bytes(self._out[:most])
            async with asyncio.timeout(REQUEST_S):
                await parts.client.write_gatt_char(parts.into, data, response=True)
            del self._out[: len(data)]
            self._moved_ms = monotonic_ms()
            self._wrote_s = asyncio.get_running_loop().time()

    async def _pulling(self, parts: _Parts) -> None:
        sink: Any = pulled.Sink()
        while True:
            # What is written is mostly answered at once: there a notification is only waited for a moment.
            eager = asyncio.get_running_loop().time() - self._wrote_s < EAGER_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AWAIT_S if eager else POLL_S):
                    await self._ring.wait()
            told, self._rang = self._rang, False
            self._ring.clear()
            while data := await self._slice(parts, sink):
                self.polled += not told
                told = True
                self._moved_ms = monotonic_ms()
                self._received(data)

    async def _slice(self, parts: _Parts, sink: Any) -> bytes:
        """The next slice, b"" where nothing waits. The index goes without response: what is read tells whether it arrived."""
        request = bytes(pulled.pull(sink.want))
        for attempt in range(STALE_TRIES):
            async with asyncio.timeout(REQUEST_S):
                # Every third time surely: a lost command would be read after for ever.
                if attempt % 3 == 0:
                    await parts.client.write_gatt_char(parts.pull, request, response=attempt > 0)
                data: bytes | None = sink.take(bytes(await parts.client.read_gatt_char(parts.out)))
            if data is not None:
                return data
            await asyncio.sleep(STALE_S)
        raise Broken("gives other slices than it is asked for")

    def _bell(self, _characteristic: BleakGATTCharacteristic, _index: bytearray) -> None:
        self._rang = True
        self._ring.set()

    def _shut(self) -> None:
        if self._open:
            self._open = False
            self._out.clear()
            self._closed("the radio connection broke")

    def _say(self, state: str) -> None:
        if state != self.state:
            log.info("%s: %s", self.name, state)
            self.state = state
            self.since_ms = monotonic_ms()


def _parts(client: BleakClient) -> _Parts:
    """The characteristics. Raises Broken where this is no brick of this version."""
    service = client.services.get_service(SERVICE)
    if service is None:
        raise Broken("is no Stallmark brick of this version: its service is missing")
    found = [service.get_characteristic(uuid) for uuid in (INTO, PULL, OUT, BELL)]
    into, pull, out, bell = found
    if into is None or pull is None or out is None or bell is None:
        raise Broken("is no Stallmark brick of this version: a characteristic is missing")
    return _Parts(client, into, pull, out, bell)
