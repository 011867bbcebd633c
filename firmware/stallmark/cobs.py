"""Consistent overhead byte stuffing (COBS): no 00 inside, exactly one encoding for each input."""

from stallmark.errors import FormatError

_ZERO = b"\x00"
_CODE = tuple(bytes((n,)) for n in range(256))


def encode(data):
    """Stuffed bytes, without the 00 that ends a frame; at most len // 254 + 1 longer."""
    out = []
    runs = data.split(_ZERO)
    final = len(runs) - 1
    for index, run in enumerate(runs):
        while len(run) >= 254:
            out.append(b"\xff")
            out.append(run[:254])
            run = run[254:]
            if not run and index == final:
                break  # a full last block needs nothing after it
        else:
            out.append(_CODE[len(run) + 1])
            out.append(run)
    return b"".join(out)


def decode(data):
    """The bytes that encode() made these of. Raises FormatError for anything that it cannot have made."""
    size = len(data)
    if not size:
        raise FormatError("no bytes")
    if _ZERO in data:
        raise FormatError("00 inside a frame")
    out = []
    at = 0
    code = 0
    while at < size:
        full = code == 255
        code = data[at]
        end = at + code
        if end > size:
            raise FormatError("block of {} bytes ends early".format(code - 1))
        out.append(data[at + 1 : end])
        if code != 255 and end < size:
            out.append(_ZERO)
        elif code == 1 and full:
            raise FormatError("empty block after a full one")
        at = end
    return b"".join(out)
