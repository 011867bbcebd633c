"""A batch as it arrives, checked in full: pure, over its bytes, the host's key and where the host stands.

What the host answers for (form, signatures, its own numbers and chains) is right or the batch is refused.
What a brick answers for is judged record by record in `fleet.chains` and never keeps a batch out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from fleet.config import Host
from fleet.core import Fields, FormatError, batch, cbor, receipt, recordform, reg
from fleet.errors import Refused

ZERO16 = bytes(16)
ZERO32 = bytes(32)
MAX_BODY: int = batch.MAX_BODY


@dataclass(frozen=True, slots=True)
class HostState:
    """Where a host's chains stand: what its next batch must continue."""

    number: int = 0
    prev: bytes = ZERO32
    host_seq: int = 0
    prev_receipt: bytes = ZERO16


@dataclass(slots=True)
class Taken:
    """One receipt of an accepted batch. `record` is None where its public part is unreadable to this
    program."""

    cose: bytes
    entry: bytes
    hash: bytes
    host_seq: int
    public: bytes
    mac: bytes
    fields: Fields
    record: Fields | None
    market_ms: int
    # filled in by fleet.chains; bit n of findings is finding code n, bit 0 says that nothing proves its brick
    link: bytes = ZERO16
    findings: int = 0
    duplicate_of: int | None = None
    duplicate_at: int | None = None  # the same, as a place in this batch


@dataclass(slots=True)
class Checked:
    """A batch whose host has kept its part."""

    header: bytes
    head: Fields
    receipts: list[Taken]
    evidence: list[bytes]
    private: bytes  # CBOR of the private section, still encrypted
    after: HostState
    bricks: tuple[bytes, ...] = field(default=())  # that its readable records name, in order of appearance


def check(body: bytes, host: Host, state: HostState) -> Checked:
    """Checks a batch by `host`, which stands at `state`.

    Raises Refused: 422 with the reason where form, a signature or the root is wrong, 409 with what was
    expected where number or prev do not continue the host's chain.
    """
    try:
        parsed = batch.parse(body)  # form, count and root32
    except FormatError as error:
        raise Refused(422, str(error)) from None
    head: Fields = parsed.head.fields
    if head[1] != host.host or parsed.head.kid != host.kid:
        raise Refused(422, f"the batch is by host {head[1].hex()}, the token belongs to {host.host.hex()}")
    if not signed(parsed.head, host.public):
        raise Refused(422, "the signature of the batch header is wrong")
    if head[2] != state.number + 1 or head[3] != state.prev:
        raise Refused(
            409,
            f"batch {head[2]} does not follow batch {state.number}",
            expected=state.number + 1,
            prev=state.prev.hex(),
        )
    if head[6] != state.host_seq + 1:
        raise Refused(422, f"the batch begins at host seq {head[6]}, expected {state.host_seq + 1}")
    receipts: list[Taken] = []
    prev = state.prev_receipt
    for number, cose in enumerate(parsed.receipts):
        taken = _receipt(cose, host, state.host_seq + 1 + number, prev)
        prev = receipt.short(cose)
        receipts.append(taken)
    bricks = dict.fromkeys(taken.record[1] for taken in receipts if taken.record is not None)
    after = HostState(head[2], batch.link(parsed.header), state.host_seq + len(receipts), prev)
    private = cbor.encode(parsed.private)
    return Checked(parsed.header, head, receipts, parsed.evidence, private, after, tuple(bricks))


def signed(sign1: Any, public: bytes) -> bool:
    """Whether a parsed COSE_Sign1 (stallmark.cose.Sign1) carries this key's signature."""
    message: bytes = receipt.to_be_signed(sign1.protected, sign1.payload)
    try:
        crypto_sign_open(sign1.signature + message, public)
    except BadSignatureError:
        return False
    return True


def _receipt(cose: bytes, host: Host, host_seq: int, prev: bytes) -> Taken:
    try:
        parsed = receipt.parse(cose)
    except FormatError as error:
        raise Refused(422, f"receipt {host_seq}: {error}") from None
    fields: Fields = parsed.fields
    if fields[3] != host.host or parsed.kid != host.kid:
        raise Refused(422, f"receipt {host_seq} is by host {fields[3].hex()}")
    if fields[4] != host_seq:
        raise Refused(422, f"receipt with host seq {fields[4]} where {host_seq} is next")
    if fields[5] != prev:
        raise Refused(422, f"receipt {host_seq} does not name the receipt before it")
    if not signed(parsed, host.public):
        raise Refused(422, f"the signature of receipt {host_seq} is wrong")
    entry = bytes((reg.LEAF_RECEIPT,)) + cose
    public: bytes = fields[1]
    record = read_record(public)
    return Taken(
        cose,
        entry,
        sha256(b"\0" + entry).digest(),
        host_seq,
        public,
        fields[2],
        fields,
        record,
        market_ms(record, fields),
    )


def read_record(public: bytes) -> Fields | None:
    """The public part of a record, or None where this program cannot read it."""
    try:
        fields: Fields = recordform.check_public(cbor.decode(public))
    except FormatError:
        return None
    return fields


def market_ms(record: Fields | None, fields: Fields) -> int:
    """When it happened, as well as the receipt can say: the brick's clock where the host took that for
    good, else the host's own time."""
    wall: int | None = None if record is None else record[5]
    if wall is not None and fields[8] == reg.BASIS_BRICK:
        return wall
    return fields[6]
