"""Closing a batch: which receipts go in, the signed header, private parts sealed (docs/formats/batch.md)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as seal_xchacha

from hostagent.core import Fields, batch, cbor, receipt, reg
from hostagent.store.outbox import Closed, StoredKey
from hostagent.store.receipts import Row

# A private entry beside its ciphertext's plaintext: brick, seq, algorithm, key id, nonce, tag, heads.
PRIVATE_OVERHEAD = 90
WINDOW_MS: int = receipt.WINDOW_MS
MAX_RECEIPTS: int = batch.MAX_RECEIPTS
MAX_BYTES: int = batch.MAX_CLOSE_BYTES
# Field 21 of a public part as it is encoded: key 21, 16 bytes. Most records have none and are not looked into.
EVIDENCE_KEY = b"\x15\x50"


class Losses(NamedTuple):
    """How many records this host has ever missed and kept aside: field 9 of the header."""

    lost: int
    quarantined: int


def cut(rows: Sequence[Row]) -> list[Row]:
    """The first rows, as many as one batch takes: at most 256, 256 KiB, and of one window of host time."""
    taken: list[Row] = []
    size = 0
    for row in rows[:MAX_RECEIPTS]:
        size += len(row.cose) + (len(row.private) + PRIVATE_OVERHEAD if row.private else 0)
        if taken and (size > MAX_BYTES or row.ms // WINDOW_MS != taken[0].ms // WINDOW_MS):
            break
        taken.append(row)
    return taken


def subject_of(private: bytes) -> bytes:
    """The pseudonym in a private part; empty where it has none."""
    fields: Fields = cbor.decode(private)
    subject = fields.get(1)
    return subject if type(subject) is bytes else b""


def new_key(event: bytes, subject: bytes) -> StoredKey:
    """A fresh key for the private parts of one event and subject."""
    return StoredKey(event, subject, os.urandom(16), os.urandom(32))


def close(
    rows: Sequence[Row],
    bricks: dict[int, bytes],
    keys: dict[bytes, StoredKey],
    number: int,
    prev: bytes,
    host: bytes,
    kid: bytes,
    now_ms: int,
    losses: Losses,
    sign: Callable[[bytes], bytes],
) -> Closed:
    """The batch of these rows. `bricks`: row number → brick8; `keys`: by subject of the private parts."""
    sealed: list[Any] = []
    for row in rows:
        if row.private:
            brick = bricks[row.brick]
            key = keys[subject_of(row.private)]
            nonce = os.urandom(24)
            aad: bytes = batch.private_aad(brick, row.seq)
            text = seal_xchacha(row.private, aad, nonce, key.key)
            sealed.append([brick, row.seq, reg.AEAD_XCHACHA, key.id, nonce, text])
    first = receipt.parse(rows[0].cose).fields
    header = {
        0: 1,
        1: host,
        2: number,
        3: prev,
        4: batch.root([row.cose for row in rows]),
        5: len(rows),
        6: rows[0].host_seq,
        7: first[7],
        8: now_ms,
        9: {key: value for key, value in enumerate(losses) if value},
    }
    payload: bytes = batch.encode_header_payload(header)
    protected: bytes = receipt.protected(kid)
    signature = sign(receipt.to_be_signed(protected, payload))
    cose: bytes = receipt.assemble(protected, payload, signature)
    return Closed(number, rows[0].host_seq, rows[-1].host_seq, now_ms, cose, cbor.encode(sealed))


def body(closed: Closed, rows: Sequence[Row], evidence: Sequence[bytes] = ()) -> bytes:
    """The body to post: the same bytes every time."""
    sealed: list[Any] = cbor.decode(closed.sealed, max_items=7 * MAX_RECEIPTS + 8)
    data: bytes = batch.body(closed.header, [row.cose for row in rows], list(evidence), sealed)
    return data


class Named(NamedTuple):
    """Lists of heads that records of a batch name in field 21, by digest; the last that each brick (row number) names."""

    lists: dict[bytes, bytes]
    newest: dict[int, bytes]


def named(rows: Sequence[Row], find: Callable[[bytes], bytes | None]) -> Named:
    """What these rows name and `find` knows. A batch takes as many lists as receipts."""
    found = Named({}, {})
    for row in rows:
        if EVIDENCE_KEY not in row.cose:
            continue
        public: Fields = cbor.decode(receipt.parse(row.cose).fields[1])
        digest = public.get(21)
        if type(digest) is bytes:
            heads = find(digest)
            if heads is not None:
                found.lists[digest] = heads
                found.newest[row.brick] = digest
    return found


def link(closed: Closed) -> bytes:
    """prev32 of the batch after this one."""
    prev: bytes = batch.link(closed.header)
    return prev
