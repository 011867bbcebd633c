"""Batches, keys of private parts and the controller's marks: what is on its way to the controller."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from hostagent.store import heads as heads_told
from hostagent.store.database import Sql
from hostagent.store.store import Store


class Closed(NamedTuple):
    """A closed batch. `sealed`: CBOR of its private section."""

    number: int
    first_seq: int
    last_seq: int
    closed_ms: int
    header: bytes
    sealed: bytes


class StoredKey(NamedTuple):
    """The key of the private parts of one event and subject; `subject` empty: records without one."""

    event: bytes
    subject: bytes
    id: bytes
    key: bytes


class Backlog(NamedTuple):
    """What the controller has not taken: receipts, batches closed, and host time of the oldest receipt."""

    receipts: int
    batches: int
    oldest_ms: int | None


_LAST = (
    "SELECT number, first_seq, last_seq, closed_ms, header, sealed FROM batches ORDER BY number DESC LIMIT 1"
)
_WAITING = (
    "SELECT number, first_seq, last_seq, closed_ms, header, sealed FROM batches "
    "WHERE accepted = 0 ORDER BY number LIMIT 1"
)
_BATCH = "SELECT number, first_seq, last_seq, closed_ms, header, sealed FROM batches WHERE number = ?"
_CLOSE = (
    "INSERT INTO batches (number, first_seq, last_seq, closed_ms, header, sealed) VALUES (?, ?, ?, ?, ?, ?)"
)


class Outbox:
    """The tables of the forwarder."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def last(self) -> "Future[Closed | None]":
        """The newest batch, accepted or not."""
        return self._one(_LAST)

    def waiting(self) -> "Future[Closed | None]":
        """The oldest batch that the controller has not taken."""
        return self._one(_WAITING)

    def batch(self, number: int) -> "Future[Closed | None]":
        """One batch."""
        return self._one(_BATCH, number)

    def evidence(self, number: int) -> "Future[list[bytes]]":
        """The lists of heads that go with a batch, in their order."""

        def query(sql: Sql) -> list[bytes]:
            rows = sql.execute("SELECT heads FROM evidence WHERE number = ? ORDER BY digest", (number,))
            return [row[0] for row in rows]

        return self._store.read(query)

    def close(
        self,
        batch: Closed,
        keys: Sequence[StoredKey],
        evidence: dict[bytes, bytes] | None = None,
        newest: dict[int, bytes] | None = None,
    ) -> "Future[None]":
        """Makes a batch durable with the keys new in it and its evidence (lists of heads by digest; `newest`: the last
        that each brick, by row number, names); its private parts stand only sealed from here on."""

        def work(sql: Sql) -> None:
            for digest, heads in (evidence or {}).items():
                sql.execute("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?)", (batch.number, digest, heads))
            heads_told.forget(sql, newest or {})
            sql.executemany("INSERT INTO private_keys (event, subject, id, key) VALUES (?, ?, ?, ?)", keys)
            sql.execute(_CLOSE, batch)
            sql.execute(
                "UPDATE receipts SET private = NULL WHERE host_seq BETWEEN ? AND ? AND private IS NOT NULL",
                (batch.first_seq, batch.last_seq),
            )

        return self._store.write(work)

    def accept(self, number: int, marks: Sequence[tuple[bytes, int, bytes]]) -> "Future[None]":
        """The controller has this batch: (brick, ledger seq, tag) for each mark that came with the answer."""

        def work(sql: Sql) -> None:
            sql.execute("UPDATE batches SET accepted = 1 WHERE number = ?", (number,))
            for brick, seq, tag in marks:
                sql.execute(
                    "UPDATE bricks SET ledger_seq = ?, ledger_tag = ? "
                    "WHERE brick = ? AND (ledger_seq IS NULL OR ledger_seq < ?)",
                    (seq, tag, brick, seq),
                )

        return self._store.write(work)

    def reopen(self, number: int) -> "Future[None]":
        """The controller went back to an older copy: batches from `number` on and all keys go again."""

        def work(sql: Sql) -> None:
            sql.execute("UPDATE batches SET accepted = 0 WHERE number >= ?", (number,))
            sql.execute("UPDATE private_keys SET posted = 0")

        return self._store.write(work)

    def keys(self, event: bytes, subjects: Sequence[bytes]) -> "Future[dict[bytes, StoredKey]]":
        """The keys that exist for these subjects."""

        def query(sql: Sql) -> dict[bytes, StoredKey]:
            found: dict[bytes, StoredKey] = {}
            for subject in subjects:
                row = sql.execute(
                    "SELECT event, subject, id, key FROM private_keys WHERE event = ? AND subject = ?",
                    (event, subject),
                ).fetchone()
                if row is not None:
                    found[subject] = StoredKey(*row)
            return found

        return self._store.read(query)

    def unposted_keys(self, limit: int) -> "Future[list[StoredKey]]":
        """Keys that the controller has not got."""

        def query(sql: Sql) -> list[StoredKey]:
            rows = sql.execute(
                "SELECT event, subject, id, key FROM private_keys WHERE posted = 0 LIMIT ?", (limit,)
            )
            return [StoredKey(*row) for row in rows]

        return self._store.read(query)

    def posted(self, ids: Sequence[bytes]) -> "Future[None]":
        """The controller has these keys."""

        def work(sql: Sql) -> None:
            sql.executemany("UPDATE private_keys SET posted = 1 WHERE id = ?", [(key_id,) for key_id in ids])

        return self._store.write(work)

    def backlog(self) -> "Future[Backlog]":
        """What has not reached the controller."""

        def query(sql: Sql) -> Backlog:
            row = sql.execute(
                "SELECT coalesce(max(last_seq) FILTER (WHERE accepted = 1), 0), "
                "count(*) FILTER (WHERE accepted = 0) FROM batches"
            ).fetchone()
            taken, batches = row or (0, 0)
            found = sql.execute(
                "SELECT count(*), min(ms) FROM receipts WHERE host_seq > ?", (taken,)
            ).fetchone()
            count, oldest = found or (0, None)
            return Backlog(count, batches, oldest)

        return self._store.read(query)

    def _one(self, statement: str, *bindings: Any) -> "Future[Closed | None]":
        def query(sql: Sql) -> Closed | None:
            row = sql.execute(statement, bindings).fetchone()
            return None if row is None else Closed(*row)

        return self._store.read(query)
