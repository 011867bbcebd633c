"""The live stream: what was just published, to everybody who listens; a slow listener loses the oldest."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import AsyncIterator, Sequence
from weakref import WeakSet

from fleet.public import LiveEvent

WAITING = 512  # events kept for one listener
LISTENERS = 500
OF_ONE_ADDRESS = 50  # a whole stall's visitors behind one address; an IPv6 address counts as its /64


def neighbourhood(address: str) -> str:
    """What counts as one address: an IPv4 address, the /64 of an IPv6 one, any other text as it is."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))


class Listener(AsyncIterator[LiveEvent]):
    """One reader's queue: iterate it; it ends when the program does. Forgotten when nobody holds it any
    more."""

    def __init__(self, address: str = "") -> None:
        self.address = address
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

    def room(self, address: str) -> bool:
        """Whether one more may listen from there."""
        near = neighbourhood(address)
        here = list(self._listeners)
        return len(here) < LISTENERS and sum(one.address == near for one in here) < OF_ONE_ADDRESS

    def subscribe(self, address: str = "") -> Listener:
        """Everything that is sent from this moment on, to a listener at an address. Call it on the event
        loop."""
        listener = Listener(neighbourhood(address))
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
