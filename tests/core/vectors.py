"""Vectors for tests on both interpreters: ours in tests/vectors, other people's in ../shared/data."""

import json
import os

from stallmark.cbor import Tag

try:
    from unittest import SkipTest
except ImportError:

    class SkipTest(Exception):
        """The test cannot run here; the message says why."""


_HERE = __file__.rsplit("/", 1)[0]
_OURS = _HERE + "/../vectors/"
_PUBLIC = os.getenv("STALLMARK_VECTORS") or _HERE + "/../../../shared/data"


def load(name):
    """The JSON of tests/vectors/name."""
    with open(_OURS + name) as file:
        return json.load(file)


def public(name):
    """The JSON of a public vector file; SkipTest with the reason where it is not on this machine."""
    try:
        file = open(_PUBLIC + "/" + name)
    except OSError:
        raise SkipTest(f"{name} not found in {_PUBLIC} (STALLMARK_VECTORS names another folder)") from None
    with file:
        return json.load(file)


def value(form):
    """The CBOR value of its JSON form: bytes {"h": hex}, maps {"m": [[key, value]]}, tags {"t": [n, v]}."""
    if type(form) is list:
        return [value(item) for item in form]
    if type(form) is not dict:
        return form
    if "h" in form:
        return bytes.fromhex(form["h"])
    if "t" in form:
        return Tag(form["t"][0], value(form["t"][1]))
    return {value(pair[0]): value(pair[1]) for pair in form["m"]}


def raises(kind, function, *args, **kwargs):
    """The error of this kind that function(*args) raises; AssertionError when it raises none."""
    try:
        got = function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError("{} not raised, got {!r}".format(kind.__name__, got))
