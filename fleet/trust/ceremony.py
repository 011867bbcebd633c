"""Roots and lists of releases as drafts: the first, the next, one without a key that was lost; and what follows a publication."""

# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuf.api.metadata import TargetFile

from fleet.trust import clockguard, compact, files, metadata
from fleet.trust.draft import ReleaseDraft, RootDraft
from fleet.trust.errors import DraftError, TrustError
from fleet.trust.keyset import Holder, KeySet
from fleet.trust.repository import MAX_TARGETS, Repository

ROOT_DAYS = 365
RELEASE_DAYS = 180
ONLINE_ROLES = ("director", "snapshot", "timestamp")
MAX_KEYS_JSON = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Change:
    """What the next root does otherwise. `ended`: kids, any role; `fresh`: online roles that get a new key."""

    add_root: tuple[Holder, ...] = ()
    add_authors: tuple[Holder, ...] = ()
    ended: tuple[bytes, ...] = ()
    fresh: tuple[str, ...] = ()
    root_threshold: int | None = None
    author_threshold: int | None = None


def first_root(
    repository: Repository,
    root: Sequence[Holder],
    authors: Sequence[Holder],
    thresholds: tuple[int, int],
    director: bytes,
    now_ms: int,
    days: int = ROOT_DAYS,
    development: bool = False,
) -> RootDraft:
    """Root 1, unsigned; makes the online keys. `thresholds`: of root, of authors. Raises TrustError, OSError."""
    if repository.exists():
        raise TrustError(
            f"{repository.folder} has a root already: `stallmark fleet keys rotate` makes the next"
        )
    keys = KeySet(
        tuple(root),
        thresholds[0],
        tuple(authors),
        thresholds[1],
        (Holder("director", director),),
        (),
        (),
        development,
    )
    stand_in = (Holder("online", bytes(32)),), (Holder("online", bytes(31) + b"\1"),)
    replace(keys, snapshot=stand_in[0], timestamp=stand_in[1]).check()  # before any key is made
    keys = replace(
        keys,
        snapshot=(repository.online.make("snapshot", development).holder,),
        timestamp=(repository.online.make("timestamp", development).holder,),
    )
    return _draft(repository, keys, now_ms, days, "the first root")


def next_root(
    repository: Repository, change: Change, now_ms: int, days: int = ROOT_DAYS, why: str = ""
) -> RootDraft:
    """Root N+1, unsigned, after a change; an online key that ends gets a fresh successor. Raises TrustError, OSError."""
    clockguard.require(repository, now_ms)
    keys = repository.keys()
    fresh = set(change.fresh)
    known = {one.kid for _, holders, _ in keys.roles for one in holders}
    for kid in change.ended:
        if kid not in known:
            raise TrustError(
                f"no key {kid.hex()} in the published root: `stallmark fleet keys status` lists them"
            )
    for role, holders, _ in keys.roles:
        if role in ONLINE_ROLES and any(one.kid in change.ended for one in holders):
            fresh.add(role)
    made = {role: (repository.online.make(role, keys.development).holder,) for role in sorted(fresh)}
    root = _without(keys.root, change.ended) + change.add_root
    authors = _without(keys.authors, change.ended) + change.add_authors
    after = replace(
        keys,
        root=root,
        authors=authors,
        root_threshold=change.root_threshold or keys.root_threshold,
        author_threshold=change.author_threshold or keys.author_threshold,
        directors=made.get("director", keys.directors),
        snapshot=made.get("snapshot", keys.snapshot),
        timestamp=made.get("timestamp", keys.timestamp),
    )
    return _draft(repository, after, now_ms, days, why)


def next_release(
    repository: Repository,
    add: Iterable[TargetFile],
    remove: Iterable[str],
    now_ms: int,
    days: int = RELEASE_DAYS,
    why: str = "",
) -> ReleaseDraft:
    """The next list of releases, unsigned: the published one with some more and some fewer. Raises TrustError."""
    clockguard.require(repository, now_ms)
    before = repository.targets()
    listed: dict[str, TargetFile] = repository.listed()
    for digest in remove:
        found = [path for path in listed if path.startswith(digest.lower())] if len(digest) >= 8 else []
        if len(found) != 1:
            raise TrustError(f"{digest}: {len(found)} releases are named so; give more of the digest")
        del listed[found[0]]
    for entry in add:
        listed[entry.path] = entry
    if len(listed) > MAX_TARGETS:
        raise DraftError(f"{len(listed)} releases: at most {MAX_TARGETS}; remove old ones")
    number = 1 if before is None else before.signed.version + 1
    made = metadata.new_targets(number, now_ms, now_ms + days * metadata.DAY_MS, listed)
    return ReleaseDraft(made, repository.root(), why)


def settle(repository: Repository, config: Path | None, now_ms: int) -> list[str]:
    """What follows a publication: the director's new seed into the controller's keys.json, ended online keys destroyed,
    snapshot and timestamp signed anew. Repeating it is safe. Raises TrustError, OSError."""
    keys = repository.keys()
    done: list[str] = []
    if config is not None and (key := repository.online.seed_of(keys.directors)) is not None:
        path = _keys_json(config)
        secret = files.read_json(path, MAX_KEYS_JSON)
        if secret.get("director_seed") != key.seed.hex():
            files.write_json(path, {**secret, "director_seed": key.seed.hex()}, secret=True)
            done.append(f"{path}: the new director key; a running controller takes it up by itself")
    # Until keys.json has it, a new director's seed stays here too.
    repository.online.keep_only((*keys.snapshot, *keys.timestamp, *keys.directors), keys.development)
    if repository.targets() is not None:
        done += repository.renew(now_ms)
    return done


def facts_of(bundles: Mapping[str, TargetFile]) -> list[dict[str, object]]:
    """Listed releases for people and programs, the highest rev first."""
    found: list[dict[str, object]] = [
        {"sha256": digest, "length": entry.length, **(entry.custom or {})}
        for digest, entry in bundles.items()
    ]
    return sorted(found, key=lambda one: (-int(str(one.get("rev", 0))), str(one["sha256"])))


def _draft(repository: Repository, keys: KeySet, now_ms: int, days: int, why: str) -> RootDraft:
    before = repository.root() if repository.exists() else None
    number = 1 if before is None else before.signed.version + 1
    now_ms -= now_ms % 1000  # TUF writes whole seconds, and both halves say the same
    expires = now_ms + days * metadata.DAY_MS
    payload = compact.payload(keys, number, now_ms, expires)
    draft = RootDraft(metadata.new_root(keys, number, now_ms, expires, payload, why), payload, before, why)
    draft.check()
    return draft


def _without(holders: tuple[Holder, ...], ended: tuple[bytes, ...]) -> tuple[Holder, ...]:
    return tuple(one for one in holders if one.kid not in ended)


def _keys_json(config: Path) -> Path:
    stated = files.read_json(config, MAX_KEYS_JSON).get("keys")
    return config.resolve().parent / (stated if isinstance(stated, str) else "keys.json")
