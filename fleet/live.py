"""The live stream: what was just published, to everybody who listens; a slow listener loses the oldest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from weakref import WeakSet

from fleet.public import LiveEvent

WAITING = 512  # events kept for one listener
LISTENERS = 1000


class Listener(AsyncIterator[LiveEvent]):
    """One reader's queue: iterate it; it ends when the program does. Forgotten when nobody holds it any
    more."""

    def __init__(self) -> None:
        self._events: deque[LiveEvent] = deque(maxlen=WAITING)
        self._ready = asyncio.Event()
        self._closed = False

    async def __anext__(self) -> LiveEvent:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._events.popleft()

    def put(self, events: Sequence[LiveEvent]) -> int:
        """Adds events; returns how many older ones fell out."""
        lost = max(0, len(self._events) + len(events) - WAITING)
        self._events.extend(events)
        self._ready.set()
        return lost

    def close(self) -> None:
        """Ends it once what it holds is read."""
        self._closed = True
        self._ready.set()


class Live:
    """Passes events from the publishing thread to the listeners on the event loop."""

    def __init__(self) -> None:
        self._listeners: WeakSet[Listener] = WeakSet()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.dropped = 0

    def start(self) -> None:
        """Binds to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Ends every stream."""
        self._loop = None
        for listener in list(self._listeners):
            listener.close()

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def room(self) -> bool:
        """Whether one more may listen."""
        return len(self._listeners) < LISTENERS

    def subscribe(self) -> Listener:
        """Everything that is sent from this moment on. Call it on the event loop."""
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def send(self, events: Sequence[LiveEvent]) -> None:
        """Hands events over; from any thread."""
        loop = self._loop
        if loop is not None and events:
            loop.call_soon_threadsafe(self._deliver, events)

    def _deliver(self, events: Sequence[LiveEvent]) -> None:
        for listener in list(self._listeners):
            self.dropped += listener.put(events)
