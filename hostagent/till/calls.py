"""Answers to tills by the till's own key, kept for two days: a repeat gets the same bytes, or is told that it is none."""

import asyncio
import hmac
import json
from typing import Any, NamedTuple

from hostagent.store.database import Sql
from hostagent.store.store import Store

KEEP_MS = 48 * 3_600_000
PURGE_S = 3600.0
# Plain: a key that has an answer already fails the transaction of its second decision, which then never was.
PUT = "INSERT INTO till_calls (till, key, digest, id, at_ms, status, answer) VALUES (?, ?, ?, ?, ?, ?, ?)"
SALE = "INSERT INTO till_sales VALUES (?, ?, ?, ?, ?)"


class Call(NamedTuple):
    """One answered call."""

    digest: bytes
    id: str
    status: int
    answer: bytes


class Sale(NamedTuple):
    """Records of a lane that a till's reference stands for. `lane` is empty where an older program kept it."""

    lane: bytes
    first_seq: int
    last_seq: int


class Calls:
    """The tables of the till API. `key` keeps the digests from being guessed backwards."""

    def __init__(self, store: Store, key: bytes) -> None:
        self._store = store
        self._key = key
        # Keys that were used, and when (ms): also of calls that are not on the disk yet.
        self._known: dict[tuple[str, str], int] = {}
        # Until then nobody knows whether a key is new.
        self.loaded = False

    async def load(self) -> None:
        """Learns which keys were used, so that a new one costs no look into the store. Once, before any call."""

        def query(sql: Sql) -> dict[tuple[str, str], int]:
            return {
                (till, key): ms for till, key, ms in sql.execute("SELECT till, key, at_ms FROM till_calls")
            }

        self._known = await asyncio.wrap_future(self._store.read(query)) | self._known
        self.loaded = True

    def digest(self, body: Any) -> bytes:
        """Of a decoded body, however it was written."""
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return hmac.digest(self._key, b"stallmark/till-call/1\0" + text.encode(), "sha256")[:16]

    def put(self, till: str, key: str, call: Call, at_ms: int) -> tuple[str, tuple[Any, ...]]:
        """The statement that keeps an answer, for the transaction of its records."""
        self._known[till, key] = at_ms
        return PUT, (till, key, call.digest, call.id, at_ms, call.status, call.answer)

    async def find(self, till: str, key: str) -> Call | None:
        """The answer under this key, if there is one."""
        if (till, key) not in self._known:
            return None
        return await self._one(
            "SELECT digest, id, status, answer FROM till_calls WHERE till = ? AND key = ?", till, key
        )

    async def by_id(self, till: str, number: str) -> Call | None:
        """The answer of this id, of this till alone."""
        return await self._one(
            "SELECT digest, id, status, answer FROM till_calls WHERE till = ? AND id = ?", till, number
        )

    async def sale(self, till: str, reference: str, lane: bytes) -> Sale | None:
        """The newest sale under this till's reference: of brick `lane`, or else of one that was the lane before."""

        def query(sql: Sql) -> Sale | None:
            row = sql.execute(
                "SELECT lane, first_seq, last_seq FROM till_sales WHERE till = ? AND reference = ? "
                "ORDER BY lane = ? DESC, first_seq DESC LIMIT 1",
                (till, reference, lane),
            ).fetchone()
            return None if row is None else Sale(*row)

        return await asyncio.wrap_future(self._store.read(query))

    async def purge(self, now_ms: int, lane: bytes) -> None:
        """Forgets answers older than two days, and references of sales whose records are; `lane`: the brick whose sales
        are meant where an older program did not say."""
        before = now_ms - KEEP_MS

        def work(sql: Sql) -> list[tuple[str, str, int]]:
            old = sql.execute(
                "DELETE FROM till_calls WHERE at_ms < ? RETURNING till, key, at_ms", (before,)
            ).fetchall()
            for (brick,) in sql.execute("SELECT DISTINCT lane FROM till_sales").fetchall():
                row = sql.execute(
                    "SELECT r.seq FROM receipts r JOIN bricks b ON b.number = r.brick WHERE b.brick = ? AND r.ms < ? "
                    "ORDER BY r.seq DESC LIMIT 1",
                    (brick or lane, before),
                ).fetchone()
                if row is not None:
                    sql.execute("DELETE FROM till_sales WHERE lane = ? AND last_seq <= ?", (brick, row[0]))
            return old

        # Only what was deleted: meanwhile new calls came, perhaps one that used an old key anew.
        for till, key, at_ms in await asyncio.wrap_future(self._store.write(work)):
            if self._known.get((till, key)) == at_ms:
                del self._known[till, key]

    async def _one(self, statement: str, *bindings: str) -> Call | None:
        def query(sql: Sql) -> Call | None:
            row = sql.execute(statement, bindings).fetchone()
            return None if row is None else Call(*row)

        return await asyncio.wrap_future(self._store.read(query))
