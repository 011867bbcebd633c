"""Who holds what: the keys of every role and how many of them must sign. A value; nothing here signs."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from fleet.trust.errors import TrustError

MOST_ROOT = 4  # as many as a compact root holds
MOST_DIRECTORS = 4
MOST_AUTHORS = 8
MOST_SIGNATURES = 4  # in one envelope


@dataclass(frozen=True, slots=True)
class Holder:
    """One public key and the name that lists show."""

    name: str
    public: bytes

    @property
    def keyid(self) -> str:
        """The TUF key id: SHA-256 of the public key, in hex; its first 16 characters are kid8."""
        return sha256(self.public).hexdigest()

    @property
    def kid(self) -> bytes:
        """SHA-256(public key)[:8]."""
        return sha256(self.public).digest()[:8]


def holder(name: str, public: bytes) -> Holder:
    """A holder. Raises TrustError where the public key is not 32 bytes."""
    if len(public) != 32:
        raise TrustError(f"{name}: a public key of {len(public)} bytes, expected 32")
    return Holder(name, public)


@dataclass(frozen=True, slots=True)
class KeySet:
    """Every role. Online roles have threshold 1. `development`: one place holds everything, and every list says so."""

    root: tuple[Holder, ...]
    root_threshold: int
    authors: tuple[Holder, ...]
    author_threshold: int
    directors: tuple[Holder, ...]
    snapshot: tuple[Holder, ...]
    timestamp: tuple[Holder, ...]
    development: bool = False

    @property
    def roles(self) -> tuple[tuple[str, tuple[Holder, ...], int], ...]:
        """(role, holders, threshold), the weightiest first."""
        return (
            ("root", self.root, self.root_threshold),
            ("author", self.authors, self.author_threshold),
            ("director", self.directors, 1),
            ("snapshot", self.snapshot, 1),
            ("timestamp", self.timestamp, 1),
        )

    def check(self) -> None:
        """Raises TrustError with what is wrong and what is allowed."""
        limits = {"root": MOST_ROOT, "author": MOST_AUTHORS, "director": MOST_DIRECTORS}
        seen: dict[bytes, str] = {}
        for role, holders, threshold in self.roles:
            most = limits.get(role, 2)
            if not 1 <= len(holders) <= most:
                raise TrustError(f"{len(holders)} {role} keys: 1 to {most} are possible")
            if not 1 <= threshold <= min(len(holders), MOST_SIGNATURES):
                raise TrustError(f"{role}: {threshold} of {len(holders)} must sign: that cannot be met")
            for one in holders:
                before = seen.setdefault(one.public, role)
                if before != role and not self.development:
                    raise TrustError(
                        f"{one.name}: one key is {before} and {role}: each role needs keys of its own"
                    )
            if len({one.public for one in holders}) != len(holders):
                raise TrustError(f"one key stands twice among the {role} keys")
        if self.development:
            return
        if self.root_threshold < 2 or self.author_threshold < 2:
            raise TrustError(
                "root and authors need two signatures at least; one key is for --development only"
            )
        if len(self.root) <= self.root_threshold:
            raise TrustError("root needs one key more than must sign, or one lost key ends the fleet's trust")
