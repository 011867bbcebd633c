"""The decision record: public part, MAC, private part, and the flash page that holds them.

docs/formats/record.md"""

from binascii import crc32
from struct import pack_into, unpack_from

from stallmark import cbor, recordform
from stallmark.constant import const
from stallmark.crypt import hmac, sha256
from stallmark.errors import FormatError, LimitError

PAGE = const(256)
MAX_PAGE = const(512)
MAX_PARTS = const(440)  # P + Q: one sealed frame
MAGIC = const(0x53)
VERSION = const(1)
HEADER = const(12)
MAC = const(16)
OVERHEAD = const(32)  # header, MAC, CRC
ZERO16 = bytes(16)
_FF = b"\xff" * MAX_PAGE


class Record:
    """One record: seq, public, mac and private as bytes. `fields` and `private_fields` are the decoded maps
    (integer keys), made when first asked for; both raise FormatError where a part is not of the form."""

    __slots__ = ("_fields", "_private", "mac", "private", "public", "seq")

    def __init__(self, seq, public, mac, private, fields=None):
        self.seq = seq
        self.public = public
        self.mac = mac
        self.private = private
        self._fields = fields
        self._private = None

    @property
    def fields(self):
        if self._fields is None:
            self._fields = _decode_public(self.public, self.seq)
        return self._fields

    @property
    def private_fields(self):
        """The private map, or None where the record has no private part."""
        if self._private is None and self.private:
            self._private = recordform.check_private(_map(self.private, "private part"))
        return self._private

    def __eq__(self, other):
        return (
            isinstance(other, Record)
            and self.seq == other.seq
            and self.public == other.public
            and self.mac == other.mac
            and self.private == other.private
        )

    def __hash__(self):
        return hash((self.seq, self.mac))

    def __repr__(self):
        return "Record(seq={}, {} + {} bytes)".format(self.seq, len(self.public), len(self.private))


def _map(data, what):
    try:
        return cbor.decode(data)
    except FormatError as error:
        raise FormatError("{}: {}".format(what, error))


def _decode_public(public, seq):
    fields = recordform.check_public(_map(public, "public part"))
    if fields[2] != seq:
        raise FormatError("record {} says {} in its public part".format(seq, fields[2]))
    return fields


def encode_public(fields):
    """Bytes of the public part. Raises FormatError where a known field has another type or is out of
    bounds."""
    recordform.check_public(fields)
    return cbor.encode(fields)


def encode_private(fields):
    """Bytes of the private part. Raises FormatError likewise; a salt is always there."""
    recordform.check_private(fields)
    return cbor.encode(fields)


def commit(private):
    """Commitment to the private part: field 17 of the public part, 16 bytes."""
    return sha256(b"stallmark/private/1\0", private)[:16]


def mac(mk, public):
    """The record's MAC under the record key of its epoch, 16 bytes."""
    return hmac(mk, b"stallmark/record/1\0" + public)[:16]


def link(public, mac):
    """Chain value of a record: prev16 (field 18) of the next one."""
    return sha256(b"stallmark/link/1\0", public, mac)[:16]


def salt(k_only, boot, seq, rand):
    """Salt of a private part, 16 bytes: nobody without K_only can recompute it. `rand` is 16 fresh random
    bytes."""
    return hmac(k_only, boot.to_bytes(4, "big") + seq.to_bytes(4, "big") + rand)[:16]


def page_size(public_size, private_size):
    """256 or 512: the flash pages that a record takes. Raises LimitError over 440 bytes of parts."""
    if public_size + private_size > MAX_PARTS:
        raise LimitError("record of {} + {} bytes: expected at most 440".format(public_size, private_size))
    return PAGE if OVERHEAD + public_size + private_size <= PAGE else MAX_PAGE


