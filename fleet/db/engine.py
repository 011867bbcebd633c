"""Opens the database: one connection that writes, others that only read, and what SQLite needs to be told.

SQLite runs in WAL mode with synchronous=FULL: a committed transaction survives a power cut. Writing
transactions BEGIN IMMEDIATE. One connection of one process writes and checkpoints (a lock file sees to
that), readers are `query_only`: SQLite before 3.51.3 can corrupt a WAL database when two connections write
or checkpoint at the same instant (the "WAL-reset" bug), and the SQLite that Python brings is often older.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, select
from sqlalchemy.pool import NullPool, QueuePool

from fleet.db import tables
from fleet.db.making import make_missing
from fleet.db.migration import take_over
from fleet.errors import ConfigError

READERS = 8


class Database:
    """The controller's database. `write()` is a transaction, one at a time; `read()` sees what is
    committed."""

    def __init__(self, url: str | Path) -> None:
        """`url` is a SQLAlchemy URL or the path of an SQLite file, made if absent. Raises ConfigError where
        another process has it open or its schema is a later version's; an earlier one's is taken over."""
        self._lock_file: int | None = None
        self.lock = RLock()  # held by the one transaction that writes
        if isinstance(url, Path):
            url.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = _only_writer(url)
            url = f"sqlite:///{url}"
        self._writer = create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0)
        self._reader = create_engine(url, poolclass=QueuePool, pool_size=READERS, max_overflow=0)
        if self._writer.dialect.name == "sqlite":
            _teach_sqlite(self._writer, "BEGIN IMMEDIATE", reads_only=False)
            _teach_sqlite(self._reader, "BEGIN", reads_only=True)
        try:
            self._open_schema()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A transaction, committed and durable when the block ends; rolled back where it raises."""
        with self.lock, self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A consistent view of what is committed."""
        with self._reader.begin() as connection:
            yield connection

    def bulk(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts many full rows, values in the order of the table's columns, past the per-row work of the
        ORM."""
        if not rows:
            return
        compiled = table.insert().compile(dialect=connection.dialect)
        if compiled.positional:
            connection.exec_driver_sql(str(compiled), list(rows))
        else:
            names = [column.name for column in table.columns]
            connection.exec_driver_sql(str(compiled), [dict(zip(names, row, strict=True)) for row in rows])

    def close(self) -> None:
        """Readers first, so that the last connection to go, which checkpoints, is the writer."""
        self._reader.dispose()
        self._writer.dispose()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _open_schema(self) -> None:
        with self.write() as connection:
            if not inspect(connection).has_table(tables.meta.name):
                make_missing(connection)
                connection.execute(tables.meta.insert().values(name="schema", value=str(tables.SCHEMA)))
            found = connection.execute(
                select(tables.meta.c.value).where(tables.meta.c.name == "schema")
            ).scalar_one_or_none()
            take_over(connection, found)


def read_only(path: Path) -> Engine:
    """An engine that only reads an SQLite file, for a look from outside while the controller may be
    running."""
    engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true", poolclass=NullPool)
    _teach_sqlite(engine, "BEGIN", reads_only=True)
    return engine


def beside(path: Path) -> Engine:
    """An engine that writes an SQLite file of ours beside a running controller: for one small row of a command."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    _teach_sqlite(engine, "BEGIN IMMEDIATE", reads_only=False)
    return engine


def outside(url: str | Path) -> Engine:
    """An engine for a command beside a running controller, whatever the database is. Raises ConfigError where it is
    missing."""
    if isinstance(url, str):
        return create_engine(url, poolclass=NullPool)
    if not url.exists():
        raise ConfigError(f"there is no database {url}: `stallmark fleet init` makes it")
    return beside(url)


def _teach_sqlite(engine: Engine, begin: str, *, reads_only: bool) -> None:
    @event.listens_for(engine, "connect")
    def connected(driver: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        driver.isolation_level = None  # transactions are opened below, not guessed by the driver
        driver.execute("PRAGMA busy_timeout = 10000")
        if reads_only:
            driver.execute("PRAGMA query_only = ON")
            return
        driver.execute("PRAGMA journal_mode = WAL")
        driver.execute("PRAGMA synchronous = FULL")
        driver.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.exec_driver_sql(begin)


def _only_writer(path: Path) -> int:
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise ConfigError(f"{path} is open in another controller: stop that one first") from None
    return handle
