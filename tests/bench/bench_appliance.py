"""The appliance: from power to the first customer's light, and what looking at the risk adds to a decision.

The brick is the real firmware on the unix port, its parts take no time; an ESP32 is 25 to 45 times slower at such work.
"""

import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

from stallmark import event, risk, risktable
from stallmark import registry as reg
from virtualkit import tags

from tests.bench import Figure, say
from tests.brick.bricklab import SAMPLES, START_MS, Lab, ruleset

READY_S = 10.0
"""PRODUCT.md A9."""
BLINK_US = 200_000
EVENTS = 20_000


def run(quick: bool = False) -> list[Figure]:
    """Seconds from power to the first light (median of 7, quick: 2 starts); µs of a risk score on CPython."""
    ready = asyncio.run(_ready(2 if quick else 7))
    each = _score(EVENTS // 10 if quick else EVENTS)
    return [
        Figure("power to the first light and the link", ready, "s", "10 s", ready / READY_S, 1.0, at_most=True),
        Figure("risk: signals and model of one event", each, "µs", "a blink of 200 ms", each / BLINK_US),
    ]


async def _ready(starts: int) -> float:
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with Lab(Path(folder), ("nfc",)) as lab:
            piece = lab.authors.slice(1, "sample", reg.UNIT_PIECES, 50)
            host = await lab.stocked(ruleset(SAMPLES), piece)
            for number in range(starts):
                say(f"start {number + 1} of {starts}")
                await lab.brick.stop()
                host.restart()
                began = time.monotonic()
                await lab.brick.start()
                await lab.brick.ready()
                await lab.brick.tap(tags.ntag215(bytes((4, 0xA1, 2, 3, 4, 5, number))), seconds=20)
                await lab.until(lambda: host.up, "the link")
                took.append(time.monotonic() - began)
    return statistics.median(took)


def _score(events: int) -> float:
    chance, watch, at = random.Random(1), risk.Watch(risktable.MODEL), 0
    people = [chance.randbytes(8) for _ in range(200)]
    made = []
    for _ in range(events):
        at += chance.randrange(1_000, 30_000)
        made.append(
            event.make(
                type=reg.EVENT_NFC_TAP, trust=3, subject=chance.choice(people), nonce=bytes(8), wall_ms=START_MS + at,
                uptime_ms=at, quality=2, spread_ms=20,
            )
        )  # fmt: skip
    began = time.perf_counter()
    for one in made:
        watch.see(one)
    return (time.perf_counter() - began) / events * 1e6
