"""The bundle on offer: fetched, verified in full, kept, and served to bricks that run another ruleset.

The brick verifies again by itself; here nothing is passed on that the authors' quorum did not sign. An
install is
offered only while the controller has confirmed the bundle within ten minutes: offline means no new installs.
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
from hostagent.config import Quorum
from hostagent.controller import Controller
from hostagent.core import Fields, FormatError, bundle, reg
from hostagent.errors import BundleRefused
from hostagent.store.store import Store

CONFIRMED_S = 600.0
CHUNK_BYTES = 256
log = logging.getLogger("hostagent.updater")

RESULT_WORDS = {
    reg.INSTALL_OK: "installed",
    reg.INSTALL_ALREADY: "already installed",
    reg.INSTALL_THRESHOLD: "not enough good signatures",
    reg.INSTALL_OLDER: "older than what is installed",
    reg.INSTALL_DIGEST: "arrived damaged",
    reg.INSTALL_TOO_LARGE: "too large",
    reg.INSTALL_HARDWARE: "for other hardware",
    reg.INSTALL_EXPIRED: "expired",
    reg.INSTALL_VECTOR: "decided other than its authors expect",
    reg.INSTALL_UNREADABLE: "unreadable",
    reg.INSTALL_FLASH: "the brick's flash failed",
}
# After these another attempt with the same bundle may end otherwise.
PASSING = (reg.INSTALL_DIGEST, reg.INSTALL_FLASH)


@dataclass(frozen=True)
class Offered:
    """A verified bundle. `digest`: SHA-256 of the envelope, its name; `artefact`: digest32 of what it
    carries."""

    data: bytes
    digest: bytes
    kind: int
    artefact: bytes
    rev: int
    name: str
    terms: bytes | None


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
    return Offered(data, parsed.digest, f[1], f[2], f[4], f[10], f[11])


class Updater:
    """The bundle that the controller offers for this kit."""

    def __init__(
        self,
        store: Store,
        controller: Controller,
        authors: Quorum | None,
        on_ruleset: Callable[[bytes, bytes | None], None],
    ) -> None:
        self._store = store
        self._controller = controller
        self._authors = authors
        self._on_ruleset = on_ruleset
        self._etag: str | None = None
        self._confirmed_at: float | None = None
        self._results: dict[tuple[bytes, bytes], int] = {}
        self.current: Offered | None = None
        self.trouble: str | None = None

    async def load(self) -> None:
        """Takes up the bundle kept last; it is verified anew."""
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

    def offer_for(self, brick: Brick) -> tuple[bytes, int, int] | None:
        """(digest8, length, artefact kind) where this brick should be offered the bundle now."""
        current = self.current
        if current is None or current.kind != reg.ARTEFACT_RULESET or brick.status is None:
            return None
        if self._confirmed_at is None or time.monotonic() - self._confirmed_at > CONFIRMED_S:
            return None
        if brick.status.ruleset8 == current.artefact[:8] or brick.status.ruleset == current.artefact:
            return None
        result = self._results.get((brick.brick, current.digest))
        if result is not None and result not in PASSING:
            return None
        return current.digest[:8], len(current.data), current.kind

    def chunk(self, digest8: bytes, offset: int) -> bytes | None:
        """At most 256 bytes of the bundle on offer; None for another one or beyond its end."""
        current = self.current
        if current is None or current.digest[:8] != digest8 or not 0 <= offset < len(current.data):
            return None
        return current.data[offset : offset + CHUNK_BYTES]

    def on_result(self, brick: Brick, digest8: bytes, result: int, text: str) -> None:
        """A brick said how an install ended."""
        brick.bundle_result = (digest8, result, text)
        words = RESULT_WORDS.get(result, f"result {result}, newer than this program")
        log.info("%s: bundle %s: %s %s", brick.name, digest8.hex(), words, text)
        current = self.current
        if current is not None and current.digest[:8] == digest8:
            self._results[(brick.brick, current.digest)] = result

    def _set(self, offered: Offered) -> None:
        if self.current is None or self.current.digest != offered.digest:
            self._results.clear()
        self.current = offered
        if offered.kind == reg.ARTEFACT_RULESET:
            self._on_ruleset(offered.artefact, offered.terms)
