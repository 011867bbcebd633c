"""The host's trust: refreshes the signed lists, remembers what was good, answers whether a bundle is on the list.

Every call reads and writes small files and may wait for a network: never on the event loop. One folder:
  cache/ as python-tuf writes it · floor.json · last-good.json · targets/ bundles · set-aside/ what could not be read · lock"""

# pyright: reportPrivateImportUsage=false

import hashlib
import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuf.api.exceptions import DownloadError, ExpiredMetadataError, RepositoryError

from hostagent import durable
from hostagent.clock import Clock
from hostagent.core import FormatError, cbor
from hostagent.trust import floor as floors
from hostagent.trust import lastgood, reader
from hostagent.trust.errors import TrustError
from hostagent.trust.fetcher import Source
from hostagent.trust.floor import Floor
from hostagent.trust.lastgood import LastGood, Release
from hostagent.trust.plain import day, plain
from hostagent.trust.reader import Reader

MAX_BUNDLE = 1024 * 1024
MAX_RELEASES = 4096
MAX_COMPACT = 4096
MOST_KEPT = 64  # bundles in targets/
LOCK_S = 10.0
log = logging.getLogger("hostagent.trust")


class Trust:
    """One trust folder. `known`: the last good lists; `trouble`: why the last refresh brought none, None where it did."""

    def __init__(self, folder: Path, bootstrap: bytes, clock: Clock, lock_s: float = LOCK_S) -> None:
        self._folder = folder
        self._bootstrap = bootstrap
        self._clock = clock
        self._lock_s = lock_s
        self.floor = Floor()
        self.known: LastGood | None = None
        self.trouble: TrustError | None = None
        self.set_aside = 0
        self._load()

    def refresh(self, source: Source) -> LastGood:
        """Fetches and verifies root, timestamp, snapshot and targets. Raises TrustError: what was known stays known."""
        try:
            with self._locked():
                self._load()
                self.known = self._refresh(source)
        except TrustError as failed:
            self.trouble = failed
            raise
        except OSError as failed:
            self.trouble = TrustError("disk", f"the lists cannot be kept: {failed.strerror or failed}")
            raise self.trouble from failed
        self.trouble = None
        return self.known

    def release(self, digest: str) -> Release | None:
        """What the last good list says of the bundle whose bytes have this SHA-256 (hex); None where it is not listed."""
        return None if self.known is None else self.known.releases.get(digest)

    def fresh(self) -> bool:
        """Whether the last good lists have not run out: only then may something new be installed."""
        return self.known is not None and self.known.expires_ms > self.reference_ms()

    def require(self, data: bytes) -> Release:
        """The release that these bytes are. Raises TrustError unlisted, expired."""
        found = self.release(hashlib.sha256(data).hexdigest())
        if found is None or found.length != len(data):
            number = 0 if self.known is None else self.known.versions.get("targets", 0)
            raise TrustError(
                "unlisted", f"the authors' signed list {number or '(none yet)'} does not name this bundle"
            )
        if not self.fresh():
            assert self.known is not None
            raise TrustError(
                "expired", f"the signed lists ran out on {day(self.known.expires_ms)}: nothing new is taken"
            )
        return found

    def download(self, source: Source, digest: str) -> bytes:
        """A listed bundle, from the folder where it is there already. Raises TrustError."""
        found = self.release(digest)
        if found is None:
            raise TrustError("unlisted", f"bundle {digest[:16]} is not on the authors' signed list")
        path = self._folder / "targets" / digest
        try:
            kept = path.read_bytes() if path.exists() and path.stat().st_size == found.length else b""
            if hashlib.sha256(kept).hexdigest() == digest:
                return kept
            data = source.fetcher.download_bytes(source.targets + digest, found.length)
            if len(data) != found.length or hashlib.sha256(data).hexdigest() != digest:
                raise TrustError(
                    "mismatch",
                    f"{source.name} gave {len(data)} bytes that are not bundle {digest[:16]} of the list",
                )
            durable.write(path, data)
            self._forget_others()
        except (DownloadError, RepositoryError) as failed:
            raise plain(failed, source.name) from failed
        except OSError as failed:
            raise TrustError(
                "disk", f"bundle {digest[:16]} cannot be kept: {failed.strerror or failed}"
            ) from failed
        return data

    def compact_root(self, source: Source, version: int) -> bytes:
        """The envelope of compact root `version`, for bricks; it is the one that TUF root `version` names. Raises
        TrustError."""
        value = durable.read_object(self._folder / "cache" / "root_history" / f"{version}.root.json")
        try:
            wanted = str(value["signed"][reader.EXTRA]["compact_sha256"]) if value else ""
            ending = ".cbor" if source.roots == "roots/" else ""
            data = source.fetcher.download_bytes(f"{source.roots}{version}{ending}", MAX_COMPACT)
            fields: Any = cbor.decode(data)
            if hashlib.sha256(fields[2]).hexdigest() != wanted:
                raise TrustError(
                    "mismatch", f"compact root {version} of {source.name} is not the one that root names"
                )
        except (DownloadError, RepositoryError) as failed:
            raise plain(failed, source.name) from failed
        except (FormatError, KeyError, TypeError, IndexError) as failed:
            raise TrustError("damaged", f"compact root {version} of {source.name} cannot be read") from failed
        return data

    def heard(self, signed_ms: int) -> None:
        """An instant that the director signed: the present is not before it. Raises TrustError where it cannot be kept."""
        with self._locked():
            self._load()
            self._keep_floor(self.floor.raised({}, online_ms=signed_ms))

    def reference_ms(self) -> int:
        """The instant by which expiry is judged: the clock's, and never before what was signed already."""
        return max(self._clock.now_ms() if self._clock.known() else 0, self.floor.earliest_ms)

    def words(self) -> str:
        """One sentence for screens: how old what is known is, and why it is not newer."""
        if self.known is None:
            said = "No signed list of releases was verified yet: no bundle is passed on"
        else:
            age = max(0, self._clock.now_ms() - self.known.verified_ms) // 60_000
            ago = f"{age} min" if age < 120 else f"{age // 60} h" if age < 2880 else f"{age // 1440} days"
            said = f"{len(self.known.releases)} releases on the signed list, verified {ago} ago"
            if not self.fresh():
                said += f", ran out on {day(self.known.expires_ms)}: what is installed goes on, nothing new is taken"
            if self.known.profile.startswith("INSECURE"):
                said += f" ({self.known.profile})"
        return f"{said}. {self.trouble}" if self.trouble is not None else f"{said}."

    def _refresh(self, source: Source, again: bool = False) -> LastGood:
        now_ms, moment = self._clock.now_ms(), self.reference_ms()
        self._set_aside_unreadable()
        (self._folder / "cache").mkdir(parents=True, exist_ok=True)
        try:
            found = Reader(self._folder / "cache", source, self._bootstrap, moment)
        except RepositoryError as failed:
            raise TrustError(
                "root", "the root file of config.json is not a root that signed itself"
            ) from failed
        try:
            found.refresh()
        except (RepositoryError, DownloadError) as failed:
            self._take_floor(found, source)
            if isinstance(failed, ExpiredMetadataError) and self.reference_ms() < moment and not again:
                return self._refresh(
                    source, again=True
                )  # a new root ended the key that had said how late it is
            raise plain(failed, source.name, moment, self.floor.earliest_ms) from failed
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, OverflowError) as failed:
            # Signed lists of a form that the library did not expect.
            raise TrustError("damaged", f"the lists of {source.name} cannot be read") from failed
        self._take_floor(found, source)
        root, timestamp, snapshot, targets = found.whole
        if targets.delegations is not None:
            raise TrustError(
                "damaged", f"the list of releases of {source.name} delegates to others: ours never does"
            )
        releases = [
            lastgood.release_of(path, entry.length, entry.custom or {})
            for path, entry in targets.targets.items()
            if entry.hashes == {"sha256": path} and 0 < entry.length <= MAX_BUNDLE
        ]
        if len(releases) > MAX_RELEASES:
            raise TrustError(
                "endless", f"{len(releases)} releases on the list, at most {MAX_RELEASES} are taken"
            )
        known = LastGood(
            {one.type: one.version for one in (root, timestamp, snapshot, targets)},
            now_ms,
            reader.issued_ms(timestamp),
            min(reader.ms_of(one.expires) for one in (root, timestamp, snapshot, targets)),
            source.name,
            str(reader.ours(root).get("profile", "")),
            str(reader.ours(root).get("compact_sha256", "")),
            {one.sha256: one for one in releases},
        )
        durable.write(self._folder / "last-good.json", durable.encode(lastgood.to_json(known)))
        return known

    def _take_floor(self, found: Reader, source: Source) -> None:
        """Holds what was verified against the floor, then raises it, also where the refresh failed further on: a root that
        ended a key must survive a wiped cache. Raises TrustError older."""
        if (role := reader.named_twice(found.root)) is not None:
            raise TrustError(
                "damaged",
                f"root {found.root.version} of {source.name} lists one {role} key twice: not believed",
            )
        signed = found.trusted()
        versions = {role: one.version for role, one in signed.items()}
        floor = self.floor
        if versions["root"] >= floor.versions.get("root", 0):
            floor = floor.under(reader.keys_of(found.root))
        role = floor.below(versions)
        if role is not None:
            least = floor.versions[role]
            raise TrustError(
                "older",
                f"{source.name} shows {role} {versions[role]}, this host has seen {least}: somebody replays old lists, or "
                f"the controller came from a copy (then: `stallmark fleet keys renew --above {least}`)",
            )
        offline = max(reader.issued_ms(signed[role]) for role in ("root", "targets") if role in signed)
        online = max(
            (reader.issued_ms(signed[role]) for role in ("timestamp", "snapshot") if role in signed),
            default=0,
        )
        self._keep_floor(floor.raised(versions, offline, online))

    def _keep_floor(self, floor: Floor) -> None:
        if floor != self.floor:
            durable.write(self._folder / "floor.json", durable.encode(floors.to_json(floor)))
            self.floor = floor

    def _load(self) -> None:
        """Floor and last good lists from the disk; what cannot be read is set aside. Raises OSError, TrustError."""
        value = self._object("last-good.json")
        good = None if value is None else lastgood.from_json(value)
        value = self._object("floor.json")
        floor = None if value is None else floors.from_json(value)
        if floor is None and good is not None:  # the one stands in for the other
            floor = Floor(good.versions, {}, 0, good.issued_ms)
        self.known = good
        self.floor = floor or Floor()

    def _object(self, name: str) -> dict[str, Any] | None:
        path = self._folder / name
        value = durable.read_object(path)
        if value is None and path.exists():
            self._aside(path)
        return value

    def _set_aside_unreadable(self) -> None:
        """What a power cut left of the cache is treated as absent, and kept for whoever wants to look."""
        cache = self._folder / "cache"
        for path in (*cache.glob("*.json"), *cache.glob("root_history/*.json")):
            value = durable.read_object(path)
            if value is None or not isinstance(value.get("signed"), dict):
                self._aside(path)

    def _aside(self, path: Path) -> None:
        if durable.set_aside(path, self._folder / "set-aside"):
            self.set_aside += 1
            log.warning("%s could not be read: set aside in %s", path, self._folder / "set-aside")

    def _forget_others(self) -> None:
        """Bundles that are no longer listed, and the oldest beyond the limit; the controller has them all."""
        folder = self._folder / "targets"
        listed: set[str] = set() if self.known is None else set(self.known.releases)
        kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for number, path in enumerate(kept):
            if path.name not in listed or number >= MOST_KEPT:
                path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Generator[None]:
        with durable.locked(self._folder, self._lock_s) as mine:
            if not mine:
                raise TrustError("busy", "another program refreshes the lists in this folder: try again")
            yield
