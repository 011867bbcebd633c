"""The store's tables of intent: the directive in force, and targets by digest, whole or in part."""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import NamedTuple

from hostagent.store.database import Sql
from hostagent.store.store import Store

# Targets that no directive names any more and that are kept all the same, the last used.
SPARE = 8


class Kept(NamedTuple):
    """The directive as it came. Times are market ms; `state`: what it was judged to be, as hostagent.judged packs it, None from
    an earlier program."""

    etag: str
    envelope: bytes
    fetched_ms: int
    confirmed_ms: int
    active_ms: int | None
    state: bytes | None = None


class Intents:
    """One for a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self) -> "Future[Kept | None]":
        """What was kept last."""

        def query(sql: Sql) -> Kept | None:
            row = sql.execute(
                "SELECT etag, envelope, fetched_ms, confirmed_ms, active_ms, state"
                " FROM intent LEFT JOIN intent_state USING (number)"
            ).fetchone()
            return None if row is None else Kept(*row)

        return self._store.read(query)

    def put(self, kept: Kept) -> "Future[None]":
        """In place of the one before."""

        def work(sql: Sql) -> None:
            sql.execute("INSERT OR REPLACE INTO intent VALUES (1, ?, ?, ?, ?, ?)", kept[:5])
            if kept.state is not None:
                sql.execute("INSERT OR REPLACE INTO intent_state VALUES (1, ?)", (kept.state,))

        return self._store.write(work)

    def target(self, digest: bytes) -> "Future[tuple[bytes, bool] | None]":
        """(data, whether it is whole)."""

        def query(sql: Sql) -> tuple[bytes, bool] | None:
            row = sql.execute("SELECT data, whole FROM targets WHERE digest = ?", (digest,)).fetchone()
            return None if row is None else (bytes(row[0]), bool(row[1]))

        return self._store.read(query)

    def put_target(self, digest: bytes, data: bytes, whole: bool) -> "Future[None]":
        """All of a target, or its beginning."""

        def work(sql: Sql) -> None:
            sql.execute(
                "INSERT OR REPLACE INTO targets SELECT ?, ?, coalesce(max(used), 0) + 1, ? FROM targets",
                (digest, int(whole), data),
            )

        return self._store.write(work)

    def drop_target(self, digest: bytes) -> "Future[None]":
        """Forgets what turned out to be something else."""

        def work(sql: Sql) -> None:
            sql.execute("DELETE FROM targets WHERE digest = ?", (digest,))

        return self._store.write(work)

    def tidy(self, named: Iterable[bytes]) -> "Future[None]":
        """Forgets targets that are not named, but for a few."""
        wanted = set(named)

        def work(sql: Sql) -> None:
            found = [row[0] for row in sql.execute("SELECT digest FROM targets ORDER BY used DESC")]
            spare = [digest for digest in found if digest not in wanted]
            sql.executemany("DELETE FROM targets WHERE digest = ?", [(digest,) for digest in spare[SPARE:]])

        return self._store.write(work)
