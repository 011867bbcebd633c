"""Deterministic CBOR (RFC 8949 §4.2.1), narrowed to docs/formats/cbor.md: what every format uses."""

from struct import pack

from stallmark import utf8
from stallmark.cborread import INT64_MAX, INT64_MIN, Tag, decode, decode_prefix
from stallmark.errors import FormatError, LimitError

__all__ = ("INT64_MAX", "INT64_MIN", "Tag", "decode", "decode_prefix", "encode")

# One-byte heads, made once: small numbers and short strings need no arithmetic and no allocation.
_HEAD = tuple(bytes((n,)) for n in range(256))
_FALSE = _HEAD[0xF4]
_TRUE = _HEAD[0xF5]
_NULL = _HEAD[0xF6]

_ENCODE_DEPTH = 16


def encode(value):
    """
    The bytes of value: int (int64), bytes, str, list or tuple, dict (keys int or str), Tag, bool, None.

    Maps are written in ascending order of their encoded keys. Raises FormatError for anything else,
    LimitError below 16 levels.
    """
    parts = []
    _put(parts.append, value, _ENCODE_DEPTH)
    return b"".join(parts)


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
        data = utf8.octets(value)
    except UnicodeError:
        raise FormatError("text is not Unicode")
    return _head(0x60, len(data)) + data
