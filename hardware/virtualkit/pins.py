"""A brick's pins as the kit sees them: lines in a FIFO, stamped on arrival; the light and its history."""

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

GRANTED = "granted"
NOTHING = "nothing this time"
ASK = "ask at the stall"
FAULT = "fault"

Colour = tuple[int, int, int]
OUTCOMES: dict[Colour, str] = {(0, 1, 0): GRANTED, (0, 0, 1): NOTHING, (1, 1, 0): ASK, (1, 0, 0): FAULT}
DARK: Colour = (0, 0, 0)

_BLINK_NS = 120_000_000  # amber and red blink: dark for longer than this means that the pattern is over
_KEPT_EDGES = 256
_MAX_LINE = 256
_MAX_DIGITS = 12
_KEPT_PROGRAMS = 16384


class Pins:
    """The FIFO `path`. Each line goes to `line(text, ns)` with the monotonic instant at which it was read."""

    def __init__(self, path: Path, line: Callable[[str, int], None]) -> None:
        self.path = path
        self._line = line
        self._rest = b""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        # Open for writing too: without a writer a FIFO reports its end over and over.
        self._handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._handle, self._readable)

    def close(self) -> None:
        """Removes the FIFO."""
        self._loop.remove_reader(self._handle)
        os.close(self._handle)
        self.path.unlink(missing_ok=True)

    def drain(self) -> None:
        """Takes in what a process that has ended left behind."""
        self._readable()
        self._rest = b""

    def _readable(self) -> None:
        while True:
            data = b""
            with contextlib.suppress(BlockingIOError):
                data = os.read(self._handle, 4096)
            if not data:
                return
            stamp = time.monotonic_ns()
            *lines, rest = (self._rest + data).split(b"\n")
            self._rest = rest[-_MAX_LINE:]
            for line in lines:
                self._line(line.decode("ascii", "replace"), stamp)


def number(text: str) -> int | None:
    """A count of at most twelve digits; None for anything else."""
    return int(text) if len(text) <= _MAX_DIGITS and text.isascii() and text.isdecimal() else None


@dataclass(frozen=True)
class Program:
    """One completed program of the flash. `start`: how often the brick had started by then; `count`: since that start."""

    start: int
    count: int
    offset: int
    size: int


class Writes:
    """What a brick said of its flash, in the order of its pin lines, with the lights' lines between them.

    Whoever follows hears of everything from the first start on, or of the newest lines only if they are many.
    """

    def __init__(self) -> None:
        self.starts = 0
        self._lines: deque[Program] = deque(maxlen=_KEPT_PROGRAMS)
        self._followers: list[Callable[[Program], None]] = []

    def booted(self) -> None:
        """The brick starts: its next lines belong to another process, which counts from 1."""
        self.starts += 1

    def took(self, words: list[str]) -> None:
        """A line such as "P 57 1310720 256" came from the brick: count, offset, bytes. Another one is no line."""
        numbers = [value for word in words if (value := number(word)) is not None]
        if len(words) == len(numbers) == 3:
            program = Program(self.starts, *numbers)
            self._lines.append(program)
            for follower in self._followers:
                follower(program)

    def follow(self, follower: Callable[[Program], None]) -> None:
        """Calls `follower` with what came so far, and then with every line before the next one is looked at."""
        for program in self._lines:
            follower(program)
        self._followers.append(follower)


@dataclass(frozen=True)
class Edge:
    """A change of the light."""

    at_ns: int
    colour: Colour
    programs: int | None = None
    """How many programs of the flash the brick had completed when it set the light; None where it did not say."""

    @property
    def outcome(self) -> str | None:
        """What the customer reads from it; None for dark and for colours that are no outcome."""
        return OUTCOMES.get(self.colour)


class Light:
    """The light and its history. `listeners` are called with every edge."""

    def __init__(self) -> None:
        self.colour: Colour = DARK
        self.edges: deque[Edge] = deque(maxlen=_KEPT_EDGES)
        self.count = 0
        self.listeners: list[Callable[[Edge], None]] = []
        self._changed = asyncio.Event()
        self._powered = True

    def took(self, text: str, at_ns: int, programs: str = "") -> None:
        """A line such as "110 57" came from the brick: colours, programs of the flash."""
        if len(text) != 3 or set(text) - {"0", "1"}:
            return
        self._edge(Edge(at_ns, (int(text[0]), int(text[1]), int(text[2])), number(programs)))

    def power(self, on: bool) -> None:
        """Power comes or goes: without it the light is dark and nobody waits on."""
        self._powered = on
        if not on and self.colour != DARK:
            self._edge(Edge(time.monotonic_ns(), DARK))
        self._wake()

    async def outcome_after(self, at_ns: int, seconds: float, overlooked: Collection[str] = ()) -> Edge | None:
        """The first edge from `at_ns` on that tells an outcome; None if none comes in time or power goes.

        `overlooked`: outcomes that this customer does not take for an answer, such as the red of a part that is in trouble.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            for edge in self.edges:
                if edge.at_ns >= at_ns and edge.outcome and edge.outcome not in overlooked:
                    return edge
            left = deadline - loop.time()
            if left <= 0 or not self._powered:
                return None
            await self._wait(left)

    async def settled(self, seconds: float) -> None:
        """Waits until no edge of an old pattern can be taken for a new outcome.

        Green and blue are lit once per pattern and give way at once; amber and red blink.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while loop.time() < deadline and self._powered:
            last_lit = next((edge for edge in reversed(self.edges) if edge.colour != DARK), None)
            if last_lit is None or last_lit.outcome in (GRANTED, NOTHING):
                return
            dark_ns = time.monotonic_ns() - self.edges[-1].at_ns if self.colour == DARK else 0
            if dark_ns > _BLINK_NS:
                return
            await self._wait(min(deadline - loop.time(), (_BLINK_NS - dark_ns) / 1e9 + 0.001))

    def _edge(self, edge: Edge) -> None:
        self.colour = edge.colour
        self.edges.append(edge)
        self.count += 1
        self._wake()
        for listener in self.listeners:
            listener(edge)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._changed.wait()
