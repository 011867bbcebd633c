"""Tells bricks whom to trust and what the director orders: roots in order, then the kit's directive. docs/formats/directive.md

Bricks judge by themselves; the host passes on what they lack, by what their status says, one thing at a time for each brick.
Roots come from the controller and are kept; the directive is the one that the host follows."""

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hostagent.bricks import Brick
from hostagent.clock import monotonic_ms
from hostagent.core import Fields, bundle, directive, reg
from hostagent.errors import ControllerError
from hostagent.links.tells import Message
from hostagent.roots import Roots, Source, word

# An envelope goes whole in one message up to this size, else by pieces that the brick asks for.
WHOLE = 400
PIECE = 256
# A brick that says nothing of what it was told is told again; one that refused, with the next link or another directive.
AGAIN_MS = 30_000
# A controller is asked for newer roots so often at most.
EVERY_S = 10.0
NO_STORE, DAMAGED, PROMISED = 2, 4, 8
log = logging.getLogger("hostagent.directing")


@dataclass
class _Told:
    """What a brick was told last over this link, and what it refused."""

    digest8: bytes = b""
    envelope: bytes = b""
    at_ms: int = 0
    refused: dict[bytes, int] = field(default_factory=dict[bytes, int])


class Directing:
    """One for a host. `order()` gives (number, envelope) of the newest directive, or None; `flush(brick8)` lets a brick's
    session look for something to send; `keep(data)` makes the roots durable, for `load`."""

    def __init__(
        self,
        source: Source,
        bricks: dict[bytes, Brick],
        order: Callable[[], tuple[int, bytes] | None],
        flush: Callable[[bytes], None],
        keep: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> None:
        self._source = source
        self._roots = Roots(source, keep)
        self._pulled_at: float | None = None
        self._bricks = bricks
        self._order = order
        self._flush = flush
        self._tags: dict[bytes, bytes] = {}
        self._told: dict[bytes, _Told] = {}
        self._order8: tuple[bytes, bytes] | None = None

    # --- from the controller

    @property
    def trouble(self) -> str | None:
        """Why a newer root is not passed on; None: nothing is wrong."""
        return self._roots.trouble

    @property
    def version(self) -> int:
        """The newest root here; 0 without one."""
        return self._roots.version

    @property
    def directors(self) -> list[bytes] | None:
        """Public keys of the directors by the newest root; None without a root."""
        fields = self._roots.state
        return None if fields is None else [public for _, public in fields[7]]

    @property
    def state(self) -> Fields | None:
        """What is trusted after the newest root, as stallmark.trust keeps it; None without a root."""
        return self._roots.state

    def load(self, kept: bytes | None) -> None:
        """Takes up the roots that were kept."""
        self._roots.load(kept)

    async def pull(self) -> None:
        """Fetches roots up to the newest, and tags for bricks that have none; where it did so a moment ago, nothing. Raises
        ControllerError, StoreUnavailable."""
        if self._pulled_at is not None and time.monotonic() - self._pulled_at < EVERY_S:
            return
        first_time = self._pulled_at is None
        changed, first = await self._roots.pull(), self._roots.first
        lacking = first_time or any(
            not self._tags.get(one.brick) for one in self._bricks.values() if _rootless(one)
        )
        if first and lacking:
            try:
                self._tags = await self._source.root_tags(first)
                changed = True
            except ControllerError as failed:
                # A controller that gives no tags: its bricks were promised their root.
                if failed.kind != "refused":
                    raise
        self._pulled_at = time.monotonic()
        if changed:
            self.look()

    # --- to bricks

    def look(self) -> None:
        """Something may have to be told."""
        for brick8 in list(self._told):
            self._flush(brick8)

    def linked(self, brick: Brick) -> None:
        """A new link: what was refused before may be taken now."""
        self._told[brick.brick] = _Told()

    def unlinked(self, brick: Brick) -> None:
        """The link is gone."""
        self._told.pop(brick.brick, None)

    def ready(self, brick: Brick) -> bool:
        """Whether a bundle may be offered: the brick trusts no root yet, or has the directive that the host has."""
        said = None if brick.status is None else brick.status.trust
        if said is None or said.bits & NO_STORE:
            return True
        if said.version == 0:
            # A root that is on its way ends what was begun before it: no use in beginning.
            known = brick.brick in self._tags or said.bits & PROMISED
            return not self.version or not known or self._refused_all(brick)
        found = self._order()
        return found is None or said.order8 == self._digest8(found[1])

    def next_for(self, brick: Brick) -> Message | None:
        """Message 50 where the brick lacks something, and nothing is on its way to it."""
        told = self._told.get(brick.brick)
        if told is None or (told.envelope and monotonic_ms() - told.at_ms < AGAIN_MS):
            return None
        found = self._lacking(brick)
        if found is None:
            return None
        what, envelope, tag = found
        digest8 = hashlib.sha256(envelope).digest()[:8]
        if digest8 in told.refused:
            return None
        told.digest8, told.envelope, told.at_ms = digest8, envelope, monotonic_ms()
        value: Fields = {0: what, 1: digest8, 2: len(envelope), 4: tag}
        if len(envelope) <= WHOLE:
            value[3] = envelope
        return reg.MSG_TRUST, value

    def _lacking(self, brick: Brick) -> tuple[int, bytes, bytes | None] | None:
        """(what, envelope, tag) of the next thing that a brick has not."""
        said = None if brick.status is None else brick.status.trust
        if said is None or said.bits & NO_STORE:
            return None
        if said.version < self.version:
            version = said.version + 1 if said.version else self._roots.first
            envelope = self._roots.get(version)
            if envelope is None:
                return None
            tag = None if said.version else self._tags.get(brick.brick)
            if said.version == 0 and tag is None and not said.bits & PROMISED:
                return None
            return reg.TRUST_ROOT, envelope, tag
        found = self._order()
        if said.version == 0 or found is None or found[0] <= said.number:
            return None
        return reg.TRUST_DIRECTIVE, found[1], None

    def message(self, brick: Brick, kind: int, value: Fields) -> Message | None:
        """What a brick said of trust (11 and 12); the piece that it asks for."""
        told = self._told.get(brick.brick)
        if told is None or value.get(0) != told.digest8:
            return None
        second = value.get(1)
        if kind == reg.MSG_TRUST_WANTED and type(second) is int and 0 <= second < len(told.envelope):
            told.at_ms = monotonic_ms()
            data = told.envelope[second : second + PIECE]
            return reg.MSG_TRUST_PIECE, {0: told.digest8, 1: second, 2: data}
        if kind == reg.MSG_TRUST_RESULT and type(second) is int:
            self._answered(brick, told, second)
        return None

    def _answered(self, brick: Brick, told: _Told, result: int) -> None:
        said = word(result)
        if result in (reg.INSTALL_OK, reg.INSTALL_ALREADY):
            log.info("%s took root or directive %s: %s", brick.name, told.digest8.hex(), said)
        else:
            brick.counters["trust_refused"] += 1
            log.warning("%s refuses root or directive %s: %s", brick.name, told.digest8.hex(), said)
        # Its status says what it has now; it comes after this.
        if result == reg.INSTALL_OK:
            told.refused.clear()  # what did not fit before may fit now
        told.refused[told.digest8] = result
        told.envelope = b""

    def _refused_all(self, brick: Brick) -> bool:
        told = self._told.get(brick.brick)
        return told is not None and any(result != reg.INSTALL_OK for result in told.refused.values())

    def _digest8(self, envelope: bytes) -> bytes:
        """SHA-256 of a directive's payload, the beginning: what bricks call it by."""
        if self._order8 is None or self._order8[0] != envelope:
            payload = bundle.opened(envelope, directive.TYPE)[0]
            self._order8 = envelope, hashlib.sha256(payload).digest()[:8]
        return self._order8[1]


def _rootless(brick: Brick) -> bool:
    said = None if brick.status is None else brick.status.trust
    return said is not None and said.version == 0 and not said.bits & NO_STORE
