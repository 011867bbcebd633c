"""Deterministic CBOR (RFC 8949 §4.2.1), narrowed to docs/formats/cbor.md: what every format uses."""

from struct import pack

from stallmark import utf8
from stallmark.cborread import INT64_MAX, INT64_MIN, Tag, decode, decode_prefix
from stallmark.errors import FormatError, LimitError

__all__ = ("INT64_MAX", "INT64_MIN", "Tag", "decode", "decode_prefix", "encode")

_DEPTH = 16


def encode(value):
    """
    The bytes of value: int (int64), bytes, str, list or tuple, dict (keys int or str), Tag, bool, None.

    Maps are written in ascending order of their encoded keys. Raises FormatError for anything else,
    LimitError below 16 levels.
    """
    out = bytearray()
    _put(out, value, _DEPTH)
    return bytes(out)


def _put(out, value, depth):
    kind = type(value)
    if kind is int:
        _put_int(out, value)
    elif kind is bytes:
        _put_head(out, 0x40, len(value))
        out.extend(value)
    elif kind is dict:
        _put_map(out, value, depth)
    elif kind is list or kind is tuple:
        if not depth:
            raise LimitError("more than {} levels".format(_DEPTH))
        _put_head(out, 0x80, len(value))
        for item in value:
            # The common items without a call each: numbers below 24 and short byte strings.
            kind = type(item)
            if kind is int and 0 <= item < 24:
                out.append(item)
            elif kind is bytes and len(item) < 24:
                out.append(0x40 | len(item))
                out.extend(item)
            else:
                _put(out, item, depth - 1)
    elif value is None:
        out.append(0xF6)
    elif value is True:
        out.append(0xF5)
    elif value is False:
        out.append(0xF4)
    elif kind is str:
        out.extend(_text(value))
    elif kind is Tag:
        _put_tag(out, value, depth)
    elif kind is bytearray or kind is memoryview:
        _put_head(out, 0x40, len(value))
        out.extend(value)
    else:
        raise FormatError("{} has no CBOR form here".format(kind.__name__))


def _put_map(out, value, depth):
    if not depth:
        raise LimitError("more than {} levels".format(_DEPTH))
    _put_head(out, 0xA0, len(value))
    for key in _in_order(value):
        item = value[key]
        if type(key) is int and 0 <= key < 24:
            out.append(key)
        else:
            out.extend(_key(key))
        kind = type(item)
        if kind is int and 0 <= item < 24:
            out.append(item)
        elif kind is bytes and len(item) < 24:
            out.append(0x40 | len(item))
            out.extend(item)
        else:
            _put(out, item, depth - 1)


def _put_tag(out, value, depth):
    number = value.number
    if not depth:
        raise LimitError("more than {} levels".format(_DEPTH))
    if type(number) is not int or not 0 <= number <= INT64_MAX:
        raise FormatError("tag number not in 0 to 2^63 - 1")
    if number in (2, 3):
        raise FormatError("tag {} is a bignum".format(number))
    _put_head(out, 0xC0, number)
    _put(out, value.value, depth - 1)


def _put_int(out, value):
    if value >= 0:
        if value > INT64_MAX:
            raise FormatError("integer over int64")
        _put_head(out, 0, value)
    else:
        if value < INT64_MIN:
            raise FormatError("integer under int64")
        _put_head(out, 0x20, -1 - value)


def _put_head(out, major, n):
    """Head of major type (already shifted left by 5) with argument n, in its shortest form."""
    if n < 24:
        out.append(major | n)
    elif n < 0x100:
        out.append(major | 24)
        out.append(n)
    elif n < 0x10000:
        out.extend(pack(">BH", major | 25, n))
    elif n < 0x100000000:
        out.extend(pack(">BI", major | 26, n))
    else:
        out.extend(pack(">BQ", major | 27, n))


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
    if kind is str:
        return _text(key)
    if kind is not int:
        raise FormatError("map key is {}, not int or text".format(kind.__name__))
    out = bytearray()
    _put_int(out, key)
    return bytes(out)


def _text(value):
    try:
        data = utf8.octets(value)
    except UnicodeError:
        raise FormatError("text is not Unicode")
    out = bytearray()
    _put_head(out, 0x60, len(data))
    out.extend(data)
    return bytes(out)
