"""The encrypted SQLite file: opening, checking, setting a damaged one aside. Nothing is ever deleted here."""

import errno
import fcntl
import hashlib
import hmac
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, cast

import apsw

from hostagent import durable
from hostagent.errors import StoreDamaged, StoreRefused, StoreUnavailable
from hostagent.store.schema import ADDED, REMADE, SCHEMA, SCHEMA_VERSION

# Older SQLite can corrupt a WAL database when it resets the log (fixed in 3.51.3; 3.52.0 was withdrawn).
SQLITE_SINCE = (3, 51, 3)
SQLITE_WITHDRAWN = (3, 52, 0)
BUSY_MS = 2000
# With less than this free, any failure of a write is for want of room.
FULL_BELOW = 64 * 1024
# Full in another way: the disk has room, and this program may not have it. SQLite calls these I/O errors.
NO_MORE = {
    errno.EDQUOT: "disk full (this user's quota is used up)",
    errno.EFBIG: "disk full (the file may not grow beyond a limit)",
}
# Pages of write-ahead log after which SQLite folds it into the file even in the middle of work: 16 MiB. At 4 MiB one
# call in a hundred waited for it; the writer does it in quiet moments (store.writer).
CHECKPOINT_PAGES = 4000


class Beginning(NamedTuple):
    """What a new file takes over: the name of the one before, and rows with the statement that inserts
    them."""

    predecessor: str
    rows: list[tuple[str, list[tuple[Any, ...]]]]


class Rows(Protocol):
    """Answers of a statement."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...

    def fetchone(self) -> tuple[Any, ...] | None: ...


class Sql(Protocol):
    """The part of an APSW connection that the store uses; `with sql:` is one transaction."""

    def execute(self, statements: str, bindings: Sequence[Any] = ()) -> Rows: ...

    def executemany(self, statements: str, bindings: Iterable[Sequence[Any]]) -> Rows: ...

    def pragma(self, name: str, value: Any = None) -> Any: ...

    def set_busy_timeout(self, milliseconds: int) -> None: ...

    def close(self) -> None: ...

    def changes(self) -> int: ...

    @property
    def in_transaction(self) -> bool: ...

    @property
    def system_errno(self) -> int: ...

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...


def check_sqlite() -> None:
    """Raises StoreRefused for an SQLite that may lose acknowledged rows, or one without encryption."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < SQLITE_SINCE or version == SQLITE_WITHDRAWN:
        raise StoreRefused(
            f"SQLite {apsw.sqlite_lib_version()} can damage its write-ahead log; "
            "install apsw-sqlite3mc 3.54 or newer (SQLite 3.51.3 on)"
        )
    if not hasattr(apsw, "mc_version"):
        raise StoreRefused("this apsw cannot encrypt: install apsw-sqlite3mc instead of apsw")


def connect(path: Path, key: bytes, vfs: str | None = None, readonly: bool = False) -> Sql:
    """An open connection with WAL and synchronous=FULL under ChaCha20-Poly1305 with a raw 32-byte key.

    `vfs` names another bottom below the cipher (tests). Raises StoreDamaged, StoreUnavailable.
    """
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    try:
        bottom = None if vfs is None else f"multipleciphers-{vfs}"
        connection = cast(Sql, apsw.Connection(str(path), flags=flags, vfs=bottom))
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("cipher", "chacha20")
        connection.pragma("key", f"raw:{key.hex()}")
        if not readonly:
            if connection.pragma("journal_mode", "wal") != "wal":
                raise StoreUnavailable("the disk does not support a write-ahead log")
            connection.pragma("synchronous", "full")
            connection.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            # What is deleted is overwritten: a private part must not outlive its row in a free page.
            connection.pragma("secure_delete", "on")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except (apsw.NotADBError, apsw.CorruptError) as failed:
        raise StoreDamaged(f"{path.name} does not read as an encrypted database ({failed})") from failed
    except (apsw.FullError, apsw.IOError, apsw.CantOpenError, apsw.BusyError, apsw.ReadOnlyError) as failed:
        raise StoreUnavailable(plain(failed, path)) from failed
    return connection


