"""python-tuf's Updater as this host needs it: time from outside, files that are on the disk before anybody relies on them.

It overrides three inner parts of tuf 7 (pyproject pins it); tests/host/test_trust_client.py fails where they are gone."""

# pyright: reportPrivateImportUsage=false

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from tuf.api.metadata import Root, Signed, Snapshot, Targets, Timestamp
from tuf.ngclient import Updater, UpdaterConfig

from hostagent import durable
from hostagent.trust.fetcher import Source
from hostagent.trust.floor import ROLES

EXTRA = "x-stallmark"
MAX_ROOT = 64 * 1024
MAX_TIMESTAMP = 16 * 1024
MAX_SNAPSHOT = 64 * 1024
MAX_TARGETS = 1024 * 1024
LATEST_MS = 253_402_300_799_000  # the last second that a date can say
MAX_ROTATIONS = 64  # at one refresh; the next one goes on from there


class Reader(Updater):
    """One refresh: made, used once, thrown away."""

    def __init__(self, cache: Path, source: Source, bootstrap: bytes, reference_ms: int) -> None:
        super().__init__(
            str(cache),
            source.lists,
            fetcher=source.fetcher,
            config=UpdaterConfig(
                max_root_rotations=MAX_ROTATIONS,
                max_delegations=1,
                root_max_length=MAX_ROOT,
                timestamp_max_length=MAX_TIMESTAMP,
                snapshot_max_length=MAX_SNAPSHOT,
                targets_max_length=MAX_TARGETS,
                prefix_targets_with_hash=False,
            ),
            # Always from provisioning on, never from the cache: a cut or a thief may have been there.
            bootstrap=bootstrap,
        )
        self._trusted_set.reference_time = datetime.fromtimestamp(min(reference_ms, LATEST_MS) / 1000, UTC)

    def trusted(self) -> dict[str, Signed]:
        """What was verified so far, by role."""
        return {role: self._trusted_set[role] for role in ROLES if role in self._trusted_set}

    @property
    def root(self) -> Root:
        """The newest root that was verified."""
        return self._trusted_set.root

    @property
    def whole(self) -> tuple[Root, Timestamp, Snapshot, Targets]:
        """All four, after a refresh that succeeded."""
        trusted = self._trusted_set
        return trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets

    def _persist_file(self, filename: str, data: bytes) -> None:
        durable.write(Path(filename), data)

    def _update_root_symlink(self) -> None:
        """None is kept: it is not atomic, and the bootstrap root makes it needless."""


def ours(signed: Signed) -> dict[str, Any]:
    """Our own fields of signed metadata; empty where there are none."""
    found = signed.unrecognized_fields.get(EXTRA)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def issued_ms(signed: Signed) -> int:
    """When it was signed, by its signers' clock; 0 where it does not say. Never after its own expiry."""
    found = ours(signed).get("issued_ms")
    return found if type(found) is int and 0 <= found <= ms_of(signed.expires) else 0


def ms_of(moment: datetime) -> int:
    """Milliseconds since 1970 UTC."""
    return int(moment.timestamp()) * 1000


def keys_of(root: Root) -> dict[str, tuple[str, ...]]:
    """Key ids by role, root's own left out: its chain is its proof."""
    return {role: tuple(sorted(found.keyids)) for role, found in root.roles.items() if role != "root"}


def named_twice(root: Root) -> str | None:
    """The role that lists one key under two names, which would count as two signers: the library takes key ids as they stand
    (TAP 12). None: no role does."""
    for role, found in root.roles.items():
        publics = [str(root.keys[keyid].keyval.get("public")).lower() for keyid in found.keyids]
        if len(set(publics)) != len(publics):
            return role
    return None
