"""Counters: what stands in public, and what the program met since it started. Thread-safe enough: small
ints."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from fleet.core import reg, word

UNREADABLE_KIND = -1  # stands for the kind of a record that this program cannot read


def kind_word(kind: int) -> str:
    """The registry's word for a record kind."""
    return "unreadable" if kind == UNREADABLE_KIND else word(reg.KIND_NAMES, kind)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a batch adds to the counts, once the public tree is `size` or larger."""

    size: int
    kinds: Counter[int]
    findings: int


class Counts:
    """Published receipts by kind, and findings."""

    def __init__(self, totals: Mapping[str, int]) -> None:
        """Goes on from the running totals of the database."""
        self._kinds = Counter({int(name[5:]): n for name, n in totals.items() if name.startswith("kind:")})
        self._waiting: deque[Tally] = deque()
        self._lock = Lock()
        self.findings = totals.get(f"leaf:{reg.LEAF_FINDING}", 0)

    def add(self, tally: Tally) -> None:
        """A batch that is durable, and not yet public."""
        with self._lock:
            self._waiting.append(tally)

    def published(self, size: int) -> None:
        """The public tree has this size now."""
        with self._lock:
            while self._waiting and self._waiting[0].size <= size:
                tally = self._waiting.popleft()
                self._kinds.update(tally.kinds)
                self.findings += tally.findings

    @property
    def receipts(self) -> int:
        """Receipt leaves in public."""
        with self._lock:
            return self._kinds.total()

    def by_word(self) -> dict[str, int]:
        """Receipts by the registry's word for their kind."""
        with self._lock:
            return {kind_word(kind): n for kind, n in sorted(self._kinds.items()) if n}


@dataclass(slots=True)
class Met:
    """What happened since the start, for /healthz and `stallmark fleet status`."""

    batches: int = 0
    receipts: int = 0
    repeats: int = 0
    findings: int = 0
    checkpoints: int = 0
    publish_failures: int = 0
    refused: Counter[int] = field(default_factory=Counter[int])  # requests, by the HTTP status of their answer
    unpublished_reason: str = ""
