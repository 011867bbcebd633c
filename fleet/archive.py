"""The reading side: `fleet.public.PublicStore` over database and ledger. Thread-safe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select

from fleet import campaigns, publickeys, rights
from fleet.campaigns import Campaigns
from fleet.clock import Clock
from fleet.config import Config
from fleet.core import Fields, leaf, receipt, reg, word
from fleet.counts import Counts, kind_word
from fleet.db import tables
from fleet.db.engine import Database
from fleet.ingest import read_record
from fleet.ledger.log import Log
from fleet.ledger.proof import write_proof
from fleet.live import Live
from fleet.public import Disclosure, LiveEvent, PublicReceipt, ReversedBy

MAX_RECENT = 200

receipts, leaves = tables.receipts, tables.leaves


class Archive:
    """Implements PublicStore; see there for what each method promises."""

    def __init__(
        self,
        database: Database,
        log: Log,
        config: Config,
        clock: Clock,
        campaigns: Campaigns,
        counts: Counts,
        live: Live,
    ) -> None:
        self._database = database
        self._log = log
        self._config = config
        self._clock = clock
        self._campaigns = campaigns
        self._counts = counts
        self._live = live

    # --- PublicStore

    def receipt_by_handle(self, h16: bytes) -> PublicReceipt | None:
        """The first receipt whose holder field is the digest of this handle."""
        holder = sha256(h16).digest()[:16]
        checkpoint, note = self._log.head
        with self._database.read() as connection:
            row = connection.execute(
                _with_entry().where(receipts.c.holder == holder).order_by(receipts.c.position).limit(1)
            ).one_or_none()
            if row is None:
                return None
            reversals = self._reversals(connection, row, checkpoint.size)
        return PublicReceipt(
            cose=row.entry[1:],
            index=row.position,
            received_ms=row.received_ms,
            ledger_size=checkpoint.size,
            proof=self._proof(row.position, checkpoint.size, note),
            reversed_by=reversals,
            findings=[name for code, name in reg.FINDING_NAMES if row.findings >> code & 1],
            duplicate_of=row.duplicate_of,
        )

    def checkpoint(self) -> bytes:
        """The published checkpoint."""
        return self._log.note

    def keys(self) -> dict[str, Any]:
        """The public keys file."""
        return publickeys.public_file(self._config, self._log.verifier)

    def terms(self, hex16: str) -> str | None:
        """Looks through the terms folder; there are few."""
        for path in sorted(self._config.terms.glob("*")) if self._config.terms.is_dir() else ():
            data = path.read_bytes() if path.is_file() else b""
            if sha256(data).hexdigest()[:32] == hex16:
                return data.decode(errors="replace")
        return None

    def recent(self, n: int) -> list[LiveEvent]:
        """The newest published receipts, newest first."""
        self._campaigns.refresh()
        query = _with_entry().where(receipts.c.position < self._log.published.size)
        with self._database.read() as connection:
            rows = connection.execute(
                query.order_by(receipts.c.position.desc()).limit(min(n, MAX_RECENT))
            ).all()
        return [self._event(row) for row in rows]

    def subscribe(self) -> AsyncIterator[LiveEvent]:
        """Every receipt from now on."""
        return self._live.subscribe()

    def disclosed(self, brick8: bytes, epoch: int) -> tuple[bytes, int] | None:
        """The key in the disclosure leaf, and the tree size that it names."""
        found = self._disclosure_leaf(brick8, epoch)
        if found is None:
            return None
        fields: Fields = leaf.decode_disclosure(found[1][1:])
        return fields[3], fields[5]

    def disclosure(self, brick8: bytes, epoch: int) -> Disclosure | None:
        """The disclosure leaf with its proof."""
        checkpoint, note = self._log.head
        found = self._disclosure_leaf(brick8, epoch)
        proof = None if found is None else self._proof(found[0], checkpoint.size, note)
        if found is None or proof is None:
            return None
        return Disclosure(found[1], found[0], proof)

    def configured(self, config: Config) -> None:
        """A brick was registered: from now on this is the configuration."""
        self._config = config

    def stall(self) -> Mapping[str, Any]:
        """Summary for the live page."""
        checkpoint = self._log.published
        with self._database.read() as connection:
            stored_ms = connection.execute(select(tables.log.c.stored_ms)).scalar_one()
            hosts = {
                row.host: row.last_ms
                for row in connection.execute(select(tables.hosts.c.host, tables.hosts.c.last_ms))
            }
            bricks = connection.execute(
                select(tables.bricks.c.brick, tables.bricks.c.head_seq, tables.bricks.c.last_ms)
            ).all()
        kits = {brick.brick: brick.kit.hex() for brick in self._config.bricks}
        return {
            "name": self._campaigns.market() or self._config.name,
            "development": self._config.development,
            "origin": checkpoint.origin,
            "ledger_size": checkpoint.size,
            "checkpoint_ms": stored_ms,
            "now_ms": self._clock.now_ms(),
            "receipts": self._counts.receipts,
            "kinds": self._counts.by_word(),
            "findings": self._counts.findings,
            "hosts": [
                {"host": host.host.hex(), "name": host.name, "last_ms": hosts.get(host.host)}
                for host in self._config.hosts
            ],
            "bricks": [
                {"brick": b.brick.hex(), "kit": kits.get(b.brick), "seq": b.head_seq, "last_ms": b.last_ms}
                for b in bricks
            ],
            "currency": self._campaigns.currency(),
            "left": rights.left(self._database, self._config, self._clock.now_ms()),
        }

    # --- for the routes of this program

    def leaf_totals(self) -> dict[str, int]:
        """Leaves by the registry's word for their type, published or not."""
        found = totals(self._database)
        return {
            word(reg.LEAF_NAMES, int(name[5:])): n
            for name, n in sorted(found.items())
            if name.startswith("leaf:")
        }

    def events(self, first: int, end: int, limit: int) -> list[LiveEvent]:
        """Receipts with leaves from `first` up to `end`, oldest first; the newest `limit` where there are
        more."""
        self._campaigns.refresh()
        query = _with_entry().where(receipts.c.position >= first, receipts.c.position < end)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(receipts.c.position.desc()).limit(limit)).all()
        return [self._event(row) for row in reversed(rows)]

    def sentence(self, cose: bytes) -> str:
        """What a receipt says, in plain English."""
        record = read_record(receipt.parse(cose).fields[1])
        return "" if record is None else self._campaigns.sentence(record)

    # --- within

    def _event(self, row: Row[Any]) -> LiveEvent:
        return LiveEvent(
            index=row.position,
            brick=row.brick.hex(),
            seq=row.seq,
            kind=kind_word(row.kind),
            sentence=self.sentence(row.entry[1:]),
            outcome=campaigns.outcome(row.kind),
            market_ms=row.market_ms,
            at_ms=row.received_ms,
        )

    def _reversals(self, connection: Connection, row: Row[Any], size: int) -> list[ReversedBy]:
        if row.findings or row.duplicate_of is not None:
            return []
        rows = connection.execute(
            _with_entry()
            .where(
                or_(
                    and_(receipts.c.brick == row.brick, receipts.c.reference == row.seq),
                    receipts.c.takes_back == receipt.short(row.entry[1:]),
                ),
                receipts.c.position < size,
            )
            .order_by(receipts.c.position)
        ).all()
        return [
            ReversedBy(r.position, kind_word(r.kind), r.seq, r.market_ms, r.entry[1:])
            for r in rows
        ]

    def _proof(self, index: int, size: int, note: bytes) -> str | None:
        if index >= size:
            return None
        return write_proof(index, self._log.tree(size).inclusion(index), note)

    def _disclosure_leaf(self, brick: bytes, epoch: int) -> tuple[int, bytes] | None:
        epochs = tables.epochs
        with self._database.read() as connection:
            row = connection.execute(
                select(leaves.c.position, leaves.c.entry)
                .join(epochs, epochs.c.leaf == leaves.c.position)
                .where(
                    epochs.c.brick == brick,
                    epochs.c.epoch == epoch,
                    leaves.c.position < self._log.published.size,
                )
            ).one_or_none()
        return None if row is None else (row.position, row.entry)


def totals(database: Database) -> dict[str, int]:
    """The running totals by name."""
    with database.read() as connection:
        return {row.name: int(row.n) for row in connection.execute(select(tables.totals))}


def _with_entry() -> Select[Any]:
    return select(receipts, leaves.c.entry).join(leaves, leaves.c.position == receipts.c.position)

