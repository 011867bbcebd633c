"""Opening the store, its one writer and one reader; the small tables: meta, link keys, rulesets, bundle."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import apsw

from hostagent.errors import HostError, StoreDamaged
from hostagent.store import database
from hostagent.store.database import Beginning, Sql
from hostagent.store.schema import SCHEMA_VERSION
from hostagent.store.writer import Trouble, Writer

T = TypeVar("T")
LINK_KEY_SECONDS = 2.0
# More rulesets than this a kit never sees; a brick that names more is not believed.
MAX_RULESETS = 1024
MISSING = "(missing)"
# What is taken over from a damaged file, where it still reads.
RESCUED = {
    "link_keys": ("SELECT * FROM link_keys", "INSERT OR IGNORE INTO link_keys VALUES (?, ?, ?)"),
    "slices": ("SELECT * FROM slices", "INSERT OR IGNORE INTO slices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    "spent": ("SELECT * FROM spent", "INSERT OR IGNORE INTO spent VALUES (?, ?, ?, ?, ?)"),
}
log = logging.getLogger("hostagent.store")


@dataclass(frozen=True)
class Opened:
    """A store and what became of a damaged one that lay in its place."""

    store: "Store"
    aside: Path | None
    damage: str | None


class Store:
    """One open store. Reads by `read` run in a thread of their own; writes go to the one writer."""

    def __init__(
        self,
        path: Path,
        key: bytes,
        vfs: str | None,
        lock: int,
        successor: Callable[[], Beginning | None],
    ) -> None:
        self.path = path
        self._lock = lock
        self._taking = threading.Lock()
        self._connect: Callable[[], Sql] = lambda: database.connect(path, key, vfs)
        connection = self._connect()
        try:
            database.prepare(connection, successor)
            database.check(connection)
            # Only what is durable. The dicts inside are never changed, but replaced.
            self.link_keys: dict[bytes, dict[int, bytes]] = {}
            for brick, epoch, link_key in connection.execute("SELECT brick, epoch, key FROM link_keys"):
                self._took([(brick, epoch, link_key)])
            self.rulesets: dict[bytes, tuple[bytes, bytes | None]] = {
                digest8: (digest, terms)
                for digest8, digest, terms in connection.execute(
                    "SELECT digest8, digest, terms FROM rulesets"
                )
            }
            self.meta: dict[str, Any] = dict(connection.execute("SELECT name, value FROM meta").fetchall())
            self._reading = database.connect(path, key, vfs, readonly=True)
        except BaseException:
            connection.close()
            raise
        self.writer = Writer(
            connection, self._connect, lambda failed, number: database.plain(failed, path, number)
        )
        self._reader = ThreadPoolExecutor(1, "store-reader")

    @property
    def trouble(self) -> Trouble | None:
        """What keeps the disk from taking writes now."""
        return self.writer.trouble

    def read(self, query: Callable[[Sql], T]) -> "Future[T]":
        """Runs `query(sql)` on the reading connection, in its thread."""
        return self._reader.submit(query, self._reading)

    def write(self, work: Callable[[Sql], T], keep: bool = False) -> "Future[T]":
        """Queues `work(sql)` for the next transaction; see Writer.submit."""
        return self.writer.submit(work, keep)

    def close(self) -> None:
        """Commits what waits and closes the file."""
        self._reader.shutdown()
        self._reading.close()
        self.writer.close()
        os.close(self._lock)

    def size(self) -> int:
        """Bytes of the file and its log."""
        total = 0
        for suffix in ("", "-wal"):
            with contextlib.suppress(OSError):
                total += self.path.with_name(self.path.name + suffix).stat().st_size
        return total

    def set_meta(self, values: dict[str, Any]) -> "Future[None]":
        """Keeps small values, all or none."""
        self.meta.update(values)

        def work(sql: Sql) -> None:
            sql.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))

        return self.write(work)

    # --- link keys: what the core's HostLink asks for

    def find_link_keys(self, brick: bytes) -> dict[int, bytes] | None:
        """Keys of a brick by epoch, None for a brick of another kit."""
        return self.link_keys.get(brick)

    def commit_link_key(self, brick: bytes, epoch: int, key: bytes) -> None:
        """Durable on return: the handshake's answer may go out. Raises StoreUnavailable."""
        if self.link_keys.get(brick, {}).get(epoch) == key:
            return

        def work(sql: Sql) -> None:
            sql.execute("INSERT OR REPLACE INTO link_keys VALUES (?, ?, ?)", (brick, epoch, key))

        self.writer.call(work, LINK_KEY_SECONDS)
        self._took([(brick, epoch, key)])

    def drop_link_keys(self, brick: bytes, below: int) -> None:
        """Forgets the keys of epochs below; one that survives a crash is dropped at the next handshake."""
        with self._taking:
            keys = self.link_keys.get(brick, {})
            if not any(epoch < below for epoch in keys):
                return
            self.link_keys[brick] = {epoch: key for epoch, key in keys.items() if epoch >= below}

        def work(sql: Sql) -> None:
            sql.execute("DELETE FROM link_keys WHERE brick = ? AND epoch < ?", (brick, below))

        self.write(work)

    def import_link_keys(self, keys: Iterable[tuple[bytes, int, bytes]]) -> "Future[None]":
        """Takes keys from elsewhere (the bench's, the controller's) for bricks that the store knows not, or whose own key may
        be of an earlier epoch. They are known when the future is done, not before: a brick that is told of a key burns its old
        one."""
        fresh = [
            (brick, epoch, key)
            for brick, epoch, key in keys
            if epoch > min(self.link_keys.get(brick, {}), default=-1)
            and epoch not in self.link_keys.get(brick, {})
        ]

        def work(sql: Sql) -> None:
            sql.executemany("INSERT OR REPLACE INTO link_keys VALUES (?, ?, ?)", fresh)

        known: Future[None] = Future()
        known.set_running_or_notify_cancel()

        def written(done: "Future[None]") -> None:
            failed = done.exception()
            if failed is not None:
                known.set_exception(failed)
                return
            self._took(fresh)
            known.set_result(None)

        self.write(work).add_done_callback(written)
        return known

    def _took(self, keys: Iterable[tuple[bytes, int, bytes]]) -> None:
        """These keys are durable. In the writer's thread, too: whoever reads a brick's keys meanwhile keeps the old ones."""
        with self._taking:
            for brick, epoch, key in keys:
                self.link_keys[brick] = {**self.link_keys.get(brick, {}), epoch: key}

    # --- rulesets and the bundle on offer

    def put_ruleset(self, digest: bytes, terms: bytes | None) -> "Future[None] | None":
        """Remembers a ruleset's whole digest, and its terms once known; None where it already has."""
        known = self.rulesets.get(digest[:8])
        if known is not None and (terms is None or known[1] == terms) and known[0] == digest:
            return None
        if known is not None and known[0] == digest and terms is None:
            terms = known[1]
        if known is None and len(self.rulesets) >= MAX_RULESETS:
            return None
        self.rulesets[digest[:8]] = (digest, terms)

        def work(sql: Sql) -> None:
            sql.execute("INSERT OR REPLACE INTO rulesets VALUES (?, ?, ?)", (digest[:8], digest, terms))

        return self.write(work)

    def put_bundle(self, etag: str, bundle: bytes) -> "Future[None]":
        """Keeps the bundle that the controller offers now, in place of the last one."""

        def work(sql: Sql) -> None:
            sql.execute("INSERT OR REPLACE INTO bundle VALUES (1, ?, ?)", (etag, bundle))

        return self.write(work)

    def get_bundle(self) -> "Future[tuple[str, bytes] | None]":
        """(ETag, bundle) last kept."""

        def query(sql: Sql) -> tuple[str, bytes] | None:
            row = sql.execute("SELECT etag, bundle FROM bundle").fetchone()
            return None if row is None else (row[0], row[1])

        return self.read(query)


