"""Bundles on offer: fetched, verified in full, kept, and served to bricks that run another ruleset.

What a brick is offered is what the kit's directive names for it; with a controller that knows no directives, its one bundle.
The brick verifies again by itself; here nothing is passed on that the authors' quorum did not sign. An install is offered only
while the controller has confirmed it within ten minutes: offline means no new installs.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hostagent import signer
from hostagent.bricks import Brick
from hostagent.clock import monotonic_ms
from hostagent.config import Quorum
from hostagent.controller import Controller
from hostagent.core import Fields, FormatError, bundle, reg
from hostagent.errors import BundleRefused
from hostagent.intent import Intent
from hostagent.store.store import Store
from hostagent.targets import Targets

CONFIRMED_S = 600.0
CHUNK_BYTES = 256
log = logging.getLogger("hostagent.updater")

RESULT_WORDS: dict[int, str] = reg.INSTALL_WORDS
# After these another attempt with the same bundle may end otherwise.
PASSING = (
    reg.INSTALL_DIGEST, reg.INSTALL_FLASH, reg.INSTALL_OTHER_RENTAL, reg.INSTALL_ROOT_WANTED,
    reg.INSTALL_ROOT_EXPIRED, reg.INSTALL_NOT_NAMED, reg.INSTALL_HALTED,
    reg.INSTALL_RETURNED, reg.INSTALL_ON_TRIAL,
)  # fmt: skip
# A brick that says so long after a good installation that it runs something else has drifted, and is offered it again.
DRIFT_MS = 30_000


@dataclass(frozen=True)
class Offered:
    """A verified bundle. `digest`: SHA-256 of the envelope, its name; `artefact`: digest32 of what it carries; `program`: what
    bricks report that run it, of an application."""

    data: bytes
    digest: bytes
    kind: int
    artefact: bytes
    rev: int
    name: str
    terms: bytes | None
    program: bytes | None = None


def verify(data: bytes, authors: Quorum | None) -> Offered:
    """A bundle whose form, artefact and authors' signatures are good. Raises BundleRefused with the
    reason."""
    if authors is None:
        raise BundleRefused("config.json names no authors: no bundle can be checked, none is passed on")
    try:
        envelope, artefact = bundle.split(data)
        parsed: Any = bundle.parse(envelope)
    except FormatError as wrong:
        raise BundleRefused(f"unreadable bundle: {wrong}") from wrong
    good: list[bytes] = bundle.signers(parsed, list(authors.keys.items()), signer.verify)
    if len(good) < authors.threshold:
        raise BundleRefused(f"{len(good)} good author signatures, {authors.threshold} are needed")
    if not bundle.artefact_good(parsed, len(artefact), hashlib.sha256(artefact).digest()):
        raise BundleRefused("the artefact is not the one that was signed")
    f: Fields = parsed.fields
    program = artefact[16:48] if f[1] == reg.ARTEFACT_APPLICATION else None  # a pack's header: docs/formats/pack.md
    return Offered(data, parsed.digest, f[1], f[2], f[4], f[10], f[11], program)


class Updater:
    """The bundles that are on offer for this kit. `current`: the one of the lane, or of the first brick."""

    def __init__(
        self,
        store: Store,
        controller: Controller,
        authors: Quorum | None,
        on_ruleset: Callable[[bytes, bytes | None], None],
        intent: Intent | None = None,
        targets: Targets | None = None,
        lane: bytes | None = None,
    ) -> None:
        self._store = store
        self._controller = controller
        self._authors = authors
        self._on_ruleset = on_ruleset
        self._etag: str | None = None
        self._confirmed_at: float | None = None
        self._intent = intent
        self._targets = targets
        self._lane = lane
        # (install result, when: monotonic ms) by brick and bundle.
        self._results: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        # What the directive names, by digest.
        self._offers: dict[bytes, Offered] = {}
        # Applications that it names, by digest: rules go first.
        self._programs: dict[bytes, Offered] = {}
        # Whether a brick has heard what the director ordered (hostagent.directing): before, it would refuse.
        self.ready: Callable[[Brick], bool] = lambda brick: True
        # A piece of rules that are only tried (hostagent.shadows).
        self.tried: Callable[[bytes, int], bytes | None] = lambda digest8, offset: None
        self.current: Offered | None = None
        self.trouble: str | None = None
        # (digest32 of the envelope, all bytes) -> whether it is on the authors' signed list; where a root is configured.
        self.listed: Callable[[bytes, bytes], bool] = lambda digest, data: True

    async def load(self) -> None:
        """Takes up what was kept last; it is verified anew."""
        if self._intent is not None and self._targets is not None and self._intent.number:
            for item in self._rulesets():
                envelope = await self._targets.kept(item.bundle)
                artefact = await self._targets.kept(item.artefact)
                if envelope is not None and artefact is not None:
                    try:
                        self._offers[item.bundle] = _named(item, envelope, artefact, self._authors)
                    except BundleRefused as refused:
                        self.trouble = str(refused)
            for item in self._applications():
                envelope, artefact = await self._targets.kept(item.bundle), await self._targets.kept(item.artefact)
                if envelope is not None and artefact is not None:
                    try:
                        self._programs[item.bundle] = _named(item, envelope, artefact, self._authors)
                    except BundleRefused as refused:
                        self.trouble = str(refused)
            self._choose()
            if self.current is not None:
                return
        kept = await asyncio.wrap_future(self._store.get_bundle())
        if kept is None:
            return
        try:
            self._set(verify(kept[1], self._authors))
            self._etag = kept[0] or None
        except BundleRefused as refused:
            self.trouble = str(refused)

    async def pull(self) -> bool:
        """Asks the controller; True where another bundle is on offer now.

        Raises ControllerError, StoreUnavailable, BundleRefused: the one before stays on offer then.
        """
        answer = await self._controller.bundle(self._etag)
        if answer is None:
            self._confirmed_at = time.monotonic()
            return False
        etag, data = answer
        try:
            offered = verify(data, self._authors)
        except BundleRefused as refused:
            self.trouble = str(refused)
            raise
        await asyncio.wrap_future(self._store.put_bundle(etag, data))
        changed = self.current is None or self.current.digest != offered.digest
        self._set(offered)
        self._etag = etag or None
        self._confirmed_at = time.monotonic()
        self.trouble = None
        if changed:
            log.info("bundle %r rev %d is on offer", offered.name, offered.rev)
        return changed

    async def follow(self) -> bool:
        """Fetches and verifies what the directive names; True where something else is on offer now.

        Raises ControllerError, StoreUnavailable, BundleRefused: what could be had is on offer all the same."""
        assert self._intent is not None and self._targets is not None
        before = set(self._offers)
        wanted: dict[bytes, Offered] = {}
        failed: BundleRefused | None = None
        for item in self._rulesets():
            if item.bundle in wanted:
                continue
            found = self._offers.get(item.bundle)
            if found is None:
                envelope = await self._targets.get(item.bundle)
                artefact = await self._targets.get(item.artefact, item.length)
                try:
                    found = _named(item, envelope, artefact, self._authors)
                except BundleRefused as refused:
                    failed = failed or refused
                    continue
            wanted[item.bundle] = found
        if wanted or not self._intent.halted:
            self._offers = wanted
        failed = await self._follow_programs() or failed
        known = wanted.keys() | self._programs.keys()
        self._results = {key: result for key, result in self._results.items() if key[1] in known}
        self._choose()
        if failed is not None:
            self.trouble = str(failed)
            raise failed
        self.trouble = None
        return set(self._offers) != before

    async def _follow_programs(self) -> BundleRefused | None:
        """Fetches and verifies the applications that the directive names; the first refusal. Raises ControllerError,
        StoreUnavailable."""
        assert self._targets is not None
        wanted: dict[bytes, Offered] = {}
        failed: BundleRefused | None = None
        for item in self._applications():
            found = self._programs.get(item.bundle) or wanted.get(item.bundle)
            if found is None:
                envelope = await self._targets.get(item.bundle)
                artefact = await self._targets.get(item.artefact, item.length)
                try:
                    found = _named(item, envelope, artefact, self._authors)
                except BundleRefused as refused:
                    failed = failed or refused
                    continue
            wanted[item.bundle] = found
        self._programs = wanted
        return failed

    def active(self, bricks: dict[bytes, Brick]) -> bool:
        """Whether every brick that the directive names says that it runs what is meant for it."""
        named = list(self._rulesets())
        return bool(named) and all(_runs(bricks.get(item.brick8), item.artefact) for item in named)

    def drifted(self, bricks: dict[bytes, Brick]) -> bool:
        """Whether a brick that the directive names says that it runs something else: not one that says nothing."""
        return any(
            (brick := bricks.get(item.brick8)) is not None and brick.status is not None and not _runs(brick, item.artefact)
            for item in self._rulesets()
        )

    def result_of(self, brick: bytes, kind: int = reg.ARTEFACT_RULESET) -> tuple[int, bytes, int] | None:
        """(install result, bundle, when: monotonic ms) of what the directive names for a brick, where there is one."""
        item = None if self._intent is None else self._intent.item(brick, kind)
        found = None if item is None else self._results.get((brick, item.bundle))
        return None if item is None or found is None else (found[0], item.bundle, found[1])

    def offered(self, digest8: bytes) -> Offered | None:
        """A bundle on offer by the beginning of its digest."""
        for one in (*self._offers.values(), *self._programs.values()):
            if one.digest[:8] == digest8:
                return one
        current = self.current
        return current if current is not None and current.digest[:8] == digest8 else None

    def offer_for(self, brick: Brick) -> tuple[bytes, int, int] | None:
        """(digest8, length, artefact kind) where this brick should be offered the bundle now."""
        if brick.status is None or not self.ready(brick):
            return None
        rules = self._for(brick.brick)
        if rules is not None and rules.kind == reg.ARTEFACT_RULESET and (offer := self._offer(brick, rules)) is not None:
            return offer
        return self._offer(brick, self._program_for(brick))

    def _offer(self, brick: Brick, current: Offered | None) -> tuple[bytes, int, int] | None:
        """The offer of one bundle, where it should be made now."""
        if current is None:
            return None
        if current.kind == reg.ARTEFACT_RULESET and _runs(brick, current.artefact):
            return None
        result = self._results.get((brick.brick, current.digest))
        if result is not None and result[0] not in PASSING and not _drifted(brick, *result):
            return None
        if not self.listed(current.digest, current.data):
            return None
        return current.digest[:8], len(current.data), current.kind

    def chunk(self, digest8: bytes, offset: int) -> bytes | None:
        """At most 256 bytes of the bundle on offer; None for another one, beyond its end, and while the kit is stopped: a brick
        that began before goes on from there when the stop is lifted."""
        if self._intent is not None and self._intent.halted:
            return None
        current = self.offered(digest8)
        if current is None:
            return self.tried(digest8, offset)
        if not 0 <= offset < len(current.data):
            return None
        if not self.listed(current.digest, current.data):
            return None
        return current.data[offset : offset + CHUNK_BYTES]

    def on_result(self, brick: Brick, digest8: bytes, result: int, text: str) -> None:
        """A brick said how an install ended."""
        brick.bundle_result = (digest8, result, text)
        words = RESULT_WORDS.get(result, f"result {result}, newer than this program")
        log.info("%s: bundle %s: %s %s", brick.name, digest8.hex(), words, text)
        current = self.offered(digest8)
        if current is not None:
            self._results[(brick.brick, current.digest)] = result, monotonic_ms()

    def _rulesets(self) -> list[Any]:
        """Items of the directive that name a ruleset; none while the kit is stopped: nothing is fetched for it."""
        if self._intent is None or self._intent.halted:
            return []
        return [item for item in self._intent.items() if item.kind == reg.ARTEFACT_RULESET]

    def _for(self, brick: bytes) -> Offered | None:
        """What may be offered to a brick now."""
        if self._intent is not None and self._intent.number:
            item = self._intent.item(brick) if self._intent.in_force else None
            return None if item is None else self._offers.get(item.bundle)
        if self._confirmed_at is None or time.monotonic() - self._confirmed_at > CONFIRMED_S:
            return None
        return self.current

    def _applications(self) -> list[Any]:
        """Items of the directive that name an application; none while the kit is stopped."""
        if self._intent is None or self._intent.halted:
            return []
        return [item for item in self._intent.items() if item.kind == reg.ARTEFACT_APPLICATION]

    def _program_for(self, brick: Brick) -> Offered | None:
        """The application that may be offered to a brick now, that runs another. One whose programs do not lie in slots is
        offered it, too: its refusal says why it does not get it."""
        if self._intent is None or not self._intent.in_force:
            return None
        item = self._intent.item(brick.brick, reg.ARTEFACT_APPLICATION)
        found = None if item is None else self._programs.get(item.bundle)
        if found is None or (brick.slots is not None and brick.slots.bundle8 == found.digest[:8]):
            return None
        return None if brick.status is None or brick.status.firmware == found.program else found

    def _choose(self) -> None:
        """The bundle that stands for the kit: screens and questions go by it."""
        named = [item for item in self._rulesets() if item.bundle in self._offers]
        named.sort(key=lambda item: item.brick8 != self._lane)
        if named:
            self._set(self._offers[named[0].bundle])

    def _set(self, offered: Offered) -> None:
        if not self._offers and (self.current is None or self.current.digest != offered.digest):
            self._results.clear()
        self.current = offered
        if offered.kind == reg.ARTEFACT_RULESET:
            self._on_ruleset(offered.artefact, offered.terms)


def _named(item: Any, envelope: bytes, artefact: bytes, authors: Quorum | None) -> Offered:
    """A directive's item as its bundle. Raises BundleRefused."""
    found = verify(bundle.join(envelope, artefact), authors)
    if (found.digest, found.artefact, found.kind, found.rev) != (item.bundle, item.artefact, item.kind, item.rev):
        raise BundleRefused("the directive names this bundle with another artefact or revision")
    return found


def _runs(brick: Brick | None, artefact: bytes) -> bool:
    status = None if brick is None else brick.status
    return status is not None and (status.ruleset == artefact or status.ruleset8 == artefact[:8])


def _drifted(brick: Brick, result: int, at_ms: int) -> bool:
    status = brick.status
    done = result in (reg.INSTALL_OK, reg.INSTALL_ALREADY)
    return done and status is not None and status.at_ms - at_ms > DRIFT_MS
