"""Which release a host runs, as one small file that is replaced whole: every step is one replacement.

{"format": 1, "current": digest or null (what is installed), "before": the same, "phase": "steady" or "trial",
 "starts": int, "failed": int, "since_ms": wall ms, "expected": [names of what worked], "fetched": digest or null,
 "order": number of the directive, "returned": null or {"release": digest, "why": text, "at_ms": wall ms, "order": number}}
Digests are 64 hex characters: of the bundle's envelope, by which the directive names a release."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from hostagent import durable

FILE = "state.json"
STEADY, TRIAL = "steady", "trial"
FAILED_STARTS = 3  # that ended by themselves
MOST_STARTS = 10  # on trial, whatever ended them: power, too
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Returned:
    """A release that was tried and given up."""

    release: str
    why: str
    at_ms: int
    order: int


@dataclass(frozen=True)
class State:
    """One moment. `current` None: what is installed, without any release folder."""

    current: str | None = None
    before: str | None = None
    phase: str = STEADY
    starts: int = 0
    failed: int = 0
    since_ms: int = 0
    expected: tuple[str, ...] = field(default=())
    fetched: str | None = None
    order: int = 0
    returned: Returned | None = None

    @property
    def trial(self) -> bool:
        """Whether what runs has yet to show that it works."""
        return self.phase == TRIAL

    def refuses(self, release: str, order: int) -> bool:
        """Whether it came back under this directive or a later one: it is tried again when a newer one names it."""
        return self.returned is not None and self.returned.release == release and order <= self.returned.order


def fetch(state: State, release: str) -> State:
    """It is here, whole, in its folder."""
    return replace(state, fetched=release)


def switch(state: State, release: str, order: int, expected: tuple[str, ...], now_ms: int) -> State:
    """From the next start on it is tried; what ran is the way back."""
    return replace(
        state, current=release, before=state.current, phase=TRIAL, starts=0, failed=0, since_ms=now_ms, expected=expected,
        fetched=None, order=order,
    )  # fmt: skip


def begin(state: State) -> State:
    """A start on trial is counted before it is made."""
    return replace(state, starts=state.starts + 1) if state.trial else state


def ended(state: State) -> State:
    """The start on trial ended by itself, and nobody had asked."""
    return replace(state, failed=state.failed + 1) if state.trial else state


def judge(state: State) -> str | None:
    """Why what is on trial has to go, before another start; None where it may start."""
    if not state.trial:
        return None
    if state.failed >= FAILED_STARTS:
        return f"{state.failed} starts failed"
    return f"{state.starts} starts, and it was never confirmed" if state.starts >= MOST_STARTS else None


def confirm(state: State, now_ms: int) -> State:
    """The trial is over: it stays."""
    return replace(state, phase=STEADY, starts=0, failed=0, since_ms=now_ms, expected=())


def give_up(state: State, why: str, now_ms: int) -> State:
    """Back to what ran before."""
    gone = None if state.current is None else Returned(state.current, why[:200], now_ms, state.order)
    return replace(
        state, current=state.before, before=None, phase=STEADY, starts=0, failed=0, since_ms=now_ms, expected=(), returned=gone
    )


def load(folder: Path) -> State:
    """What stands; a file that cannot be read counts as none: what is installed runs, and the file is set aside."""
    path = folder / FILE
    found = durable.read_object(path)
    if found is None:
        if path.exists():
            durable.set_aside(path, folder / "damaged")
        return State()
    try:
        return _state(found)
    except (KeyError, TypeError, ValueError):
        durable.set_aside(path, folder / "damaged")
        return State()


def save(folder: Path, state: State) -> None:
    """Old or new stands after a power cut. Raises OSError."""
    durable.write(folder / FILE, durable.encode({"format": 1, **asdict(state)}))


def _state(f: dict[str, Any]) -> State:
    gone: Any = f["returned"]
    returned = None
    if gone is not None:
        returned = Returned(digest_of(gone["release"]), str(gone["why"])[:200], int(gone["at_ms"]), int(gone["order"]))
    phase, expected = f["phase"], cast("list[Any]", f["expected"])
    current = None if f["current"] is None else digest_of(f["current"])
    if f["format"] != 1 or phase not in (STEADY, TRIAL) or (phase == TRIAL and current is None) or len(expected) > 64:
        raise ValueError("not a state")
    return State(
        current,
        None if f["before"] is None else digest_of(f["before"]),
        phase,
        int(f["starts"]),
        int(f["failed"]),
        int(f["since_ms"]),
        tuple(str(one)[:64] for one in expected),
        None if f["fetched"] is None else digest_of(f["fetched"]),
        int(f["order"]),
        returned,
    )


def digest_of(value: Any) -> str:
    """Of a file's JSON. Raises ValueError for what is none."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError("not a digest")
    return value