def prepare(connection: Sql, successor: Callable[[], "Beginning | None"] = lambda: None) -> None:
    """Makes the tables of a new file, or checks that an old one has this schema. Raises StoreRefused.

    `successor` is asked for a new file only: what it takes over from the one before stands in it from the
    first
    transaction on.
    """
    version = int(connection.pragma("user_version"))
    if version == 0:
        beginning = successor()
        with connection:
            connection.execute(SCHEMA)
            connection.execute(ADDED)
            if beginning is not None:
                connection.execute("INSERT INTO meta VALUES ('recovered', ?)", (beginning.predecessor,))
                for statement, rows in beginning.rows:
                    connection.executemany(statement, rows)
            connection.pragma("user_version", SCHEMA_VERSION)
    elif version != SCHEMA_VERSION:
        raise StoreRefused(
            f"the store has schema {version}, this program knows {SCHEMA_VERSION}: use the matching release"
        )
    with connection:
        _add(connection)


def _add(connection: Sql) -> None:
    """Tables that came later, in one transaction; those with an older layout keep their rows."""
    old: list[str] = []
    for table, aside, back in REMADE:
        columns = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
        if columns and "lane" not in columns:
            connection.execute(aside).fetchall()
            old.append(back)
    connection.execute(ADDED)
    for back in old:
        connection.execute(back).fetchall()


def check(connection: Sql) -> None:
    """Reads the whole file once. Raises StoreDamaged with SQLite's first complaint."""
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
    except apsw.Error as failed:
        raise StoreDamaged(f"integrity check stopped: {failed}") from failed
    if found != ["ok"]:
        raise StoreDamaged(f"integrity check: {found[0] if found else 'no answer'}")


def create_file(path: Path, key: bytes) -> None:
    """Makes the empty file, for its owner alone, and the mark beside it that tells this key from a wrong one.

    Raises StoreRefused when the mark is of another key: damage and a wrong key look alike to a cipher.
    """
    mark = mark_of(path)
    wanted = hmac.new(key, b"stallmark/store-key-check/1", hashlib.sha256).hexdigest()[:16]
    try:
        if mark.exists():
            if mark.read_text().strip() != wanted:
                raise StoreRefused(
                    f"{path.name} belongs to another store key than the one in keys.json; nothing was changed"
                )
        elif path.exists() and path.stat().st_size:
            # A store from a restored copy without its mark: reading it decides.
            connect(path, key).close()
        if not path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        if not mark.exists():
            durable.write(mark, (wanted + "\n").encode())
        durable.sync_folder(path.parent)
    except StoreDamaged as failed:
        raise StoreRefused(
            f"{failed}; is store_key in keys.json the right one? Nothing was changed"
        ) from failed
    except OSError as failed:
        raise StoreUnavailable(f"{path}: {failed.strerror}") from failed


def lock(path: Path) -> int:
    """Holds the store for this process until the handle is closed. Raises StoreRefused where another has
    it."""
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as failed:
        os.close(handle)
        raise StoreRefused(
            f"another host agent has {path.name} open: two must not sign from one store"
        ) from failed
    return handle


def set_aside(path: Path) -> Path:
    """Moves a damaged file and its log to names of their own and returns the new name of the file."""
    number = 1
    while any(path.parent.glob(f"{path.name}.damaged-{number}*")):
        number += 1
    aside = path.with_name(f"{path.name}.damaged-{number}")
    # The file first: a file that lost its log would read as an older, sound one.
    for suffix in ("", "-wal", "-shm"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(aside.with_name(aside.name + suffix))
    durable.sync_folder(path.parent)
    return aside


def predecessor(path: Path) -> Path | None:
    """The file set aside last, if there is one."""
    number = 1
    while path.with_name(f"{path.name}.damaged-{number}").exists():
        number += 1
    return path.with_name(f"{path.name}.damaged-{number - 1}") if number > 1 else None


def mark_of(path: Path) -> Path:
    """The small file beside a store that tells its key from another."""
    return path.with_name(path.name + ".key")


def plain(failed: Exception, path: Path, number: int = 0) -> str:
    """A storage error in words for a screen; `number`: the system's, where it is known."""
    if isinstance(failed, StoreUnavailable):
        return failed.reason
    if isinstance(failed, apsw.IOError) and number in NO_MORE:
        return NO_MORE[number]
    if isinstance(failed, apsw.FullError) or free_bytes(path) < FULL_BELOW:
        return "disk full"
    if isinstance(failed, apsw.ReadOnlyError):
        return "disk is read-only"
    if isinstance(failed, apsw.CantOpenError):
        return "the store's file cannot be opened"
    if isinstance(failed, apsw.BusyError):
        return "another program holds the store"
    return f"disk error ({failed})"


def free_bytes(path: Path) -> int:
    """Bytes left on the store's disk."""
    return shutil.disk_usage(path.parent).free
