"""Messages inside sealed frames: kind, id and one CBOR value (docs/formats/link.md)."""

from stallmark import cbor
from stallmark.constant import const
from stallmark.errors import FormatError, LimitError

MAX_CBOR = const(475)


def encode(kind, id, value):
    """The plaintext. LimitError where value takes over 475 bytes, FormatError where it has no CBOR form."""
    data = cbor.encode(value)
    if len(data) > MAX_CBOR:
        raise LimitError("message of {} bytes, at most 475".format(len(data)))
    return bytes((kind, id >> 8, id & 0xFF)) + data


def decode(plaintext):
    """(kind, id, value). FormatError or LimitError; a kind that is not known is the reader's business."""
    if len(plaintext) < 4:
        raise FormatError("message of {} bytes".format(len(plaintext)))
    if len(plaintext) > MAX_CBOR + 3:
        raise LimitError("message of {} bytes".format(len(plaintext)))
    return plaintext[0], plaintext[1] << 8 | plaintext[2], cbor.decode(plaintext[3:])
