"""How the trust stands: who holds what, when what runs out, what to do first. Words for people, a dict for programs."""

# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuf.api.metadata import Metadata

from fleet.trust import draft as drafts
from fleet.trust import metadata
from fleet.trust.errors import TrustError
from fleet.trust.repository import SNAPSHOT_MS, TIMESTAMP_MS, Repository

# Warned of when so much is left: people need weeks to meet, a program that renews at half time needs none.
WARN_MS = {
    "root": 45 * metadata.DAY_MS,
    "targets": 45 * metadata.DAY_MS,
    "snapshot": SNAPSHOT_MS // 3,
    "timestamp": TIMESTAMP_MS // 3,
}
REMEDY = {
    "root": "`stallmark fleet keys rotate`, signed by the root holders",
    "targets": "`stallmark fleet release renew`, signed by the authors",
    "snapshot": "the running controller renews it; else `stallmark fleet keys renew`",
    "timestamp": "the running controller renews it; else `stallmark fleet keys renew`",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """One list: its number, when it was signed and runs out, who of whom signed it."""

    role: str
    version: int
    issued_ms: int
    expires_ms: int
    signed: int
    threshold: int

    def trouble(self, now_ms: int) -> str | None:
        """What is wrong with it and what to do; None where all is well."""
        left = self.expires_ms - now_ms
        if self.signed < self.threshold:
            return f"{self.role} {self.version}: {self.signed} good signatures, {self.threshold} needed: {REMEDY[self.role]}"
        if left <= 0:
            return f"{self.role} {self.version} ran out {span(-left)} ago: hosts install nothing new: {REMEDY[self.role]}"
        if left < WARN_MS[self.role]:
            return f"{self.role} {self.version} runs out in {span(left)}: {REMEDY[self.role]}"
        return None


def standings(repository: Repository) -> list[Standing]:
    """The four lists, those that exist; what runs out first stands first. Raises TrustError."""
    root = repository.root()
    found: list[tuple[str, Metadata[Any] | None]] = [
        ("root", root),
        ("targets", repository.targets()),
        ("snapshot", repository.snapshot()),
        ("timestamp", repository.timestamp()),
    ]
    made: list[Standing] = []
    for role, one in found:
        if one is None:
            continue
        keyids, threshold = metadata.good(root.signed, role, one)
        expires = metadata.ms_of(one.signed.expires)
        made.append(
            Standing(
                role, one.signed.version, metadata.issued_ms(one.signed), expires, len(keyids), threshold
            )
        )
    return sorted(made, key=lambda one: one.expires_ms)


def unnamed_director(repository: Repository, director: bytes | None) -> str | None:
    """What is wrong where the newest root does not name this director (public key): bricks and hosts refuse what it signs. None
    where it does, and where there is no root. Raises TrustError."""
    if director is None or not repository.exists():
        return None
    root = repository.root()
    if any(one.public == director for one in metadata.keys_of(root.signed).directors):
        return None
    return (
        f"this controller signs with a director that root {root.signed.version} does not name: bricks and hosts refuse its "
        "directives and slices: restart it"
    )


def facts(repository: Repository, now_ms: int, director: bytes | None = None) -> dict[str, Any]:
    """Everything, for programs and for alerts. `director`: the public key that signs directives here. Raises TrustError."""
    keys = repository.keys()
    lists = standings(repository)
    trouble = [said for one in lists if (said := one.trouble(now_ms)) is not None]
    if (unnamed := unnamed_director(repository, director)) is not None:
        trouble.insert(0, unnamed)
    if repository.targets() is None:
        trouble.append("no list of releases yet: `stallmark fleet release renew` makes an empty one")
    return {
        "profile": metadata.INSECURE if keys.development else metadata.OFFLINE,
        "insecure": keys.development,
        "root": repository.root().signed.version,
        "releases": len(repository.listed()),
        "roles": [
            {
                "role": role,
                "threshold": threshold,
                "keys": [{"name": one.name, "kid": one.kid.hex()} for one in holders],
            }
            for role, holders, threshold in keys.roles
        ],
        "lists": [
            {
                "list": one.role,
                "version": one.version,
                "issued_ms": one.issued_ms,
                "expires_ms": one.expires_ms,
                "left_ms": one.expires_ms - now_ms,
                "good_signatures": one.signed,
                "threshold": one.threshold,
            }
            for one in lists
        ],
        "waiting": _waiting(repository),
        "trouble": trouble,
    }


def health(repository: Repository, now_ms: int, director: bytes | None = None) -> dict[str, Any]:
    """The few words for /healthz: profile, what runs out first, what is wrong."""
    if not repository.exists():
        return {"profile": "none: releases are not listed", "insecure": False, "trouble": []}
    try:
        found = facts(repository, now_ms, director)
    except (TrustError, OSError) as error:
        return {"profile": "unreadable", "insecure": False, "trouble": [str(error)]}
    first = found["lists"][0]
    return {
        "profile": found["profile"],
        "insecure": found["insecure"],
        "first_to_expire": first["list"],
        "expires_ms": first["expires_ms"],
        "trouble": found["trouble"],
    }


def words(repository: Repository, now_ms: int, director: bytes | None = None) -> list[str]:
    """For the terminal. Raises TrustError."""
    found = facts(repository, now_ms, director)
    lines = [f"Profile: {found['profile']}", f"Root {found['root']}, {found['releases']} releases listed"]
    for role in found["roles"]:
        who = ", ".join(f"{one['name']} {one['kid']}" for one in role["keys"])
        lines.append(f"  {role['role']}: {role['threshold']} of {len(role['keys'])}: {who}")
    for one in found["lists"]:
        ran = (
            f"runs out in {span(one['left_ms'])}"
            if one["left_ms"] > 0
            else f"ran out {span(-one['left_ms'])} ago"
        )
        signed = f"signed {span(now_ms - one['issued_ms'])} ago"
        lines.append(f"  {one['list']} {one['version']}: {signed}, {ran}")
    lines += [f"{one['draft']}: {said}" for one in found["waiting"] for said in one["waiting"]]
    lines += [f"! {said}" for said in found["trouble"]]
    if not found["trouble"]:
        lines.append(f"Nothing to do. First to run out: {found['lists'][0]['list']}.")
    return lines


def span(ms: int) -> str:
    """A length of time in one unit that people use."""
    seconds = max(0, ms) // 1000
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def _waiting(repository: Repository) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if not repository.drafts.is_dir():
        return found
    for path in sorted(repository.drafts.glob("*.json"))[:16]:
        try:
            draft = drafts.load(path)
            said = [one.words() for one in draft.waiting()]
        except TrustError as error:
            said = [str(error)]
        found.append({"draft": str(path), "waiting": said})
    return found
