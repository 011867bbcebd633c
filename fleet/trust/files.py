"""Files of the trust folder: written whole and durably or not at all, read with a limit."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from fleet.durable import write
from fleet.trust.errors import TrustDamaged, TrustError


def write_json(path: Path, value: Any, secret: bool = False) -> None:
    """The same for a JSON value, readable by people."""
    write(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode(), secret)


def read(path: Path, limit: int) -> bytes:
    """The whole file. Raises TrustError where it is longer than `limit` or cannot be read."""
    try:
        with path.open("rb") as source:
            data = source.read(limit + 1)
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror or error}") from None
    if len(data) > limit:
        raise TrustError(f"{path}: more than {limit} bytes: this is not such a file")
    return data


def read_json(path: Path, limit: int) -> dict[str, Any]:
    """A file with one JSON object. Raises TrustError, TrustDamaged."""
    try:
        value: Any = json.loads(read(path, limit))
    except (ValueError, RecursionError):
        raise TrustDamaged(f"{path} is not JSON: restore it from a copy") from None
    if not isinstance(value, dict):
        raise TrustDamaged(f"{path}: expected a JSON object")
    return cast("dict[str, Any]", value)


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """One writer at a time: commands and the running controller wait for each other. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
