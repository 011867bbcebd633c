"""The newest directive for this kit: the director's signature checked, kept byte for byte, and when it was last confirmed.

`envelope`, `etag` and `confirmed_at` are what is handed on to bricks. Bricks check for themselves; the host checks, too, so that
it neither passes on nor acts on what the director did not sign, or on something older than it has."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

from hostagent import signer
from hostagent.clock import Clock
from hostagent.core import FormatError, bundle, cbor, directive, reg, trust
from hostagent.errors import DirectiveRefused
from hostagent.store.intents import Intents, Kept

# An install begins only while the directive was confirmed so recently.
CONFIRMED_S = 600.0
# Confirmations are written down so often at most.
NOTED_MS = 60_000


class Intent:
    """One for a host. `order`: the directive's content (stallmark.directive.Directive) or None."""

    def __init__(self, table: Intents, clock: Clock, kit: bytes, director: bytes | None) -> None:
        self._table = table
        self._clock = clock
        self._kit = kit
        self._director = director
        self.envelope: bytes | None = None
        self.etag: str | None = None
        self.order: Any = None
        # Monotonic seconds of the last confirmation since this start, market ms of the last one ever.
        self.confirmed_at: float | None = None
        self.confirmed_ms: int | None = None
        self.fetched_ms: int | None = None
        self.active_ms: int | None = None
        # [(kid8, public32) …] and how many of them sign, by the newest root; None without one: then it is the one of config.json.
        self.quorum: Callable[[], tuple[list[tuple[bytes, bytes]], int] | None] = lambda: None

    async def load(self) -> None:
        """Takes up what the store has; it is checked anew, and not confirmed."""
        kept = await asyncio.wrap_future(self._table.get())
        if kept is None:
            return
        try:
            self.order = self._checked(kept.envelope)
        except DirectiveRefused:
            # The director's key is another one now. A stop holds even so, until a newer directive.
            self.order = self._stop_of(kept.envelope)
            if self.order is None:
                return
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
        order = self._checked(envelope)
        if envelope == self.envelope:
            await self.confirm()
            return False
        # Numbers of a director whose key has ended bind nobody: a thief may have counted up.
        bound = self.number if self._still_good() else 0
        if order.number < bound:
            raise DirectiveRefused(
                f"directive {order.number} is older than {self.number}, which is here: was the controller restored from a copy?",
                older=True,
            )
        if order.number == bound:
            raise DirectiveRefused(
                f"a second directive {order.number} with other content: its director signed two"
            )
        now_ms = self._clock.now_ms()
        # A stop is taken however late it comes: it can only be lifted by a newer one.
        if self._clock.known() and order.expires_ms <= now_ms and not order.flags & directive.HALTED:
            raise DirectiveRefused(f"directive {order.number} has expired")
        same = self.order is not None and not self.halted and order.items == self.order.items
        active_ms = self.active_ms if same else None
        await asyncio.wrap_future(self._table.put(Kept(etag, bytes(envelope), now_ms, now_ms, active_ms)))
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
        kept = Kept(self.etag, self.envelope, fetched, confirmed, self.active_ms)
        await asyncio.wrap_future(self._table.put(kept))

    def _still_good(self) -> bool:
        """Whether today's directors signed what is here."""
        try:
            return self.envelope is not None and self._checked(self.envelope) is not None
        except DirectiveRefused:
            return False

    def _stop_of(self, envelope: bytes) -> Any:
        """The stop that this host once took, whoever its director was; None where it was none."""
        try:
            payload = bundle.opened(bytes(envelope), directive.TYPE)[0]
            fields: Any = directive.check_fields(cbor.decode(payload))
        except FormatError:
            return None
        stop = fields[1] == self._kit and fields[7] & directive.HALTED
        return directive.of(fields, bundle.sha256(payload)) if stop else None

    def _checked(self, envelope: bytes) -> Any:
        own = [] if self._director is None else [(signer.kid8(self._director), self._director)]
        directors, threshold = self.quorum() or (own, 1)
        if not directors:
            raise DirectiveRefused("config.json names no director: no directive can be checked")
        try:
            payload, signatures = bundle.opened(bytes(envelope), directive.TYPE)
            fields: Any = directive.check_fields(cbor.decode(payload))
        except FormatError as wrong:
            raise DirectiveRefused(f"unreadable directive: {wrong}") from wrong
        message = bundle.pae(directive.TYPE, payload)
        if not trust.Signed(message, signatures, signer.verify).by(directors, threshold):
            raise DirectiveRefused("the director did not sign this directive")
        if directive.unknown_critical(fields) is not None:
            raise DirectiveRefused(
                "the directive asks for what this program does not know: bring the host up to date"
            )
        if fields[1] != self._kit:
            raise DirectiveRefused("a directive for another kit")
        if directive.named_twice(fields[5]):
            raise DirectiveRefused("a directive that names a brick twice")
        return directive.of(fields, bundle.sha256(payload))
