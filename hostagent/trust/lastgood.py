"""The last lists that were good in every respect, kept outside TUF's cache: what a host goes on with while it hears nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True)
class Release:
    """One bundle on the list. `sha256`: of all its bytes, hex; `kind`, `rev`, `hardware`, `name` as the authors wrote."""

    sha256: str
    length: int
    kind: int
    rev: int
    hardware: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class LastGood:
    """What was verified, when (this host's clock), signed when, good until (ms), from where; `compact_sha256` of the newest
    root's compact form."""

    versions: Mapping[str, int]
    verified_ms: int
    issued_ms: int
    expires_ms: int
    source: str
    profile: str
    compact_sha256: str
    releases: Mapping[str, Release]


def release_of(digest: str, length: int, custom: Mapping[str, Any]) -> Release:
    """A release from a target's fields; what is not as ours is empty or zero."""
    kind, rev, name = custom.get("kind"), custom.get("rev"), custom.get("name")
    hardware: Any = custom.get("hardware")
    boards = cast("list[Any]", hardware) if isinstance(hardware, list) else []
    return Release(
        digest,
        length,
        kind if type(kind) is int else 0,
        rev if type(rev) is int else 0,
        tuple(str(one) for one in boards[:16]),
        name if isinstance(name, str) else "",
    )


def to_json(good: LastGood) -> dict[str, Any]:
    """For the file."""
    return {
        "versions": dict(good.versions),
        "verified_ms": good.verified_ms,
        "issued_ms": good.issued_ms,
        "expires_ms": good.expires_ms,
        "source": good.source,
        "profile": good.profile,
        "compact_sha256": good.compact_sha256,
        "releases": [
            {
                "sha256": one.sha256,
                "length": one.length,
                "kind": one.kind,
                "rev": one.rev,
                "hardware": list(one.hardware),
                "name": one.name,
            }
            for one in good.releases.values()
        ],
    }


def from_json(value: Mapping[str, Any]) -> LastGood | None:
    """What the file said; None for anything else."""
    try:
        releases = [release_of(str(one["sha256"]), int(one["length"]), one) for one in value["releases"]]
        return LastGood(
            {str(role): int(number) for role, number in value["versions"].items()},
            int(value["verified_ms"]),
            int(value["issued_ms"]),
            int(value["expires_ms"]),
            str(value["source"]),
            str(value["profile"]),
            str(value["compact_sha256"]),
            {one.sha256: one for one in releases},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
