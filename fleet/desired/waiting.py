"""Hosts that wait for another directive: one future each, woken by kit; bounded, and a newer wait ends an older one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

MOST = 8_000  # hosts that wait at a time
EACH = 2  # of one kit: a host that lost its connection comes back before its old one is known to be gone
LONGEST_S = 60.0
BUSY = 0.8  # from this part of MOST on hosts are asked to come back later
SOON_S, LATER_S = 0.0, 20.0  # hint between two questions


class Waiting:
    """Everything on one event loop."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kits: dict[bytes, list[asyncio.Future[bool]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.count = 0

    def start(self) -> None:
        """On the event loop that will serve."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Nobody waits any more, nor will."""
        self._loop = None
        for kit in list(self._kits):
            self._wake(kit)

    def changed(self, kits: Iterable[bytes]) -> None:
        """These kits have another directive. From any thread."""
        loop, wanted = self._loop, list(kits)
        if loop is not None and wanted:
            loop.call_soon_threadsafe(lambda: [self._wake(kit) for kit in wanted])

    @property
    def full(self) -> bool:
        """Whether one more is too many."""
        return self.count >= self._most

    def hint_s(self) -> float:
        """How long a host should leave before it asks again, before its own jitter."""
        return LATER_S if self.count > BUSY * self._most else SOON_S

    @staticmethod
    def retry_s() -> int:
        """After how long a host that finds no room should try again: hosts do not all come back at once."""
        return random.randint(5, 30)

    async def wait(self, kit: bytes, seconds: float) -> bool:
        """Until this kit may have another directive, or for so long at most; whether it was woken."""
        if self._loop is None:
            return False
        future: asyncio.Future[bool] = self._loop.create_future()
        mine = self._kits.setdefault(kit, [])
        if len(mine) >= EACH:
            _end(mine.pop(0), False)
        mine.append(future)
        self.count += 1
        timer = self._loop.call_later(seconds, _end, future, False)
        try:
            return await future
        finally:
            timer.cancel()
            self.count -= 1
            if future in mine:
                mine.remove(future)
            if not mine and self._kits.get(kit) is mine:
                del self._kits[kit]

    def _wake(self, kit: bytes) -> None:
        for future in self._kits.pop(kit, []):
            _end(future, True)


def _end(future: asyncio.Future[bool], woken: bool) -> None:
    if not future.done():
        future.set_result(woken)
