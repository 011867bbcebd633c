"""Reading the NDEF message of a Type 2 tag, only as many pages as its length says (NFC Forum T2T §2.3)."""

from stallmark.constant import const

from brick.errors import Damaged

_READ = const(0x30)  # four pages of four bytes from the given page on
_FIRST_PAGE = const(4)
_STEP = const(16)
MAX_BYTES = const(144)  # what is read at most: the user memory of an NTAG213

_TLV_NULL = const(0x00)
_TLV_NDEF = const(0x03)
_TLV_END = const(0xFE)


def locate(data):
    """Where the NDEF message lies in `data` (the user memory read so far).

    (start, length) once its length field is known, None if there is no message within MAX_BYTES, or, as a
    plain int, the number of bytes needed to say more.
    """
    at = 0
    while at < MAX_BYTES:
        if at >= len(data):
            return at + 1
        kind = data[at]
        if kind == _TLV_NULL:
            at += 1
            continue
        if kind == _TLV_END:
            return None
        if at + 1 >= len(data):
            return at + 2
        length, start = data[at + 1], at + 2
        if length == 0xFF:
            if at + 3 >= len(data):
                return at + 4
            length, start = data[at + 2] << 8 | data[at + 3], at + 4
        if kind == _TLV_NDEF:
            return (start, length) if 0 < length and start + length <= MAX_BYTES else None
        at = start + length
    return None


async def read_ndef(exchange):
    """The NDEF message, or None if the tag has none that matters; PartError if the tag does not answer.

    `exchange(bytes) -> bytes` talks to the selected tag. A tag whose first pages are blank costs one read.
    """
    data = b""
    needed = _STEP
    while True:
        while len(data) < needed:
            answer = await exchange(bytes((_READ, _FIRST_PAGE + len(data) // 4)))
            if len(answer) != _STEP:
                raise Damaged("a page read gave %d bytes" % len(answer))
            data += answer
        found = locate(data)
        if found is None or (isinstance(found, int) and not any(data)):
            return None
        if isinstance(found, int):
            needed = found
            continue
        start, length = found
        if len(data) >= start + length:
            return data[start : start + length]
        needed = start + length
