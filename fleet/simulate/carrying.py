"""What a simulated host does with a directive: fetches targets, lets bricks install, delivers their boot records, reports."""

from __future__ import annotations

import asyncio
import json
import time
from hashlib import sha256

from fleet.core import reg
from fleet.desired.orders import Item, Order
from fleet.rollouts.virtualfleet import Luck
from fleet.simulate.brick import SimulatedBrick
from fleet.simulate.calling import BACKOFF_S, Caller, seconds
from fleet.simulate.place import Place, now_ms
from fleet.simulate.signing import Written
from fleet.simulate.town import RENTAL, KitKeys
from fleet.simulate.wire import Connection, WireError

HUB = b"sim-hub1"
Todo = list[tuple[SimulatedBrick, Item]]


class Carrying:
    """`order`, `etag`: the newest directive; `active`: the entity tag of the newest that every brick proved."""

    def __init__(
        self, keys: KitKeys, place: Place, luck: Luck, caller: Caller, slow: float, silent: bool
    ) -> None:
        self.kit = keys.kit
        self.bricks = [SimulatedBrick(*one, RENTAL, now_ms()) for one in keys.bricks]
        self.order: Order | None = None
        self.etag: str | None = None
        self.active: str | None = None
        self._place, self._luck, self._caller = place, luck, caller
        self._slow, self._silent = slow, silent
        self._targets: dict[bytes, bytes] = {}
        self._unsent: list[Written] = []
        self._batches: list[bytes] = []  # made and not acknowledged: the same bytes go again
        self._fresh = asyncio.Event()

    def take(self, order: Order, etag: str | None) -> None:
        """Another directive."""
        self.order, self.etag = order, etag
        if not self._place.idle:
            self._fresh.set()

    async def run(self) -> None:
        """Until cancelled. Goes on with what was under way when the kit was switched off."""
        if self.order is not None and not self._place.idle:
            self._fresh.set()
        failures = 0
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            try:
                await self._carry_out()
                failures = 0
            except OSError as failed:
                await asyncio.sleep(self._caller.failed(failed, failures))
                failures += 1
                self._fresh.set()

    async def _carry_out(self) -> None:
        order, etag = self.order, self.etag
        assert order is not None
        todo: Todo = [
            (brick, item)
            for item in order.items
            for brick in self.bricks
            if brick.brick == item.brick and brick.runs != item.artefact
        ]
        await self._caller.at_work(self._say)
        if self._silent and any(item.artefact == self._place.doubtful for _, item in todo):
            return  # it took it, and nothing more is heard
        await self._fetch_all(todo)
        await asyncio.gather(*(self._install(brick, item, order) for brick, item in todo))
        if not todo and not self._unsent and not self._batches:
            return
        await self._caller.at_work(self._deliver)
        runs = {brick.brick: brick.runs for brick in self.bricks}
        if order.items and all(runs.get(item.brick) == item.artefact for item in order.items):
            self.active = etag
        if None not in runs.values() and len(set(runs.values())) == 1:
            (artefact,) = {one for one in runs.values() if one is not None}
            self._place.seen.active.setdefault(artefact, {}).setdefault(self.kit, time.monotonic())
        await self._caller.at_work(self._say)

    async def _fetch_all(self, todo: Todo) -> None:
        for _, item in todo:
            for digest, length in ((item.bundle, 0), (item.artefact, item.length)):
                if digest not in self._targets:
                    self._targets[digest] = await self._caller.at_work(
                        lambda connection, one=digest, size=length: self._fetch(connection, one, size)
                    )

    async def _fetch(self, connection: Connection, digest: bytes, length: int) -> bytes:
        """A target; now and then the network cuts it in the middle, and it goes on from there."""
        path, counts = f"/v1/targets/{digest.hex()}", self._place.seen.counts
        cut = length // 2 if length and self._luck.chance(self._place.cut) else None
        answer = await self._caller.ask(connection, "GET", path, cut_after=cut)
        data = answer.body
        if not answer.whole:
            counts["downloads that broke off and went on"] += 1
            answer = await self._caller.ask(connection, "GET", path, {"Range": f"bytes={len(data)}-"})
            data = data + answer.body if answer.status == 206 else answer.body
        if answer.status not in (200, 206) or sha256(data).digest() != digest:
            raise WireError(f"a target came with status {answer.status} and other bytes")
        counts["downloads"] += 1
        return data

    async def _install(self, brick: SimulatedBrick, item: Item, order: Order) -> None:
        await asyncio.sleep(self._luck.install_s(self._slow) / self._place.speed)
        if self.order is not order:
            return  # another directive came: no further piece is handed out under this one
        faults, result, words = self._place.faults, reg.INSTALL_OK, ""
        if item.artefact == self._place.doubtful:
            if self._luck.chance(faults.fail):
                result, words = reg.INSTALL_VECTOR, "simulated: a golden vector is decided otherwise"
            elif self._luck.chance(faults.reject):
                result, words = reg.INSTALL_HARDWARE, "simulated: it is for other hardware"
        brick.result = (result, item.bundle, words, now_ms())
        if result == reg.INSTALL_OK:
            self._unsent.append(brick.boot(item.artefact, now_ms()))

    async def _deliver(self, connection: Connection) -> None:
        if self._unsent:
            written, self._unsent = self._unsent, []
            self._batches.append(self._caller.signer.batch(written, HUB, now_ms()))
        headers = {"Content-Type": "application/vnd.stallmark.batch+cbor"}
        while self._batches:
            for _ in range(1 + self._luck.chance(self._place.faults.twice)):
                answer = await self._caller.ask(connection, "POST", "/v1/batches", headers, self._batches[0])
                self._place.seen.counts[f"batch {answer.status}"] += 1
                if answer.status != 200:
                    raise WireError(f"the controller answers a batch with {answer.status}")
            self._batches.pop(0)

    async def _say(self, connection: Connection) -> None:
        """A status report (docs/desired-state.md), as hostagent/following.py makes it."""
        at_ms = now_ms()
        told = {
            "etag": self.etag,
            "number": None if self.order is None else self.order.number,
            "active": self.active,
            "last_request_ms": at_ms,
            "last_success_ms": at_ms,
            "halted": self.order is not None and self.order.halted,
            "release": "simulated",
            "bricks": [_brick(brick, at_ms) for brick in self.bricks],
        }
        body = json.dumps({name: value for name, value in told.items() if value is not None}).encode()
        path = f"/v1/kits/{self.kit.hex()}/status"
        answer = await self._caller.ask(connection, "POST", path, {"Content-Type": "application/json"}, body)
        self._place.seen.counts[f"status {answer.status}"] += 1
        if answer.status in (429, 503):
            await asyncio.sleep(seconds(answer, "retry-after", BACKOFF_S[0]))
        if answer.status != 200:
            raise WireError(f"the controller answers a status report with {answer.status}")


def _brick(brick: SimulatedBrick, at_ms: int) -> dict[str, object]:
    told: dict[str, object] = {
        "brick": brick.brick.hex(), "name": f"brick {brick.brick[:2].hex()}", "connected": True, "heard_ms": at_ms,
    }  # fmt: skip
    if brick.runs is not None:
        told["ruleset"] = brick.runs.hex()
    if brick.result is not None:
        result, bundle, words, when_ms = brick.result
        told |= {
            "result": result, "result_bundle": bundle[:8].hex(), "result_text": words, "result_ms": when_ms,
        }  # fmt: skip
    return told
