"""Custody: one row for each item and event, only ever added. What is in whose hands is read from the newest rows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, insert, select

from fleet.db.tables_rentals import custody
from fleet.errors import Refused

ITEM = re.compile(r"(kit|(brick|host):[0-9a-f]{16}|other:[A-Za-z0-9 _.-]{1,32})")
DIGEST = re.compile(r"[0-9a-f]{64}")
GRADES = ("", "A", "B", "C", "D")
PACKED, OUT, FOUND, DAMAGED, MISSING = "packed", "out", "found", "damaged", "missing"
SWAPPED_IN, SWAPPED_OUT, INSPECTED = "swapped-in", "swapped-out", "inspected"
MOST_ITEMS = 64
MOST_ROWS = 2000  # of one booking


@dataclass(frozen=True, slots=True)
class Seen:
    """How one item is: its grade A (new) to D (broken), photos by SHA-256 in hex, numbers of seals, a note."""

    item: str
    grade: str = ""
    photos: tuple[str, ...] = ()
    seals: tuple[str, ...] = ()
    note: str = ""
    what: str = field(default=FOUND)


def check(found: tuple[Seen, ...]) -> None:
    """Raises Refused 422 with the first thing that is wrong."""
    if len(found) > MOST_ITEMS or len({one.item for one in found}) != len(found):
        raise Refused(422, f"at most {MOST_ITEMS} items, each once")
    for one in found:
        if not ITEM.fullmatch(one.item):
            raise Refused(422, f"{one.item[:40]!r} is no item: kit, brick:HEX, host:HEX or other:NAME")
        if one.grade not in GRADES or one.what not in (FOUND, DAMAGED, MISSING):
            raise Refused(422, f"{one.item}: a grade A to D, and found, damaged or missing")
        if len(one.photos) > 8 or not all(map(DIGEST.fullmatch, one.photos)):
            raise Refused(422, f"{one.item}: at most 8 photos, each by its SHA-256 in hex")
        texts = (*one.seals, one.note)
        if len(one.seals) > 8 or any(
            len(text) > 200 or not (text == "" or text.isprintable()) for text in texts
        ):
            raise Refused(
                422, f"{one.item}: at most 8 seals and a note, of at most 200 printable characters each"
            )


def add(connection: Connection, booking: str, kit: bytes, what: str, one: Seen, by: str, now_ms: int) -> None:
    """One row. Raises Refused 409 where a booking has too many."""
    count = connection.execute(select(func.count()).where(custody.c.booking == booking)).scalar_one()
    if count >= MOST_ROWS:
        raise Refused(409, f"booking {booking} has {count} rows of custody: something repeats itself")
    connection.execute(
        insert(custody).values(
            booking=booking, kit=kit, item=one.item, what=what, at_ms=now_ms, by=by, grade=one.grade,
            photos=json.dumps(one.photos), seals=json.dumps(one.seals), note=one.note,
        )
    )  # fmt: skip


def of(connection: Connection, booking: str) -> list[dict[str, Any]]:
    """All rows of a booking, oldest first."""
    rows = connection.execute(select(custody).where(custody.c.booking == booking).order_by(custody.c.number))
    return [
        {
            "number": row.number, "item": row.item, "what": row.what, "at_ms": row.at_ms, "by": row.by,
            "grade": row.grade, "photos": json.loads(row.photos), "seals": json.loads(row.seals), "note": row.note,
        }
        for row in rows
    ]  # fmt: skip


def newest(connection: Connection, booking: str) -> dict[str, dict[str, Any]]:
    """The newest row of each item."""
    return {row["item"]: row for row in of(connection, booking)}
