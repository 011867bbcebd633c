"""Bricks that were replaced (`stallmark host bricks swap`): refused here at once, told to the controller when it is there.

What is wished stands in config.json, what the controller has taken in the store: neither is lost by a restart."""

import asyncio
import datetime
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from hostagent.config import BrickConfig, EndedBrick
from hostagent.controller import Controller
from hostagent.errors import ControllerError
from hostagent.store.store import Store

META = "ended_told"  # the bricks whose end the controller has, 8 bytes each
AGAIN_S = 600.0  # between two tries where the controller says no
log = logging.getLogger("hostagent.ended")


class Ended:
    """One for a host. `use` what config.json says, at the start and whenever it changed."""

    def __init__(self, store: Store, controller: Controller) -> None:
        self._store = store
        self._controller = controller
        self._ended: dict[bytes, EndedBrick] = {}
        self._placed: set[bytes] = set()
        kept = store.meta.get(META)
        whole = kept if isinstance(kept, bytes) else b""
        self._told = {whole[at : at + 8] for at in range(0, len(whole), 8)}
        self._refused: dict[bytes, tuple[float, str]] = {}
        # The last record of a brick that this host has: it had written so far at least.
        self.durable: Callable[[bytes], int] = lambda brick8: 0

    def use(self, ended: Iterable[EndedBrick], placed: Iterable[BrickConfig]) -> None:
        """Which bricks were replaced, and which have a place: one of both is only read out."""
        self._ended = {one.brick: one for one in ended}
        self._placed = {one.brick for one in placed}

    def of(self, brick8: bytes) -> EndedBrick | None:
        """The end of a brick, None for one that goes on."""
        return self._ended.get(brick8)

    def refusal(self, brick8: bytes) -> str | None:
        """Why a brick's link is not answered, for its screen and ours; None where it is."""
        if brick8 not in self._ended or brick8 in self._placed:
            return None
        return f"brick {brick8.hex()} was replaced by another; to read it out, pair it again"

    async def tell(self) -> None:
        """Tells the controller what it does not know yet. Raises ControllerError where it cannot be reached, StoreUnavailable."""
        for one in list(self._ended.values()):
            if one.brick in self._told or self._waits(one.brick):
                continue
            try:
                held = self.durable(one.brick)
                last = None if one.last_seq is None else max(one.last_seq, held)
                await self._controller.end_brick(one.brick, f"replaced by {one.heir.hex()}", last, held)
            except ControllerError as failed:
                if failed.kind not in ("refused", "invalid"):
                    raise
                self._refused[one.brick] = (time.monotonic(), str(failed))
                log.warning("%s: the controller does not end it: %s", one.name, failed)
                continue
            self._refused.pop(one.brick, None)
            told = self._told | {one.brick}
            await asyncio.wrap_future(self._store.set_meta({META: b"".join(sorted(told))}))
            self._told = told
            log.info("%s (%s): the controller knows that it was replaced", one.name, one.brick.hex())

    def _waits(self, brick8: bytes) -> bool:
        said = self._refused.get(brick8)
        return said is not None and time.monotonic() - said[0] < AGAIN_S

    def report(self) -> list[dict[str, Any]]:
        """GET /v1/status, `ended`. `controller`: "knows", "is told when it can be reached", or why it says no."""
        return [
            {
                "brick": one.brick.hex(),
                "name": one.name,
                "heir": one.heir.hex(),
                "at_ms": one.at_ms,
                "last_seq": one.last_seq,
                "read_out": one.brick in self._placed,
                "controller": self._state(one.brick),
            }
            for one in self._ended.values()
        ]

    def _state(self, brick8: bytes) -> str:
        if brick8 in self._told:
            return "knows"
        said = self._refused.get(brick8)
        return "is told when it can be reached" if said is None else said[1]

    def words(self) -> list[str]:
        """What somebody should know, in sentences."""
        found: list[str] = []
        for one in self.report():
            told = one["controller"]
            if told != "knows":
                when = datetime.datetime.fromtimestamp(one["at_ms"] / 1000, datetime.UTC)
                found.append(
                    f"{one['brick']}, replaced at {one['name']} on {when:%d %b %H:%M} UTC: refused here; the controller "
                    f"{told if told.startswith('is told') else f'does not end it ({told})'}."
                )
            elif one["read_out"]:
                found.append(
                    f"{one['brick']} was replaced and is only read out here: it gets no rights and no rules."
                )
        return found
