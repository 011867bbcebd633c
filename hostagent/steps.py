"""The kit's rental, and the controller's orders to bricks to step to it: fetched, keys made durable, told with each link until a
brick has answered. What bricks answer goes back under their own tags: a host can neither order nor answer for them.
docs/formats/control.md"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from typing import Any, Protocol

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from hostagent.answers import Step
from hostagent.bricks import Brick
from hostagent.controller import Controller
from hostagent.core import Fields, reg
from hostagent.errors import ControllerError

META = "rental"  # of the kit, once it is another one than config.json says
AGAIN_S = 15.0  # between two times that a brick is told the same order over one link
log = logging.getLogger("hostagent.steps")
Tell = Callable[[bytes, int, Any], bool]


class Keys(Protocol):
    """What is needed of the store."""

    meta: dict[str, Any]

    def set_meta(self, values: dict[str, Any]) -> "Future[None]": ...

    def find_link_keys(self, brick: bytes) -> dict[int, bytes] | None: ...

    def import_link_keys(self, keys: Iterable[tuple[bytes, int, bytes]]) -> "Future[None]": ...


class Steps:
    """One for a host. `rental`: of config.json. `tell(brick8, kind, value)` queues a message over a link that is up; `lane`
    has the host's own lane step, and gives its answer once that is durable. `leaving()` forgets what ends with a rental, durably,
    and may be done twice; `moved()` is called when the rental is another one."""

    def __init__(self, store: Keys, controller: Controller, seed: bytes, rental: int, tell: Tell) -> None:
        self._store = store
        self._controller = controller
        kept = store.meta.get(META)
        self.rental = max(rental, kept) if isinstance(kept, int) else rental
        secret = bindings.crypto_sign_seed_keypair(seed)[1]
        self._box = SealedBox(PrivateKey(bindings.crypto_sign_ed25519_sk_to_curve25519(secret)))
        self._tell = tell
        self._orders: dict[bytes, Step] = {}
        self._told_at: dict[bytes, float] = {}
        self._answers: dict[bytes, tuple[list[int], bytes]] = {}  # the newest of each brick, for the controller
        self._refused: dict[bytes, tuple[Step, int]] = {}
        self.lane: Callable[[Step], Any] | None = None
        self.wipe: str | None = None  # the booking after which the controller orders this host to wipe
        self.leaving: Callable[[], Awaitable[None]] | None = None
        self.moved: Callable[[], None] = lambda: None

    def message(self, brick8: bytes) -> Fields | None:
        """Message 52 for a brick that has an order; told with a new link."""
        one = self._orders.get(brick8)
        if one is None:
            return None
        self._told_at[brick8] = time.monotonic()
        return {0: one.rental, 1: one.following, 2: one.epoch, 3: one.tag}

    def heard(self, brick: Brick, value: Fields) -> None:
        """Message 13. What it says is for the controller; here it only ends the telling."""
        said = [value.get(at) for at in range(5)]
        numbers = [one for one in said if type(one) is int and 0 <= one <= 0xFFFFFFFF]
        tag = value.get(5)
        if len(numbers) != 5 or type(tag) is not bytes or len(tag) != 16:
            brick.counters["unreadable"] += 1
            return
        order = self._orders.get(brick.brick)
        if order is None or order.following != numbers[1]:
            return
        self._answers[brick.brick] = numbers, tag
        if numbers[0] == reg.STEP_DONE:
            log.info("%s is in rental %d", brick.name, numbers[2])
        else:
            self._refused[brick.brick] = order, numbers[0]
            log.warning("%s did not step to rental %d: result %d", brick.name, numbers[1], numbers[0])

    async def pull(self) -> None:
        """Answers go to the controller, then orders are fetched and told. Raises ControllerError, StoreUnavailable."""
        for brick8, (numbers, tag) in list(self._answers.items()):
            try:
                await self._controller.stepped(brick8, numbers, tag)
            except ControllerError as failed:
                if failed.kind != "refused":
                    raise
                log.warning("the controller does not take what brick %s answered: %s", brick8.hex(), failed)
            if self._answers.get(brick8) == (numbers, tag):
                del self._answers[brick8]
        rental, found, self.wipe = await self._controller.steps()
        if rental > self.rental:
            if self.leaving is not None:
                await self.leaving()
            await asyncio.wrap_future(self._store.set_meta({META: rental}))
            log.info("this kit is in rental %d now", rental)
            self.rental = rental
            self.moved()
        self._orders = {brick8: one for brick8, one in self._orders.items() if any(one == other for other in found)}
        for one in found:
            await self._take(one)

    def report(self) -> list[dict[str, Any]]:
        """For the status: orders that bricks have not followed, as far as the controller said."""
        return [
            {"brick": one.brick.hex(), "rental": one.rental, "following": one.following, "refused": self._result(one)}
            for one in self._orders.values()
        ]

    def _result(self, one: Step) -> int | None:
        before = self._refused.get(one.brick)
        return before[1] if before is not None and before[0] == one else None

    async def _take(self, one: Step) -> None:
        if one.lane:
            self._orders[one.brick] = one
            if self.lane is not None and (said := await self.lane(one)) is not None:
                self._answers[one.brick] = [said[at] for at in range(5)], said[5]
            return
        if one.brick not in self._orders:
            key = self._open(one)
            if key is None:
                return
            await asyncio.wrap_future(self._store.import_link_keys([(one.brick, one.epoch, key)]))
            held = self._store.find_link_keys(one.brick) or {}
            if one.epoch not in held and min(held, default=-1) < one.epoch:
                return  # a brick that is told of it would burn its old key
            self._orders[one.brick] = one
            self._told_at.pop(one.brick, None)
        if time.monotonic() - self._told_at.get(one.brick, -AGAIN_S) >= AGAIN_S:
            message = self.message(one.brick)
            if not self._tell(one.brick, reg.MSG_STEP, message):
                self._told_at.pop(one.brick, None)

    def _open(self, one: Step) -> bytes | None:
        try:
            key = self._box.decrypt(one.key)
        except (CryptoError, ValueError):
            key = b""
        if len(key) != 32:
            log.error("brick %s: the link key of its next rental is not sealed for this host", one.brick.hex())
            return None
        return key
