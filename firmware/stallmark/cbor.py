"""Deterministic CBOR (RFC 8949 §4.2.1), narrowed to docs/formats/cbor.md: what every format uses."""

from collections import namedtuple
from struct import pack, unpack_from

from stallmark.errors import FormatError, LimitError

# A tagged value; only formats that name a tag (COSE) use it.
Tag = namedtuple("Tag", ("number", "value"))

INT64_MAX = (1 << 63) - 1
INT64_MIN = -(1 << 63)

# One-byte heads, made once: small numbers and short strings need no arithmetic and no allocation.
_HEAD = tuple(bytes((n,)) for n in range(256))
_FALSE = _HEAD[0xF4]
_TRUE = _HEAD[0xF5]
_NULL = _HEAD[0xF6]

_ENCODE_DEPTH = 16

try:
    # MicroPython takes surrogates and overlong forms for UTF-8; there the bytes are checked by hand.
    str(b"\xc0\x80", "utf-8")
    _LAX_UTF8 = True
except UnicodeError:
    _LAX_UTF8 = False


def encode(value):
    """
    The bytes of value: int (int64), bytes, str, list or tuple, dict (keys int or str), Tag, bool, None.

    Maps are written in ascending order of their encoded keys. Raises FormatError for anything else,
    LimitError below 16 levels.
    """
    parts = []
    _put(parts.append, value, _ENCODE_DEPTH)
    return b"".join(parts)


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


# --- writing


def _head(major, n):
    """Head of major type (already shifted left by 5) with argument n, shortest form."""
    if n < 24:
        return _HEAD[major | n]
    if n < 0x100:
        return pack(">BB", major | 24, n)
    if n < 0x10000:
        return pack(">BH", major | 25, n)
    if n < 0x100000000:
        return pack(">BI", major | 26, n)
    return pack(">BQ", major | 27, n)


def _put(add, value, depth):
    kind = type(value)
    if kind is int:
        if value >= 0:
            if value < 24:
                add(_HEAD[value])
                return
            if value > INT64_MAX:
                raise FormatError("integer over int64")
            add(_head(0, value))
            return
        if value < INT64_MIN:
            raise FormatError("integer under int64")
        add(_head(0x20, -1 - value))
    elif kind is bytes:
        add(_head(0x40, len(value)))
        add(value)
    elif kind is dict:
        _put_map(add, value, depth)
    elif kind is list or kind is tuple:
        if not depth:
            raise LimitError("more than {} levels".format(_ENCODE_DEPTH))
        add(_head(0x80, len(value)))
        for item in value:
            # The common items without a call each: numbers below 24 and short byte strings.
            kind = type(item)
            if kind is int and 0 <= item < 24:
                add(_HEAD[item])
            elif kind is bytes and len(item) < 24:
                add(_HEAD[0x40 | len(item)])
                add(item)
            else:
                _put(add, item, depth - 1)
    elif value is None:
        add(_NULL)
    elif value is True:
        add(_TRUE)
    elif value is False:
        add(_FALSE)
    elif kind is str:
        add(_text(value))
    elif kind is Tag:
        _put_tag(add, value, depth)
    elif kind is bytearray or kind is memoryview:
        value = bytes(value)
        add(_head(0x40, len(value)))
        add(value)
    else:
        raise FormatError("{} has no CBOR form here".format(kind.__name__))


def _put_map(add, value, depth):
    if not depth:
        raise LimitError("more than {} levels".format(_ENCODE_DEPTH))
    add(_head(0xA0, len(value)))
    for key in _in_order(value):
        item = value[key]
        if type(key) is int and 0 <= key < 24:
            add(_HEAD[key])
        else:
            add(_key(key))
        kind = type(item)
        if kind is int and 0 <= item < 24:
            add(_HEAD[item])
        elif kind is bytes and len(item) < 24:
            add(_HEAD[0x40 | len(item)])
            add(item)
        else:
            _put(add, item, depth - 1)


