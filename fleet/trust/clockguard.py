"""Guards what is signed against this controller's own clock: bricks and hosts never forget an instant that was signed for them.

A clock that is more than 30 days after the newest instant that was ever signed here is not believed until a person says that it
is right (`stallmark fleet keys clock --today DATE`). Development kits are not guarded: their time is made up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fleet.trust import files, metadata
from fleet.trust.errors import TrustError

if TYPE_CHECKING:
    from fleet.trust.repository import Repository

AHEAD_MS = 30 * metadata.DAY_MS
MAX_FILE = 1024
FILE = "clock.json"


class ClockDoubted(TrustError):
    """Nothing is signed until a person says that the clock is right."""


def doubt(repository: Repository, now_ms: int, known_ms: Iterable[int] = ()) -> str | None:
    """Why nothing may be signed at `now_ms`, with what to do; None where it may. `known_ms`: instants that the caller signed.
    Raises TrustError where the lists cannot be read."""
    newest = max((0, *known_ms))
    if newest and now_ms - newest <= AHEAD_MS:
        return None
    newest = max(newest, _said(repository))
    if repository.exists() and now_ms - newest > AHEAD_MS:
        if repository.keys().development:
            return None
        newest = max(newest, *_lists(repository))
    if not newest or now_ms - newest <= AHEAD_MS:
        return None
    days = (now_ms - newest) // metadata.DAY_MS
    return (
        f"the clock says {metadata.instant(now_ms)}, {days} days after the newest thing that this controller signed: nothing is "
        "signed, but stops. Where the clock is right: `stallmark fleet keys clock --today YYYY-MM-DD`; else set it"
    )


def require(repository: Repository, now_ms: int, known_ms: Iterable[int] = ()) -> None:
    """Raises ClockDoubted where there is a doubt, TrustError."""
    why = doubt(repository, now_ms, known_ms)
    if why is not None:
        raise ClockDoubted(why)


def say(repository: Repository, now_ms: int, today: str) -> str:
    """A person says what day it is: durable on return. Raises ClockDoubted where the clock says another one, OSError."""
    day = metadata.instant(now_ms).date().isoformat()
    if today != day:
        raise ClockDoubted(f"the clock says that it is {day}, not {today}: set the clock. Nothing was noted")
    files.write_json(repository.folder / FILE, {"said_ms": now_ms})
    return f"{day}: noted. What is signed may be up to 30 days after it"


def _said(repository: Repository) -> int:
    path = repository.folder / FILE
    if not path.exists():
        return 0
    said: Any = files.read_json(path, MAX_FILE).get("said_ms")
    return said if type(said) is int else 0


def _lists(repository: Repository) -> list[int]:
    root = repository.root()
    found = [root, repository.targets(), repository.snapshot(), repository.timestamp()]
    # Only what keys that hold still signed: what a clock of the future signed is undone with its key.
    return [metadata.issued_ms(one.signed) for one in found if one is not None and _holds(root, one)]


def _holds(root: Any, one: Any) -> bool:
    keyids, threshold = metadata.good(root.signed, one.signed.type, one)
    return len(keyids) >= threshold
