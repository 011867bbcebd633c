"""A copy of the signed lists and bundles on a stick, laid out as a host's fetcher reads it: tuf/, targets/, roots/."""

from __future__ import annotations

from pathlib import Path

from fleet.trust import files, metadata
from fleet.trust.errors import TrustMissing
from fleet.trust.repository import TIMESTAMP_MS, Repository

MOST_DAYS = 14  # a thief of the stick can hold a kit back for so long


def write(repository: Repository, folder: Path, now_ms: int, days: int) -> int:
    """Writes the copy with a timestamp of its own that lives `days`, and says how many releases are in it. The
    controller's own timestamp, a newer one, is signed after it. Raises TrustError, OSError."""
    repository.renew(now_ms, timestamp_ms=days * metadata.DAY_MS)
    timestamp, snapshot, targets = repository.timestamp(), repository.snapshot(), repository.targets()
    if timestamp is None or snapshot is None or targets is None:
        raise TrustMissing("no list of releases yet: `stallmark fleet release renew` makes an empty one")
    root = repository.root().signed.version
    names = [f"{number}.root.json" for number in range(1, root + 1)]
    names += [
        f"{targets.signed.version}.targets.json",
        f"{snapshot.signed.version}.snapshot.json",
        "timestamp.json",
    ]
    for digest in targets.signed.targets:
        _copy(folder / "targets" / digest, repository.target(digest))
    for number in range(1, root + 1):
        _copy(folder / "roots" / f"{number}.cbor", repository.compact_root(number))
    for name in (
        names
    ):  # the timestamp last: a stick that was pulled out early holds the old list, not half a new one
        _copy(folder / "tuf" / name, repository.file(name))
    repository.renew(now_ms, timestamp_ms=TIMESTAMP_MS)
    return len(targets.signed.targets)


def _copy(path: Path, data: bytes | None) -> None:
    if data is None:
        raise TrustMissing(f"{path.name} is missing in the trust folder: restore it from a copy")
    files.write(path, data)
