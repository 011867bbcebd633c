"""Boot records as they come in: what each brick proved to run. Written with the batch that brings them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select

from fleet.core import FormatError, cbor, receipt, recordform, reg
from fleet.db import tables_desired as t
from fleet.desired import rows
from fleet.ingest import Taken

SLOTS, ON_TRIAL = 6, 2  # of a boot record's detail (docs/formats/record.md)


def write(connection: Connection, taken: Iterable[Taken], now_ms: int) -> set[bytes]:
    """Keeps the newest of each brick; returns the bricks of which there was one. A record with a finding proves nothing."""
    found: dict[bytes, dict[str, object]] = {}
    for one in taken:
        f = one.record
        if (
            f is None
            or f[10] != reg.KIND_BOOT
            or 24 not in f  # a rogue brick may say that it started and not with what
            or one.findings
            or one.duplicate_of is not None
            or one.duplicate_at is not None
        ):
            continue
        if f[1] not in found or int(str(found[f[1]]["seq"])) < f[2]:
            ruleset, program = _proven(f[24])
            found[f[1]] = {
                "brick": f[1], "seq": f[2], "at_ms": one.market_ms, "received_ms": now_ms,
                "ruleset": ruleset, "program": program,
            }  # fmt: skip
    if found:
        boots = t.brick_boots
        known = {
            row.brick: row.seq
            for row in connection.execute(
                select(boots.c.brick, boots.c.seq).where(boots.c.brick.in_(list(found)))
            )
        }
        newer = [row for brick, row in found.items() if known.get(brick, -1) < int(str(row["seq"]))]
        rows.put(connection, boots, "brick", newer)
    return set(found)


def learn(connection: Connection, bricks: Iterable[bytes]) -> None:
    """Once, at the first start with this table: what came before it."""
    if connection.execute(select(t.brick_boots.c.brick).limit(1)).first() is None:
        rows.first_boots(connection, bricks, reg.KIND_BOOT, _read)


def _read(entry: bytes) -> tuple[bytes | None, bytes | None]:
    """(ruleset, program) of a leaf that holds the receipt of a boot record."""
    try:
        public = receipt.parse(entry[1:]).fields[1]
        detail = recordform.check_public(cbor.decode(public))[24]
    except (FormatError, KeyError):
        return None, None
    return _proven(detail)


def _proven(detail: list[Any]) -> tuple[bytes | None, bytes | None]:
    """(ruleset, program) of a boot record's detail. Programs that are on trial prove nothing yet: when they stay, the brick says
    so in another record."""
    trial = len(detail) > SLOTS and detail[SLOTS] == ON_TRIAL
    return detail[0], None if trial else detail[1]
