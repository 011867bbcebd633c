"""Application packs as the fleet sees them: what a brick's boot record will say of one. docs/formats/pack.md"""

from __future__ import annotations

from hashlib import sha256

from fleet.core import FormatError

MAGIC = b"SMPK\x01\x00"
HEADER = 48


def digest(pack: bytes) -> bytes:
    """The digest32 by which a brick reports this pack, of its bytes. Raises FormatError where they are no whole pack."""
    if len(pack) <= HEADER or pack[:6] != MAGIC:
        raise FormatError("no application pack: expected one of `stallmark fleet release application`")
    if int.from_bytes(pack[8:12], "big") != len(pack):
        raise FormatError(
            f"an application pack of {len(pack)} bytes that says {int.from_bytes(pack[8:12], 'big')}"
        )
    found = pack[16:HEADER]
    if sha256(pack[HEADER:]).digest() != found:
        raise FormatError("the pack's content is not the one of its digest: build it again")
    return found
