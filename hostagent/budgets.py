"""Rights: slices come from the controller; each goes to one brick, once and for good (bundle.md).

An assignment is durable before the slice is sent; a brick's own slices are sent anew after each handshake. A
brick is kept at two slices of a rule with something left in them, but takes a second one only while every
other
brick of the kit can still get its first.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hostagent import signer
from hostagent.bricks import Brick
from hostagent.clock import Clock
from hostagent.controller import Controller, SignedSlice
from hostagent.core import FormatError, reg, rights
from hostagent.errors import ControllerError, StoreUnavailable
from hostagent.store.slices import Slice, Slices

WANTED = 2
MAX_SLICES = 4096
log = logging.getLogger("hostagent.budgets")

RESULT_WORDS = {
    reg.SLICE_OK: "accepted",
    reg.SLICE_HELD: "accepted",
    reg.SLICE_SIGNATURE: "signature refused by the brick",
    reg.SLICE_OTHER_KIT: "for another kit or rental",
    reg.SLICE_EXPIRED: "expired",
    reg.SLICE_UNKNOWN_RULE: "for a rule that the brick does not have",
    reg.SLICE_NO_ROOM: "no room on the brick",
}


@dataclass
class Held:
    """One slice in memory."""

    slice: Slice
    brick: bytes | None
    result: int | None
    withheld: str | None
    # The disk has not confirmed the assignment: the slice is not sent, and no other brick gets it.
    unconfirmed: bool = False
    # When the brick answered to it in this session of the link; None: not yet.
    answered: int | None = None


class Budgets:
    """All slices of the kit.

    `connected(brick)` says whether a brick's link is up, `give(brick, slices)` sends to it.
    """

    def __init__(
        self,
        table: Slices,
        controller: Controller,
        clock: Clock,
        bricks: dict[bytes, Brick],
        kit: bytes,
        rental: int,
        director: bytes | None,
        successor: bool,
    ) -> None:
        self._table = table
        self._controller = controller
        self._clock = clock
        self._bricks = bricks
        self._kit = kit
        self._rental = rental
        self._director = director
        # A store that replaces a damaged one cannot know what the old one assigned since: see `_take`.
        self._successor = successor
        self._slices: dict[int, Held] = {}
        self._assigning = False
        self._again = False
        # Order of what bricks say: a status counts for a slice only if it came after the brick took the
        # slice.
        self._order = 0
        self._status_order: dict[bytes, int] = {}
        self._ruleset: dict[bytes, bytes | None] = {}
        self.connected: Callable[[bytes], bool] = lambda brick: True
        self.give: Callable[[bytes, list[tuple[bytes, bytes]]], None] = lambda brick, slices: None
        self.refused: dict[str, int] = {}
        self.pulled_at: float | None = None
        self._assignments: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Takes up what the store knows."""
        for row in await asyncio.wrap_future(self._table.all()):
            self._slices[row.slice.id] = Held(row.slice, row.brick, row.result, row.withheld)

    async def pull(self) -> None:
        """Asks the controller for slices and takes in what is new. Raises ControllerError,
        StoreUnavailable."""
        offered = await self._controller.slices()
        fresh: list[Held] = []
        for signed in offered[:MAX_SLICES]:
            held = self._take(signed)
            if held is not None:
                fresh.append(held)
        if fresh:
            await asyncio.wrap_future(
                self._table.add([(held.slice, held.withheld) for held in fresh], settled=self._successor)
            )
            for held in fresh:
                self._slices[held.slice.id] = held
        elif self._successor:
            await asyncio.wrap_future(self._table.add([], settled=True))
        self._successor = False
        await self.assign()

    def slices_of(self, brick: bytes) -> list[tuple[bytes, bytes]]:
        """At a handshake: payload and signature of every slice of a brick that it may still spend."""
        now = self._clock.now_ms()
        own: list[tuple[bytes, bytes]] = []
        for held in self._slices.values():
            if held.brick == brick:
                held.answered = None
                if held.slice.expires > now and not held.unconfirmed:
                    own.append((held.slice.payload, held.slice.signature))
        return own

    def on_status(self, brick: Brick) -> None:
        """A brick said what it has left."""
        self._order += 1
        self._status_order[brick.brick] = self._order
        self._offer_again(brick)
        if self._next_for(brick) is not None:
            task = asyncio.get_running_loop().create_task(self._assign_quietly(), name="assign slices")
            self._assignments.add(task)
            task.add_done_callback(self._assignments.discard)

    def on_result(self, brick: Brick, slice_id: int, result: int) -> None:
        """A brick answered to a slice."""
        held = self._slices.get(slice_id)
        if held is None or held.brick != brick.brick:
            return
        self._order += 1
        held.answered = self._order
        if result == reg.SLICE_HELD:
            result = reg.SLICE_OK
        if held.result == result:
            return
        held.result = result
        self._table.set_result(slice_id, result)
        if result != reg.SLICE_OK:
            log.warning("%s: slice %d: %s", brick.name, slice_id, RESULT_WORDS.get(result, str(result)))

    async def assign(self) -> None:
        """Gives every connected brick what it needs, as far as there is something. Raises
        StoreUnavailable."""
        if self._assigning:
            self._again = True
            return
        self._assigning = True
        try:
            for held in self._slices.values():
                if held.unconfirmed and held.brick is not None:
                    await self._assign(held, held.brick)
            self._again = True
            while self._again:
                self._again = False
                for brick in self._bricks.values():
                    while (held := self._next_for(brick)) is not None:
                        await self._assign(held, brick.brick)
        finally:
            self._assigning = False

    def summary(self) -> list[dict[str, Any]]:
        """For the status page: one line a rule."""
        lines: dict[bytes, dict[str, Any]] = {}
        for held in self._slices.values():
            line = lines.setdefault(
                held.slice.rule,
                {
                    "rule": held.slice.rule.hex(),
                    "unit": held.slice.unit,
                    "slices": 0,
                    "unassigned": 0,
                    "amount": 0,
                    "left_unassigned": 0,
                    "withheld": 0,
                },
            )
            line["slices"] += 1
            line["amount"] += held.slice.amount
            if held.withheld is not None:
                line["withheld"] += held.slice.amount
            elif held.brick is None:
                line["unassigned"] += 1
                line["left_unassigned"] += held.slice.amount
        return [lines[rule] for rule in sorted(lines)]

    # --- inside

    def _take(self, signed: SignedSlice) -> Held | None:
        """A slice that is new and good; None for one that is known or not for this kit."""
        try:
            parsed: Any = rights.decode_slice(signed.payload)
        except FormatError as wrong:
            return self._refuse(f"unreadable slice: {wrong}")
        if parsed.id in self._slices:
            return None
        if parsed.kit != self._kit or parsed.rental != self._rental:
            return self._refuse("slice for another kit or rental")
        if self._director is not None and not signer.verify(
            self._director, rights.slice_message(signed.payload), signed.signature
        ):
            return self._refuse("slice with a wrong signature")
        # What an earlier, damaged store may have assigned must never be assigned again: it stays unspent.
        withheld = "may have been assigned by the damaged store" if self._successor else None
        parts = Slice(
            parsed.id,
            parsed.rule,
            parsed.unit,
            parsed.amount,
            parsed.expires,
            signed.payload,
            signed.signature,
        )
        return Held(parts, None, None, withheld)

    def _offer_again(self, brick: Brick) -> None:
        """A brick that runs other rules now may want what it refused before."""
        ruleset = None if brick.status is None else brick.status.ruleset8
        before = self._ruleset.get(brick.brick, ruleset)
        self._ruleset[brick.brick] = ruleset
        if ruleset == before:
            return
        refused = [
            held
            for held in self._slices.values()
            if held.brick == brick.brick and held.answered is not None and held.result != reg.SLICE_OK
        ]
        for held in refused:
            held.answered = None
        if refused and self.connected(brick.brick):
            self.give(brick.brick, [(held.slice.payload, held.slice.signature) for held in refused])

    def _refuse(self, reason: str) -> None:
        if reason not in self.refused:
            log.warning("%s", reason)
        if reason in self.refused or len(self.refused) < 32:
            self.refused[reason] = self.refused.get(reason, 0) + 1

    async def _assign(self, held: Held, brick: bytes) -> None:
        """Durable first, then sent. What fails may have reached the disk all the same: it stays this
        brick's."""
        held.brick = brick
        held.unconfirmed = True
        await asyncio.wrap_future(self._table.assign(held.slice.id, brick))
        held.unconfirmed = False
        held.answered = None
        if self.connected(brick):
            self.give(brick, [(held.slice.payload, held.slice.signature)])

    def _next_for(self, brick: Brick) -> Held | None:
        """The slice that this brick gets next, if it is there and needs one."""
        if brick.status is None or not self.connected(brick.brick):
            return None
        now = self._clock.now_ms()
        free: dict[bytes, list[Held]] = {}
        for held in self._slices.values():
            if held.brick is None and held.withheld is None and held.slice.expires > now:
                free.setdefault(held.slice.rule, []).append(held)
        for rule in sorted(free):
            have = self._have(brick, rule, now)
            if have >= WANTED:
                continue
            if have or self._ever(brick.brick, rule):
                without = sum(not self._ever(other, rule) for other in self._bricks)
                if len(free[rule]) <= without:
                    continue
            return min(free[rule], key=lambda held: held.slice.id)
        return None

    def _ever(self, brick: bytes, rule: bytes) -> bool:
        return any(held.brick == brick and held.slice.rule == rule for held in self._slices.values())

    def _have(self, brick: Brick, rule: bytes, now: int) -> int:
        """Slices of a rule with something left: as the brick says, or on their way to it."""
        left = {} if brick.status is None else brick.status.slices
        said = self._status_order.get(brick.brick, 0)
        count = 0
        for held in self._slices.values():
            if held.brick != brick.brick or held.slice.rule != rule or held.slice.expires <= now:
                continue
            # A brick that has just started knows of none of its slices until they are sent anew; one that
            # refuses
            # a slice (it has not got the rule yet) is not given the whole stock to refuse.
            pending = held.answered is None or said < held.answered or held.result != reg.SLICE_OK
            if pending or left.get(held.slice.id, 0) > 0:
                count += 1
        return count

    async def _assign_quietly(self) -> None:
        try:
            await self.assign()
        except (StoreUnavailable, ControllerError) as failed:
            log.warning("slices not assigned: %s", failed)
