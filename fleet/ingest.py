"""A batch as it arrives, checked in full: pure, over its bytes, the host's key and where the host stands.

What the host answers for (form, signatures, its own numbers and chains) is right or the batch is refused.
What a brick answers for is judged record by record in `fleet.chains` and never keeps a batch out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from fleet import signatures
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

    def unjudge(self) -> None:
        """As if fleet.chains had not seen it yet."""
        self.link, self.findings, self.duplicate_of, self.duplicate_at = ZERO16, 0, None, None


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
    if not signatures.good(_signed(parsed.head), host.public):
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
    messages: list[bytes] = []
    prev = state.prev_receipt
    for number, cose in enumerate(parsed.receipts):
        taken, message = _receipt(cose, host, state.host_seq + 1 + number, prev)
        prev = receipt.short(cose)
        receipts.append(taken)
        messages.append(message)
    bad = signatures.first_bad(messages, host.public)
    if bad is not None:
        raise Refused(422, f"the signature of receipt {receipts[bad].host_seq} is wrong")
    bricks = dict.fromkeys(taken.record[1] for taken in receipts if taken.record is not None)
    after = HostState(head[2], batch.link(parsed.header), state.host_seq + len(receipts), prev)
    # The private section is the last of the body's four parts, and CBOR here has one form: what is left over.
    before = 1 + _size(parsed.header) + _sizes(parsed.receipts) + _sizes(parsed.evidence)
    return Checked(parsed.header, head, receipts, parsed.evidence, body[before:], after, tuple(bricks))


def _signed(sign1: Any) -> bytes:
    """Signature and message of a parsed COSE_Sign1 (stallmark.cose.Sign1)."""
    message: bytes = receipt.to_be_signed(sign1.protected, sign1.payload)
    return sign1.signature + message


def _receipt(cose: bytes, host: Host, host_seq: int, prev: bytes) -> tuple[Taken, bytes]:
    """A receipt and what its signature is to be verified over; everything else about it is checked."""
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
    entry = bytes((reg.LEAF_RECEIPT,)) + cose
    public: bytes = fields[1]
    record = read_record(public)
    taken = Taken(
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
    return taken, _signed(parsed)


def _head(count: int) -> int:
    """Bytes of a CBOR head with this argument."""
    return 1 if count < 24 else 2 if count < 0x100 else 3 if count < 0x10000 else 5


def _size(data: bytes) -> int:
    return _head(len(data)) + len(data)


def _sizes(items: list[bytes]) -> int:
    return _head(len(items)) + sum(map(_size, items))


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
