"""Answers to tills by the till's own key, kept for two days: a repeat gets the same bytes, or is told that it is none."""

import asyncio
import hmac
import json
from typing import Any, NamedTuple

from hostagent.store.database import Sql
from hostagent.store.store import Store

KEEP_MS = 48 * 3_600_000
PURGE_S = 3600.0
PUT = "INSERT OR IGNORE INTO till_calls (till, key, digest, id, at_ms, status, answer) VALUES (?, ?, ?, ?, ?, ?, ?)"
SALE = "INSERT OR IGNORE INTO till_sales VALUES (?, ?, ?, ?)"


class Call(NamedTuple):
    """One answered call."""

    digest: bytes
    id: str
    status: int
    answer: bytes


class Calls:
    """The tables of the till API. `key` keeps the digests from being guessed backwards."""

    def __init__(self, store: Store, key: bytes) -> None:
        self._store = store
        self._key = key
        self._known: set[tuple[str, str]] = set()

    async def load(self) -> None:
        """Learns which keys were used, so that a new one costs no look into the store."""

        def query(sql: Sql) -> set[tuple[str, str]]:
            return {(till, key) for till, key in sql.execute("SELECT till, key FROM till_calls")}

        self._known = await asyncio.wrap_future(self._store.read(query))

    def digest(self, body: Any) -> bytes:
        """Of a decoded body, however it was written."""
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return hmac.digest(self._key, b"stallmark/till-call/1\0" + text.encode(), "sha256")[:16]

    def put(self, till: str, key: str, call: Call, at_ms: int) -> tuple[str, tuple[Any, ...]]:
        """The statement that keeps an answer, for the transaction of its records."""
        self._known.add((till, key))
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

    async def sale(self, till: str, reference: str) -> tuple[int, int] | None:
        """First and last seq of the newest sale under this till's reference."""

        def query(sql: Sql) -> tuple[int, int] | None:
            row = sql.execute(
                "SELECT first_seq, last_seq FROM till_sales WHERE till = ? AND reference = ? "
                "ORDER BY first_seq DESC LIMIT 1",
                (till, reference),
            ).fetchone()
            return None if row is None else (row[0], row[1])

        return await asyncio.wrap_future(self._store.read(query))

    async def purge(self, now_ms: int) -> None:
        """Forgets answers older than two days."""

        def work(sql: Sql) -> None:
            sql.execute("DELETE FROM till_calls WHERE at_ms < ?", (now_ms - KEEP_MS,))

        await asyncio.wrap_future(self._store.write(work))
        await self.load()

    async def _one(self, statement: str, *bindings: str) -> Call | None:
        def query(sql: Sql) -> Call | None:
            row = sql.execute(statement, bindings).fetchone()
            return None if row is None else Call(*row)

        return await asyncio.wrap_future(self._store.read(query))
