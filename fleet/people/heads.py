"""The audit log's head, noted beside the ledger: a signed note in a file of its own, so that a log that was cut off or written
anew in the database shows. No leaf of the ledger: it has no type for it (docs/formats/registry.md).

The note (C2SP signed-note) is by the ledger's own key under the name ORIGIN/audit:
  ORIGIN/audit
  number of the last line
  its hash, base64
  at INSTANT (the machine's clock, ms)
  ledger SIZE ROOT (base64): what was published then
Beside the ledger folder LEDGER: LEDGER.audit is the newest, LEDGER.audit-lost keeps heads that the log no longer reaches."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fleet import durable
from fleet.config import Config
from fleet.errors import ConfigError, NoteError
from fleet.ledger.note import Signer, Verifier, open_note, sign
from fleet.people import audit
from fleet.people.actors import Actor

if TYPE_CHECKING:
    from fleet.controller import Controller

LOOK_S = 10.0
MAX_NOTE = 2048
MAX_LOST = 64 << 10
CONTROLLER = Actor("controller", how="controller")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """A head as it was noted: the number of the last line, its hash in hex, when (machine's clock, ms)."""

    number: int
    hash: str
    at_ms: int


def signer(config: Config) -> Signer:
    """Who signs heads."""
    return Signer(f"{config.origin}/audit", config.secrets.checkpoint_seed)


def path_of(config: Config) -> Path:
    """Where the newest stands."""
    return config.ledger.with_name(config.ledger.name + ".audit")


def lost_of(config: Config) -> Path:
    """Where heads stand that the log does not reach any more."""
    return config.ledger.with_name(config.ledger.name + ".audit-lost")


def made(by: Signer, head: Head, size: int, root: bytes) -> bytes:
    """A note."""
    digest = base64.b64encode(bytes.fromhex(head.hash)).decode()
    ledger = f"ledger {size} {base64.b64encode(root).decode()}"
    return sign(f"{by.name}\n{head.number}\n{digest}\nat {head.at_ms}\n{ledger}\n", [by])


def opened(data: bytes, key: Verifier) -> Head:
    """A note, checked. Raises NoteError."""
    if len(data) > MAX_NOTE:
        raise NoteError(f"a note of an audit log's head has at most {MAX_NOTE} bytes")
    lines = open_note(data, [key]).text.split("\n")
    try:
        digest = base64.b64decode(lines[2], validate=True)
        number, at = int(lines[1]), lines[3].removeprefix("at ")
        if lines[0] != key.name or len(digest) != 32 or number < 0:
            raise ValueError
        return Head(number, digest.hex(), int(at))
    except (IndexError, ValueError, binascii.Error):
        raise NoteError("this is no note of an audit log's head") from None


def noted(config: Config) -> Head | None:
    """The newest head that was noted; None before the first. Raises ConfigError where the file is not ours."""
    path = path_of(config)
    try:
        return opened(path.read_bytes(), signer(config).verifier)
    except FileNotFoundError:
        return None
    except (OSError, NoteError) as failed:
        raise ConfigError(f"{path} is no head of this controller's log: {failed}") from None


def missing(connection: Connection, head: Head | None) -> str:
    """Why a noted head is not in the log; empty where it is, or where none was noted."""
    if head is None or head.number == 0:
        return ""
    found = audit.page(connection, head.number - 1, 1)
    if not found or found[0]["n"] != head.number:
        return f"the end was cut off: entry {head.number} was noted, the last one here is {audit.head(connection)[0]}"
    if found[0]["hash"] != head.hash:
        return f"entry {head.number} is another than the one that was noted: written anew"
    return ""


class Heads:
    """The running controller's part: notes the head when it moved."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._last: Head | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except (OSError, SQLAlchemyError, ConfigError) as failed:
                logger.error("the audit log's head was not noted: %s", failed)
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Notes the head if it moved. Where the log does not reach what was noted (a database of yesterday, or somebody's
        work) that note is kept as lost, a line says so, and it goes on. Raises OSError, SQLAlchemyError, ConfigError."""
        config = self._controller.config
        before = noted(config) if self._last is None else self._last
        with self._controller.database.read() as connection:
            number, digest = audit.head(connection)
            why = missing(connection, before)
        if before is not None and not why and number == before.number:
            self._last = before
            return
        if before is not None and why:
            logger.error("audit log: %s. The note is kept in %s", why, lost_of(config))
            _keep(lost_of(config), path_of(config).read_bytes())
            with self._controller.database.write() as connection:
                after = {"noted": f"{before.number}:{before.hash}", "why": why}
                number, digest = audit.record(
                    connection, CONTROLLER, "audit.lost", "audit log", None, after, audit.wall_ms()
                )
        published = self._controller.log.published
        head = Head(number, digest, audit.wall_ms())
        durable.write(path_of(config), made(signer(config), head, published.size, published.root))
        self._last = head


def lost(config: Config) -> int:
    """How many heads the log once had and does not reach any more."""
    try:
        return lost_of(config).read_bytes().count(b"\nledger ")
    except OSError:
        return 0


def _keep(path: Path, data: bytes) -> None:
    """Behind what is kept already; durable on return. Raises OSError."""
    if path.exists() and path.stat().st_size > MAX_LOST:
        return
    with path.open("ab") as out:
        out.write(data + b"\n")
        out.flush()
        os.fsync(out.fileno())
    durable.sync_folder(path.parent)
