"""The authors' list of a development kit, whose keys lie in the open beside it: what two of its authors signed comes on the list
before it is ordered, so that a kit's host checks the list as any other and rules can be tried without a hand."""

# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from stallmark.errors import StallmarkError
from tuf.api.metadata import TargetFile

from fleet.core import FormatError, bundle
from fleet.trust import ceremony, keyfile, metadata
from fleet.trust.draft import ReleaseDraft
from fleet.trust.repository import Repository

MOST_SEEN = 4096
SOON_MS = 45 * metadata.DAY_MS  # the list is signed anew so long before it runs out

log = logging.getLogger(__name__)


def authors_beside(kit: Path) -> list[keyfile.Key]:
    """Author keys that lie in the open in a kit's folder. Raises TrustError."""
    return [keyfile.open_file(path, None) for path in sorted((kit / "author").glob("author-*.json"))]


class DevelopmentList:
    """One for a controller. `target(digest32)` gives envelopes and artefacts. Does nothing where keys are kept as they should."""

    def __init__(self, repository: Repository, target: Callable[[bytes], bytes | None]) -> None:
        self._repository = repository
        self._target = target
        self._seen: set[tuple[bytes, bytes]] = set()

    def name(self, named: Iterable[tuple[bytes, bytes]], now_ms: int) -> None:
        """Puts bundles on the list: (envelope digest32, artefact digest32). What cannot be listed is said in the log: hosts then
        pass it on no more than any other that is not listed."""
        fresh = set(named) - self._seen
        if not fresh:
            return
        if len(self._seen) > MOST_SEEN:
            self._seen.clear()
        try:
            if self._repository.exists() and self._repository.keys().development:
                self._add(fresh, now_ms)
            self._seen |= fresh
        except (StallmarkError, OSError) as failed:
            log.warning("not on the authors' list: %s", failed)

    def keep_fresh(self, now_ms: int) -> None:
        """Signs the list anew where it runs out soon. Raises TrustError, OSError."""
        if not self._repository.exists() or not self._repository.keys().development:
            return
        listed = self._repository.targets()
        if listed is not None and metadata.ms_of(listed.signed.expires) - now_ms < SOON_MS:
            self._publish(ceremony.next_release(self._repository, (), (), now_ms, why="a new term"), now_ms)

    def _add(self, fresh: set[tuple[bytes, bytes]], now_ms: int) -> None:
        listed = self._repository.listed()
        entries: dict[str, TargetFile] = {}
        for named_by, carried in sorted(fresh):
            envelope, artefact = self._target(named_by), self._target(carried)
            if envelope is None or artefact is None:
                continue
            try:
                entry = self._repository.take(bundle.join(envelope, artefact))
            except FormatError as wrong:
                log.warning("bundle %s is not listed: %s", named_by.hex()[:16], wrong)
                continue
            if entry.path not in listed:
                entries[entry.path] = entry
        if entries:
            made = ceremony.next_release(self._repository, entries.values(), (), now_ms, why="ordered here")
            self._publish(made, now_ms)
            log.info("%d more on the authors' list, by development keys", len(entries))

    def _publish(self, made: ReleaseDraft, now_ms: int) -> None:
        keys = self._repository.keys()
        known = {one.public for one in keys.authors}
        folder = self._repository.folder
        mine = authors_beside(folder.parent.parent)
        own = folder / "author-INSECURE.json"
        mine += [keyfile.open_file(own, None)] if own.exists() else []
        for key in [one for one in mine if one.public in known][: keys.author_threshold]:
            made.sign(key.holder.keyid, key.holder.kid, key.sign)
        self._repository.publish_release(made)
        self._repository.renew(now_ms)
