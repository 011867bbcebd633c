"""TUF metadata of the four roles: made, signed with PyNaCl, and held against thresholds. Pure: no file, no clock."""

# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar, cast

from securesystemslib.signer import Signature, SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Key as TufKey
from tuf.api.metadata import Metadata, MetaFile, Role, Root, Signed, Snapshot, TargetFile, Targets, Timestamp

from fleet.trust.errors import DraftError, TrustDamaged, TrustError
from fleet.trust.keyset import Holder, KeySet

EXTRA = "x-stallmark"  # our part of the signed metadata; other TUF clients pass over it
OFFLINE = "offline keys"
INSECURE = "INSECURE: development keys, all in one place"
MAX_ROOT = 64 * 1024
MAX_TARGETS = 1024 * 1024
DAY_MS = 86_400_000
ROLES = ("root", "targets", "snapshot", "timestamp")

T = TypeVar("T", Root, Timestamp, Snapshot, Targets)


def instant(ms: int) -> datetime:
    """The whole second of an instant, as TUF writes it."""
    return datetime.fromtimestamp(ms // 1000, UTC)


def ms_of(moment: datetime) -> int:
    """Milliseconds since 1970 UTC."""
    return int(moment.timestamp()) * 1000


def new_root(
    keys: KeySet, version: int, now_ms: int, expires_ms: int, compact: bytes, why: str
) -> Metadata[Root]:
    """Root `version`, unsigned. It binds the compact root of the same number by its digest. Raises TrustError."""
    keys.check()
    listed = (keys.root, keys.authors, keys.snapshot, keys.timestamp)
    known = {one.keyid: tuf_key(one) for holders in listed for one in holders}
    root = Root(
        version=version,
        expires=instant(expires_ms),
        keys=cast("dict[str, TufKey]", known),
        roles={
            "root": Role([one.keyid for one in keys.root], keys.root_threshold),
            "targets": Role([one.keyid for one in keys.authors], keys.author_threshold),
            "snapshot": Role([one.keyid for one in keys.snapshot], 1),
            "timestamp": Role([one.keyid for one in keys.timestamp], 1),
        },
        consistent_snapshot=True,
        unrecognized_fields={
            EXTRA: {
                "profile": INSECURE if keys.development else OFFLINE,
                "issued_ms": now_ms,
                "compact_sha256": sha256(compact).hexdigest(),
                "directors": [{"name": one.name, "public": one.public.hex()} for one in keys.directors],
                "names": {one.keyid: one.name for holders in listed for one in holders},
                "why": why,
            }
        },
    )
    return Metadata(root)


def keys_of(root: Root) -> KeySet:
    """The keys of a root. Raises TrustDamaged for one that this program did not make."""
    more = extra(root)
    try:
        names = {str(keyid): str(name) for keyid, name in more["names"].items()}
        directors = tuple(Holder(str(one["name"]), bytes.fromhex(one["public"])) for one in more["directors"])
        profile = str(more["profile"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise TrustDamaged(f"root {root.version} was not made by `stallmark fleet keys`") from None

    def of(role: str) -> tuple[Holder, ...]:
        return tuple(
            Holder(names.get(keyid, keyid[:16]), bytes.fromhex(str(root.keys[keyid].keyval["public"])))
            for keyid in root.roles[role].keyids
        )

    return KeySet(
        of("root"),
        root.roles["root"].threshold,
        of("targets"),
        root.roles["targets"].threshold,
        directors,
        of("snapshot"),
        of("timestamp"),
        profile != OFFLINE,
    )


def new_targets(
    version: int, now_ms: int, expires_ms: int, listed: Mapping[str, TargetFile]
) -> Metadata[Targets]:
    """Targets `version`, unsigned."""
    return Metadata(
        Targets(
            version=version,
            expires=instant(expires_ms),
            targets=dict(listed),
            unrecognized_fields={EXTRA: {"issued_ms": now_ms}},
        )
    )


def target(data: bytes, custom: Mapping[str, Any]) -> TargetFile:
    """A target named by the SHA-256 of its bytes."""
    digest = sha256(data).hexdigest()
    return TargetFile(len(data), {"sha256": digest}, digest, {"custom": dict(custom)})


def new_snapshot(
    version: int, now_ms: int, expires_ms: int, targets: bytes, targets_version: int
) -> Metadata[Snapshot]:
    """Snapshot `version` of one targets file, by its exact bytes; unsigned."""
    return Metadata(
        Snapshot(
            version=version,
            expires=instant(expires_ms),
            meta={"targets.json": meta_file(targets, targets_version)},
            unrecognized_fields={EXTRA: {"issued_ms": now_ms}},
        )
    )


def new_timestamp(
    version: int, now_ms: int, expires_ms: int, snapshot: bytes, number: int
) -> Metadata[Timestamp]:
    """Timestamp `version` of one snapshot, by its exact bytes; unsigned. Its instant is what hosts take as the least
    that the present can be."""
    return Metadata(
        Timestamp(
            version=version,
            expires=instant(expires_ms),
            snapshot_meta=meta_file(snapshot, number),
            unrecognized_fields={EXTRA: {"issued_ms": now_ms}},
        )
    )


def meta_file(data: bytes, version: int) -> MetaFile:
    """What one list says of another."""
    return MetaFile(version, len(data), {"sha256": sha256(data).hexdigest()})


def extra(signed: Signed) -> dict[str, Any]:
    """Our own fields of signed metadata; empty where there are none."""
    found = signed.unrecognized_fields.get(EXTRA)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def issued_ms(signed: Signed) -> int:
    """When it was signed, by its signers' clock; 0 where it does not say."""
    found = extra(signed).get("issued_ms")
    return found if type(found) is int and found >= 0 else 0


def tuf_key(one: Holder) -> SSlibKey:
    """The same key as TUF writes it."""
    return SSlibKey(one.keyid, "ed25519", "ed25519", {"public": one.public.hex()})


def add_signature(metadata: Metadata[Any], keyid: str, signature: bytes) -> None:
    """Adds one signature, or replaces the same key's; of whom it is, is checked by `good`."""
    metadata.signatures[keyid] = Signature(keyid, signature.hex())


def good(root: Root, role: str, metadata: Metadata[Any]) -> tuple[set[str], int]:
    """(key ids with a good signature, how many are needed) of a role as `root` names it."""
    found = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    return set(found.signed), found.threshold


def parse(kind: type[T], data: bytes, what: str) -> Metadata[T]:
    """Metadata of the kind that is expected. Raises DraftError."""
    try:
        found = Metadata[T].from_bytes(data)
    except (RepositoryError, RecursionError, ValueError):
        raise DraftError(f"{what} is not TUF metadata") from None
    if found.signed.type != kind.type:  # it is of the class that its bytes say, whatever was asked for
        raise DraftError(f"{what} is {found.signed.type}, expected {kind.type}")
    return found


def compact_bound(root: Root, payload: bytes) -> None:
    """Raises TrustError where a compact root's payload is not the one that this root names."""
    if extra(root).get("compact_sha256") != sha256(payload).hexdigest():
        raise TrustError(f"the compact root is not the one that root {root.version} names")


def names(holders: Iterable[Holder]) -> str:
    """For sentences."""
    return ", ".join(one.name for one in holders)
