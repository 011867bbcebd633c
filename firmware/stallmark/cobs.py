"""Consistent overhead byte stuffing (COBS): no 00 inside, exactly one encoding for each input."""

from stallmark.errors import FormatError

_ZERO = b"\x00"


def encode(data):
    """Stuffed bytes, without the 00 that ends a frame; at most len // 254 + 1 longer."""
    out = bytearray()
    runs = data.split(_ZERO)
    final = len(runs) - 1
    for index, run in enumerate(runs):
        while len(run) >= 254:
            out.append(255)
            out.extend(run[:254])
            run = run[254:]
            if not run and index == final:
                break  # a full last block needs nothing after it
        else:
            out.append(len(run) + 1)
            out.extend(run)
    return bytes(out)


def decode(data):
    """The bytes that encode() made these of. Raises FormatError for anything that it cannot have made."""
    size = len(data)
    if not size:
        raise FormatError("no bytes")
    if _ZERO in data:
        raise FormatError("00 inside a frame")
    out = bytearray()
    at = 0
    code = 0
    while at < size:
        full = code == 255
        code = data[at]
        end = at + code
        if end > size:
            raise FormatError("block of {} bytes ends early".format(code - 1))
        out.extend(data[at + 1 : end])
        if code != 255 and end < size:
            out.append(0)
        elif code == 1 and full:
            raise FormatError("empty block after a full one")
        at = end
    return bytes(out)
