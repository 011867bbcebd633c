"""What lies durable on host and controller, read from a copy of their files: invariant 2 is about these."""

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import cbor2
from nacl import bindings

from virtualkit.reference.audit import Findings
from virtualkit.reference.flashimage import FlashImage, FlashRecord


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


def lane_records(folder: Path) -> tuple[bytes, dict[int, FlashRecord]] | None:
    """What the host's own lane wrote, by seq: its flash is the host's store. None where this host has no lane.

    A private part stands beside its receipt until its batch is closed, then sealed in the batch (docs/formats/batch.md).
    """
    config = json.loads((folder / "config.json").read_text())
    secret = json.loads((folder / "keys.json").read_text())
    if "lane" not in config:
        return None
    brick = bytes.fromhex(config["lane"]["brick"])
    records: dict[int, FlashRecord] = {}
    with copied(folder / config["store"]) as path:
        store = _opened(path, secret["store_key"])
        opened = _open_private(store, brick)
        rows = store.execute(
            "SELECT r.seq, r.cose, r.private FROM receipts r JOIN bricks b ON b.number = r.brick WHERE b.brick = ?",
            (brick,),
        )
        for seq, cose, private in rows:
            payload = cbor2.loads(cbor2.loads(cose).value[2])
            kept = bytes(private) if private else opened.get(seq, b"")
            records[seq] = FlashRecord(-1, seq, payload[1], payload[2], kept)
        store.close()
    return brick, records


def _open_private(store: Any, brick: bytes) -> dict[int, bytes]:
    """The sealed private parts of one brick's records, by seq."""
    keys = {bytes(number): bytes(key) for number, key in store.execute("SELECT id, key FROM private_keys")}
    opened: dict[int, bytes] = {}
    for (sealed,) in store.execute("SELECT sealed FROM batches"):
        for owner, seq, _, key, nonce, ciphertext in cbor2.loads(sealed):
            if owner == brick and key in keys:
                bound = b"stallmark/private-part/1\0" + owner + seq.to_bytes(4)
                opened[seq] = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                    ciphertext, bound, nonce, keys[key]
                )
    return opened


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


def heads_lists(folder: Path) -> dict[bytes, bytes]:
    """Lists of heads (CBOR) that a controller holds as evidence, by what field 21 of a record names them."""
    config = json.loads((folder / "config.json").read_text())
    with copied(folder / config["database"]) as path:
        connection = sqlite3.connect(path)
        lists = [bytes(row[0]) for row in connection.execute("SELECT bytes FROM evidence")]
        connection.close()
    return {hashlib.sha256(b"stallmark/heads/1\0" + data).digest()[:16]: data for data in lists}


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
