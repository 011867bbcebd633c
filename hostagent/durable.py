"""Small files that survive a power cut: whole, on the disk, or not at all; and those that did not, set aside."""

import fcntl
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

MOST_ASIDE = 64
MAX_FILE = 2 * 1024 * 1024


def write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replaces a file; old or new is there after a power cut. One writer at a time. Raises OSError: then the old one is
    there, whole, or the new one, whose name may not be on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")  # always the same name: what a cut leaves is written over
    try:
        put(temporary, data, mode)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()  # half a file is no reason to fill the disk
        raise
    sync_folder(path.parent)


def put(path: Path, data: bytes, mode: int = 0o600) -> None:
    """A file's bytes, on the disk when this returns; half of them after a power cut, and its name only when its folder
    is. For a file that is looked at before it takes another's place."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as out:
        os.fchmod(out.fileno(), mode)  # one that a cut left may have had another
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk when this returns."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_object(path: Path) -> dict[str, Any] | None:
    """A file's JSON object; None where there is no file, or none that can be read: the caller sets that aside."""
    try:
        with path.open("rb") as source:
            value: Any = json.loads(source.read(MAX_FILE))
    except (OSError, ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def set_aside(path: Path, folder: Path) -> bool:
    """Moves a file that cannot be read out of the way, under the name of its content; False where there is no room for
    more: then it stays, and is written over by its successor."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{path.name}.{_digest(path)}"
    if not (folder / name).exists() and sum(1 for _ in folder.iterdir()) >= MOST_ASIDE:
        return False
    with suppress(FileNotFoundError):
        os.replace(path, folder / name)
        sync_folder(folder)
        sync_folder(path.parent)
    return True


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as source:
            return sha256(source.read(MAX_FILE)).hexdigest()[:12]
    except OSError:
        return "unread"


def encode(value: Any) -> bytes:
    """JSON bytes for a file."""
    return json.dumps(value, indent=1, sort_keys=True).encode()


@contextmanager
def locked(folder: Path, wait_s: float) -> Generator[bool]:
    """One program at a time in a folder; False where another one still has it after `wait_s`. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    yield False
                    return
                time.sleep(0.05)
            else:
                break
        yield True
    finally:
        os.close(handle)
