"""Rules that bricks try beside those in use: the controller's orders, the bundles, what bricks say. docs/formats/shadow.md"""

import asyncio
import binascii
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from stallmark import shadow as _core

from hostagent.bricks import Brick
from hostagent.clock import monotonic_ms
from hostagent.core import Fields, FormatError, bundle, reg
from hostagent.errors import ControllerError, StoreUnavailable
from hostagent.targets import Targets

MOST = 16  # orders that are kept
MAX_BYTES = 65_536  # of a bundle of rules, as bricks take them
CHUNK_BYTES = 256
AGAIN_MS = 30_000  # a brick that does not say a word of it is told again
SUMMARY_MOST = 440
core: Any = _core
log = logging.getLogger("hostagent.shadows")


@dataclass(frozen=True)
class Order:
    """One brick's, as the controller made it. `bundle`, `artefact`: digest32 of envelope and artefact."""

    bundle: bytes
    artefact: bytes
    artefact_length: int
    length: int
    until_ms: int
    tag: bytes


class Shadows:
    """One for a host. `flush(brick8)` lets a brick's session look for something to send."""

    def __init__(self, targets: Targets, bricks: dict[bytes, Brick], flush: Callable[[bytes], None]) -> None:
        self._targets = targets
        self._bricks = bricks
        self._flush = flush
        self._orders: dict[bytes, Order] = {}
        self._data: dict[bytes, bytes] = {}  # by the first 8 bytes of the bundle's digest
        self._told: dict[bytes, int] = {}  # brick → when, monotonic ms
        self._ending: set[bytes] = set()

    async def answered(self, answer: dict[str, Any]) -> None:
        """The controller's answer to a status report: every order that stands for this kit."""
        orders: dict[bytes, Order] = {}
        listed = answer.get("shadow")
        for entry in cast(list[Any], listed)[:MOST] if isinstance(listed, list) else []:
            read = _order(entry)
            if read is not None and read[0] in self._bricks:
                orders[read[0]] = read[1]
        gone = {brick8 for brick8 in self._orders if brick8 not in orders}
        for brick8 in gone:
            self._bricks[brick8].shadow = None
        self._ending = (self._ending | gone) - orders.keys()
        for brick8, order in orders.items():
            if order != self._orders.get(brick8):
                self._told.pop(brick8, None)
                self._bricks[brick8].shadow = None
        self._orders = orders
        wanted = {order.bundle[:8]: order for order in orders.values()}
        self._data = {digest8: data for digest8, data in self._data.items() if digest8 in wanted}
        for digest8, order in wanted.items():
            if digest8 not in self._data:
                await self._fetch(digest8, order)
        for brick8 in (*orders, *gone):
            self._flush(brick8)

    async def _fetch(self, digest8: bytes, order: Order) -> None:
        """What cannot be had now is asked for with the next report."""
        try:
            envelope = await self._targets.get(order.bundle)
            artefact = await self._targets.get(order.artefact, order.artefact_length)
        except (ControllerError, StoreUnavailable) as failed:
            log.warning("rules to be tried cannot be fetched: %s", failed)
            return
        data = await asyncio.to_thread(_joined, envelope, artefact)
        if data is not None and len(data) == order.length:
            self._data[digest8] = data

    # --- what sessions ask

    def linked(self, brick: Brick) -> None:
        """A new link: a brick that started anew tries nothing any more."""
        self._told.pop(brick.brick, None)

    def next_for(self, brick: Brick) -> tuple[int, Fields] | None:
        """Message 53 where a brick is to begin or to end, and was not told."""
        order = self._orders.get(brick.brick)
        if order is None:
            if brick.brick in self._ending:
                self._ending.discard(brick.brick)
                return reg.MSG_SHADOW, {0: None}
            return None
        if order.bundle[:8] not in self._data:
            return None
        told = self._told.get(brick.brick)
        settled = brick.shadow is not None and not _gave_way(brick.shadow[0])
        if told is not None and (settled or monotonic_ms() - told < AGAIN_MS):
            return None
        self._told[brick.brick] = monotonic_ms()
        return reg.MSG_SHADOW, {0: order.bundle, 1: order.length, 2: order.until_ms, 3: order.tag}

    def message(self, brick: Brick, value: Fields) -> bool:
        """Message 16: kept as it is, its tag is for the controller. False where it is none."""
        summary, tag = value.get(0), value.get(1)
        if type(summary) is not bytes or len(summary) > SUMMARY_MOST or type(tag) is not bytes or len(tag) != 16:
            return False
        if brick.brick in self._orders:
            brick.shadow = summary, tag
        return True

    def chunk(self, digest8: bytes, offset: int) -> bytes | None:
        """At most 256 bytes of a bundle that is tried; None for others and beyond its end."""
        data = self._data.get(digest8)
        return None if data is None or not 0 <= offset < len(data) else data[offset : offset + CHUNK_BYTES]


def _gave_way(summary: bytes) -> bool:
    """Whether the trial ended because something was installed: it may begin again."""
    try:
        return bool(core.read(summary)[3] == core.GAVE_WAY)
    except FormatError:
        return False


def _joined(envelope: bytes, artefact: bytes) -> bytes | None:
    """The bundle's bytes, where the one fits the other; its authors are for the brick to judge."""
    try:
        parsed: Any = bundle.parse(envelope)
    except FormatError:
        return None
    if not bundle.artefact_good(parsed, len(artefact), hashlib.sha256(artefact).digest()):
        return None
    return cast(bytes, bundle.join(envelope, artefact))


def _order(entry: Any) -> tuple[bytes, Order] | None:
    """(brick8, order) of one entry of the answer; None where it is none."""
    f = cast(dict[str, Any], entry) if isinstance(entry, dict) else {}
    try:
        octets = [binascii.unhexlify(f[name]) for name in ("brick", "bundle", "artefact", "tag")]
        numbers = [f[name] for name in ("artefact_length", "length", "until_ms")]
    except (KeyError, TypeError, ValueError):
        return None
    if [len(one) for one in octets] != [8, 32, 32, 16] or not all(type(one) is int and one >= 0 for one in numbers):
        return None
    if not 0 < numbers[0] < numbers[1] <= MAX_BYTES:
        return None
    return octets[0], Order(octets[1], octets[2], numbers[0], numbers[1], numbers[2], octets[3])
