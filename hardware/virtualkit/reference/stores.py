"""What lies durable on host and controller, read from a copy of their files: invariant 2 is about these."""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from virtualkit.reference.audit import Findings
from virtualkit.reference.flashimage import FlashImage


@contextmanager
def copied(database: Path) -> Generator[Path]:
    """The database and its write-ahead log as they lie on disk, elsewhere: looking must not change them."""
    folder = Path(tempfile.mkdtemp(prefix="stallmark-audit-"))
    try:
        for file in (database, database.with_name(database.name + "-wal")):
            if file.exists():
                shutil.copy2(file, folder / file.name)
        yield folder / database.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _opened(path: Path, key: str) -> Any:
    """A host's store under its raw key in hex."""
    store: Any = apsw.Connection(str(path))
    store.pragma("cipher", "chacha20")
    store.pragma("key", f"raw:{key}")
    return store


def host_records(folder: Path) -> dict[bytes, set[int]]:
    """Which records have a receipt in a host's encrypted store, by brick."""
    config = json.loads((folder / "config.json").read_text())
    key = json.loads((folder / "keys.json").read_text())["store_key"]
    found: dict[bytes, set[int]] = {}
    with copied(folder / config["store"]) as path:
        store = _opened(path, key)
        rows = store.execute("SELECT b.brick, r.seq FROM receipts r JOIN bricks b ON b.number = r.brick")
        for brick, seq in rows:
            found.setdefault(bytes(brick), set()).add(int(seq))
        for brick, first, last in store.execute("SELECT brick, first_seq, last_seq FROM gaps"):
            found.setdefault(bytes(brick), set()).update(range(first, last + 1))
        store.close()
    return found


def host_receipts(folder: Path) -> list[bytes]:
    """Every receipt in a host's store as COSE bytes, in order of host seq."""
    config = json.loads((folder / "config.json").read_text())
    key = json.loads((folder / "keys.json").read_text())["store_key"]
    with copied(folder / config["store"]) as path:
        store = _opened(path, key)
        found = [bytes(row[0]) for row in store.execute("SELECT cose FROM receipts ORDER BY host_seq")]
        store.close()
    return found


def assigned_slices(folder: Path) -> dict[bytes, list[int]]:
    """Which slices a host has assigned to which brick, in order of id."""
    config = json.loads((folder / "config.json").read_text())
    key = json.loads((folder / "keys.json").read_text())["store_key"]
    found: dict[bytes, list[int]] = {}
    with copied(folder / config["store"]) as path:
        store = _opened(path, key)
        for brick, number in store.execute(
            "SELECT brick, id FROM slices WHERE brick IS NOT NULL ORDER BY id"
        ):
            found.setdefault(bytes(brick), []).append(int(number))
        store.close()
    return found


def controller_records(folder: Path) -> dict[bytes, set[int]]:
    """Which records have a receipt in a controller's SQLite database, by brick."""
    config = json.loads((folder / "config.json").read_text())
    found: dict[bytes, set[int]] = {}
    with copied(folder / config["database"]) as path:
        connection = sqlite3.connect(path)
        for brick, seq in connection.execute("SELECT brick, seq FROM receipts"):
            found.setdefault(bytes(brick), set()).add(int(seq))
        connection.close()
    return found


def check_marks(
    images: Mapping[bytes, FlashImage], host: Path | None, controller: Path | None, findings: Findings
) -> None:
    """Invariant 2: what a brick believes to be acknowledged is durable where it was acknowledged.

    `host`, `controller`: their folders; None for one that is not to be looked at now.
    """
    marks = {brick: image.marks() for brick, image in images.items()}
    on_host = host_records(host) if host else None
    on_controller = controller_records(controller) if controller else None
    for brick, (host_seq, ledger_seq) in marks.items():
        for records, mark, place in ((on_host, host_seq, "host"), (on_controller, ledger_seq, "controller")):
            if records is not None:
                missing = set(range(1, mark + 1)) - records.get(brick, set())
                if missing:
                    findings.breach(
                        2,
                        f"the {place} acknowledged brick {brick.hex()} up to {mark} and does not hold {sorted(missing)[:5]}",
                    )


def host_plaintext(folder: Path) -> bytes:
    """Everything in a host's store, decrypted: what a thief with the key would read."""
    config = json.loads((folder / "config.json").read_text())
    key = json.loads((folder / "keys.json").read_text())["store_key"]
    parts: list[bytes] = []
    with copied(folder / config["store"]) as path:
        store = _opened(path, key)
        tables = [str(row[0]) for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in store.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - names from the database itself
                parts += [value if isinstance(value, bytes) else str(value).encode() for value in row]
        store.close()
    return b"\n".join(parts)


def controller_bytes(folder: Path) -> bytes:
    """A controller's database and its write-ahead log, as they lie on disk."""
    database = folder / json.loads((folder / "config.json").read_text())["database"]
    files = (database, database.with_name(database.name + "-wal"))
    return b"".join(file.read_bytes() for file in files if file.exists())
