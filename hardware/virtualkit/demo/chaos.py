"""Kills what it is told to, at random, while a market runs: SIGKILL for programs, a power cut in mid-write for bricks."""

import asyncio
import random
from collections.abc import Sequence

from virtualkit.demo.children import Child
from virtualkit.demo.stall import Stall
from virtualkit.reference.audit import Findings
from virtualkit.reference.stores import check_marks

TARGETS = ("host", "brick", "fleet")
# Between two kills there is time to get somewhere, or nothing but start-up would be tested.
PAUSE_SECONDS = (0.1, 0.8)
OFF_SECONDS = (0.0, 0.4)
TOGETHER = 0.25
"""How often host and controller die at the same instant, where both are targets."""


class Chaos:
    """Counts what it killed and what it tore."""

    def __init__(self, stall: Stall, targets: Sequence[str], seed: int, findings: Findings) -> None:
        self.kills: dict[str, int] = dict.fromkeys(targets, 0)
        self.torn = 0
        self._stall = stall
        self._targets = list(targets)
        self._rng = random.Random(seed)
        self._findings = findings

    async def rage(self, until: asyncio.Event) -> None:
        """Kills and restarts until `until` is set, each target at least once; leaves everything running."""
        rng = self._rng
        first = rng.sample(self._targets, len(self._targets))
        while first or not until.is_set():
            try:
                async with asyncio.timeout(rng.uniform(*PAUSE_SECONDS)):
                    await until.wait()
            except TimeoutError:
                pass
            else:
                if not first:
                    return
            await self.strike(first.pop() if first else rng.choice(self._targets))

    async def strike(self, target: str) -> None:
        """One kill, a look at what was acknowledged (invariant 2) while the victim is down, and the restart."""
        self.kills[target] += 1
        off = self._rng.uniform(*OFF_SECONDS)
        if target == "brick":
            brick = self._rng.choice(self._stall.kit.bricks)
            cut = await brick.power_cut(self._rng.getrandbits(32))
            self.torn += cut.operation is not None
            await asyncio.sleep(off)
            await brick.start()
        else:
            await self._kill(self._together(target), off)

    def _together(self, target: str) -> dict[str, Child]:
        """The program to be killed, and sometimes the other one with it: then neither finds the other as it left it."""
        programs = {"host": self._stall.host, "fleet": self._stall.fleet}
        other = "fleet" if target == "host" else "host"
        if other not in self.kills or self._rng.random() >= TOGETHER:
            return {target: programs[target]}
        self.kills[other] += 1
        return programs

    async def _kill(self, victims: dict[str, Child], off: float) -> None:
        folder = self._stall.folder
        images = {watch.identity: watch.image for watch in self._stall.evidence.watches.values()}
        await asyncio.gather(*(child.kill() for child in victims.values()))
        await asyncio.to_thread(
            check_marks,
            images,
            folder.host if "host" in victims else None,
            folder.controller if "fleet" in victims else None,
            self._findings,
        )
        await asyncio.sleep(off)
        await asyncio.gather(*(child.start() for child in victims.values()))
