"""A hundred thousand taps at one brick, with faults all the way: its heap stays flat, and it never starts anew.

    python -m tests.campaigns.soak --taps 100000 [--seed 1] [--every 5000]

The real firmware under MicroPython decides events from its event port and cards from the PN532 model while reader, scanner,
cable, packs, clock and host fail around it. The heap is asked for after a collection. Flat: from the first fifth on, no
later figure lies more than 2 per cent above the highest of that fifth.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from pathlib import Path

from stallmark import registry as reg
from virtualkit import tags

from tests.bench.eventport import EventPort
from tests.brick.bricklab import SAMPLES, START_MS, Host, Lab, rule, ruleset

ROUND = 250
PEOPLE = 400
SLACK = 50  # one part in so many may the heap rise
PARTS = ("nfc", "qr", "events")
CROWD = rule(
    "crowd", [10, [20, 864_000_000], 3], [[reg.GRANT_PERCENT_NOW, 1500, 300]], [[reg.UNIT_MINOR, 300]], f5=True
)


class Soak:
    """One brick and what goes wrong around it, by a seed."""

    def __init__(self, lab: Lab, host: Host, port: EventPort, seed: int) -> None:
        self.lab, self.host, self.port = lab, host, port
        self.random = random.Random(seed)
        self.people = [self.random.randbytes(8) for _ in range(PEOPLE)]
        self.faults: dict[str, int] = {}
        self.shift_ms = 0
        self.fault = ""

    async def round(self, taps: int) -> None:
        """So many taps under one fault, then everything mended."""
        name = self.random.choice(FAULTS)
        self.faults[name] = self.faults.get(name, 0) + 1
        brick = self.lab.brick
        assert brick.nfc is not None and brick.scanner is not None
        card = tags.ntag215(self.random.randbytes(7))
        self.fault = name
        self.begin(name)
        brick.nfc.place(card)
        await self.port.tap(self.random.choice(self.people) for _ in range(taps))
        brick.nfc.remove(card)
        self.mend()
        await self.lab.until(lambda: self.host.up, f"the link after {name}")
        await self.lab.until(lambda: self.host.expected >= self.host.statuses[-1][1], "the records")
        self.host.ledger_mark(self.host.expected - 1)
        del self.host.records[:-1], self.host.logs[:-20], self.host.diagnostics[:-2], self.host.answers[:-4]

    def begin(self, name: str) -> None:
        """Break something."""
        brick, host = self.lab.brick, self.host
        assert brick.nfc is not None and brick.scanner is not None
        match name:
            case "reader silent":
                brick.nfc.faults.silent = True
            case "reader damaged":
                brick.nfc.faults.corrupt_every = 2
            case "reader hangs":
                brick.nfc.faults.hang_after = 3
            case "scanner silent":
                brick.scanner.faults.silent = True
            case "hostile codes":
                brick.scanner.show(self.random.choice((b"x" * 900, b"\x01\x02", b"SMV1:AAAA", b"000207.")))
            case "cable cut":
                brick.wire.up.faults.cut = brick.wire.down.faults.cut = True
            case "cable noisy":
                brick.wire.up.faults.flipped = brick.wire.down.faults.inserted = 0.002
            case "host restarts":
                host.restart()
            case "clock ahead":
                self.shift_ms = self.random.choice((3_600_000, 90_000, 40 * 365 * 86_400_000))
                host.send_clock(self.shift_ms)
            case "clock back":
                host.send(reg.MSG_CLOCK, {0: 5_000, 1: 2, 2: 20})
            case "pack swapped":
                brick.packs.set(main_absent=True, backup_absent=False)
            case "pack sags":
                brick.packs.set(main_percent=15.0, sag_mv=self.random.randrange(400))
            case "gauge fails":
                brick.packs.set(failing=True)
            case _:
                host.raw(self.random.randbytes(600))

    def mend(self) -> None:
        """Everything as it was."""
        brick = self.lab.brick
        assert brick.nfc is not None and brick.scanner is not None
        faults = brick.nfc.faults
        faults.silent, faults.corrupt_every, faults.hang_after = False, 0, 0
        brick.scanner.faults.silent = False
        brick.scanner.hide()
        for wire in (brick.wire.up, brick.wire.down):
            wire.faults.cut, wire.faults.flipped, wire.faults.inserted = False, 0.0, 0.0
        brick.packs.set(main_absent=False, backup_absent=True, main_percent=100.0, sag_mv=0, failing=False)
        if self.shift_ms:
            self.shift_ms = 0
        self.host.send_clock()


FAULTS = (
    "none", "reader silent", "reader damaged", "reader hangs", "scanner silent", "hostile codes", "cable cut", "cable noisy",
    "host restarts", "clock ahead", "clock back", "pack swapped", "pack sags", "gauge fails", "noise",
)  # fmt: skip


async def soak(taps: int, seed: int, every: int, folder: Path) -> list[int]:
    """Heap in use every `every` taps. Raises AssertionError where the brick started anew or the heap is not flat."""
    async with Lab(folder, PARTS, heap=768 * 1024) as lab:
        rules = ruleset(SAMPLES, CROWD)
        pieces = [lab.authors.slice(1, "sample", reg.UNIT_PIECES, 50), lab.authors.slice(2, "crowd", reg.UNIT_MINOR, 90_000)]
        host = await lab.provision()
        host.bundle = lab.authors.bundle(rules, 1, since_ms=START_MS)
        host.greeting = [(reg.MSG_SLICE, piece) for piece in pieces]
        await lab.until(lambda: host.statuses and len(host.statuses[-1][9]) == 2, "rules and rights")
        assert lab.events is not None
        lab.events.close()
        lab.events = None
        with EventPort(lab.brick.events, lab.brick.process.check) as port:
            return await _rounds(Soak(lab, host, port, seed), taps, every)


async def _rounds(run: Soak, taps: int, every: int) -> list[int]:
    used: list[int] = []
    began, done = time.monotonic(), 0
    while done < taps:
        try:
            await run.round(min(ROUND, taps - done))
        except Exception:
            print(f"failed after {done} taps and {time.monotonic() - began:.0f} s, under {run.fault!r}", flush=True)
            raise
        done += ROUND
        if done % every < ROUND:
            used.append((await run.port.heap()).used)
            rate = done / (time.monotonic() - began)
            print(f"{done:>7} taps  {used[-1]:>7} bytes of heap in use  {rate:.0f} taps/s", flush=True)
    process = run.lab.brick.process
    assert process.boots == 1 and run.lab.brick.restarts == 0, "the brick started anew"
    _flat(used)
    print(f"flat; no start-up but the first; faults: {dict(sorted(run.faults.items()))}")
    return used


def _flat(used: list[int]) -> None:
    settled = max(used[: max(1, len(used) // 5)])
    highest = max(used)
    assert highest <= settled + settled // SLACK, f"the heap grew from {settled} to {highest} bytes: {used}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--taps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=5_000)
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}")
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(soak(chosen.taps, chosen.seed, chosen.every, Path(folder)))
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
