"""What all simulated hosts of a run share: where the controller is, what goes wrong, and what they saw together."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from fleet.rollouts.virtualfleet import Faults
from fleet.simulate.wire import Connection

WORK_AT_ONCE = 256  # connections beside those that wait, of all hosts of this process


@dataclass
class Seen:
    """Instants are monotonic seconds. `delivered`, `active`: artefact → kit → when it was first ordered, when every brick had
    proved it; `given`: artefact → wall clock ms of each delivery, in order; `waiting`: kits at their long-poll."""

    delivered: dict[bytes, dict[bytes, float]] = field(default_factory=dict[bytes, dict[bytes, float]])
    active: dict[bytes, dict[bytes, float]] = field(default_factory=dict[bytes, dict[bytes, float]])
    given: dict[bytes, list[int]] = field(default_factory=dict[bytes, list[int]])
    counts: Counter[str] = field(default_factory=Counter[str])
    waiting: set[bytes] = field(default_factory=set[bytes])


@dataclass(frozen=True)
class Place:
    """`director`: its public key; `speed`: by which installations and absences are shorter than in life; `cut`: percent of
    downloads that break off; `doubtful`: digest of the artefact that faults strike, None: none; `idle`: hosts take
    directives and do nothing about them."""

    port: int
    director: bytes
    faults: Faults
    speed: float
    seed: int
    cut: float = 0.0
    doubtful: bytes | None = None
    idle: bool = False
    seen: Seen = field(default_factory=Seen)
    # That nobody uses now, and since when (monotonic seconds); at most WORK_AT_ONCE.
    idle_connections: list[tuple[Connection, float]] = field(default_factory=list[tuple[Connection, float]])
    work: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WORK_AT_ONCE))


def now_ms() -> int:
    """The wall clock, which is the controller's too."""
    return time.time_ns() // 1_000_000
