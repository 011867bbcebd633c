"""What was taken back of grants, by grant: so that one that is not in memory any more is never taken back twice."""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from hostagent.core import Fields, cbor, reg
from hostagent.store.database import Sql
from hostagent.store.store import Store

KINDS = (reg.KIND_VOID, reg.KIND_REFUND)
# Plain: a record of the same lane and number that is noted already fails its transaction, as its receipt would.
_NOTE = "INSERT INTO taken_back VALUES (?, ?, ?, ?, ?, ?)"
# The same record read once more, perhaps noted by a program that did not say of which lane.
_OWN = "UPDATE OR IGNORE taken_back SET lane = ? WHERE lane = x'' AND seq = ? AND brick = ? AND grant_seq = ?"
_KEEP = "INSERT OR IGNORE INTO taken_back VALUES (?, ?, ?, ?, ?, ?)"
# (grants as field 12, basket given back so far or None for all)
Back = tuple[list[list[Any]], int | None]


def statements(seq: int, fields: Fields) -> list[tuple[str, tuple[Any, ...]]]:
    """For the transaction of a lane's record `seq`, where it takes something back: its detail names the grant."""
    return [(_NOTE, row) for row in _rows(seq, fields)]


def _rows(seq: int, fields: Fields) -> list[tuple[Any, ...]]:
    detail = fields.get(24)
    if fields[10] not in KINDS or not detail:
        return []
    return [(fields[1], seq, detail[0], detail[1], cbor.encode(fields.get(12) or []), detail[2])]


def of(store: Store, brick: bytes, seq: int) -> "Future[list[Back]]":
    """What was taken back of a grant, in order."""

    def query(sql: Sql) -> list[Back]:
        rows = sql.execute(
            "SELECT grants, basket FROM taken_back WHERE brick = ? AND grant_seq = ? ORDER BY rowid",
            (brick, seq),
        )
        return [(cbor.decode(grants), basket) for grants, basket in rows]

    return store.read(query)


def keep(store: Store, records: Iterable[tuple[int, Fields]]) -> "Future[None]":
    """Adds those of records (seq, fields) that are not noted: written by a program without this table."""
    known = [row for seq, fields in records for row in _rows(seq, fields)]

    def work(sql: Sql) -> None:
        sql.executemany(_OWN, [row[:4] for row in known])
        sql.executemany(_KEEP, known)

    return store.write(work)
