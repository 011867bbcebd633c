"""A whole stall from one kit's folder: controller, host, bricks, and the eyes of the audit on all of them."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from stallmark.errors import StallmarkError

from virtualkit.clockfile import MarketClock
from virtualkit.demo.children import Child
from virtualkit.demo.evidence import Evidence
from virtualkit.demo.feed import Feed, Leaf
from virtualkit.folder import KitFolder
from virtualkit.kit import VirtualKit
from virtualkit.pins import GRANTED

READY_SECONDS = 60.0
SOCKET = "kit.sock"


class StallNotReady(StallmarkError):
    """The stall did not come up in time; the message says what was still missing."""


class Stall:
    """Everything that runs, in the order in which it starts. `on_leaf` hears of every receipt in the ledger; `source`: the
    bricks' firmware, None for the installed one."""

    def __init__(
        self,
        folder: KitFolder,
        timing: str,
        seed: int,
        on_leaf: Callable[[Leaf], None] | None = None,
        source: Path | None = None,
    ) -> None:
        self.folder = folder
        kit = folder.load()
        self.kit_json = kit
        self.clock = MarketClock(folder.clock) if kit["market_clock"] else None
        self.fleet_url = f"http://127.0.0.1:{kit['fleet_port']}"
        self.host_url = f"http://127.0.0.1:{kit['host_port']}"
        self.fleet = Child(
            "controller",
            ["fleet", "run", "--config", str(folder.controller / "config.json")],
            folder.run / "controller.log",
            f"{self.fleet_url}/healthz",
        )
        self.host = Child(
            "host",
            ["host", "run", "--config", str(folder.host / "config.json")],
            folder.run / "host.log",
            f"{self.host_url}/v1/status",
        )
        self.kit = VirtualKit(folder.path, timing=timing, clock=self.clock, seed=seed, source=source)
        self.evidence = Evidence()
        self.ledger_heads: dict[str, int] = {}
        self._on_leaf = on_leaf
        self.feed = Feed(self.fleet_url, self._leaf)
        self._tasks: list[asyncio.Task[None]] = []
        self.http = httpx.AsyncClient(timeout=5.0)

    async def start(self) -> None:
        """Controller, host, bricks; returns when the programs answer and the bricks look for customers."""
        # A kit that was killed leaves names behind that may point at somebody else's terminal by now.
        for stale in self.folder.run.iterdir():
            if stale.is_symlink() and stale.name != SOCKET:
                stale.unlink()
        await self.kit.prepare()
        if self.kit.airfield is not None:
            self.host.environment["DBUS_SYSTEM_BUS_ADDRESS"] = self.kit.airfield.address
        await self.fleet.start()
        await self.host.start()
        await self.kit.start()
        identities = {brick["name"]: bytes.fromhex(brick["brick"]) for brick in self.kit_json["bricks"]}
        for brick in self.kit.bricks:
            self.evidence.watch(brick, identities[brick.name])
        self._tasks = [
            asyncio.create_task(self.feed.follow(), name="live feed"),
            asyncio.create_task(self.feed.watch_checkpoints(), name="checkpoints"),
        ]
        await self.kit.ready()

    async def stop(self) -> None:
        """The other way round; everything in order."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.kit.stop()
        await self.host.stop()
        await self.fleet.stop()
        await self.http.aclose()
        if self.clock:
            self.clock.close()

    async def host_status(self) -> dict[str, Any] | None:
        """The host's status, or None while it does not answer."""
        try:
            answer = await self.http.get(f"{self.host_url}/v1/status")
        except httpx.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None

    async def armed(self, progress: Callable[[str], None]) -> None:
        """Waits until every brick is linked, knows the time, runs the ruleset and holds slices. Raises StallNotReady."""
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        missing = "the host's answer"
        while asyncio.get_running_loop().time() < deadline:
            self.check()
            status = await self.host_status()
            waiting = (
                [] if status is None else [text for brick in status["bricks"] if (text := unready(brick))]
            )
            if status is not None and not waiting:
                return
            if waiting and waiting[0] != missing:
                missing = waiting[0]
                progress(f"waiting: {missing}")
            await asyncio.sleep(0.1)
        raise StallNotReady(
            f"after {READY_SECONDS:.0f} s still waiting: {missing}; see {self.folder.run}/*.log"
        )

    def check(self) -> None:
        """Raises ChildFailed or BrickCrashed when something ended by itself."""
        self.fleet.check()
        self.host.check()
        for brick in self.kit.bricks:
            brick.process.check()
        for task in self._tasks:
            if task.done() and not task.cancelled() and (failed := task.exception()):
                raise failed

    def drained(self) -> bool:
        """True when every record on every brick's flash has been heard of from the ledger."""
        return all(
            max(watch.image.records(), default=0) <= self.ledger_heads.get(watch.identity.hex(), 0)
            for watch in self.evidence.watches.values()
        )

    async def close_day(self, who: str) -> None:
        """End of day: every brick writes its close record and moves on to its next record key."""
        answer = await self.http.post(f"{self.host_url}/v1/close", json={"who": who})
        answer.raise_for_status()

    async def newest_link(self) -> str | None:
        """The look-up link of the newest grant that the ledger holds, else of the newest receipt there."""
        try:
            answer = await self.http.get(f"{self.host_url}/v1/links", params={"limit": 50})
            answer.raise_for_status()
        except httpx.HTTPError:
            return None
        there = [link for link in answer.json()["links"] if link["in_ledger"] and link["outcome"]]
        granted = [link for link in there if link["outcome"] == GRANTED]
        return (granted or there or [{"link": None}])[0]["link"]

    def _leaf(self, leaf: Leaf) -> None:
        self.ledger_heads[leaf.brick] = max(self.ledger_heads.get(leaf.brick, 0), leaf.seq)
        self.evidence.reached_ledger(leaf.brick, leaf.seq, leaf.seen_ns)
        if self._on_leaf:
            self._on_leaf(leaf)


def unready(brick: dict[str, Any]) -> str | None:
    """What one brick of the host's status still lacks, in words; None when it can decide."""
    name, status = brick["name"], brick["status"]
    if not brick["link"]["up"] or status is None:
        return f"{name} has no link yet"
    if status["ruleset"] is None:
        return f"{name} has no ruleset yet"
    if not status["slices"]:
        return f"{name} holds no slices of rights yet"
    return None


def public_keys(folder: KitFolder) -> dict[str, Any]:
    """public/keys.json."""
    return json.loads(Path(folder.public_keys).read_text())
