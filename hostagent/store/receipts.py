"""Receipts, heads of bricks, quarantine and gaps: what intake commits and what screens and exports read."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from hostagent.errors import StoreDamaged
from hostagent.store.database import Sql
from hostagent.store.store import Store

# One statement for many rows: SQLite works through them without asking for the interpreter's lock in between.
ROWS_AT_ONCE = 32
_INSERT = "INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?)"
_INSERT_MANY = _INSERT + ", (?, ?, ?, ?, ?, ?)" * (ROWS_AT_ONCE - 1)


class Row(NamedTuple):
    """One receipt as stored. `brick`: the brick's row number; `ms`: host time; `private` None where none."""

    host_seq: int
    brick: int
    seq: int
    ms: int
    cose: bytes
    private: bytes | None


class Head(NamedTuple):
    """Where one brick stands: the record expected next and the controller's mark."""

    number: int
    brick: bytes
    next_seq: int
    prev16: bytes
    ledger_seq: int | None
    ledger_tag: bytes | None


class Quarantined(NamedTuple):
    """What could not be signed as a record, as it came."""

    number: int
    at_ms: int
    brick: bytes
    seq: int
    reason: str
    public: bytes
    mac: bytes
    private: bytes


class Gap(NamedTuple):
    """Records that a brick no longer has and this host never got."""

    brick: bytes
    first_seq: int
    last_seq: int
    at_ms: int


@dataclass
class Group:
    """What becomes durable together. `heads`: brick row number → (next seq, prev16)."""

    rows: list[tuple[Any, ...]] = field(default_factory=lambda: [])
    heads: dict[int, tuple[int, bytes]] = field(default_factory=lambda: {})
    quarantined: list[Quarantined] = field(default_factory=lambda: [])
    gaps: list[Gap] = field(default_factory=lambda: [])
    # Statements of whoever wrote the records, in the same transaction; each must bear to be run twice.
    also: list[tuple[str, tuple[Any, ...]]] = field(default_factory=lambda: [])


class Position(NamedTuple):
    """Where the host's own chain goes on: the next host seq and the receipt16 before it."""

    host_seq: int
    prev16: bytes


class Receipts:
    """The tables of intake."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_bricks(self, bricks: Sequence[bytes]) -> "Future[None]":
        """Gives every brick of the kit its row."""

        def work(sql: Sql) -> None:
            sql.executemany("INSERT OR IGNORE INTO bricks (brick) VALUES (?)", [(brick,) for brick in bricks])

        return self._store.write(work)

    def heads(self) -> "Future[list[Head]]":
        """Every brick's row."""

        def query(sql: Sql) -> list[Head]:
            rows = sql.execute("SELECT number, brick, next_seq, prev16, ledger_seq, ledger_tag FROM bricks")
            return [Head(*row) for row in rows]

        return self._store.read(query)

    def last(self) -> "Future[tuple[int, bytes] | None]":
        """(host seq, COSE) of the newest receipt."""

        def query(sql: Sql) -> tuple[int, bytes] | None:
            row = sql.execute("SELECT host_seq, cose FROM receipts ORDER BY host_seq DESC LIMIT 1").fetchone()
            return None if row is None else (row[0], row[1])

        return self._store.read(query)

    def commit(self, group: Group) -> "Future[None]":
        """Makes a group durable, however often the disk fails in between."""

        def work(sql: Sql) -> None:
            _commit(sql, group)

        return self._store.write(work, keep=True)

    def find(self, brick: int, seq: int) -> "Future[bytes | None]":
        """The COSE of a brick's record, if it is stored."""

        def query(sql: Sql) -> bytes | None:
            row = sql.execute(
                "SELECT cose FROM receipts WHERE brick = ? AND seq = ?", (brick, seq)
            ).fetchone()
            return None if row is None else row[0]

        return self._store.read(query)

    def recent(self, limit: int, brick: int | None = None) -> "Future[list[Row]]":
        """The newest receipts, newest first, without their private parts; of one `brick` (its number), or of all."""
        every = "SELECT host_seq, brick, seq, ms, cose, NULL FROM receipts ORDER BY host_seq DESC LIMIT ?"
        ones = "SELECT host_seq, brick, seq, ms, cose, NULL FROM receipts WHERE brick = ? ORDER BY seq DESC LIMIT ?"

        def query(sql: Sql) -> list[Row]:
            rows = sql.execute(every, (limit,)) if brick is None else sql.execute(ones, (brick, limit))
            return [Row(*row) for row in rows]

        return self._store.read(query)

    def span(self, first: int, last: int) -> "Future[list[Row]]":
        """Receipts of host seq `first` to `last`, in order, with private parts not yet sealed."""

        def query(sql: Sql) -> list[Row]:
            rows = sql.execute(
                "SELECT host_seq, brick, seq, ms, cose, private FROM receipts "
                "WHERE host_seq BETWEEN ? AND ? ORDER BY host_seq",
                (first, last),
            )
            return [Row(*row) for row in rows]

        return self._store.read(query)

    def counts(self) -> "Future[dict[str, int]]":
        """How many receipts, quarantined records and lost records there are; highest quarantine number."""

        def query(sql: Sql) -> dict[str, int]:
            def one(statement: str) -> int:
                row = sql.execute(statement).fetchone()
                return int(row[0] or 0) if row else 0

            return {
                "receipts": one("SELECT count(*) FROM receipts"),
                "quarantined": one("SELECT count(*) FROM quarantine"),
                "quarantine_last": one("SELECT max(number) FROM quarantine"),
                "lost": one("SELECT sum(last_seq - first_seq + 1) FROM gaps"),
            }

        return self._store.read(query)

    def quarantine(self, limit: int) -> "Future[list[Quarantined]]":
        """The newest quarantined records, newest first."""

        def query(sql: Sql) -> list[Quarantined]:
            rows = sql.execute("SELECT * FROM quarantine ORDER BY number DESC LIMIT ?", (limit,))
            return [Quarantined(*row) for row in rows]

        return self._store.read(query)


def _commit(sql: Sql, group: Group) -> None:
    rows, also = group.rows, group.also
    if rows:
        last = sql.execute("SELECT host_seq, cose FROM receipts ORDER BY host_seq DESC LIMIT 1").fetchone()
        if last is not None and last[0] >= rows[0][0]:
            # An attempt that failed in the program's eyes did reach the disk: it must be these very rows.
            done = last[0] - rows[0][0] + 1
            if done > len(rows) or rows[done - 1][4] != last[1]:
                raise StoreDamaged(f"receipt {last[0]} on the disk is not the one that was signed")
            # What belongs to them was in the same transaction: it is not done twice.
            rows, also = rows[done:], []
        whole = len(rows) - len(rows) % ROWS_AT_ONCE
        for first in range(0, whole, ROWS_AT_ONCE):
            sql.execute(_INSERT_MANY, list(chain.from_iterable(rows[first : first + ROWS_AT_ONCE])))
        sql.executemany(_INSERT, rows[whole:])
    for number, (next_seq, prev16) in group.heads.items():
        sql.execute("UPDATE bricks SET next_seq = ?, prev16 = ? WHERE number = ?", (next_seq, prev16, number))
    sql.executemany("INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?)", group.quarantined)
    sql.executemany("INSERT OR IGNORE INTO gaps VALUES (?, ?, ?, ?)", group.gaps)
    for statement, bindings in also:
        sql.execute(statement, bindings)