def page_into(buffer, seq, public, mac, private):
    """Writes the page image into `buffer` (512 bytes or more); returns its size, 256 or 512."""
    p = len(public)
    q = len(private)
    size = page_size(p, q)
    if len(mac) != MAC:
        raise FormatError("record MAC of {} bytes: expected 16".format(len(mac)))
    pack_into(">BBHHIH", buffer, 0, MAGIC, VERSION, p, q, seq, 0)
    at = HEADER
    buffer[at : at + p] = public
    at += p
    buffer[at : at + MAC] = mac
    at += MAC
    buffer[at : at + q] = private
    at += q
    if at < size - 4:
        buffer[at : size - 4] = memoryview(_FF)[: size - 4 - at]
    pack_into(">I", buffer, size - 4, crc32(memoryview(buffer)[: size - 4]) & 0xFFFFFFFF)
    return size


def page(seq, public, mac, private):
    """The flash image of a record: 256 bytes, or 512 for a large one. Raises LimitError, FormatError."""
    buffer = bytearray(MAX_PAGE)
    size = page_into(buffer, seq, public, mac, private)
    return bytes(memoryview(buffer)[:size])


def stated_size(buffer):
    """256 or 512 as the header of a page says, or 0 where the first 12 bytes are no header."""
    if buffer[0] != MAGIC or buffer[1] != VERSION:
        return 0
    p, q, seq, zero = unpack_from(">HHIH", buffer, 2)
    if p + q > MAX_PARTS or not p or not seq or zero:
        return 0
    return PAGE if OVERHEAD + p + q <= PAGE else MAX_PAGE


def whole(buffer, size):
    """True where the CRC of the page image of `size` bytes at the start of `buffer` is right."""
    return crc32(memoryview(buffer)[: size - 4]) & 0xFFFFFFFF == unpack_from(">I", buffer, size - 4)[0]


def split(buffer):
    """The Record of a page image whose size and CRC have been checked; its maps are decoded when asked
    for."""
    p, q, seq = unpack_from(">HHI", buffer, 2)
    at = HEADER + p
    return Record(
        seq,
        bytes(memoryview(buffer)[HEADER:at]),
        bytes(memoryview(buffer)[at : at + MAC]),
        bytes(memoryview(buffer)[at + MAC : at + MAC + q]),
    )


def parse(data):
    """The Record of a page image of 256 or 512 bytes, everything checked but MAC and chain.

    Raises FormatError: header, CRC, padding, CBOR, fields, or header and public part that disagree."""
    size = stated_size(data) if len(data) >= HEADER else 0
    if not size or size != len(data):
        raise FormatError("record page of {} bytes: no header of version 1 that fits".format(len(data)))
    if not whole(data, size):
        raise FormatError("record page: CRC wrong")
    record = split(data)
    used = HEADER + len(record.public) + MAC + len(record.private)
    if bytes(memoryview(data)[used : size - 4]) != b"\xff" * (size - 4 - used):
        raise FormatError("record page: padding is not FF")
    return from_parts(record.seq, record.public, record.mac, record.private)


def from_parts(seq, public, mac, private):
    """The Record of parts as they travel, checked as the host does: sizes, deterministic CBOR, known fields,
    seq, and the commitment to the private part. MAC and chain are the caller's.

    Raises FormatError with the reason."""
    if not (type(seq) is int and type(public) is bytes and type(mac) is bytes and type(private) is bytes):
        raise FormatError("record parts: expected a number and three byte strings")
    if len(mac) != 16:
        raise FormatError("record MAC of {} bytes: expected 16".format(len(mac)))
    if len(public) + len(private) > 440:
        raise LimitError("record of {} + {} bytes: expected at most 440".format(len(public), len(private)))
    fields = _decode_public(public, seq)
    record = Record(seq, public, mac, private, fields)
    if private:
        # salt and subject alone, the usual private part, is recognised without decoding it
        if not (len(private) == 29 and private[:3] == b"\xa2\x00\x50" and private[19:21] == b"\x01\x48"):
            record.private_fields
        if fields.get(17) != commit(private):
            raise FormatError("record {}: commitment (17) does not fit the private part".format(seq))
    elif 17 in fields:
        raise FormatError("record {}: commitment (17) without a private part".format(seq))
    return record
