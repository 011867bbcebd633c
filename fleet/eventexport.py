"""The events behind a controller's records, as a stream that `stallmark rules replay` reads. docs/rule-library.md"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import Any

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as open_xchacha
from nacl.exceptions import CryptoError
from sqlalchemy import Connection, create_engine, func, select
from stallmark import eventof as _eventof

from fleet import enrolled
from fleet.authoring.recorded import FORMAT, LANE, Source, to_line
from fleet.config import Config
from fleet.core import Fields, batch, cbor, leaf, receipt, record, reg
from fleet.db import tables
from fleet.db.engine import read_only
from fleet.ingest import read_record
from fleet.keys import Seal

eventof: Any = _eventof
PAGE = 500
BATCHES = 16  # private sections kept open: the bricks of a kit stand in the same ones
_receipts, _leaves, _batches, _keys = tables.receipts, tables.leaves, tables.batches, tables.private_keys


@dataclass(frozen=True, slots=True)
class Exported:
    """What a stream holds. `records`: of all kinds, that were looked at; `training`: left out; `unopened`: events whose
    private part has no key here, so that neither person nor basket is known."""

    events: int
    records: int
    training: int
    unopened: int


def write(
    config: Config, out: Path, progress: Callable[[int, int], None] = lambda done, of: None
) -> Exported:
    """Writes the events of every kit, for its owner alone; works beside a running controller. `progress` hears (records
    done, of). Bricks of the configuration and of benches; receipts with findings and repeats are left out.

    Events of one kit are in order of time, kits one after another. Raises ConfigError where the seal key is another one,
    SQLAlchemyError, OSError."""
    engine = (
        read_only(config.database) if isinstance(config.database, Path) else create_engine(config.database)
    )
    events = records = training = unopened = 0
    with engine.connect() as connection:
        bricks = enrolled.merged(connection, config).bricks
        total = connection.execute(select(func.count()).select_from(_receipts)).scalar_one()
        private = _Private(connection, Seal(config.secrets.seal_key))
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f'{{"format": "{FORMAT}", "start_ms": null}}\n')
            for kit in config.kits:
                mine = [_Brick(one.brick, connection, private) for one in bricks if one.kit == kit.kit]
                lane = None
                for _, brick, event in merge(*mine, key=lambda one: one[0]):
                    if brick.lane and lane is None:
                        lane = brick
                    name = LANE if brick is lane else brick.name
                    file.write(to_line(Source(config.name, kit.kit.hex(), name), event) + "\n")
                    events += 1
                    if not events % PAGE:
                        progress(records + sum(one.records for one in mine), total)
                records += sum(one.records for one in mine)
                training += sum(one.events.training for one in mine)
                unopened += sum(one.events.unopened for one in mine)
    engine.dispose()
    progress(total, total)
    return Exported(events, records, training, unopened)


class _Brick:
    """The events of one brick: (an instant that never goes back, itself, Event)."""

    def __init__(self, brick: bytes, connection: Connection, private: _Private) -> None:
        self._brick, self._connection, self._private = brick, connection, private
        self.name = brick.hex()
        self.lane = False
        self.events = eventof.Events()
        self.records = 0

    def __iter__(self) -> Iterator[tuple[int, _Brick, Any]]:
        latest = seq = 0
        while page := self._page(seq):
            for row in page:
                seq = row.seq
                self.records += 1
                fields = read_record(receipt.parse(leaf.parse(row.entry)[1]).fields[1])
                if fields is None:
                    continue
                opened = (
                    self._private.of(row.host, row.position, self._brick, fields) if 17 in fields else None
                )
                event = self.events.take(fields, opened)
                if event is not None:
                    self.lane = self.lane or bool(fields[0] & reg.FLAG_GATEWAY)
                    latest = max(latest, event.wall_ms or 0)
                    yield latest, self, event._replace(uptime_ms=None, boot=None, seq=None)

    def _page(self, seq: int) -> list[Any]:
        wanted = (
            select(_receipts.c.position, _receipts.c.host, _receipts.c.seq, _leaves.c.entry)
            .join(_leaves, _leaves.c.position == _receipts.c.position)
            .where(_receipts.c.brick == self._brick, _receipts.c.seq > seq)
            .where(_receipts.c.findings == 0, _receipts.c.duplicate_of.is_(None))
            .order_by(_receipts.c.seq)
            .limit(PAGE)
        )
        return list(self._connection.execute(wanted).all())


class _Private:
    """Private parts out of batches' sealed sections, with the keys that hosts posted."""

    def __init__(self, connection: Connection, seal: Seal) -> None:
        self._connection, self._seal = connection, seal
        self._sections: OrderedDict[tuple[bytes, int], tuple[int, dict[tuple[bytes, int], list[Any]]]] = (
            OrderedDict()
        )
        self._opened: dict[bytes, bytes | None] = {}

    def of(self, host: bytes, position: int, brick: bytes, fields: Fields) -> Fields | None:
        """The private fields of a record, None where they cannot be opened."""
        entry = self._section(host, position).get((brick, fields[2]))
        if entry is None or entry[2] != reg.AEAD_XCHACHA:
            return None
        key = self._key(entry[3])
        if key is None:
            return None
        try:
            plain = open_xchacha(entry[5], batch.private_aad(brick, fields[2]), entry[4], key)
        except CryptoError:
            return None
        if record.commit(plain) != fields[17]:
            return None
        found: Fields = cbor.decode(plain)
        return found

    def _section(self, host: bytes, position: int) -> dict[tuple[bytes, int], list[Any]]:
        for (owner, first), (end, section) in self._sections.items():
            if owner == host and first <= position < end:
                return section
        row = self._connection.execute(
            select(_batches.c.first_index, _batches.c.count, _batches.c.private)
            .where(_batches.c.host == host, _batches.c.first_index <= position)
            .order_by(_batches.c.first_index.desc())
            .limit(1)
        ).one()
        entries: list[list[Any]] = cbor.decode(row.private, max_items=7 * batch.MAX_PRIVATE + 8)
        section = {(entry[0], entry[1]): entry for entry in entries}
        self._sections[host, row.first_index] = row.first_index + row.count, section
        if len(self._sections) > BATCHES:
            self._sections.popitem(last=False)
        return section

    def _key(self, key_id: bytes) -> bytes | None:
        if key_id not in self._opened:
            row = self._connection.execute(select(_keys.c.sealed).where(_keys.c.id == key_id)).one_or_none()
            self._opened[key_id] = None if row is None else self._seal.open(row.sealed, "a private-part key")
        return self._opened[key_id]
