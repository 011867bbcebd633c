"""The newest directive for this kit: judged as bricks judge it, kept byte for byte, and when it was last confirmed.

`envelope`, `etag` and `confirmed_at` are what is handed on to bricks. Bricks check for themselves; the host checks, too
(hostagent.judged), so that it neither passes on nor acts on what the director did not sign, or on something older than it has."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

from hostagent.clock import Clock
from hostagent.core import directive, reg
from hostagent.errors import DirectiveRefused
from hostagent.judged import Judged, packed, read, unpacked
from hostagent.store.intents import Intents, Kept

# An install begins only while the directive was confirmed so recently.
CONFIRMED_S = 600.0
# Confirmations are written down so often at most.
NOTED_MS = 60_000


class Intent:
    """One for a host. `order`: the directive's content (stallmark.directive.Directive) or None."""

    def __init__(
        self,
        table: Intents,
        clock: Clock,
        kit: bytes,
        director: bytes | None,
        rental: Callable[[], int] = lambda: 0,
    ) -> None:
        self._table = table
        self._clock = clock
        self.judged = Judged(kit, director, rental)
        self.envelope: bytes | None = None
        self.etag: str | None = None
        self.order: Any = None
        # Monotonic seconds of the last confirmation since this start, market ms of the last one ever.
        self.confirmed_at: float | None = None
        self.confirmed_ms: int | None = None
        self.fetched_ms: int | None = None
        self.active_ms: int | None = None

    async def load(self) -> None:
        """Takes up what the store has; it is checked anew, and not confirmed."""
        kept = await asyncio.wrap_future(self._table.get())
        if kept is None:
            return
        judged, found = self.judged, read(kept.envelope)
        judged.taken = unpacked(kept.state)
        if judged.taken is None:  # kept by an earlier program
            judged.taken = judged.verdict(kept.envelope)[1]
        if found is None or not judged.named(found.digest):
            # The director's key is another one now. A stop holds even so, until a newer directive.
            found = judged.stop_of(kept.envelope)
            if found is None:
                return
        self.order = found
        self.envelope, self.etag = kept.envelope, kept.etag
        self.fetched_ms, self.confirmed_ms, self.active_ms = (
            kept.fetched_ms,
            kept.confirmed_ms,
            kept.active_ms,
        )

    @property
    def number(self) -> int:
        """Of the directive that is here; 0 where there is none."""
        return 0 if self.order is None else int(self.order.number)

    @property
    def halted(self) -> bool:
        """Whether the kit is stopped. A stop holds until a newer directive lifts it, however old it is."""
        return self.order is not None and bool(self.order.flags & directive.HALTED)

    @property
    def in_force(self) -> bool:
        """Whether something may be installed under it now: confirmed, not expired, no stop."""
        if self.order is None or self.halted or self.confirmed_at is None:
            return False
        if not self.judged.binds(self.order.digest):
            return False
        if time.monotonic() - self.confirmed_at > CONFIRMED_S:
            return False
        return not self.expired

    @property
    def expired(self) -> bool:
        """Whether its time is over, as far as this host knows the time."""
        return (
            self.order is not None and self._clock.known() and self.order.expires_ms <= self._clock.now_ms()
        )

    def items(self) -> Iterator[Any]:
        """What it orders (stallmark.directive.Item)."""
        if self.order is not None:
            yield from self.order.items

    def item(self, brick: bytes, kind: int = reg.ARTEFACT_RULESET) -> Any:
        """What it orders for a brick, or None."""
        return next((item for item in self.items() if item.brick8 == brick and item.kind == kind), None)

    async def take(self, envelope: bytes, etag: str) -> bool:
        """Takes in what the controller sent; durable on return. True where it is another one than before.

        Raises DirectiveRefused: the one before stays; StoreUnavailable."""
        judged = self.judged
        result, state, order = judged.verdict(envelope)
        if result == reg.INSTALL_ALREADY and envelope == self.envelope:
            await self.confirm()
            return False
        if result not in (reg.INSTALL_OK, reg.INSTALL_ALREADY):
            words, older = judged.words(result, envelope)
            raise DirectiveRefused(words, older=older)
        now_ms = self._clock.now_ms()
        # This host's own clock can only refuse, and no stop: that one can only be lifted by a newer directive.
        if self._clock.known() and order.expires_ms <= now_ms and not order.flags & directive.HALTED:
            raise DirectiveRefused(f"directive {order.number} has expired")
        state = state or judged.state  # already taken: another of its directors signed it too
        same = self.order is not None and not self.halted and order.items == self.order.items
        active_ms = self.active_ms if same else None
        kept = Kept(etag, bytes(envelope), now_ms, now_ms, active_ms, packed(state))
        await asyncio.wrap_future(self._table.put(kept))
        judged.taken = state
        self.envelope, self.etag, self.order = bytes(envelope), etag, order
        self.fetched_ms = self.confirmed_ms = now_ms
        self.active_ms = active_ms
        self.confirmed_at = time.monotonic()
        return True

    async def confirm(self) -> None:
        """The controller said that nothing is newer. Raises StoreUnavailable."""
        if self.envelope is None:
            return
        self.confirmed_at = time.monotonic()
        now_ms = self._clock.now_ms()
        if self.confirmed_ms is None or abs(now_ms - self.confirmed_ms) >= NOTED_MS:
            self.confirmed_ms = now_ms
            await self._keep()

    async def activated(self) -> None:
        """Every brick runs what it orders. Raises StoreUnavailable."""
        if self.active_ms is None:
            self.active_ms = self._clock.now_ms()
            await self._keep()

    async def reopened(self) -> None:
        """A brick runs something else again. Raises StoreUnavailable."""
        self.active_ms = None
        await self._keep()

    async def _keep(self) -> None:
        assert self.envelope is not None and self.etag is not None
        fetched, confirmed = self.fetched_ms or 0, self.confirmed_ms or 0
        state = packed(self.judged.taken)
        kept = Kept(self.etag, self.envelope, fetched, confirmed, self.active_ms, state)
        await asyncio.wrap_future(self._table.put(kept))
