"""Compact roots: what a brick knows of keys, made and signed together with the TUF root of the same number.

Form and checks are the core's (docs/formats/directive.md); here is only the making."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fleet.core import bundle, cbor
from fleet.trust.errors import DraftError
from fleet.trust.keyset import Holder, KeySet

TYPE = "application/vnd.stallmark.root+cbor"
MAX_BYTES = 4096


def payload(keys: KeySet, version: int, issued_ms: int, expires_ms: int) -> bytes:
    """Payload bytes of compact root `version`."""
    data: bytes = cbor.encode(
        {
            0: 1,
            1: version,
            2: issued_ms,
            3: expires_ms,
            4: _pairs(keys.root),
            5: keys.root_threshold,
            6: _pairs(keys.directors),
            7: 1,
            8: _pairs(keys.authors),
            9: keys.author_threshold,
        }
    )
    return data


def fields(data: bytes) -> dict[int, Any]:
    """The payload's map. Raises DraftError."""
    try:
        found: Any = cbor.decode(data)
        if found[0] != 1:
            raise ValueError
    except (ValueError, KeyError, TypeError, IndexError):
        raise DraftError("the compact root is not one that this program reads") from None
    return found


def message(data: bytes) -> bytes:
    """What is signed: DSSE pre-authentication encoding of the payload."""
    signed: bytes = bundle.pae(TYPE, data)
    return signed


def envelope(data: bytes, signatures: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Envelope bytes; signatures as (kid8, 64 bytes), at most four."""
    made: bytes = bundle.envelope(TYPE, data, signatures)
    return made


def _pairs(holders: Iterable[Holder]) -> list[list[bytes]]:
    return [[one.kid, one.public] for one in holders]
