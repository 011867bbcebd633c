"""The link's cable: a null modem between two pseudo-terminals, and what can be wrong with a cable."""

import asyncio
import random
import time
from collections import deque
from pathlib import Path

from virtualkit.faults import WireFaults
from virtualkit.pty import Pty
from virtualkit.timing import BITS_PER_BYTE, MS, Clock


class Lane:
    """One direction, sans-IO: `feed` what was written at one end, `take` what arrives at the other by now.

    The same seed, faults and chunks give the same bytes. `baud` 0: no pacing.
    """

    def __init__(self, seed: int = 0, baud: int = 0, clock: Clock = time.monotonic_ns) -> None:
        self.faults = WireFaults()
        self.passed = 0
        self._rng = random.Random(seed)
        self._byte_ns = BITS_PER_BYTE * 1_000_000_000 // baud if baud else 0
        self._clock = clock
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._free_at = 0

    def feed(self, data: bytes) -> None:
        """A chunk enters the cable."""
        faults, rng = self.faults, self._rng
        if faults.cut or (faults.lost and rng.random() < faults.lost):
            return
        copies = 2 if faults.doubled and rng.random() < faults.doubled else 1
        for _ in range(copies):
            chunk = self._spoil(data)
            start = max(self._clock() + faults.delay_ms * MS, self._free_at)
            self._free_at = start + self._byte_ns * len(chunk)
            self._chunks.append((self._free_at, chunk))

    def take(self) -> bytes:
        """What has arrived."""
        now = self._clock()
        out = bytearray()
        while self._chunks and self._chunks[0][0] <= now:
            out += self._chunks.popleft()[1]
        if self.faults.cut:
            return b""
        self.passed += len(out)
        return bytes(out)

    def due(self) -> int | None:
        """When something arrives next, or None."""
        return self._chunks[0][0] if self._chunks else None

    def clear(self) -> None:
        """Forgets what is under way."""
        self._chunks.clear()
        self._free_at = 0

    def _spoil(self, data: bytes) -> bytes:
        faults, rng = self.faults, self._rng
        if not (faults.flipped or faults.dropped or faults.inserted):
            return data
        out = bytearray()
        for byte in data:
            if rng.random() >= faults.dropped:
                out.append(byte ^ 1 << rng.randrange(8) if rng.random() < faults.flipped else byte)
            if rng.random() < faults.inserted:
                out.append(rng.randrange(256))
        return bytes(out)


class Wire:
    """A cable between a brick's UART at `brick_path` and the host's serial port at `host_path`.

    `up` is the lane from brick to host, `down` the other; their `faults` may be changed at any time.
    Must be made in a running event loop.
    """

    def __init__(
        self,
        brick_path: Path,
        host_path: Path,
        seed: int = 0,
        baud: int = 0,
        clock: Clock = time.monotonic_ns,
    ) -> None:
        self.up = Lane(seed * 2, baud, clock)
        self.down = Lane(seed * 2 + 1, baud, clock)
        self.brick = Pty(brick_path, lambda data: self._enter(self.up, data))
        self.host = Pty(host_path, lambda data: self._enter(self.down, data))
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self.brick.plug()
        self.host.plug()

    def close(self) -> None:
        """Removes both ports."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.brick.close()
        self.host.close()

    def inject(self, lane: Lane, data: bytes) -> None:
        """Bytes that somebody else puts on the cable, in the direction of `lane`."""
        self._enter(lane, data)

    def flush(self) -> None:
        """Forgets bytes on their way from and to the brick: it lost power."""
        self.up.clear()
        self.down.clear()
        self.brick.flush()

    def _enter(self, lane: Lane, data: bytes) -> None:
        lane.feed(data)
        self._deliver(lane)

    def _deliver(self, lane: Lane) -> None:
        (self.host if lane is self.up else self.brick).write(lane.take())
        key = id(lane)
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()
        due = lane.due()
        if due is not None:
            delay = max(0, due - self._clock()) / 1e9
            self._timers[key] = self._loop.call_later(delay, self._deliver, lane)
