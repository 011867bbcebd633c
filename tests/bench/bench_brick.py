"""The brick's memory: the smallest heap it runs in, and what is in use after 10,000 taps; decisions per second on the way.

Firmware, host and controller are the real ones. The unix port of MicroPython is a 64-bit program, in which the same objects
take one and a half times to twice the bytes that they take on an ESP32.
"""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from virtualkit import cards, dumps
from virtualkit.brick import BrickSpec, VirtualBrick
from virtualkit.brick_process import BrickCrashed
from virtualkit.cards import Card
from virtualkit.demo.stall import Stall, unready
from virtualkit.kitplan import BrickPlan, KitPlan
from virtualkit.newkit import NewKit, free_ports, new_kit
from workbench.application import compile_firmware

from tests.bench import Figure, say
from tests.bench.eventport import EventPort

KIB = 1024
PARTS = ("nfc", "events")
# Smallest heap
LEAST, MOST, STEP = 64 * KIB, 1024 * KIB, 4 * KIB
TAPS_TO_RUN = 20
PROBE_SECONDS = 15.0
# Many taps
PEOPLE, TAGS = 400, 100  # fewer together than the demo's ruleset remembers
FIRST = 100
NFC_SHARE = 20  # one tap in so many goes through the PN532
ROUND = 500
TRIES = 3
DRAIN_SECONDS = 60.0


def run(quick: bool = False) -> list[Figure]:
    """Smallest heap from source and from .mpy; heap in use after 10,000 (quick: 1,000) taps against after 100."""
    return [*asyncio.run(_smallest(STEP * 4 if quick else STEP)), *asyncio.run(_many(1_000 if quick else 10_000))]


@asynccontextmanager
async def _stall(folder: Path) -> AsyncIterator[tuple[Stall, NewKit]]:
    """A new kit of one brick with reader and event port; nothing is started yet, everything is stopped in the end."""
    fleet_port, host_port = free_ports()
    plan = KitPlan(
        name="bench",
        bricks=(BrickPlan("brick-1", PARTS),),
        fleet_port=fleet_port,
        host_port=host_port,
        start_ms=time.time_ns() // 1_000_000,
    )
    made = await asyncio.to_thread(new_kit, folder / "kit", plan, say)
    stall = Stall(made.folder, "fast", 1)
    try:
        yield stall, made
    finally:
        await stall.stop()


# --- the smallest heap


