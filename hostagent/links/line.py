"""A line to one brick: its port, the session on it, and the clock that drives both."""

import asyncio

from hostagent.config import BrickConfig
from hostagent.links.serial import Port
from hostagent.links.session import Session

# A line is looked after at least this often: clocks, nudges and resends need no finer grain.
TICK_S = 0.2
# And not more often than this, whatever the link says is due.
BREATH_S = 0.01


class Line:
    """One configured port. Build it, set `session`, then `run` it until cancelled."""

    def __init__(self, expected: BrickConfig) -> None:
        self.expected = expected
        self.port = Port(expected.port, expected.baud, self._opened, self._received, self._closed)
        self.session: Session | None = None

    async def run(self) -> None:
        """Keeps the port open while it is there and the session alive on it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.port.run(), name=f"port {self.expected.name}")
            group.create_task(self._tick(), name=f"tick {self.expected.name}")

    @property
    def brick(self) -> bytes | None:
        """The brick whose link is up on this line."""
        session = self.session
        if session is None or session.brick is None or not self.port.is_open:
            return None
        return session.brick.brick

    async def _tick(self) -> None:
        while True:
            due = TICK_S
            if self.session is not None and self.port.is_open:
                due = min(TICK_S, max(BREATH_S, self.session.tick() / 1000))
            await asyncio.sleep(due)

    def _opened(self) -> None:
        if self.session is not None:
            self.session.opened()

    def _received(self, data: bytes) -> None:
        if self.session is not None:
            self.session.received(data)

    def _closed(self, reason: str) -> None:
        if self.session is not None:
            self.session.port_closed(reason)
