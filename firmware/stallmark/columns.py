"""Many small whole numbers in a row: packed where memory is short, a tuple where time is."""

import sys
from array import array

# On CPython an index of a tuple takes a third of the time that one of bytes takes
PACKED = sys.implementation.name != "cpython"


def column(values):
    """A sequence that does not change of these numbers, each from 0 to 65,535."""
    if not PACKED:
        return tuple(values)
    return array("H", values) if values and max(values) > 255 else bytes(values)