def open_store(path: Path, key: bytes, vfs: str | None = None) -> Opened:
    """Opens or makes the store. A damaged one is set aside, never deleted: what still reads of link keys and
    slice assignments goes into the new one, which says in `meta` that it is a successor.

    Raises StoreRefused (nothing was changed) and StoreUnavailable.
    """
    database.check_sqlite()
    lock = database.lock(path)
    try:
        # An empty file beside a mark: this program ended before the new file had its tables.
        missing = database.mark_of(path).exists() and not (path.exists() and path.stat().st_size)
        if missing and any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-shm")):
            # What is left of it must not be taken for the log of a new file.
            database.set_aside(path)
        database.create_file(path, key)

        def successor() -> Beginning | None:
            aside = database.predecessor(path)
            if aside is not None:
                return Beginning(aside.name, _rescue(aside, key))
            return Beginning(MISSING, []) if missing else None

        try:
            return Opened(Store(path, key, vfs, lock, successor), None, None)
        except StoreDamaged as failed:
            damage = str(failed)
        aside = database.set_aside(path)
        log.error("%s; set aside as %s", damage, aside.name)
        database.create_file(path, key)
        return Opened(Store(path, key, vfs, lock, successor), aside, damage)
    except BaseException:
        os.close(lock)
        raise


def _rescue(aside: Path, key: bytes) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """What still reads of a few small tables. The cipher authenticates every page: what reads is our own."""
    rescued: list[tuple[str, list[tuple[Any, ...]]]] = []
    for table, (select, insert) in RESCUED.items():
        try:
            sql = database.connect(aside, key, readonly=True)
        except HostError as failed:
            log.warning("nothing can be read from %s: %s", aside.name, failed)
            return rescued
        try:
            if sql.pragma("user_version") != SCHEMA_VERSION:
                return rescued
            rescued.append((insert, sql.execute(select).fetchall()))
        except apsw.Error as failed:
            log.warning("%s of %s cannot be read: %s", table, aside.name, failed)
        finally:
            sql.close()
    return rescued