async def _smallest(step: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        say("mpy-cross compiles the firmware")
        await asyncio.to_thread(compile_firmware, folder / "mpy", "x64")
        async with _stall(folder) as (stall, _):
            await stall.fleet.start()
            await stall.host.start()
            probe = _Probe(stall)
            # The first start installs the ruleset: from then on it is on the flash, as at a stall.
            if not await probe.runs(MOST, None):
                raise RuntimeError(f"the brick does not run in {MOST // KIB} KiB of heap: {probe.why}")
            source = await _bisect(lambda heap: probe.runs(heap, None), step, "from source")
            mpy = await _bisect(lambda heap: probe.runs(heap, folder / "mpy"), step, "from .mpy")
    return [
        Figure("smallest heap, firmware as source", source / KIB, "KiB", "64-bit: up to twice an ESP32's bytes"),
        Figure("smallest heap, firmware as .mpy", mpy / KIB, "KiB", "as source", mpy / source),
    ]


async def _bisect(runs: Callable[[int], Any], step: int, what: str) -> int:
    """The smallest heap that ran, a heap smaller by at most `step` did not."""
    low, high = LEAST, MOST
    while high - low > step:
        middle = (low + high) // 2 // KIB * KIB
        say(f"smallest heap {what}: between {low // KIB} and {high // KIB} KiB")
        if await runs(middle):
            high = middle
        else:
            low = middle
    return high


class _Probe:
    """Starts the one brick again and again, in heaps of different size, on the same flash and against the same host."""

    def __init__(self, stall: Stall) -> None:
        self._stall = stall
        self._rng = random.Random(2)
        self.why = ""

    async def runs(self, heap: int, source: Path | None) -> bool:
        """True if the brick starts, has its session and its slices, and answers 20 taps, all without a MemoryError."""
        before = await self._line()
        spec = BrickSpec(
            "brick-1", PARTS, self._stall.folder.flash("brick-1"), timing="fast", heap=heap, source=source
        )
        brick = VirtualBrick(spec, self._stall.folder.run)
        began = time.monotonic()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await brick.start()
                await self._armed(brick, before["link"]["handshakes"], began)
                with EventPort(brick.events, brick.process.check) as port:
                    outcomes = await port.tap([self._rng.randbytes(8) for _ in range(TAPS_TO_RUN)])
                    # One more turn of the status: has a task failed meanwhile?
                    await self._armed(brick, before["link"]["handshakes"], began)
            self.why = "an event had no record"
            return all(outcome.seq is not None for outcome in outcomes)
        except BrickCrashed as crash:
            self.why = str(crash)
            if "MemoryError" not in self.why:
                raise
        except (TimeoutError, _NoMemory) as failed:
            self.why = f"{type(failed).__name__}: {failed}"
        finally:
            await brick.close()
        return False

    async def _line(self) -> dict[str, Any]:
        """What the host says of the brick."""
        status = await self._stall.host_status()
        assert status is not None, "the host does not answer"
        return status["bricks"][0]

    async def _armed(self, brick: VirtualBrick, handshakes: int, began: float) -> None:
        """Waits for a new session, ruleset and slices. Raises _NoMemory when a task of the brick says so on the link."""
        while True:
            brick.process.check()
            line = await self._line()
            for said in line["log"]:
                if "MemoryError" in said["text"] and said["age_s"] < time.monotonic() - began:
                    raise _NoMemory(said["text"])
            if line["link"]["handshakes"] > handshakes and unready(line) is None:
                return
            await asyncio.sleep(0.05)


class _NoMemory(Exception):
    """A task of the firmware ended with a MemoryError; the supervisor started it again."""


# --- many taps


async def _many(taps: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        async with _stall(Path(folder)) as (stall, made):
            await stall.start()
            await stall.armed(say)
            brick = stall.kit.bricks[0]
            with EventPort(brick.events, stall.check) as port:
                market = _Market(stall, port, made.event_key)
                await market.take(FIRST)
                first = await market.heap()
                await market.until(taps // 2)
                half = await market.heap()
                await market.until(taps)
                last = await market.heap()
    what = f"heap in use after {taps:,} taps ({market.nfc} through the PN532)"
    return [
        Figure(f"heap in use after {FIRST} taps", first, "B", "of 1 MiB, after a collection"),
        Figure(what, last, "B", f"after {FIRST} taps: slices of rights came meanwhile", last / first, 1.0, True),
        Figure(what, last, "B", f"after {taps // 2:,} taps: nothing else may grow", last / half, 1.0, True),
        Figure(
            "decisions at the event port",
            statistics.median(market.rates),
            "1/s",
            "journal, light and link included",
        ),
    ]


class _Market:
    """Taps from both sides, and the wait until everything they left is at the host."""

    def __init__(self, stall: Stall, port: EventPort, event_key: bytes) -> None:
        self._rng = rng = random.Random(1)
        self._stall = stall
        self._port = port
        self._people = [rng.randbytes(8) for _ in range(PEOPLE)]
        self._tags: Sequence[Card] = [cards.issued_tag(rng, event_key) for _ in range(TAGS)]
        self.taps = 0
        self.nfc = 0
        self.rates: list[float] = []

    async def until(self, taps: int) -> None:
        """Goes on until so many were taken."""
        while self.taps < taps:
            await self.take(min(ROUND, taps - self.taps))
            say(f"{self.taps:,} taps")

    async def take(self, taps: int) -> None:
        """So many taps, one in 20 of them a tag at the reader; returns when their records are durable at the host."""
        tags = taps // NFC_SHARE
        events = [self._rng.choice(self._people) for _ in range(taps - tags)]
        began = time.monotonic()
        await self._port.tap(events)
        self.rates.append(len(events) / (time.monotonic() - began))
        for _ in range(tags):
            await self._tag(self._tags[self.nfc % len(self._tags)])
            self.nfc += 1
        self.taps += taps
        await self._drained()

    async def _tag(self, card: Card) -> None:
        """A tag at the reader. On a busy machine the chip may answer too late and be set up anew: then once more."""
        for _ in range(TRIES):
            shown = await self._stall.kit.bricks[0].tap(dumps.parse(card.image))
            if shown.outcome is not None:
                return
        raise RuntimeError(f"the reader saw nothing of tag {self.nfc} in {TRIES} tries")

    async def _drained(self) -> None:
        """Every record that an outcome named is durable at the host."""
        newest = max((outcome.seq or 0 for outcome in self._port.outcomes), default=0)
        async with asyncio.timeout(DRAIN_SECONDS):
            while True:
                self._stall.check()
                status = await self._stall.host_status()
                if status is not None and status["bricks"][0]["records"]["durable_seq"] >= newest:
                    return
                await asyncio.sleep(0.05)

    async def heap(self) -> float:
        """Bytes in use, the middle of five looks: what is on its way over the link comes and goes."""
        looks: list[int] = []
        for _ in range(5):
            looks.append((await self._port.heap()).used)
            await asyncio.sleep(0.2)
        return statistics.median(looks)
