"""The floor: the least versions and the earliest instant that this host still believes. Pure values.

A wiped cache does not lower it. It goes down for one reason only: a new root ended a key that had vouched for it, since
then a thief may have pushed the numbers up (TUF specification 5.3.11, fast-forward)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

ROLES = ("root", "timestamp", "snapshot", "targets")
# A role's number stands on the keys of these: timestamp names snapshot's number too.
STANDS_ON = {
    "root": (),
    "timestamp": ("timestamp",),
    "snapshot": ("snapshot", "timestamp"),
    "targets": ("targets",),
}


@dataclass(frozen=True)
class Floor:
    """`versions` by role; `keys`: by role, the key ids of the root under which they were seen; instants in ms: `offline_ms`
    signed by root or authors, `online_ms` by the timestamp key or the director."""

    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    offline_ms: int = 0
    online_ms: int = 0

    @property
    def earliest_ms(self) -> int:
        """The present is not before this."""
        return max(self.offline_ms, self.online_ms)

    def below(self, versions: Mapping[str, int]) -> str | None:
        """The first role whose version lies below the floor; None where none does."""
        return next(
            (role for role in ROLES if role in versions and versions[role] < self.versions.get(role, 0)), None
        )

    def under(self, keys: Mapping[str, tuple[str, ...]]) -> "Floor":
        """The floor under a newly trusted root with these key ids by role: numbers of ended keys count no more."""
        ended = {role for role, before in self.keys.items() if set(before) - set(keys.get(role, ()))}
        versions = {role: n for role, n in self.versions.items() if not ended.intersection(STANDS_ON[role])}
        online = 0 if "timestamp" in ended else self.online_ms
        return Floor(versions, dict(keys), self.offline_ms, online)

    def raised(self, versions: Mapping[str, int], offline_ms: int = 0, online_ms: int = 0) -> "Floor":
        """The floor after more was seen; never lower."""
        merged = {role: max(self.versions.get(role, 0), versions.get(role, 0)) for role in ROLES}
        return replace(
            self,
            versions=merged,
            offline_ms=max(self.offline_ms, offline_ms),
            online_ms=max(self.online_ms, online_ms),
        )


def to_json(floor: Floor) -> dict[str, Any]:
    """For the file."""
    return {
        "versions": dict(floor.versions),
        "keys": {role: list(ids) for role, ids in floor.keys.items()},
        "offline_ms": floor.offline_ms,
        "online_ms": floor.online_ms,
    }


def from_json(value: Mapping[str, Any]) -> Floor | None:
    """What a file said; None for anything else."""
    versions, keys = value.get("versions"), value.get("keys")
    instants = value.get("offline_ms"), value.get("online_ms")
    if (
        not isinstance(versions, dict)
        or not isinstance(keys, dict)
        or not all(type(n) is int for n in instants)
    ):
        return None
    numbers = cast("dict[str, Any]", versions)
    ids = cast("dict[str, Any]", keys)
    if any(role not in ROLES or type(n) is not int or n < 0 for role, n in numbers.items()):
        return None
    if any(not isinstance(one, list) for one in ids.values()):
        return None
    by_role = {role: tuple(str(keyid) for keyid in cast("list[Any]", one)) for role, one in ids.items()}
    return Floor(numbers, by_role, cast(int, instants[0]), cast(int, instants[1]))
