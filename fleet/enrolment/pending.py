"""Devices that showed up and are not known: rows with first and last time and a count, bounded.

A host that signs with its own key, and a brick that a known host reports, are *proven* to be there; a credential that
nobody knows is not. Each of the three has a share of its own, and of a full one the address (for bricks: the host) that has
most in it loses one: anybody can make keys, and pushes out their own."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from fleet.db import tables_people as t

HOST, BRICK = "host", "brick"
PENDING, ACCEPTED, REJECTED, REPLACED = "pending", "accepted", "rejected", "replaced"
MOST = {True: 256, False: 64}  # that wait, of hosts and of bricks each, by whether they are proven
MOST_DECIDED = 1024
MAX_SAID = 1024


@dataclass(frozen=True, slots=True)
class Sight:
    """A device that was seen `count` times. `said` is what it says of itself: shown, never believed."""

    kind: str
    device: bytes
    proven: bool
    first_ms: int
    last_ms: int
    count: int = 1
    public: bytes | None = None
    kit: bytes | None = None
    seen_by: bytes | None = None
    said: str = "{}"


def saw(connection: Connection, sight: Sight) -> dict[str, Any]:
    """Notes it; returns the row as it is now. Where too many wait, one is forgotten: from where most of them are, the one that
    was silent longest."""
    mine = (t.pending.c.kind == sight.kind) & (t.pending.c.device == sight.device)
    row = connection.execute(select(t.pending).where(mine)).first()
    values: dict[str, Any] = {
        "last_ms": sight.last_ms,
        "said": sight.said if len(sight.said) <= MAX_SAID else "{}",
    }
    for name in ("public", "kit", "seen_by"):
        if getattr(sight, name) is not None:
            values[name] = getattr(sight, name)
    if row is None:
        _make_room(connection, sight)
        connection.execute(
            insert(t.pending).values(
                kind=sight.kind,
                device=sight.device,
                proven=int(sight.proven),
                first_ms=sight.first_ms,
                times=sight.count,
                state=PENDING,
                **values,
            )
        )
    else:
        connection.execute(
            update(t.pending)
            .where(mine)
            .values(times=row.times + sight.count, proven=max(row.proven, int(sight.proven)), **values)
        )
    found = one(connection, sight.kind, sight.device)
    assert found is not None
    return found


def one(connection: Connection, kind: str, device: bytes) -> dict[str, Any] | None:
    """What is known of a device that showed up."""
    mine = (t.pending.c.kind == kind) & (t.pending.c.device == device)
    row = connection.execute(select(t.pending).where(mine)).first()
    return None if row is None else _json(row)


def every(connection: Connection, state: str | None = PENDING) -> list[dict[str, Any]]:
    """All in a state, those that were seen last first."""
    rows = connection.execute(select(t.pending).order_by(t.pending.c.last_ms.desc()))
    return [_json(row) for row in rows if state in (None, row.state)]


def decide(
    connection: Connection, kind: str, device: bytes, state: str, by: str, reason: str, now_ms: int
) -> None:
    """Writes what became of it."""
    mine = (t.pending.c.kind == kind) & (t.pending.c.device == device)
    connection.execute(
        update(t.pending).where(mine).values(state=state, by=by, reason=reason or None, decided_ms=now_ms)
    )
    extra = connection.execute(
        select(func.count()).select_from(t.pending).where(t.pending.c.state != PENDING)
    ).scalar_one()
    if extra > MOST_DECIDED:
        _forget_oldest(connection, t.pending.c.state != PENDING)


def _make_room(connection: Connection, sight: Sight) -> None:
    kind, proven = sight.kind, sight.proven
    waits = (t.pending.c.kind == kind) & (t.pending.c.state == PENDING) & (t.pending.c.proven == int(proven))
    rows = connection.execute(select(t.pending).where(waits).order_by(t.pending.c.last_ms)).all()
    if len(rows) < MOST[proven]:
        return
    whence = [_whence(row) for row in rows]
    most, _ = Counter([*whence, _whence(sight)]).most_common(1)[0]
    oldest = rows[whence.index(most)]
    mine = (t.pending.c.kind == kind) & (t.pending.c.device == oldest.device)
    connection.execute(delete(t.pending).where(mine))


def _whence(seen: Any) -> str:
    return str(seen.seen_by or json.loads(seen.said).get("from"))


def _forget_oldest(connection: Connection, among: Any) -> None:
    oldest = connection.execute(
        select(t.pending.c.kind, t.pending.c.device).where(among).order_by(t.pending.c.last_ms).limit(1)
    ).first()
    if oldest is not None:
        mine = (t.pending.c.kind == oldest.kind) & (t.pending.c.device == oldest.device)
        connection.execute(delete(t.pending).where(mine))


def _json(row: Any) -> dict[str, Any]:
    def text(value: bytes | None) -> str | None:
        return None if value is None else value.hex()

    return {
        "kind": row.kind,
        "device": row.device.hex(),
        "proven": bool(row.proven),
        "public": text(row.public),
        "kit": text(row.kit),
        "seen_by": text(row.seen_by),
        "said": json.loads(row.said),
        "first_ms": row.first_ms,
        "last_ms": row.last_ms,
        "count": row.times,
        "state": row.state,
        "by": row.by,
        "reason": row.reason,
        "decided_ms": row.decided_ms,
    }
