"""Lists of heads in the store: what each brick was told before it could decide by it, until its records are in a batch."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from hostagent.store.database import Sql
from hostagent.store.store import Store


class Told(NamedTuple):
    """A list of heads (CBOR) that a brick may have from now on; `number` grows with every one that is noted."""

    brick: bytes
    number: int
    digest: bytes
    heads: bytes


class Standing(NamedTuple):
    """Where one brick stood when it was told last: its start-up, its rules, and what it may have (CBOR of lists of heads)."""

    brick: bytes
    boot: int
    ruleset8: bytes
    heads: bytes


NOTE = "INSERT OR REPLACE INTO heads_told VALUES (?, ?, ?, ?)"
_BOUND = "DELETE FROM heads_told WHERE brick = ? AND number <= ?"
_STAND = "INSERT OR REPLACE INTO heads_standing VALUES (?, ?, ?, ?)"
# A brick that named a list had it; what it was told before that no later record of it can name.
_FORGET = (
    "DELETE FROM heads_told WHERE brick = (SELECT brick FROM bricks WHERE number = ?1) AND number < "
    "(SELECT min(t.number) FROM heads_told t JOIN bricks b ON b.brick = t.brick WHERE b.number = ?1 AND t.digest = ?2)"
)


class HeadsTold:
    """The two tables."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self) -> "Future[tuple[list[Told], list[Standing]]]":
        """Everything, lists in the order in which they were told."""

        def query(sql: Sql) -> tuple[list[Told], list[Standing]]:
            told = sql.execute("SELECT brick, number, digest, heads FROM heads_told ORDER BY number")
            lists = [Told(*row) for row in told]
            standing = sql.execute("SELECT brick, boot, ruleset, heads FROM heads_standing")
            return lists, [Standing(*row) for row in standing]

        return self._store.read(query)

    def note(self, told: Sequence[Told], standing: Standing, gone: int = 0) -> "Future[None]":
        """Durable when done: the message that leads to these lists may go out. `gone`: the number up to which this
        brick's lists are too many (exchangelog.Lists.gone)."""

        def work(sql: Sql) -> None:
            sql.executemany(NOTE, told)
            sql.execute(_STAND, standing)
            if gone:
                sql.execute(_BOUND, (standing.brick, gone))

        return self._store.write(work)


def forget(sql: Sql, newest: dict[int, bytes]) -> None:
    """Within the transaction that closes a batch: `newest` is the list that each brick (row number) named last in it."""
    for brick, digest in newest.items():
        sql.execute(_FORGET, (brick, digest))
