"""The far end of a brick's event port: events in, several at a time, outcomes and the heap's state out."""

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from stallmark import cbor, event, frame
from stallmark import registry as reg

FRAME_EVENT, FRAME_OUTCOME, FRAME_HEAP_WANTED, FRAME_HEAP = 64, 65, 66, 67
WINDOW = 16  # events on their way at once: more than the brick's buffer holds, so that it never waits
SECONDS = 20.0


class Outcome(NamedTuple):
    """What became of an event: the record's kind and seq, None where denials were merged or none could be written."""

    kind: int | None
    seq: int | None


class Heap(NamedTuple):
    """Bytes after a collection."""

    used: int
    free: int


class EventPort:
    """A context in a running event loop. `check()` raises when the brick is gone and nobody will answer."""

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self._path = path
        self._check = check
        self._reader = frame.Reader()
        self._arrived = asyncio.Event()
        self.outcomes: list[Outcome] = []
        self._heaps: list[Heap] = []

    def __enter__(self) -> "EventPort":
        self._handle = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._handle)
        asyncio.get_running_loop().add_reader(self._handle, self._readable)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)

    async def tap(self, subjects: Iterable[bytes], seconds: float = SECONDS) -> list[Outcome]:
        """Taps of issued tags of these people, in order; their outcomes. TimeoutError when none comes for `seconds`."""
        before = sent = len(self.outcomes)
        for subject in subjects:
            e = event.make(type=reg.EVENT_NFC_TAP, trust=reg.TRUST_ISSUED, subject=subject, nonce=os.urandom(8))
            os.write(self._handle, frame.build(FRAME_EVENT, event.encode(e)))
            sent += 1
            while sent - len(self.outcomes) >= WINDOW:
                await self._more(seconds)
        while len(self.outcomes) < sent:
            await self._more(seconds)
        return self.outcomes[before:]

    async def heap(self) -> Heap:
        """What is in use now, after a collection."""
        before = len(self._heaps)
        os.write(self._handle, frame.build(FRAME_HEAP_WANTED, b""))
        while len(self._heaps) == before:
            await self._more(SECONDS)
        return self._heaps[-1]

    async def _more(self, seconds: float) -> None:
        self._check()
        self._arrived.clear()
        await asyncio.wait_for(self._arrived.wait(), seconds)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for kind, body in self._reader.feed(os.read(self._handle, 65536)):
                if kind == FRAME_OUTCOME:
                    self.outcomes.append(Outcome(*cbor.decode(body)[1:]))
                elif kind == FRAME_HEAP:
                    self._heaps.append(Heap(*cbor.decode(body)))
        self._arrived.set()
