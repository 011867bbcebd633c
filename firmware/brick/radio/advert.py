"""What a brick tells everybody around: the service, a short name, and which brick it is (docs/formats/ble.md)."""

from stallmark.constant import const

_FLAGS = const(0x01)
_UUIDS128 = const(0x07)  # complete list
_NAME = const(0x09)
_SERVICE_DATA128 = const(0x21)
_GENERAL_NO_CLASSIC = const(0x06)
_MAX = const(31)


def name(brick8):
    """What phones and scanners show: SM- and the brick's first four hex digits."""
    return "SM-" + brick8[:2].hex()


def payload(service16, brick8):
    """(advertising data, scan response), each at most 31 bytes. `service16`: the UUID, little-endian as on air."""
    data = _field(_FLAGS, bytes((_GENERAL_NO_CLASSIC,)))
    data += _field(_UUIDS128, service16) + _field(_NAME, name(brick8).encode())
    response = _field(_SERVICE_DATA128, service16 + brick8)
    assert len(data) <= _MAX and len(response) <= _MAX
    return data, response


def _field(kind, value):
    return bytes((len(value) + 1, kind)) + value
