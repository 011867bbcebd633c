"""Reading a Type 4 tag through the chip: the NDEF application, its capability container, its message (NFC Forum T4T §4)."""

from stallmark.constant import const

from brick.errors import Damaged

_APPLICATION = b"\x00\xa4\x04\x00\x07\xd2\x76\x00\x00\x85\x01\x01\x00"
_CC_FILE = b"\xe1\x03"
_CC_BYTES = const(15)
_CONTROL_NDEF = const(4)  # type of the TLV that names the message's file
_OK = b"\x90\x00"
MAX_BYTES = const(256)  # of a message; a longer one is of no use here
_CHUNK = const(128)  # bytes of one answer at most: nothing over a few hundred bytes is in memory


async def select(exchange):
    """Select the NDEF application; False where the card has none (a phone, a bank card)."""
    answer = await exchange(_APPLICATION)
    return answer[-2:] == _OK


async def read_ndef(exchange):
    """The message of the selected application, or None where it has none that matters.

    `exchange(bytes) -> bytes` talks to the card and raises PartError; Damaged where its answers do not fit."""
    container = await _file(exchange, _CC_FILE, _CC_BYTES)
    if container is None:
        return None
    if len(container) < _CC_BYTES or container[7] != _CONTROL_NDEF or container[8] < 6:
        return None
    most = container[3] << 8 | container[4]  # MLe: bytes of an answer that the card can make
    if container[13] or most < 15:  # reading wants a key, or a card that contradicts the standard
        return None
    file = bytes(container[9:11])
    if not await _select_file(exchange, file):
        return None
    head = await _read(exchange, 0, 2)
    length = head[0] << 8 | head[1]
    if not 0 < length <= MAX_BYTES:
        return None
    data = b""
    while len(data) < length:
        data += await _read(exchange, 2 + len(data), min(length - len(data), most, _CHUNK))
    return data


async def _file(exchange, name, length):
    return await _read(exchange, 0, length) if await _select_file(exchange, name) else None


async def _select_file(exchange, name):
    answer = await exchange(b"\x00\xa4\x00\x0c\x02" + name)
    return answer[-2:] == _OK


async def _read(exchange, at, length):
    """Exactly `length` bytes of the selected file."""
    answer = await exchange(bytes((0, 0xB0, at >> 8, at & 0xFF, length)))
    if len(answer) != length + 2 or answer[-2:] != _OK:
        raise Damaged("a read of {} bytes gave {}".format(length, len(answer)))
    return answer[:-2]
