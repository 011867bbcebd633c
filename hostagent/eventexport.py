"""The events behind a host's records, as a stream that `stallmark rules replay` reads. docs/rule-library.md"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import Any

from hostagent.config import Config
from hostagent.core import eventof, reg
from hostagent.store import database
from hostagent.store.database import Sql
from hostagent.store.records import after

FORMAT = "stallmark-events/1"
# A source of this name is a gateway lane: rules that are not for the lane are passed over there.
LANE = "lane"
PAGE = 500
# Not in records, so not in a stream: rules that look at these come out otherwise than they did.
MISSING = "references, vouchers' serials, quantities of single items, risk, balances, open values, operators' answers"
_NAMES: dict[int, str] = dict(reg.EVENT_NAMES)
_TRUSTS: dict[int, str] = dict(reg.TRUST_NAMES)


@dataclass(frozen=True, slots=True)
class Exported:
    """What a stream holds. `records`: of all kinds, that were looked at; `training`: left out; `unopened`: events whose
    private part was erased, so that neither person nor basket is known; `lost`: records that never came."""

    events: int
    records: int
    training: int
    unopened: int
    lost: int


def total(told: Config) -> int:
    """Receipts in the store. Raises HostError."""
    sql = database.connect(told.store, told.keys.store_key, readonly=True)
    try:
        (count,) = sql.execute("SELECT count(*) FROM receipts").fetchone() or (0,)
        return int(count)
    finally:
        sql.close()


def write(told: Config, out: Path, progress: Callable[[int], None] = lambda done: None) -> Exported:
    """Writes the stream, for its owner alone; works beside a running agent. `progress` hears how many records are done.

    Events are in order of time, those of one brick in its own order. Raises HostError, OSError."""
    sql = database.connect(told.store, told.keys.store_key, readonly=True)
    try:
        bricks = [bytes(row[0]) for row in sql.execute("SELECT brick FROM bricks ORDER BY number")]
        lost = sql.execute("SELECT sum(last_seq - first_seq + 1) FROM gaps").fetchone()
        sources = [_Source(brick, name, sql) for brick, name in _named(told, bricks).items()]
        events = 0
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps({"format": FORMAT, "start_ms": None}) + "\n")
            place = {"hub": told.hub.hex(), "kit": told.kit.hex()}
            for _, name, event in merge(*sources, key=lambda one: one[0]):
                file.write(json.dumps({**place, "brick": name, **line(event)}, separators=(",", ":")) + "\n")
                events += 1
                if not events % PAGE:
                    progress(sum(source.records for source in sources))
    finally:
        sql.close()
    records = sum(source.records for source in sources)
    progress(records)
    training = sum(source.events.training for source in sources)
    unopened = sum(source.events.unopened for source in sources)
    return Exported(events, records, training, unopened, int((lost or (0,))[0] or 0))


def line(event: Any) -> dict[str, Any]:
    """The members of an event's line, without where it was seen."""
    found: dict[str, Any] = {
        "type": _NAMES.get(event.type, event.type),
        "trust": _TRUSTS.get(event.trust, event.trust),
        "subject": None if event.subject is None else event.subject.hex(),
        "wall_ms": event.wall_ms,
        "quality": event.quality,
        "spread_ms": event.spread_ms,
        "basket_minor": event.basket_minor,
        "items": event.items,
        "tip_minor": event.tip_minor,
        "signal": event.signal,
    }
    return {name: value for name, value in found.items() if value is not None}


class _Source:
    """The events of one brick: (an instant that never goes back, name, Event)."""

    def __init__(self, brick: bytes, name: str, sql: Sql) -> None:
        self._brick, self._name, self._sql = brick, name, sql
        self.events: Any = eventof.Events()
        self.records = 0

    def __iter__(self) -> Iterator[tuple[int, str, Any]]:
        latest = seq = 0
        while page := after(self._sql, self._brick, seq, PAGE):
            for stored in page:
                seq = stored.record.seq
                self.records += 1
                event = self.events.take(stored.record.fields, stored.record.private_fields)
                if event is not None:
                    latest = max(latest, event.wall_ms or 0)
                    yield latest, self._name, event


def _named(told: Config, bricks: list[bytes]) -> dict[bytes, str]:
    """Names of the bricks in the store: the configuration's where they tell them apart, else their ids."""
    given = {one.brick: one.name for one in told.bricks}
    often = Counter(given.values())
    names: dict[bytes, str] = {}
    for brick in bricks:
        name = given.get(brick, brick.hex())
        names[brick] = brick.hex() if often[name] > 1 or name == LANE else name
    if told.keys.lane is not None and told.keys.lane.brick in names:
        names[told.keys.lane.brick] = LANE
    return names


__all__ = ["MISSING", "Exported", "line", "total", "write"]
