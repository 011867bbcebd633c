"""The live stream: what was just published, to everybody who listens; a slow listener loses the oldest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from fleet.public import LiveEvent

WAITING = 512  # events kept for one listener
LISTENERS = 1000


class Live:
    """Passes events from the publishing thread to the listeners on the event loop."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.dropped = 0

    def start(self) -> None:
        """Binds to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Ends every stream."""
        for listener in self._listeners:
            listener.close()
        self._loop = None

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def room(self) -> bool:
        """Whether one more may listen."""
        return len(self._listeners) < LISTENERS

    def send(self, events: Sequence[LiveEvent]) -> None:
        """Hands events over; from any thread."""
        if self._loop is not None and events:
            self._loop.call_soon_threadsafe(self._deliver, events)

    async def subscribe(self) -> AsyncIterator[LiveEvent]:
        """Events from now on, until the program ends."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            while (event := await listener.next()) is not None:
                yield event
        finally:
            self._listeners.discard(listener)

    def _deliver(self, events: Sequence[LiveEvent]) -> None:
        for listener in self._listeners:
            self.dropped += listener.put(events)


class _Listener:
    def __init__(self) -> None:
        self._events: deque[LiveEvent] = deque(maxlen=WAITING)
        self._ready = asyncio.Event()
        self._closed = False

    def put(self, events: Sequence[LiveEvent]) -> int:
        lost = max(0, len(self._events) + len(events) - WAITING)
        self._events.extend(events)
        self._ready.set()
        return lost

    def close(self) -> None:
        self._closed = True
        self._ready.set()

    async def next(self) -> LiveEvent | None:
        while not self._events:
            if self._closed:
                return None
            self._ready.clear()
            await self._ready.wait()
        return self._events.popleft()
