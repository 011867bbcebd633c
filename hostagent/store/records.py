"""Records read back from the store's receipts, with private parts from sealed batches: to rebuild a state."""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as open_xchacha
from nacl.exceptions import CryptoError

from hostagent.core import Fields, FormatError, batch, cbor, receipt, record, reg
from hostagent.store.database import Sql
from hostagent.store.store import Store


class Stored(NamedTuple):
    """A stored record. `record`: a stallmark.record.Record; `receipt16`: its receipt's short name;
    `reference`: the till's own, or None."""

    host_seq: int
    brick: bytes
    record: Any
    receipt16: bytes
    reference: str | None


class Records:
    """Reads records; each call is one query on the reading connection."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, brick: bytes, seqs: tuple[int, int] = (1, 0xFFFFFFFF)) -> "Future[list[Stored]]":
        """The records of a brick from one seq to another, in order. Those whose private part cannot be read any
        more (its key was erased) come without one."""

        def query(sql: Sql) -> list[Stored]:
            rows = sql.execute(
                "SELECT host_seq, brick8, cose, private FROM (SELECT r.*, b.brick AS brick8 FROM receipts r "
                "JOIN bricks b ON b.number = r.brick WHERE b.brick = ? AND r.seq BETWEEN ? AND ?) ORDER BY seq",
                (brick, *seqs),
            ).fetchall()
            return list(_read(sql, rows))

        return self._store.read(query)

    def since(self, ms: int) -> "Future[list[Stored]]":
        """Every brick's records that came at host time `ms` or later, in order of arrival."""

        def query(sql: Sql) -> list[Stored]:
            rows = sql.execute(
                "SELECT host_seq, b.brick, cose, private FROM receipts r JOIN bricks b ON b.number = r.brick "
                "WHERE r.ms >= ? ORDER BY host_seq",
                (ms,),
            ).fetchall()
            return list(_read(sql, rows))

        return self._store.read(query)

    def page(self, after: int, limit: int) -> "Future[list[Stored]]":
        """The first `limit` records behind a host seq, every brick's, in order of arrival."""

        return self._store.read(lambda sql: page(sql, after, limit))

    def held_by(self, holder16: bytes) -> "Future[Stored | None]":
        """The record whose look-up handle hashes to `holder16`; looks through all receipts."""

        def query(sql: Sql) -> Stored | None:
            rows = sql.execute(
                "SELECT host_seq, b.brick, cose, private FROM receipts r JOIN bricks b ON b.number = r.brick "
                "WHERE instr(cose, ?) ORDER BY host_seq",
                (b"\x0b\x50" + holder16,),
            ).fetchall()
            for found in _read(sql, rows):
                if receipt.parse(_cose(rows, found.host_seq)).fields[11] == holder16:
                    return found
            return None

        return self._store.read(query)


def page(sql: Sql, after: int, limit: int) -> list[Stored]:
    """The first `limit` records behind a host seq, every brick's, in order; for a connection of the caller's own."""
    rows = sql.execute(
        "SELECT host_seq, b.brick, cose, private FROM receipts r JOIN bricks b ON b.number = r.brick "
        "WHERE r.host_seq > ? ORDER BY host_seq LIMIT ?",
        (after, limit),
    ).fetchall()
    return list(_read(sql, rows))


def after(sql: Sql, brick: bytes, seq: int, limit: int) -> list[Stored]:
    """The first `limit` records of a brick behind a seq, in order; for a connection of the caller's own."""
    rows = sql.execute(
        "SELECT host_seq, b.brick, cose, private FROM receipts r JOIN bricks b ON b.number = r.brick "
        "WHERE b.brick = ? AND r.seq > ? ORDER BY r.seq LIMIT ?",
        (brick, seq, limit),
    ).fetchall()
    return list(_read(sql, rows))


def _cose(rows: list[tuple[Any, ...]], host_seq: int) -> bytes:
    return next(row[2] for row in rows if row[0] == host_seq)


def _read(sql: Sql, rows: list[tuple[Any, ...]]) -> Iterator[Stored]:
    sealed = _sealed(sql, rows)
    for host_seq, brick, cose, private in rows:
        fields: Fields = receipt.parse(cose).fields
        public: bytes = fields[1]
        head: Fields = cbor.decode(public)
        plain = private or sealed.get((brick, head[2])) or b""
        if plain and record.commit(plain) != head.get(17):
            plain = b""
        made = record.Record(head[2], public, fields[2], plain, head)
        yield Stored(host_seq, brick, made, receipt.short(cose), fields.get(14))


def _sealed(sql: Sql, rows: list[tuple[Any, ...]]) -> dict[tuple[bytes, int], bytes]:
    """Private parts of these rows that stand only in closed batches, by brick and seq."""
    wanted = [row[0] for row in rows if row[3] is None]
    if not wanted:
        return {}
    keys: dict[bytes, bytes] = dict(sql.execute("SELECT id, key FROM private_keys").fetchall())
    found: dict[tuple[bytes, int], bytes] = {}
    done = 0
    for host_seq in wanted:
        if host_seq <= done:
            continue
        row = sql.execute(
            "SELECT last_seq, sealed FROM batches WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1",
            (host_seq,),
        ).fetchone()
        if row is None or row[0] < host_seq:
            continue
        done = row[0]
        for brick, seq, algorithm, key_id, nonce, text in cbor.decode(
            row[1], max_items=7 * batch.MAX_RECEIPTS + 8
        ):
            key = keys.get(key_id)
            if key is None or algorithm != reg.AEAD_XCHACHA:
                continue
            try:
                found[brick, seq] = open_xchacha(text, batch.private_aad(brick, seq), nonce, key)
            except (CryptoError, FormatError):
                continue
    return found
