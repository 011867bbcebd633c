"""Many small whole numbers in a row: packed where memory is short, a tuple where time is."""

from array import array

try:
    import micropython as _micropython
except ImportError:
    _micropython = None

# On CPython an index of a tuple takes a third of the time that one of bytes takes. Tests set it, to compare both.
PACKED = _micropython is not None


def column(values):
    """A sequence that does not change of these numbers, each from 0 to 65,535."""
    if not PACKED:
        return tuple(values)
    return array("H", values) if values and max(values) > 255 else bytes(values)
