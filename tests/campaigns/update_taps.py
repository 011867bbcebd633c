"""Tap to light with and without an application on its way: `python -m tests.campaigns.update_taps [--taps N]`.

A virtual brick with real pauses of reader and flash; a customer comes every second or so. What is measured is the light's edge.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "brick"))
from bricklab import Lab, rule, ruleset
from stallmark import registry as reg
from test_brick_slots import SLOTTED, broken, factory, signed, slots
from virtualkit.tags import ntag215

EVERYBODY = ruleset(rule("everybody", [0], [[reg.GRANT_SAMPLE, 1, 0]], [[reg.UNIT_PIECES, 1]], limit=0), rev=1)
W25Q = {"program_us": 700, "erase_ms": 45}


async def taps(lab: Lab, number: int, rng: random.Random) -> list[float]:
    """Milliseconds to the light, for so many customers."""
    found: list[float] = []
    for one in range(number):
        await asyncio.sleep(0.8 + rng.random() * 0.6)
        shown = await lab.brick.tap(ntag215(b"\x04" + rng.randbytes(6)), seconds=30)
        if shown.ms is not None:
            found.append(shown.ms)
        print(f"\r{one + 1} of {number}\x1b[K", end="", file=sys.stderr, flush=True)
    return found


async def measure(folder: Path, number: int) -> dict[str, Any]:
    """Both, on one brick."""
    rng = random.Random(1)
    first = Lab(folder, ("nfc",))
    async with first as lab:
        await lab.stocked(EVERYBODY, lab.authors.slice(1, "everybody", reg.UNIT_PIECES, 10_000))
        host = lab.host
        await lab.drained()
    factory(folder / "flash.bin")
    async with Lab(folder, ("nfc",), entry=SLOTTED, calm_ms=3_600_000, **W25Q) as lab:
        assert host is not None
        lab.host = host = host.copy(lab.link.write)
        await lab.ready()
        await lab.brick.ready()
        without = await taps(lab, number, rng)
        data = signed(lab.authors, broken(rng.randbytes(300_000)), 2)
        host.bundle_kind = reg.ARTEFACT_APPLICATION
        host.offer(data)
        await lab.until(lambda: host.wanted and host.wanted[-1] > 1024, "the download")
        before = host.wanted[-1]
        during = await taps(lab, number, rng)
        there = host.wanted[-1] - before
        said = slots(host).get(5)
    return {"without": without, "with": during, "bytes that came meanwhile": there, "said": said}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--taps", type=int, default=60)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder) / "brick", chosen.taps))
    print(file=sys.stderr)
    for name in ("without", "with"):
        times = sorted(found[name])
        p95 = times[int(len(times) * 0.95)]
        print(f"{name} an application on its way: median {statistics.median(times):.0f} ms, 95th {p95:.0f} ms, {len(times)} taps")
    print(f"{found['bytes that came meanwhile']:,} bytes came between customers")


if __name__ == "__main__":
    main()
