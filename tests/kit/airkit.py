"""A kit with radios, its air and a real host agent in one event loop: made once, used by every test of a module."""

import asyncio
import dataclasses
import os
import random
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from virtualkit.brick import VirtualBrick
from virtualkit.cards import issued_tag
from virtualkit.demo.once import present
from virtualkit.kit import VirtualKit
from virtualkit.kitplan import BrickPlan, KitPlan
from virtualkit.newkit import free_ports, new_kit
from virtualkit.reference.flashimage import FlashImage

from hostagent import config as configuration
from hostagent import report
from hostagent.agent import Agent
from hostagent.backoff import Backoff
from hostagent.links.line import Line
from hostagent.updater import verify
from tests.kit.kitloop import LoopThread

T = TypeVar("T")
SECONDS = 60.0


class AirKit:
    """Bricks by name, `agent`, `air`; no controller: the bundle is handed to the agent. `links`: of each brick."""

    def __init__(
        self,
        folder: Path,
        links: dict[str, tuple[str, ...]],
        seed: int = 5,
        timing: str = "fast",
        parts: tuple[str, ...] = ("nfc",),
    ) -> None:
        fleet_port, host_port = free_ports()
        bricks = [BrickPlan(name, parts, ways) for name, ways in links.items()]
        plan = KitPlan(
            bricks=bricks, fleet_port=fleet_port, host_port=host_port, start_ms=time.time_ns() // 1_000_000
        )
        made = new_kit(folder, plan, lambda _text: None)
        self.folder = made.folder
        self._event_key = made.event_key
        self._rng = random.Random(seed)
        self._loop = LoopThread()
        self.kit = VirtualKit(folder, timing=timing, seed=seed)
        self.run(self._start())

    async def _start(self) -> None:
        await self.kit.prepare()
        assert self.kit.airfield is not None
        self.air = self.kit.airfield.air
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = self.kit.airfield.address
        await self.kit.start()
        for brick in self.kit.bricks:
            brick.patience, brick.overlooked = SECONDS, frozenset(("fault",))
        await self.agent_starts()
        await self.kit.ready()

    async def agent_starts(self) -> None:
        """A host's program, new or again."""
        told = configuration.load(self.folder.host / "config.json")
        # Nobody is there who could say which bundles the authors listed: this host is one without a root.
        told = dataclasses.replace(told, trust=None)
        self.agent = agent = Agent(told, lambda: Backoff(0.5, 5.0))
        self._running = asyncio.create_task(agent.run(), name="agent")
        await self.until(lambda: agent._stop is not None, "the agent")

    def offer(self) -> bytes:
        """Puts the kit's campaign on offer; its ruleset's digest."""
        data = (self.folder.controller / "rules" / "active.smbundle").read_bytes()
        offered = verify(data, self.agent.config.authors)
        updater = self.agent.updater
        updater._set(offered)
        updater._confirmed_at = time.monotonic()
        self.agent.reach.look_for_offer()
        return offered.artefact

    async def agent_stops(self) -> None:
        """In order."""
        assert self.agent._stop is not None
        self.agent._stop.set()
        await self._running

    async def _close(self) -> None:
        await self.agent_stops()
        await self.kit.stop()

    def close(self) -> None:
        """Everything ends."""
        try:
            self.run(self._close())
        finally:
            os.environ.pop("DBUS_SYSTEM_BUS_ADDRESS", None)
            self._loop.stop()

    def run(self, scene: Coroutine[Any, Any, T]) -> T:
        """Plays a scene in the kit's loop."""
        return asyncio.run_coroutine_threadsafe(scene, self._loop.loop).result(180)

    # --- for scenes

    async def until(self, condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
        """Waits for a condition; fails with `what` and what the links say."""
        end = time.monotonic() + seconds
        while not condition():
            for brick in self.kit.bricks:
                brick.process.check()
            said = {line.expected.name: [port.state for port in line.ports] for line in self.agent.lines}
            assert time.monotonic() < end, f"waited {seconds:g} s for {what}; ports: {said}"
            await asyncio.sleep(0.01)

    def line(self, name: str) -> Line:
        """The host's line to a brick."""
        return next(line for line in self.agent.lines if line.expected.name == name)

    def brick(self, name: str) -> VirtualBrick:
        """The virtual brick."""
        return self.kit.brick(name)

    async def linked(self, name: str) -> None:
        """Waits until the brick has a session."""
        await self.until(lambda: self.line(name).brick is not None, f"the link of {name}")

    async def taps(self, name: str, count: int) -> None:
        """So many customers, each with a card of their own."""
        for _ in range(count):
            shown = await present(self.brick(name), issued_tag(self._rng, self._event_key), self._rng)
            assert shown.outcome is not None, f"{name} showed nothing"

    async def settled(self, name: str) -> int:
        """Waits until every record of the brick is durable at the host; its newest seq. Nothing lost, nothing doubled."""
        line = self.line(name)
        known = self.agent.bricks[line.expected.brick]
        image = FlashImage(self.brick(name).spec.flash)
        await self.until(
            lambda: line.brick is not None and known.durable_seq >= max(image.records(), default=0),
            f"the records of {name}",
        )
        rows = await report.links(self.agent, 20_000)  # every one
        seqs = sorted(row["seq"] for row in rows if row["brick"] == name)
        assert seqs == list(range(1, known.durable_seq + 1)), "each record once"
        assert not known.counters["lost"] and not known.counters["quarantined"]
        return known.durable_seq
