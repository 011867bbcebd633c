"""What was taken back of grants, by grant: so that one that is not in memory any more is never taken back twice."""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from hostagent.core import Fields, cbor, reg
from hostagent.store.database import Sql
from hostagent.store.store import Store

KINDS = (reg.KIND_VOID, reg.KIND_REFUND)
_KEEP = "INSERT OR IGNORE INTO taken_back VALUES (?, ?, ?, ?, ?)"
# (grants as field 12, basket given back so far or None for all)
Back = tuple[list[list[Any]], int | None]


def statements(seq: int, fields: Fields) -> list[tuple[str, tuple[Any, ...]]]:
    """For the transaction of the lane's record `seq`, where it takes something back: its detail names the grant."""
    detail = fields.get(24)
    if fields[10] not in KINDS or not detail:
        return []
    return [(_KEEP, (seq, detail[0], detail[1], cbor.encode(fields.get(12) or []), detail[2]))]


def of(store: Store, brick: bytes, seq: int) -> "Future[list[Back]]":
    """What was taken back of a grant, in order."""

    def query(sql: Sql) -> list[Back]:
        rows = sql.execute(
            "SELECT grants, basket FROM taken_back WHERE brick = ? AND grant_seq = ? ORDER BY seq",
            (brick, seq),
        )
        return [(cbor.decode(grants), basket) for grants, basket in rows]

    return store.read(query)


def keep(store: Store, records: Iterable[tuple[int, Fields]]) -> "Future[None]":
    """Adds those of records (seq, fields) that were written by a program without this table."""
    known = [statement for seq, fields in records for statement in statements(seq, fields)]

    def work(sql: Sql) -> None:
        for statement, bindings in known:
            sql.execute(statement, bindings)

    return store.write(work)
