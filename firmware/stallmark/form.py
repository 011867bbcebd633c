"""Shapes of decoded values: type and bounds, refused with what was found and what was expected."""

from stallmark.errors import FormatError

U32 = 0xFFFFFFFF
I64 = 0x7FFFFFFFFFFFFFFF


def fail(what, expected):
    raise FormatError("{}: expected {}".format(what, expected))


def uint(value, what, high=I64, low=0):
    """An integer from `low` to `high`, returned. bool is not an integer here."""
    if type(value) is not int or value < low or value > high:
        fail(what, "an integer from {} to {}".format(low, high))
    return value


def integer(value, what):
    """An int64, returned."""
    if type(value) is not int or value < -I64 - 1 or value > I64:
        fail(what, "an int64")
    return value


def octets(value, what, size):
    """A byte string of exactly `size` bytes, returned."""
    if type(value) is not bytes or len(value) != size:
        fail(what, "{} bytes".format(size))
    return value


def text(value, what, limit):
    """Text of at most `limit` UTF-8 bytes, returned."""
    if type(value) is not str or len(value.encode()) > limit:
        fail(what, "text of at most {} bytes".format(limit))
    return value


def array(value, what, limit, low=0):
    """A list of `low` to `limit` entries, returned."""
    if type(value) is not list or len(value) > limit or len(value) < low:
        fail(what, "an array of {} to {} entries".format(low, limit))
    return value


def fields(value, what, required):
    """A map with non-negative integer keys that has every key of `required`, returned."""
    if type(value) is not dict:
        fail(what, "a map")
    for key in value:
        if type(key) is not int or key < 0:
            fail(what, "keys that are integers from 0 on")
    for key in required:
        if key not in value:
            fail(what, "field {}".format(key))
    return value


def version1(value, what):
    """Field 0 of most maps: the version, 1."""
    if type(value.get(0)) is not int or value[0] != 1:
        fail(what, "version 1")
