"""What each sender is told: every alert once for each change of it. What was told stands in the database; it is written after
the sending, so after a crash in between the same change goes out again, with the same id.

A change: an alert is new, presses more or less, was taken over, or ended. What fails is tried again after 1, 5, 30 and 120
minutes, eight times at most; then that change is given up, and an alert says that the sender fails."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from fleet.alerts.judge import LOOK, NOW, SOON, Alert
from fleet.db.tables_rentals import alert_owners, alert_sent

RANK = {NOW: 0, SOON: 1, LOOK: 2}
MINUTE_MS = 60_000
WAITS_MS = (MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 120 * MINUTE_MS)
MOST_TRIES = 8
MOST_AT_ONCE = 50
ENDED = b"ended"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who took an alert over; `quiet_ms`: until then nothing is sent of it, unless it begins to press now."""

    by: str
    at_ms: int
    quiet_ms: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a sender knows of an alert. `digest`: of what it was told, empty: nothing; `pending`: of what could not be told."""

    digest: bytes
    tries: int
    next_ms: int
    told: dict[str, Any] | None
    pending: str


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to tell. `body` goes out, `digest` is remembered."""

    key: str
    digest: bytes
    body: dict[str, Any]


def due(
    name: str,
    least: str,
    found: Sequence[Alert],
    owners: dict[str, Owner],
    known: dict[str, Told],
    now_ms: int,
    market_ms: int,
) -> list[Change]:
    """What a sender is to be told now, what presses most first. Pure."""
    changes: list[Change] = []
    here: set[str] = set()
    for one in found:
        here.add(one.key)
        owner, before = owners.get(one.key), known.get(one.key)
        told = None if before is None else before.told
        if RANK[one.urgency] > RANK[least] and told is None:
            continue
        digest = _digest(one.urgency, "" if owner is None else owner.by)
        if before is not None and before.digest == digest:
            continue
        rises = one.urgency == NOW and (told is None or told["urgency"] != NOW)
        if owner is not None and owner.quiet_ms is not None and owner.quiet_ms > now_ms and not rises:
            continue
        if _waits(before, digest, now_ms):
            continue
        word = "new" if told is None else "changed"
        body = {**one.as_json(market_ms), "change": word, "taken_by": None if owner is None else owner.by}
        changes.append(Change(one.key, digest, {**body, "id": _id(name, one.key, digest, before)}))
    for key, before in sorted(known.items()):
        if key not in here and before.told is not None and not _waits(before, ENDED, now_ms):
            body = {**before.told, "change": "ended", "id": _id(name, key, ENDED, before)}
            changes.append(Change(key, ENDED, body))
    return changes[:MOST_AT_ONCE]


def sent(connection: Connection, name: str, changes: Iterable[Change], now_ms: int) -> None:
    """These arrived."""
    for one in changes:
        mine = (alert_sent.c.sender == name) & (alert_sent.c.key == one.key)
        connection.execute(delete(alert_sent).where(mine))
        if one.digest != ENDED:
            told = json.dumps({"told": one.body, "pending": ""})
            row = {"sender": name, "key": one.key, "digest": one.digest, "at_ms": now_ms}
            connection.execute(insert(alert_sent).values(**row, tries=0, next_ms=0, body=told))


def failed(connection: Connection, name: str, changes: Iterable[Change], now_ms: int) -> None:
    """These did not."""
    known = told_to(connection, name)
    for one in changes:
        before = known.get(one.key, Told(b"", 0, 0, None, ""))
        tries = 1 + (before.tries if before.pending == one.digest.hex() else 0)
        wait_ms = WAITS_MS[min(tries, len(WAITS_MS)) - 1]
        body = json.dumps({"told": before.told, "pending": one.digest.hex()})
        values = {
            "digest": before.digest,
            "at_ms": now_ms,
            "tries": tries,
            "next_ms": now_ms + wait_ms,
            "body": body,
        }
        mine = (alert_sent.c.sender == name) & (alert_sent.c.key == one.key)
        if connection.execute(update(alert_sent).where(mine).values(**values)).rowcount == 0:
            connection.execute(insert(alert_sent).values(sender=name, key=one.key, **values))


def forget(connection: Connection, keys: set[str], senders: set[str]) -> None:
    """Of alerts that ended: whose hands they were in, and what never reached anybody. Of senders that are no more: all."""
    for row in connection.execute(select(alert_owners.c.key)).all():
        if row.key not in keys:
            connection.execute(delete(alert_owners).where(alert_owners.c.key == row.key))
    for row in connection.execute(select(alert_sent)).all():
        body = json.loads(row.body)
        given_up = row.tries >= MOST_TRIES and body["pending"] == ENDED.hex()
        if row.sender not in senders or (row.key not in keys and (body["told"] is None or given_up)):
            mine = (alert_sent.c.sender == row.sender) & (alert_sent.c.key == row.key)
            connection.execute(delete(alert_sent).where(mine))


def told_to(connection: Connection, name: str) -> dict[str, Told]:
    """What a sender was told, by key."""
    found: dict[str, Told] = {}
    for row in connection.execute(select(alert_sent).where(alert_sent.c.sender == name)):
        body = json.loads(row.body)
        found[row.key] = Told(row.digest, row.tries, row.next_ms, body["told"], body["pending"])
    return found


def owners(connection: Connection) -> dict[str, Owner]:
    """Whose hands alerts are in, by key."""
    return {
        row.key: Owner(row.by, row.at_ms, row.quiet_ms, row.note)
        for row in connection.execute(select(alert_owners))
    }


def take(connection: Connection, key: str, owner: Owner) -> None:
    """Somebody takes an alert over, from whoever had it."""
    connection.execute(delete(alert_owners).where(alert_owners.c.key == key))
    values = {"by": owner.by, "at_ms": owner.at_ms, "quiet_ms": owner.quiet_ms, "note": owner.note}
    connection.execute(insert(alert_owners).values(key=key, **values))


def _waits(before: Told | None, digest: bytes, now_ms: int) -> bool:
    if before is None or before.pending != digest.hex():
        return False
    return before.tries >= MOST_TRIES or before.next_ms > now_ms


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()[:16]


def _id(name: str, key: str, digest: bytes, before: Told | None) -> str:
    """The same for the same step from what was told to what is."""
    return _digest(name, key, digest.hex(), "" if before is None else before.digest.hex()).hex()
