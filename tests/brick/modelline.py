"""A UART in memory with a part's model at its other end, for drivers on CPython; a desk; a pulse. Time is the running loop's."""

import asyncio
from collections.abc import Callable
from typing import Any

from brick.counters import Counters
from leapingloop import now_ns


def ticks() -> int:
    """Milliseconds, as a port gives them."""
    return now_ns() // 1_000_000


class ModelLine:
    """The line that a driver takes: writes go to `model.feed`, what the model says comes from `readinto`."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.written = bytearray()
        self._waiting = bytearray()
        self._came = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        model.changed = self._kick

    def write(self, data: bytes) -> None:
        """From the driver."""
        self.written += data
        self.put(self.model.feed(bytes(data)))
        self._later()

    def put(self, data: bytes) -> None:
        """Bytes for the driver, from the model or from a test."""
        if data:
            self._waiting += data
            self._came.set()

    async def readinto(self, buffer: bytearray) -> int:
        """To the driver."""
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        n = min(len(buffer), len(self._waiting))
        buffer[:n] = self._waiting[:n]
        del self._waiting[:n]
        return n

    def _kick(self) -> None:
        self.put(self.model.poll())
        self._later()

    def _later(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = self.model.due()
        if due is not None:
            delay = max(0, due - now_ns()) / 1e9
            self._timer = asyncio.get_running_loop().call_later(delay, self._kick)


class Desk:
    """Takes what the readers hand in, and keeps it."""

    def __init__(self) -> None:
        self.taps: list[tuple[bytes, bytes | None]] = []
        self.proofs: list[Any] = []
        self.codes: list[bytes] = []
        self.troubles: list[int] = []
        self.counters = Counters()

    def tap(self, uid: bytes, ndef: bytes | None, proof: Any = None) -> None:
        self.taps.append((uid, ndef))
        self.proofs.append(proof)

    def scan(self, data: bytes) -> None:
        self.codes.append(data)

    def trouble(self, number: int) -> None:
        self.troubles.append(number)
        self.counters.add(number)


class Pulse:
    """Counts a task's signs of life."""

    def __init__(self) -> None:
        self.beats = 0

    def beat(self) -> None:
        self.beats += 1


async def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    """Lets the loop run until a condition holds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.001)
