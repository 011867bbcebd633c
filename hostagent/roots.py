"""Roots for bricks: the first and the newest are kept, those between are fetched for who is so far behind."""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, cast

from hostagent import signer
from hostagent.core import Fields, FormatError, bundle, cbor, reg, rootmeta, trust, truststate

# So many are kept, and fetched at once.
MOST_ROOTS = 64
WORDS: dict[int, str] = dict(reg.INSTALL_NAMES)
log = logging.getLogger("hostagent.directing")


class Source(Protocol):
    """What is needed of the controller. Both raise ControllerError."""

    def root(self, version: int) -> Coroutine[Any, Any, bytes | None]:
        """The envelope of compact root `version`, None where there is none."""
        ...

    def root_tags(self, version: int) -> Coroutine[Any, Any, dict[bytes, bytes]]:
        """The tag under which each brick takes that root as its first."""
        ...


class Roots:
    """One for a host. `keep(data)` makes them durable, for `load`."""

    def __init__(self, source: Source, keep: Callable[[bytes], Awaitable[None]] | None = None) -> None:
        self._source = source
        self._keep = keep
        self._roots: dict[int, bytes] = {}
        self._between: dict[int, bytes] = {}
        self._wanted: set[int] = set()
        self._trust = trust.Trust(None)
        self.trouble: str | None = None

    @property
    def version(self) -> int:
        """The newest root here; 0 without one."""
        return max(self._roots, default=0)

    @property
    def first(self) -> int:
        """The oldest one here, which bricks without a root are told; 0 without one."""
        return min(self._roots, default=0)

    @property
    def state(self) -> Fields | None:
        """What is trusted after the newest root, as stallmark.trust keeps it; None without a root."""
        fields: Fields | None = self._trust.fields
        return fields

    def get(self, version: int) -> bytes | None:
        """The envelope of a root; None where it is not here: then the next `pull` fetches it, and those that follow it."""
        found = self._roots.get(version) or self._between.get(version)
        if found is None:
            following = range(version, min(version + trust.MAX_STEPS, self.version))
            self._wanted.update(n for n in following if n not in self._roots and n not in self._between)
        return found

    def load(self, kept: bytes | None) -> None:
        """Takes up what was kept. Each is judged anew, where none between is missing; what is no such thing is passed over."""
        try:
            found: Any = [] if kept is None else cbor.decode(kept)
            if isinstance(found, dict):
                self._take_up(cast("Fields", found))
                return
            for envelope in cast("list[bytes]", found):
                if not self._take(envelope):
                    break
        except (FormatError, KeyError, TypeError):
            self._roots, self._trust = {}, trust.Trust(None)

    def _take_up(self, found: Fields) -> None:
        self._trust = trust.Trust(truststate.check_state(found[1]))
        self._roots = {_version(envelope): envelope for envelope in found[2][:MOST_ROOTS]}

    async def pull(self) -> bool:
        """Fetches roots up to the newest, and what `get` did not find; whether there are new ones. Raises ControllerError,
        StoreUnavailable."""
        changed = False
        for _ in range(MOST_ROOTS):
            envelope = await self._source.root(self.version + 1)
            if envelope is None or not self._take(envelope):
                break
            changed = True
        while len(self._roots) > MOST_ROOTS:
            del self._roots[sorted(self._roots)[1]]
        if changed and self._keep is not None:
            await self._keep(self._kept())
        return await self._fetch_between() or changed

    def _kept(self) -> bytes:
        """For `load`: the roots in order, and what is trusted after them where some between are not kept."""
        envelopes = [self._roots[version] for version in sorted(self._roots)]
        whole = self.version - self.first + 1 == len(envelopes)
        kept: bytes = cbor.encode(envelopes if whole else {0: 1, 1: self._trust.fields, 2: envelopes})
        return kept

    async def _fetch_between(self) -> bool:
        """Bricks judge these by themselves, as they do all."""
        wanted, self._wanted = sorted(self._wanted), set()
        found = False
        for version in wanted[:MOST_ROOTS]:
            envelope = await self._source.root(version)
            if envelope is not None:
                self._between[version] = envelope
                found = True
        while len(self._between) > MOST_ROOTS:
            del self._between[next(iter(self._between))]
        return found

    def _take(self, envelope: bytes) -> bool:
        """Keeps a root that follows from the one before. The first is judged by the bricks: they know what they were
        promised, or which authors must sign it."""
        held = self._trust
        if held.fields is None:
            try:
                promised = hashlib.sha256(bundle.opened(envelope, rootmeta.TYPE)[0]).digest()
            except FormatError as wrong:
                self._complain(f"unreadable root: {wrong}")
                return False
            held = trust.Trust(None, promised=promised)
        result, fields = held.take_root(envelope, signer.verify)
        if result != reg.INSTALL_OK:
            self._complain(f"root {self.version + 1} is not passed on: {word(result)}")
            return False
        self._trust, self.trouble = trust.Trust(fields), None
        self._roots[fields[1]] = envelope
        log.info("root %d: %d directors, %d authors", fields[1], len(fields[7]), len(fields[9]))
        return True

    def _complain(self, text: str) -> None:
        if self.trouble != text:
            log.warning("%s", text)
        self.trouble = text


def word(result: int) -> str:
    """The registry's word for an install result."""
    return WORDS.get(result, f"result {result}, newer than this program")


def _version(envelope: bytes) -> int:
    """Of a root that was judged before."""
    version: int = rootmeta.check_fields(cbor.decode(bundle.opened(envelope, rootmeta.TYPE)[0]))[1]
    return version
