"""What the public may read of a controller: the protocol that pages and proofs are written against."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict


class LiveEvent(TypedDict):
    """One receipt of the live stream. All plain JSON values; times are market time in ms since 1970 UTC."""

    index: int  # of its leaf in the ledger
    brick: str  # hex, 16 characters
    seq: int  # of the record on its brick
    kind: str  # registry word: "grant", "deny" …
    sentence: str  # plain English, from stallmark.explain
    outcome: str  # "granted" | "nothing this time" | "ask at the stall"; "" for what is not a decision
    market_ms: int  # the record's own instant (its brick's clock, else the host's)
    at_ms: int  # when the controller took it in


@dataclass(frozen=True, slots=True)
class PublicReceipt:
    """A receipt as anyone who holds its handle may see it.

    `cose` is verbatim. `proof` is a C2SP tlog-proof (text) against the published checkpoint, or None while
    the leaf is younger than that checkpoint. `reversed_by` names later receipts that take this one back
    (voids and refunds), `findings` what the controller found wrong with the record: registry words.
    """

    cose: bytes
    index: int
    received_ms: int
    ledger_size: int  # of the published checkpoint that `proof` and `reversed_by` speak of
    proof: str | None
    reversed_by: Sequence[ReversedBy]
    findings: Sequence[str]
    duplicate_of: int | None  # index of the earlier receipt of the very same record: that one counts


@dataclass(frozen=True, slots=True)
class ReversedBy:
    """A later receipt that reverses another one."""

    index: int
    kind: str  # "void" or "refund"
    seq: int
    market_ms: int
    cose: bytes


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The first published record-key disclosure of a brick and epoch: the ledger entry (`06 ‖ bytes`,
    verbatim), its index, and its tlog-proof against the published checkpoint."""

    entry: bytes
    index: int
    proof: str


class PublicStore(Protocol):
    """Read-only and thread-safe. The plain methods may touch the disk (about a millisecond): call them from
    `def` handlers or a worker thread, not on the event loop. `subscribe` belongs on the event loop."""

    def receipt_by_handle(self, h16: bytes) -> PublicReceipt | None:
        """The receipt whose look-up handle this is; of several (the same record twice) the first."""
        ...

    def checkpoint(self) -> bytes:
        """The published checkpoint: a signed note, verbatim."""
        ...

    def keys(self) -> dict[str, Any]:
        """The public keys file of docs/formats/ledger.md as a JSON value."""
        ...

    def terms(self, hex16: str) -> str | None:
        """The plain-words terms whose SHA-256 begins with these 16 bytes (32 hex characters)."""
        ...

    def recent(self, n: int) -> list[LiveEvent]:
        """The newest published receipts, newest first, at most 200."""
        ...

    def subscribe(self) -> AsyncIterator[LiveEvent]:
        """Every receipt from now on, when its leaf is in a published checkpoint."""
        ...

    def disclosed(self, brick8: bytes, epoch: int) -> tuple[bytes, int] | None:
        """(MK_e, tree size of the disclosure leaf) once the record key of that epoch is published in the
        ledger."""
        ...

    def disclosure(self, brick8: bytes, epoch: int) -> Disclosure | None:
        """The same publication with its proof, so that a stranger need not take our word for the key."""
        ...

    def sentence(self, cose: bytes) -> str:
        """What a receipt says, in plain English, told by the rules that decided it where they are known; ""
        where its record cannot be read."""
        ...

    def stall(self) -> Mapping[str, Any]:
        """Summary for the live page: `{"name", "development", "origin", "ledger_size", "checkpoint_ms",
        "now_ms", "receipts", "kinds": {word: n}, "findings": n, "hosts": [{"host", "name", "last_ms"}],
        "bricks": [{"brick", "kit", "seq", "last_ms"}]}`; every number is of published leaves unless it says
        else. Shown where present: `"currency"` of the rules, `"people": n` different people so far, and
        `"left": [{"what", "unit", "left", "of"}]`, what remains of each minted budget or stock (units as in
        the registry's rights units)."""
        ...
