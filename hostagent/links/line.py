"""A line to one brick: its ports, the session that goes over one of them, and the clock that drives both."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hostagent.clock import monotonic_ms
from hostagent.config import BrickConfig
from hostagent.core import frame_type, reg
from hostagent.links.serial import Port
from hostagent.links.session import Session

if TYPE_CHECKING:
    from hostagent.links.radio import Radio

# A line is looked after at least this often: clocks, nudges and resends need no finer grain.
TICK_S = 0.2
# And not more often than this, whatever the link says is due.
BREATH_S = 0.01
_SESSION = (reg.FRAME_SEALED, reg.FRAME_ACK)


class AnyPort(Protocol):
    """What a serial port and a radio connection have in common. `kind`: "serial" or "ble"."""

    kind: str
    state: str
    since_ms: int
    overruns: int

    @property
    def path(self) -> object: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def busy(self) -> bool: ...
    async def run(self) -> None: ...
    def write(self, data: bytes) -> None: ...


class Line:
    """One configured brick. Build it, set `session`, then `run` it until cancelled.

    Its ports stand in the order in which they are preferred. A session goes on when it moves from one to another: the
    brick answers where the host last said something new. While there is no session every open port may begin one.
    """

    def __init__(self, expected: BrickConfig, radio: "Radio | None" = None) -> None:
        self.expected = expected
        self.ports: list[AnyPort] = []
        self.session: Session | None = None
        self.moves = 0
        self.stranger: bytes | None = None  # another brick that is on the cable of this one
        self._active = 0
        self._answering: int | None = None
        self._handshakes = 0
        self._held = 0
        self._last = monotonic_ms()
        self._was_busy = False
        for kind in expected.links:
            number = len(self.ports)
            opened, received, closed = self._opened(number), self._received(number), self._closed(number)
            if kind == "serial":
                assert expected.port is not None
                self.ports.append(Port(expected.port, expected.baud, opened, received, closed))
            else:
                # bleak takes a third of a second to load: only where a brick is reached by it.
                from hostagent.links.ble import BlePort

                assert radio is not None
                self.ports.append(BlePort(expected.brick, expected.name, radio, opened, received, closed))

    async def run(self) -> None:
        """Keeps the ports open while they are there and the session alive on one of them."""
        async with asyncio.TaskGroup() as group:
            for port in self.ports:
                group.create_task(port.run(), name=f"{port.kind} {self.expected.name}")
            group.create_task(self._tick(), name=f"tick {self.expected.name}")

    @property
    def port(self) -> AnyPort:
        """The one that carries the session, or would."""
        return self.ports[self._active]

    @property
    def brick(self) -> bytes | None:
        """The brick whose link is up on this line."""
        session = self.session
        if session is None or session.brick is None or not any(port.is_open for port in self.ports):
            return None
        return session.brick.brick

    def link_ms(self) -> int:
        """The link's clock: it stands still while a slow port still carries bytes, so that nothing counts as lost that
        is on its way."""
        now = monotonic_ms()
        busy = self.port.busy
        if busy and self._was_busy:
            self._held += now - self._last
        self._was_busy, self._last = busy, now
        return now - self._held

    def write(self, data: bytes) -> None:
        """A frame of the session goes to the port that carries it, an answer to where the question came from, anything
        else to every open port."""
        session = self.session
        if frame_type(data) in _SESSION:
            self.port.write(data)
        elif self._answering is not None:
            self.ports[self._answering].write(data)
        elif session is not None and session.link.up:
            self.port.write(data)
        else:
            for port in self.ports:
                port.write(data)

    async def _tick(self) -> None:
        while True:
            due = TICK_S
            if self.session is not None and any(port.is_open for port in self.ports):
                due = min(TICK_S, max(BREATH_S, self.session.tick() / 1000))
            await asyncio.sleep(due)

    # --- what ports tell

    def _opened(self, number: int) -> Callable[[], None]:
        def opened() -> None:
            session = self.session
            if session is None:
                return
            if number == self._active or not self.port.is_open or number < self._active:
                self._move(number)
            session.opened(number)

        return opened

    def _received(self, number: int) -> Callable[[bytes], None]:
        def received(data: bytes) -> None:
            session = self.session
            if session is None:
                return
            self._answering = number
            try:
                session.received(data, number)
            finally:
                self._answering = None
            if session.link.handshakes != self._handshakes:
                # The handshake that ended just now came over this port.
                self._handshakes = session.link.handshakes
                self._active = number

        return received

    def _closed(self, number: int) -> Callable[[str], None]:
        def closed(reason: str) -> None:
            if self.session is None:
                return
            if number == self._active:
                for other, port in enumerate(self.ports):
                    if port.is_open:
                        self._move(other)
                        return
            self.session.port_closed(reason)

        return closed

    def _move(self, number: int) -> None:
        if number == self._active:
            return
        self._active = number
        session = self.session
        if session is not None and session.link.up:
            self.moves += 1
            session.moved()

    def admits(self, kind: int, body: bytes) -> bool:
        """False for the handshake of another brick where this line has several ports: two bricks must not share one
        session. With one port any brick of the kit may be on it."""
        if kind != reg.FRAME_M1 or len(self.ports) == 1:
            return True
        own = bytes(body[:8]) == self.expected.brick
        self.stranger = None if own else bytes(body[:8])
        return own
