"""Reading of deterministic CBOR: the strict half of stallmark.cbor (docs/formats/cbor.md)."""

from collections import namedtuple
from struct import unpack_from

from stallmark import utf8
from stallmark.errors import FormatError, LimitError

# A tagged value; only formats that name a tag (COSE) use it.
Tag = namedtuple("Tag", ("number", "value"))

INT64_MAX = (1 << 63) - 1
INT64_MIN = -(1 << 63)

# By the low five bits of a head: how many bytes its argument takes, and the least that it may be there.
_SIZE = (0,) * 24 + (1, 2, 4, 8)
_FORMAT = (None,) * 25 + (">H", ">I", ">Q")
_LEAST = (0,) * 24 + (24, 0x100, 0x10000, 0x100000000)


def decode(data, max_depth=8, max_items=1024, text_keys=False):
    """
    The value of exactly these bytes; arrays as lists, maps as dicts, tags as Tag.

    Raises FormatError with the reason and offset, LimitError over max_depth levels or max_items values.
    text_keys lets maps of others have text keys beside integers.
    """
    value, end = decode_prefix(data, 0, max_depth, max_items, text_keys)
    if end != len(data):
        raise FormatError("{} bytes after the value at {}".format(len(data) - end, end))
    return value


def decode_prefix(data, offset=0, max_depth=8, max_items=1024, text_keys=False):
    """The value that starts at offset, and the offset after it. Raises as decode does."""
    if type(data) is not bytes:
        data = bytes(data)
    if offset < 0 or offset >= len(data):
        raise FormatError("no bytes at {}".format(offset))
    try:
        return _get(data, offset, max_depth, [max_items - 1, text_keys])
    except IndexError:
        raise FormatError("ends early, at {}".format(len(data)))


# state is [values still allowed, text keys allowed]; a read past the end is an IndexError, caught above.


def _get(data, at, depth, state):
    first = data[at]
    major = first >> 5
    n = first & 31
    start = at
    at += 1
    if n > 23:
        if n > 27 or major == 7:
            raise _other(first, start)
        end = at + _SIZE[n]
        if end > len(data):
            raise IndexError
        least = _LEAST[n]
        n = data[at] if n == 24 else unpack_from(_FORMAT[n], data, at)[0]
        if n < least:
            raise FormatError("head longer than needed, at {}".format(start))
        at = end
    if major == 0:
        if n > INT64_MAX:
            raise FormatError("integer over int64, at {}".format(start))
        return n, at
    if major == 1:
        if n > INT64_MAX:
            raise FormatError("integer under int64, at {}".format(start))
        return -1 - n, at
    if major == 2 or major == 3:
        end = at + n
        if end > len(data):
            raise IndexError
        value = data[at:end]
        return (value if major == 2 else _string(value, at)), end
    if major == 7:
        if n == 22:
            return None, at
        if n == 21:
            return True, at
        if n == 20:
            return False, at
        raise _other(first, start)
    if not depth:
        raise LimitError("too many levels, at {}".format(start))
    if major == 4:
        return _get_array(data, at, n, depth - 1, state)
    if major == 5:
        return _get_map(data, at, n, depth - 1, state)
    if n == 2 or n == 3:
        raise FormatError("bignum, at {}".format(start))
    if n > INT64_MAX:
        raise FormatError("tag number over int64, at {}".format(start))
    _spend(state, 1, start)
    value, at = _get(data, at, depth - 1, state)
    return Tag(n, value), at


def _spend(state, count, at):
    left = state[0] - count
    if left < 0:
        raise LimitError("too many values, at {}".format(at))
    state[0] = left


def _get_array(data, at, count, depth, state):
    _spend(state, count, at)
    out = []
    add = out.append
    while count:
        count -= 1
        first = data[at]
        if first < 24:
            at += 1
            add(first)
        elif 0x40 <= first < 0x58:
            end = at + first - 0x3F
            if end > len(data):
                raise IndexError
            add(data[at + 1 : end])
            at = end
        else:
            value, at = _get(data, at, depth, state)
            add(value)
    return out, at


def _get_map(data, at, count, depth, state):
    _spend(state, 2 * count, at)
    out = {}
    last = -1  # previous key while keys are 0 to 23
    last_at = last_end = 0  # bytes of the previous key, once one is not
    while count:
        count -= 1
        key = data[at]
        if key < 24 and not last_end:
            if key <= last:
                raise FormatError("map keys repeated or out of order, at {}".format(at))
            last = key
            at += 1
        else:
            start = at
            key, at = _get_key(data, at, state)
            if last_end and data[last_at:last_end] >= data[start:at]:
                raise FormatError("map keys repeated or out of order, at {}".format(start))
            last_at = start
            last_end = at
        first = data[at]
        if first < 24:
            at += 1
            out[key] = first
        elif 0x40 <= first < 0x58:
            end = at + first - 0x3F
            if end > len(data):
                raise IndexError
            out[key] = data[at + 1 : end]
            at = end
        else:
            out[key], at = _get(data, at, depth, state)
    return out, at


def _get_key(data, at, state):
    major = data[at] >> 5
    if major > 1 and not (major == 3 and state[1]):
        raise FormatError("map key is not an integer, at {}".format(at))
    return _get(data, at, 0, state)


def _string(value, at):
    try:
        return utf8.text(value)
    except UnicodeError:
        raise FormatError("not UTF-8, at {}".format(at))


def _other(first, at):
    """The refusal of a head that none of our values has."""
    n = first & 31
    if first >> 5 != 7:
        return FormatError("{}, at {}".format("indefinite length" if n == 31 else "reserved head", at))
    if 25 <= n <= 27:
        return FormatError("float, at {}".format(at))
    if n == 31:
        return FormatError("break without a start, at {}".format(at))
    if n == 23:
        return FormatError("undefined, at {}".format(at))
    return FormatError("simple value, at {}".format(at))
