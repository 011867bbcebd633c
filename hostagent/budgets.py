"""Rights: slices come from the controller; each goes to one brick, once and for good (docs/rights.md).

An assignment is durable before the slice is sent; a brick's own slices are sent anew after each handshake. Who gets
which is decided in `allotment`; the host's own lane is one more brick.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from hostagent import signer
from hostagent.allotment import Allotment, Held
from hostagent.answers import SignedSlice
from hostagent.bricks import Brick
from hostagent.clock import Clock
from hostagent.controller import Controller
from hostagent.core import FormatError, reg, rights
from hostagent.errors import ControllerError, StoreUnavailable
from hostagent.store.slices import Slice, Slices

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


class Budgets:
    """All slices of the kit.

    `connected(brick)` says whether a brick's link is up, `give(brick, slices)` sends to it, `suits(brick, rule8)`
    whether it can use rights of a rule.
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
        self._floor = 0
        self.suits: Callable[[bytes, bytes], bool] = lambda brick, rule: True
        self.allotment = Allotment(lambda: self._bricks, self._ready, self._left, self._suits)
        self._slices = self.allotment.slices
        self._assigning = False
        self._again = False
        self._ruleset: dict[bytes, bytes | None] = {}
        self.connected: Callable[[bytes], bool] = lambda brick: True
        self.give: Callable[[bytes, list[tuple[bytes, bytes]]], None] = lambda brick, slices: None
        # Whether the kit is stopped: then nobody is given or told of any slice (docs/desired-state.md).
        self.halted: Callable[[], bool] = lambda: False
        # Public keys of the directors by the newest root; None without one: then it is the one of config.json.
        self.directors: Callable[[], list[bytes] | None] = lambda: None
        self.refused: dict[str, int] = {}
        self.pulled_at: float | None = None
        # What the controller last said of these budgets (GET /v1/kits/…/rights), for screens.
        self.figures: list[dict[str, Any]] = []
        self._assignments: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Takes up what the store knows."""
        for row in await asyncio.wrap_future(self._table.all()):
            if rights.decode_slice(row.slice.payload).rental != self._rental:
                continue
            self._slices[row.slice.id] = Held(row.slice, row.brick, row.result, row.withheld, hint=row.hint)
        self._floor = await asyncio.wrap_future(self._table.floor())

    def renew(self, rental: int) -> None:
        """Another rental began: slices of the one before are nobody's any more; the store keeps who had them."""
        self._rental = rental
        self._slices.clear()
        self._ruleset.clear()

    async def pull(self) -> None:
        """Asks the controller for slices and takes in what is new. Raises ControllerError,
        StoreUnavailable."""
        offered, last = await self._controller.slices()
        fresh: list[Held] = []
        for signed in offered[:MAX_SLICES]:
            held = self._take(signed)
            if held is not None:
                fresh.append(held)
        if fresh or self._successor:
            # What was minted so far and is not offered now (a clock elsewhere may err) stays withheld as well.
            floor = max([last, *(held.slice.id for held in fresh)]) if self._successor else None
            await asyncio.wrap_future(
                self._table.add([(held.slice, held.withheld, held.hint) for held in fresh], floor)
            )
            for held in fresh:
                self._slices[held.slice.id] = held
            self._floor = self._floor if floor is None else floor
        self._successor = False
        await self._sign_anew(offered[:MAX_SLICES])
        await self.assign()

    async def look(self) -> None:
        """Asks the controller how these budgets stand. Raises ControllerError."""
        self.figures = await self._controller.rights()

    def slices_of(self, brick: bytes) -> list[tuple[bytes, bytes]]:
        """At a handshake: payload and signature of every slice of a brick that it may still spend; none while the kit is
        stopped."""
        if self.halted():
            return []
        own = self.allotment.own(brick, self._clock.now_ms())
        return [(held.slice.payload, held.slice.signature) for held in own]

    def on_status(self, brick: Brick) -> None:
        """A brick said what it has left."""
        self.allotment.heard_status(brick.brick)
        self._offer_again(brick)
        if self._next_for(brick) is not None:
            task = asyncio.get_running_loop().create_task(self._assign_quietly(), name="assign slices")
            self._assignments.add(task)
            task.add_done_callback(self._assignments.discard)

    def on_result(self, brick: Brick, slice_id: int, result: int) -> None:
        """A brick answered to a slice."""
        held = self.allotment.heard_result(brick.brick, slice_id, result, self._clock.now_ms())
        if held is None or held.result is None:
            return
        self._table.set_result(slice_id, held.result)
        if held.result != reg.SLICE_OK:
            words = RESULT_WORDS.get(held.result, str(held.result))
            log.warning("%s: slice %d: %s", brick.name, slice_id, words)

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
                for brick in list(self._bricks.values()):  # one may get a place meanwhile
                    while (held := self._next_for(brick)) is not None:
                        await self._assign(held, brick.brick)
        finally:
            self._assigning = False

    def summary(self) -> list[dict[str, Any]]:
        """For the status page: one line a rule and unit, amounts in that unit.

        `amount` = `spent` + `stranded`, as far as bricks have told this host; `stranded` = `assigned` (unspent at a
        brick) + `left_unassigned` + `withheld` + `expired` (unspent when it ended; the controller may take it back).
        """
        now = self._clock.now_ms()
        lines: dict[tuple[bytes, int], dict[str, Any]] = {}
        for held in self._slices.values():
            one = held.slice
            line = lines.setdefault(
                (one.rule, one.unit),
                {
                    "rule": one.rule.hex(),
                    "unit": one.unit,
                    **dict.fromkeys(("slices", "unassigned", "amount", "spent", "assigned"), 0),
                    **dict.fromkeys(("left_unassigned", "withheld", "expired", "stranded"), 0),
                },
            )
            line["slices"] += 1
            line["amount"] += one.amount
            left = self._left_of(held)
            line["spent"] += one.amount - left
            line["stranded"] += left
            if one.expires <= now:
                line["expired"] += left
            elif held.withheld is not None:
                line["withheld"] += left
            elif held.brick is None:
                line["unassigned"] += 1
                line["left_unassigned"] += left
            else:
                line["assigned"] += left
        return [lines[key] for key in sorted(lines)]

    async def resume(self) -> None:
        """A stop was lifted: everybody is told of their slices again. Raises StoreUnavailable."""
        for brick in self._bricks:
            if self.connected(brick):
                self.give(brick, self.slices_of(brick))
        await self.assign()

    def held(self) -> list[Held]:
        """Every slice that this host knows."""
        return list(self._slices.values())

    def assigned(self) -> dict[int, bytes]:
        """Which brick has which slice, as far as that is durable."""
        return {
            number: held.brick
            for number, held in self._slices.items()
            if held.brick is not None and not held.unconfirmed
        }

    # --- inside

    async def _sign_anew(self, offered: list[SignedSlice]) -> None:
        """Slices that are known and that another director signed: the new signature is kept, and told to whom they belong."""
        found: list[tuple[Held, bytes]] = []
        for signed in offered:
            try:
                held = self._slices.get(rights.decode_slice(signed.payload).id)
            except FormatError:
                continue
            if (
                held is None
                or held.slice.payload != signed.payload
                or held.slice.signature == signed.signature
            ):
                continue
            if self._signed(signed):
                found.append((held, signed.signature))
        if not found:
            return
        await asyncio.wrap_future(self._table.sign_anew([(held.slice.id, by) for held, by in found]))
        now_ms = self._clock.now_ms()
        for held, by in found:
            held.slice = held.slice._replace(signature=by)
            brick = None if held.unconfirmed or held.slice.expires <= now_ms else held.brick
            if brick is not None and self.connected(brick) and not self.halted():
                self.give(brick, [(held.slice.payload, by)])
        log.info("%d slices have the signature of another director now", len(found))

    def _signed(self, signed: SignedSlice) -> bool:
        keys = self.directors() or ([] if self._director is None else [self._director])
        message = rights.slice_message(signed.payload)
        return not keys or any(signer.verify(key, message, signed.signature) for key in keys)

    def _take(self, signed: SignedSlice) -> Held | None:
        """A slice that is new and good; None for one that is known or not for this kit."""
        try:
            parsed: Any = rights.decode_slice(signed.payload)
        except FormatError as wrong:
            return self._refuse(f"unreadable slice: {wrong}")
        if parsed.id in self._slices:
            return None
        if parsed.kit == self._kit and parsed.rental > self._rental:
            return None  # of the rental that begins: this host hears of that first, and asks again
        if parsed.kit != self._kit or parsed.rental != self._rental:
            return self._refuse("slice for another kit or rental")
        if not self._signed(signed):
            return self._refuse("slice with a wrong signature")
        # What an earlier, damaged store may have assigned must never be assigned again: it stays unspent.
        doubtful = self._successor or parsed.id <= self._floor
        withheld = "may have been assigned by the damaged store" if doubtful else None
        parts = Slice(
            parsed.id,
            parsed.rule,
            parsed.unit,
            parsed.amount,
            parsed.expires,
            signed.payload,
            signed.signature,
        )
        return Held(parts, None, None, withheld, hint=signed.brick)

    def _offer_again(self, brick: Brick) -> None:
        """A brick that runs other rules now may want what it refused before; one that has spent has places again."""
        ruleset = None if brick.status is None else brick.status.ruleset8
        before = self._ruleset.get(brick.brick, ruleset)
        self._ruleset[brick.brick] = ruleset
        now_ms = self._clock.now_ms()
        if ruleset != before:
            refused = self.allotment.refused_by(brick.brick, now_ms)
        else:
            refused = self.allotment.no_room(brick.brick, now_ms)
        for held in refused:
            held.answered = None
        if refused and self.connected(brick.brick) and not self.halted():
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
        # The disk may have taken its time: what has ended meanwhile must not come to a brick that has started since.
        if self.connected(brick) and held.slice.expires > self._clock.now_ms() and not self.halted():
            self.give(brick, [(held.slice.payload, held.slice.signature)])

    def _next_for(self, brick: Brick) -> Held | None:
        if self.halted():
            return None
        return self.allotment.next_for(brick.brick, self._clock.now_ms())

    def _ready(self, brick: bytes) -> bool:
        return self._bricks[brick].status is not None and self.connected(brick)

    def _suits(self, brick: bytes, rule: bytes) -> bool:
        return self.suits(brick, rule)

    def _left(self, brick: bytes) -> dict[int, int]:
        status = self._bricks[brick].status
        return {} if status is None else status.slices

    def _left_of(self, held: Held) -> int:
        """As its brick last said; whole before it said so."""
        if held.brick is None or held.brick not in self._bricks:
            return held.slice.amount
        return min(held.slice.amount, self._left(held.brick).get(held.slice.id, held.slice.amount))

    async def _assign_quietly(self) -> None:
        try:
            await self.assign()
        except (StoreUnavailable, ControllerError) as failed:
            log.warning("slices not assigned: %s", failed)
