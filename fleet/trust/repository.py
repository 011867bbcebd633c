"""The trust folder of a controller: a TUF repository, its targets, compact roots. Publishes, renews, answers reads.

  metadata/  N.root.json N.targets.json N.snapshot.json timestamp.json      as TUF clients fetch them
  roots/     N.cbor       compact root N, for bricks
  targets/   SHA-256      bundles
  online.json  drafts/  keys.json (public: who holds what)
Order of writing: what a list names is durable before the list; the timestamp comes last. The instant is an argument."""

# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from fleet.core import FormatError, bundle
from fleet.signatures import good as signature_good
from fleet.trust import clockguard, compact, files, metadata
from fleet.trust.draft import ReleaseDraft, RootDraft, require_complete
from fleet.trust.errors import DraftError, TrustDamaged, TrustError, TrustMissing
from fleet.trust.keyset import KeySet
from fleet.trust.metadata import T
from fleet.trust.online import Online

SNAPSHOT_MS = 7 * metadata.DAY_MS
TIMESTAMP_MS = metadata.DAY_MS
MAX_VERSION = 0xFFFFFFFF  # of a root
MAX_BUNDLE = 1024 * 1024
MAX_TARGETS = 4096  # bundles in the list: about 300 bytes each
BACK_MS = 600_000  # a clock may be so much behind the last signature
_NAME = re.compile(r"(?:[1-9][0-9]{0,8}\.(?:root|targets|snapshot)|timestamp)\.json")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Repository:
    """One controller's trust folder; every method reads the disk, nothing is held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.online = Online(folder / "online.json")

    @property
    def drafts(self) -> Path:
        """Where drafts wait for signatures."""
        return self.folder / "drafts"

    def exists(self) -> bool:
        """Whether a first root was published."""
        return self._path("1.root.json").exists()

    def newest(self, role: str) -> int:
        """The highest number of a role's files; 0 where there are none."""
        folder = self.folder / "metadata"
        if not folder.is_dir():
            return 0
        ending = f".{role}.json"
        stems = (path.name[: -len(ending)] for path in folder.iterdir() if path.name.endswith(ending))
        return max((int(stem) for stem in stems if stem.isascii() and stem.isdigit()), default=0)

    def root(self, version: int | None = None) -> Metadata[Root]:
        """A published root, the newest where none is named. Raises TrustMissing, TrustDamaged."""
        number = self.newest("root") if version is None else version
        if not number:
            raise TrustMissing(f"{self.folder}: no root yet: `stallmark fleet keys init` makes it")
        return self._read(Root, f"{number}.root.json")

    def keys(self) -> KeySet:
        """The keys of the newest root. Raises TrustMissing, TrustDamaged."""
        return metadata.keys_of(self.root().signed)

    def targets(self, version: int | None = None) -> Metadata[Targets] | None:
        """A list of releases, the newest where none is named; None before the first."""
        number = self.newest("targets") if version is None else version
        return self._read(Targets, f"{number}.targets.json") if number else None

    def timestamp(self) -> Metadata[Timestamp] | None:
        """The timestamp; None before the first."""
        return self._read(Timestamp, "timestamp.json") if self._path("timestamp.json").exists() else None

    def snapshot(self) -> Metadata[Snapshot] | None:
        """The snapshot that the timestamp names, else the newest on disk; None before the first."""
        number = self.newest("snapshot")
        return self._read(Snapshot, f"{number}.snapshot.json") if number else None

    def listed(self) -> dict[str, TargetFile]:
        """Releases by the SHA-256 of their bytes, in hex."""
        found = self.targets()
        return {} if found is None else dict(found.signed.targets)

    def file(self, name: str) -> bytes | None:
        """A metadata file as clients ask for it; None for one that is not there."""
        if not _NAME.fullmatch(name) or not self._path(name).exists():
            return None
        return files.read(self._path(name), metadata.MAX_TARGETS)

    def compact_root(self, version: int) -> bytes | None:
        """The envelope of compact root `version`; None for one that is not there."""
        path = self.folder / "roots" / f"{version}.cbor"
        return files.read(path, compact.MAX_BYTES) if 0 < version <= MAX_VERSION and path.exists() else None

    def target(self, digest: str) -> bytes | None:
        """A listed release's bytes; None for one that is not listed. Raises TrustDamaged."""
        if not _DIGEST.fullmatch(digest) or digest not in self.listed():
            return None
        data = files.read(self.folder / "targets" / digest, MAX_BUNDLE)
        if sha256(data).hexdigest() != digest:
            raise TrustDamaged(f"{self.folder / 'targets' / digest} is not what it is named: restore it")
        return data

    def publish_root(self, draft: RootDraft) -> None:
        """Root N and compact root N; both thresholds, the old root's and the new one's, must be met. Repeating it is safe.
        Raises TrustError, OSError."""
        with files.locked(self.folder):
            draft.check()
            last = self.newest("root")
            data = draft.root.to_bytes()
            if draft.version == last and self.file(f"{last}.root.json") == data:
                return
            before = None if last == 0 else self.root()
            if draft.version != last + 1:
                raise DraftError(
                    f"this is root {draft.version}, published is root {last}: make the draft anew"
                )
            # The root on disk counts, not the one that the draft brought along.
            real = RootDraft(draft.root, draft.payload, before, draft.why)
            real.compact = draft.compact
            require_complete(real)
            files.write(self.folder / "roots" / f"{draft.version}.cbor", real.envelope())
            files.write(self._path(f"{draft.version}.root.json"), data)
            self._write_public(real.keys, draft.version)

    def publish_release(self, draft: ReleaseDraft) -> None:
        """Targets N; the authors' threshold of the newest root must be met. `renew` lists it. Raises TrustError,
        OSError."""
        with files.locked(self.folder):
            draft.check()
            last = self.newest("targets")
            data = draft.targets.to_bytes()
            if draft.version == last and self.file(f"{last}.targets.json") == data:
                return
            if draft.version != last + 1:
                raise DraftError(f"this is list {draft.version}, published is {last}: make the draft anew")
            if len(data) > metadata.MAX_TARGETS:
                raise DraftError(
                    f"a list of {len(data)} bytes: at most {metadata.MAX_TARGETS}; remove old releases"
                )
            require_complete(ReleaseDraft(draft.targets, self.root(), draft.why))
            for digest in draft.targets.signed.targets:
                if not (self.folder / "targets" / digest).exists():
                    raise DraftError(
                        f"release {digest[:16]}… is not in {self.folder / 'targets'}: add it again"
                    )
            files.write(self._path(f"{draft.version}.targets.json"), data)

    def take(self, data: bytes) -> TargetFile:
        """Puts a bundle into the folder and says how the list names it. Raises DraftError for one that the authors of the
        newest root did not sign in sufficient number."""
        if len(data) > MAX_BUNDLE:
            raise DraftError(f"a bundle of {len(data)} bytes: at most {MAX_BUNDLE}")
        keys = self.keys()
        try:
            envelope, artefact = bundle.split(data)
            parsed: Any = bundle.parse(envelope)
        except FormatError as wrong:
            raise DraftError(f"this is no bundle: {wrong}") from None
        authors = [(one.kid, one.public) for one in keys.authors]
        signed: list[bytes] = bundle.signers(parsed, authors, _verify)
        if len(signed) < keys.author_threshold:
            raise DraftError(
                f"{len(signed)} of the authors that root {self.newest('root')} names signed this bundle, "
                f"{keys.author_threshold} must"
            )
        if not bundle.artefact_good(parsed, len(artefact), sha256(artefact).digest()):
            raise DraftError("what this bundle carries is not what was signed")
        f = parsed.fields
        custom = {
            "kind": f[1],
            "rev": f[4],
            "hardware": list(f[7]),
            "name": f[10],
            "artefact": f[2].hex(),
            "bundle": parsed.digest.hex(),
        }
        entry = metadata.target(data, custom)
        path = self.folder / "targets" / entry.path
        if not path.exists():
            files.write(path, data)
        return entry

    def renew(self, now_ms: int, above: int = 0, timestamp_ms: int | None = None) -> list[str]:
        """Signs snapshot and timestamp anew where they are past half of their time, list something older, or are by a key
        that ended; says in words what was done. `above`: a version that both must exceed, after a folder was restored from
        a copy. `timestamp_ms`: how long the timestamp is to live; where it is said, a fresh one is made.

        Raises TrustError: then nothing that clients read has changed."""
        with files.locked(self.folder):
            root, targets = self.root(), self.targets()
            if targets is None:
                raise TrustMissing(
                    "no list of releases yet: `stallmark fleet release renew` makes an empty one"
                )
            snapshot, timestamp = self.snapshot(), self.timestamp()
            self._check_clock(now_ms, root, (targets, snapshot, timestamp))
            done: list[str] = []
            body = self._bytes(f"{targets.signed.version}.targets.json")
            entry = metadata.meta_file(body, targets.signed.version)
            if snapshot is None or (
                snapshot.signed.meta.get("targets.json") != entry
                or snapshot.signed.version <= above
                or not _fresh(root.signed, snapshot, now_ms, SNAPSHOT_MS)
            ):
                number = 1 + max(above, 0 if snapshot is None else snapshot.signed.version)
                snapshot = metadata.new_snapshot(
                    number, now_ms, now_ms + SNAPSHOT_MS, body, targets.signed.version
                )
                self._sign(root, "snapshot", snapshot)
                files.write(self._path(f"{number}.snapshot.json"), snapshot.to_bytes())
                done.append(f"snapshot {number}")
            listing = self._bytes(f"{snapshot.signed.version}.snapshot.json")
            names = metadata.meta_file(listing, snapshot.signed.version)
            if timestamp is None or (
                timestamp.signed.snapshot_meta != names
                or timestamp.signed.version <= above
                or timestamp_ms is not None
                or not _fresh(root.signed, timestamp, now_ms, TIMESTAMP_MS)
            ):
                number = 1 + max(above, 0 if timestamp is None else timestamp.signed.version)
                timestamp = metadata.new_timestamp(
                    number, now_ms, now_ms + (timestamp_ms or TIMESTAMP_MS), listing, snapshot.signed.version
                )
                self._sign(root, "timestamp", timestamp)
                files.write(self._path("timestamp.json"), timestamp.to_bytes())
                done.append(f"timestamp {number}")
            return done

    def _check_clock(
        self, now_ms: int, root: Metadata[Root], lists: tuple[Metadata[Any] | None, ...]
    ) -> None:
        # By keys that hold still: what a clock of the future signed is undone with the key that did.
        known = [one for one in (root, *lists) if one is not None and _good(root.signed, one)]
        last = max(metadata.issued_ms(one.signed) for one in known)
        if now_ms < last - BACK_MS:
            raise TrustError(
                f"the clock says {metadata.instant(now_ms)}, the last list was signed at {metadata.instant(last)}: "
                "set the clock; nothing was signed. Where the clock was wrong then: `stallmark fleet keys rotate --role "
                "snapshot --role timestamp`"
            )
        if root.signed.is_expired(metadata.instant(now_ms)):
            raise TrustError(
                f"root {root.signed.version} ran out at {root.signed.expires}: `stallmark fleet keys rotate`, or set the "
                "clock; nothing was signed"
            )
        clockguard.require(self, now_ms, [last])

    def _sign(self, root: Metadata[Root], role: str, made: Metadata[Any]) -> None:
        holders = {name: found for name, found, _ in metadata.keys_of(root.signed).roles}[role]
        key = self.online.seed_of(holders)
        if key is None:
            raise TrustError(
                f"the {role} key that root {root.signed.version} names is not on this controller"
            )
        metadata.add_signature(made, key.holder.keyid, key.sign(made.signed_bytes))

    def _write_public(self, keys: KeySet, version: int) -> None:
        value: dict[str, Any] = {
            "profile": metadata.INSECURE if keys.development else metadata.OFFLINE,
            "root": version,
            "roles": [
                {
                    "role": role,
                    "threshold": threshold,
                    "keys": [
                        {"name": one.name, "kid": one.kid.hex(), "public": one.public.hex()}
                        for one in holders
                    ],
                }
                for role, holders, threshold in keys.roles
            ],
        }
        files.write_json(self.folder / "keys.json", value)

    def _read(self, kind: type[T], name: str) -> Metadata[T]:
        try:
            return metadata.parse(kind, files.read(self._path(name), metadata.MAX_TARGETS), name)
        except DraftError as wrong:
            raise TrustDamaged(f"{self._path(name)}: {wrong}: restore it from a copy") from None

    def _bytes(self, name: str) -> bytes:
        return files.read(self._path(name), metadata.MAX_TARGETS)

    def _path(self, name: str) -> Path:
        return self.folder / "metadata" / name


def _verify(public: bytes, message: bytes, signature: bytes) -> bool:
    return signature_good(signature + message, public)


def _good(root: Root, found: Metadata[Any]) -> bool:
    keyids, threshold = metadata.good(root, found.signed.type, found)
    return len(keyids) >= threshold


def _fresh(root: Root, found: Metadata[Any], now_ms: int, life_ms: int) -> bool:
    return _good(root, found) and metadata.ms_of(found.signed.expires) - now_ms > life_ms // 2