def _put_tag(add, value, depth):
    number = value.number
    if not depth:
        raise LimitError("more than {} levels".format(_ENCODE_DEPTH))
    if type(number) is not int or not 0 <= number <= INT64_MAX:
        raise FormatError("tag number not in 0 to 2^63 - 1")
    if number in (2, 3):
        raise FormatError("tag {} is a bignum".format(number))
    add(_head(0xC0, number))
    _put(add, value.value, depth - 1)


def _in_order(value):
    """Keys in order of their encoded bytes: numbers from 0 up, then from -1 down, then text."""
    try:
        keys = sorted(value)
        if not keys or (type(keys[0]) is int and keys[0] >= 0):
            return keys
    except TypeError:
        keys = list(value)
    return sorted(keys, key=_key)


def _key(key):
    kind = type(key)
    if kind is int:
        if not INT64_MIN <= key <= INT64_MAX:
            raise FormatError("map key outside int64")
        return _head(0, key) if key >= 0 else _head(0x20, -1 - key)
    if kind is str:
        return _text(key)
    raise FormatError("map key is {}, not int or text".format(kind.__name__))


def _text(value):
    try:
        data = value.encode("utf-8")
    except UnicodeError:
        raise FormatError("text is not Unicode")
    if _LAX_UTF8:
        _check_utf8(data, 0)
    return _head(0x60, len(data)) + data


# --- reading. state is [values still allowed, text keys allowed]; a read past the end is an IndexError.


def _get(data, at, depth, state):
    first = data[at]
    major = first >> 5
    n = first & 31
    start = at
    at += 1
    if n > 23:
        if major == 7:
            raise _other(data, first, start)
        n, at = _argument(data, n, at)
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
        raise _other(data, first, start)
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


def _argument(data, n, at):
    """Argument of a head that does not fit its first byte, checked to be shortest."""
    if n == 24:
        value = data[at]
        end = at + 1
        least = 24
    elif n == 25:
        end = at + 2
        value = data[at] << 8 | data[at + 1]
        least = 0x100
    elif n == 26:
        end = at + 4
        if end > len(data):
            raise IndexError
        value = unpack_from(">I", data, at)[0]
        least = 0x10000
    elif n == 27:
        end = at + 8
        if end > len(data):
            raise IndexError
        value = unpack_from(">Q", data, at)[0]
        least = 0x100000000
    elif n == 31:
        raise FormatError("indefinite length, at {}".format(at - 1))
    else:
        raise FormatError("reserved head, at {}".format(at - 1))
    if value < least:
        raise FormatError("head longer than needed, at {}".format(at - 1))
    return value, end


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
    if _LAX_UTF8:
        _check_utf8(value, at)
    try:
        return str(value, "utf-8")
    except UnicodeError:
        raise FormatError("not UTF-8, at {}".format(at))


def _check_utf8(data, at):
    """Raises FormatError unless data is UTF-8 as RFC 3629 has it: no surrogates, nothing overlong."""
    more = 0
    low = 0x80
    high = 0xBF
    for byte in data:
        if more:
            if not low <= byte <= high:
                raise FormatError("not UTF-8, at {}".format(at))
            more -= 1
            low = 0x80
            high = 0xBF
        elif byte < 0x80:
            pass
        elif 0xC2 <= byte <= 0xDF:
            more = 1
        elif 0xE0 <= byte <= 0xEF:
            more = 2
            low = 0xA0 if byte == 0xE0 else 0x80
            high = 0x9F if byte == 0xED else 0xBF
        elif 0xF0 <= byte <= 0xF4:
            more = 3
            low = 0x90 if byte == 0xF0 else 0x80
            high = 0x8F if byte == 0xF4 else 0xBF
        else:
            raise FormatError("not UTF-8, at {}".format(at))
    if more:
        raise FormatError("not UTF-8, at {}".format(at))


def _other(data, first, at):
    """The refusal for major type 7 that is not false, true or null."""
    n = first & 31
    if 25 <= n <= 27:
        return FormatError("float, at {}".format(at))
    if n == 31:
        return FormatError("break without a start, at {}".format(at))
    if n == 23:
        return FormatError("undefined, at {}".format(at))
    return FormatError("simple value, at {}".format(at))
