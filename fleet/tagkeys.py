"""Keys of an event's tags at the controller: taken from the desk, sealed for each brick under its K_ctl. docs/formats/tag.md

The desk's master never comes here: of an event the controller holds what its bricks hold, at rest under its seal key."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from nacl.exceptions import CryptoError
from nacl.public import SealedBox
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from fleet import enrolled
from fleet.config import Config
from fleet.core import FormatError, cbor
from fleet.db.engine import outside
from fleet.db.tables_tags import tag_keys as _table
from fleet.errors import ConfigError
from fleet.keys import RecordKeys, Seal
from fleet.people import commands

FORMAT = "stallmark-tag-keys/1"
MAX_FILE = 4096
_WHAT = "the tag keys of an event"


@dataclass(frozen=True, slots=True, repr=False)
class EventKeys:
    """What bricks of an event need; `keys`: meta16 ‖ file16 ‖ live16. Never printed."""

    event: bytes
    version: int
    keys: bytes
    taken_ms: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """Message 47 for one brick: only that brick opens it."""

    brick: bytes
    nonce: bytes
    sealed: bytes
    tag: bytes


def of_event(connection: Connection, seal: Seal, event: bytes) -> EventKeys | None:
    """The newest keys of an event, None where the desk gave none. Raises ConfigError for another seal key."""
    row = connection.execute(select(_table).where(_table.c.event == event)).one_or_none()
    if row is None:
        return None
    return EventKeys(event, row.version, seal.open(row.sealed, _WHAT), row.taken_ms)


def listed(config: Config) -> list[dict[str, Any]]:
    """The events whose keys are here: event, version, taken_ms; no key. Raises ConfigError."""
    engine = outside(config.database)
    try:
        with engine.begin() as connection:
            _table.create(connection, checkfirst=True)
            found = connection.execute(select(_table).order_by(_table.c.event)).all()
    except DBAPIError as failed:
        raise ConfigError(f"the database {config.database} cannot be read: {failed.orig}") from failed
    finally:
        engine.dispose()
    return [{"event": row.event.hex(), "version": row.version, "taken_ms": row.taken_ms} for row in found]


def take(config: Config, path: Path) -> tuple[bytes, int, bool]:
    """Takes a desk's file in, beside a running controller: (event8, version, whether anything changed). Raises ConfigError."""
    event, keys = read(path, config.secrets.seal_key)
    now_ms = time.time_ns() // 1_000_000
    engine = outside(config.database)
    try:
        with engine.begin() as connection:
            _table.create(connection, checkfirst=True)
            version, fresh = keep(connection, Seal(config.secrets.seal_key), event, keys, now_ms)
            if fresh:
                commands.record(connection, "tags.keys", f"event {event.hex()}", {"version": version})
    except DBAPIError as failed:
        raise ConfigError(f"the database {config.database} cannot be written: {failed.orig}") from failed
    finally:
        engine.dispose()
    return event, version, fresh


def keep(
    connection: Connection, seal: Seal, event: bytes, keys: bytes, now_ms: int, version: int | None = None
) -> tuple[int, bool]:
    """Notes an event's keys: (their version, whether they are new). `version` None: seconds since 1970, so that keys which
    a brick once had by another way are replaced too; it always grows."""
    known = of_event(connection, seal, event)
    if known is not None and known.keys == keys:
        return known.version, False
    version = now_ms // 1000 if version is None else version
    if known is not None:
        version = max(version, known.version + 1)
        connection.execute(_table.delete().where(_table.c.event == event))
    row = {"event": event, "version": version, "sealed": seal.close(keys), "taken_ms": now_ms}
    connection.execute(_table.insert().values(**row))
    return version, True


def read(path: Path, seal_key: bytes) -> tuple[bytes, bytes]:
    """(event8, keys of 48 bytes) of the file that `stallmark kit tag-keys` wrote for this controller. Raises ConfigError."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise ConfigError(f"{path} has more than {MAX_FILE} bytes: it is not a desk's tag keys")
        value: Any = json.loads(path.read_text())
        if not isinstance(value, dict) or cast("dict[str, Any]", value).get("format") != FORMAT:
            raise ValueError
        box = base64.b64decode(cast("dict[str, Any]", value)["sealed"], validate=True)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; `stallmark kit tag-keys` writes it at the desk"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise ConfigError(f"{path} is not a desk's tag keys: `stallmark kit tag-keys` writes them") from None
    try:
        plain = SealedBox(enrolled.sealing_key(seal_key)).decrypt(box)
    except (CryptoError, ValueError):
        raise ConfigError(
            f"{path} is sealed for another controller: give `stallmark kit tag-keys` the --sealing that "
            "`stallmark fleet tag-keys` shows here"
        ) from None
    try:
        found = cbor.decode(plain)
        parts = [found[number] for number in (1, 2, 3, 4)]
        if found[0] != 1 or [len(part) for part in parts] != [8, 16, 16, 16]:
            raise ValueError
    except (FormatError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{path} holds no tag keys of this form: write it anew at the desk") from None
    return bytes(parts[0]), b"".join(bytes(part) for part in parts[1:])


def etag(keys: RecordKeys, bricks: Sequence[bytes], held: EventKeys) -> str:
    """Changes with the keys, with the bricks, and with a brick's root; tells nothing of a key."""
    told = held.event + held.version.to_bytes(8, "big") + held.taken_ms.to_bytes(8, "big")
    told += b"".join(brick + keys.first_epoch(brick).to_bytes(8, "big") for brick in bricks)
    return f'"{sha256(told).hexdigest()[:16]}"'


def sealed(keys: RecordKeys, bricks: Sequence[bytes], held: EventKeys) -> list[Sealed]:
    """Message 47 for each brick."""
    return [Sealed(brick, *keys.tag_keys(brick, held.version, held.event, held.keys)) for brick in bricks]
