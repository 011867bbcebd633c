"""All simulated hosts of a run at one controller: they come, wait, and take up what is put into the rules folder."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fleet.simulate.host import LiveHost
from fleet.simulate.limits import LiveError
from fleet.simulate.place import Place
from fleet.simulate.process import Program
from fleet.simulate.town import Town
from fleet.simulate.wire import Connection

PATIENCE_S = 900.0  # without anything new: a busy machine is no failure
LOOK_S = 0.1

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Change:
    """From another bundle in the rules folder to every host that waited: ms until its directive was there, and until all its
    bricks had proved in the ledger that they run it. `hosts`: how many waited. Of idle hosts nothing is proved."""

    hosts: int
    delivered_ms: tuple[float, ...]
    active_ms: tuple[float, ...]


class Crowd:
    """The hosts of a town. Use as an asynchronous context."""

    def __init__(self, town: Town, place: Place, program: Program) -> None:
        self.town, self.place, self.program = town, place, program
        self.hosts = [LiveHost(keys, place) for keys in town.kits]
        self._tasks: list[asyncio.Task[None]] = []
        self._asks = Connection(program.port)

    async def __aenter__(self) -> Crowd:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection, _since in self.place.idle_connections:
            connection.close()

    def look(self) -> None:
        """A host ends by a mistake alone, which is raised here."""
        for task in self._tasks:
            if task.done():
                task.result()

    @property
    def here(self) -> list[LiveHost]:
        """Those that are switched on."""
        return [host for host in self.hosts if host.here]

    async def come(self, say: Say) -> float:
        """All that are switched on connect and wait; bytes of the controller's memory for each, its connection and its token
        included. Raises LiveError."""
        before = self.program.resident()
        for host in self.hosts:
            self._tasks.append(asyncio.create_task(host.run(), name=f"host {host.kit.hex()}"))
        try:
            await self._until(self._waiting, lambda n: n >= len(self.here), say, "hosts wait")
        finally:
            self._asks.close()
        return max(0, self.program.resident() - before) / max(1, len(self.here))

    async def change(self, bundle: bytes, say: Say) -> Change:
        """Every kit is to run this. Kits that are switched off meanwhile are not waited for. Raises LiveError."""
        crowd = {host.kit: host for host in self.here}
        began = time.monotonic()
        artefact = self.town.offer(bundle).artefact
        seen = self.place.seen
        proved = () if self.place.idle else (("run it", seen.active),)
        for what, found in (("have the directive", seen.delivered), *proved):
            of = found.setdefault(artefact, {})

            async def many(of: dict[bytes, float] = of) -> int:
                return sum(kit in of for kit in crowd)

            def enough(_: int, of: dict[bytes, float] = of) -> bool:
                return all(kit in of or not host.here for kit, host in crowd.items())

            await self._until(many, enough, say, what, len(crowd))
        taken = [
            tuple(sorted((at - began) * 1000 for kit, at in found.get(artefact, {}).items() if kit in crowd))
            for found in (seen.delivered, seen.active)
        ]
        return Change(len(crowd), taken[0], taken[1])

    async def _waiting(self) -> int:
        """How many wait at the controller, by its own word."""
        answer = await self._asks.ask("GET", "/healthz", {})
        return int(json.loads(answer.body)["hosts_waiting"])

    async def _until(
        self,
        how_many: Callable[[], Awaitable[int]],
        enough: Callable[[int], bool],
        say: Say,
        what: str,
        of: int | None = None,
    ) -> None:
        """Raises LiveError where nothing moves any more. `of`: all, by default those that are here."""
        known, since = -1, time.monotonic()
        while True:
            self.look()
            n = await how_many()
            if n != known:
                known, since = n, time.monotonic()
                say(f"{n:,} of {of or len(self.here):,} {what}")
            if enough(n):
                return
            if time.monotonic() - since > PATIENCE_S:
                raise LiveError(
                    f"{n:,} of {of or len(self.here):,} {what}, and for {PATIENCE_S:.0f} s nothing moves: "
                    + ", ".join(f"{word} {times}" for word, times in self.place.seen.counts.most_common(6))
                )
            await asyncio.sleep(LOOK_S)
