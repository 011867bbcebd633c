"""One simulated host: it comes and goes, waits for its kit's directive, and takes what its director signed.

Real requests, as hostagent makes them: the long-poll with ETags and jitter, 429 heeded, reconnecting with growing pauses.
fleet/simulate/carrying.py does what the directive says."""

from __future__ import annotations

import asyncio
import random
import time

from fleet.desired import orders
from fleet.rollouts.virtualfleet import SLOW, Luck
from fleet.simulate.calling import BACKOFF_S, Caller, seconds
from fleet.simulate.carrying import Carrying
from fleet.simulate.place import Place, now_ms
from fleet.simulate.signing import Signer
from fleet.simulate.town import KitKeys
from fleet.simulate.wire import Answer, Connection, WireError

WAIT_S = 55


class LiveHost:
    """One host with its bricks. `run` until cancelled."""

    def __init__(self, keys: KitKeys, place: Place) -> None:
        self.kit = keys.kit
        self._place = place
        self._random = random.Random(f"{place.seed}/{keys.name}")
        self._luck = Luck(self._random, place.faults)
        slow = SLOW if self._luck.chance(place.faults.slow) else 1.0
        silent = self._luck.chance(place.faults.silent)
        self.here = not self._luck.chance(place.faults.away)
        self._caller = Caller(Signer(keys.host), place, self._random)
        self.carrying = Carrying(keys, place, self._luck, self._caller, slow, silent)

    async def run(self) -> None:
        """Switched on and off: whatever is under way then breaks off."""
        place = self._place
        while True:
            stay_s = self._luck.stay_s(self.here) / place.speed
            if self.here:
                try:
                    async with asyncio.timeout(stay_s), asyncio.TaskGroup() as group:
                        group.create_task(self._listen())
                        group.create_task(self.carrying.run())
                except TimeoutError:
                    place.seen.counts["switched off"] += 1
            else:
                await asyncio.sleep(stay_s)
            self.here = not self.here

    async def _listen(self) -> None:
        connection, failures = Connection(self._place.port), 0
        try:
            while True:
                try:
                    pause = await self._poll(connection)
                    failures = 0
                except OSError as failed:
                    pause = self._caller.failed(failed, failures)
                    failures += 1
                await asyncio.sleep(pause)
        finally:
            connection.close()

    async def _poll(self, connection: Connection) -> float:
        """One question; seconds to leave before the next."""
        seen, mine = self._place.seen, self.carrying
        held = "" if mine.etag is None else "&have=" + mine.etag.replace('"', "%22")
        path = f"/v1/kits/{self.kit.hex()}/directive?wait={WAIT_S}{held}"
        seen.waiting.add(self.kit)
        try:
            answer = await self._caller.ask(
                connection, "GET", path, {} if mine.active is None else {"If-None-Match": mine.active}
            )
        finally:
            seen.waiting.discard(self.kit)
        seen.counts[f"directive {answer.status}"] += 1
        if answer.status == 429:
            return seconds(answer, "retry-after", BACKOFF_S[0]) * self._random.uniform(1.0, 1.5)
        if answer.status == 200:
            self._take(answer)
        elif answer.status not in (304, 404):
            raise WireError(f"the controller answers {answer.status}")
        return seconds(answer, "stallmark-next-poll", 0.0) * self._random.uniform(0.5, 1.5)

    def _take(self, answer: Answer) -> None:
        """A directive: by this director, for this kit, with a higher number."""
        seen, held = self._place.seen, self.carrying.order
        order = orders.own(answer.body, self._place.director)
        if order is None or order.kit != self.kit or (held is not None and order.number <= held.number):
            seen.counts["directives refused"] += 1
            raise WireError("a directive that no host would take")
        for artefact in {item.artefact for item in order.items}:
            seen.delivered.setdefault(artefact, {}).setdefault(self.kit, time.monotonic())
            seen.given.setdefault(artefact, []).append(now_ms())
        self.carrying.take(order, answer.headers.get("etag"))
