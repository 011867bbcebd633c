"""Keys of private parts: kept sealed, apart from what they open, so that erasing a person is destroying
one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select

from fleet.db import tables
from fleet.db.engine import Database
from fleet.errors import Refused
from fleet.keys import Seal


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """One key, of an event and perhaps a subject. Never printed."""

    id: bytes  # 16
    event: bytes  # 8
    subject: bytes | None  # 8
    key: bytes  # 32


class PrivateKeys:
    """The table of them."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    def add(self, host: bytes, keys: Sequence[PrivateKey], now_ms: int) -> int:
        """Stores keys that are new, durably; returns how many. Raises Refused 409 where an id comes with
        another key than before: then nothing is stored."""
        table = tables.private_keys
        added = 0
        with self._database.write() as connection:
            for key in keys:
                row = connection.execute(select(table.c.sealed).where(table.c.id == key.id)).one_or_none()
                if row is None:
                    connection.execute(
                        insert(table).values(
                            id=key.id,
                            host=host,
                            event=key.event,
                            subject=key.subject,
                            sealed=self._seal.close(key.key),
                            received_ms=now_ms,
                        )
                    )
                    added += 1
                elif self._seal.open(row.sealed, "a private-part key") != key.key:
                    raise Refused(409, f"key {key.id.hex()} is known with other bytes")
        return added
