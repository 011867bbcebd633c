"""What of a rental is gone, with its proof: rows that are only ever added."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, insert, select

from fleet.db.tables_rentals import wipes

HOST_STORE = "host store"  # what must be wiped before a kit is in stock again


def wipes_of(connection: Connection, id: str) -> list[dict[str, Any]]:
    """All proofs of a booking, oldest first. `proven`: this controller read it itself; otherwise a person says so."""
    found = connection.execute(select(wipes).where(wipes.c.booking == id).order_by(wipes.c.number))
    return [
        {
            "what": one.what, "keys": json.loads(one.keys), "at_ms": one.at_ms, "by": one.by, "read": one.read,
            "proven": bool(one.proven),
        }
        for one in found
    ]  # fmt: skip


def note_wiped(
    connection: Connection,
    row: Any,
    what: str,
    keys: list[str],
    by: str,
    read: str,
    proven: bool,
    now_ms: int,
) -> None:
    """One more row of what is gone."""
    connection.execute(
        insert(wipes).values(
            booking=row.id, kit=row.kit, what=what, keys=json.dumps(keys), at_ms=now_ms, by=by, read=read,
            proven=int(proven),
        )
    )  # fmt: skip
