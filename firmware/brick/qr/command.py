"""Commands and answers of the GM65 family of QR modules as pure bytes (GM65 manual, serial control).

command  7E 00 · type · count · address u16 · data · CRC16        answer  02 00 · 00 · count · data · CRC16
The CRC is CRC-16/XMODEM from the type to the last byte of data. Settings are "zones", one byte each.
"""

from stallmark.constant import const

_READ = const(7)
_WRITE = const(8)
_SAVE = const(9)

ANSWER_HEAD = b"\x02\x00"
DONE = b"\x00"  # the data of the answer to a write

ZONE_MODE = const(0x0000)  # bit 7 LED, 6 sound, 5-4 aim, 3-2 light, 1-0 mode (10 continuous)
ZONE_SETUP = const(0x0003)  # bit 1 set-up codes closed, bit 0 their content is sent
ZONE_INTERVAL = const(0x0005)  # pause between two reads, 0.1 s
ZONE_READ_TIME = const(0x0006)  # time for one read, 0.1 s, 0 = no limit
ZONE_OUTPUT = const(0x000D)  # bits 1-0: 00 serial
ZONE_SAME_CODE = const(0x0013)  # bit 7: the module's own delay for the same code
ZONE_BAUD = const(0x002A)  # two bytes, low first: 3,000,000 / baud
ZONE_TAIL = const(0x0060)  # bit 7 protocol head, 6-5 tail (00 CR), 3 prefix, 2 code id, 1 suffix, 0 tail sent
ZONE_CUT = const(0x00B0)  # bits 1-0: 00 the whole code, else a part of it
ZONE_AIM = const(0x00D0)  # bit 7: AIM id in front

MODE_CONTINUOUS = const(0x02)
SETUP_CLOSED = const(0x02)
TAIL_CR = const(0x01)

BAUDS = ((9600, b"\x39\x01"), (115200, b"\x1a\x00"), (57600, b"\x34\x00"))


def crc16(data):
    """CRC-16/XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


def _frame(kind, address, count, data):
    body = bytes((kind, count, address >> 8, address & 0xFF)) + data
    return b"\x7e\x00" + body + crc16(body).to_bytes(2, "big")


def read(address, count=1):
    """Ask for `count` zones from `address` on."""
    return _frame(_READ, address, 1, bytes((count,)))


def write(address, data):
    """Set zones from `address` on; lost at the module's next power cut unless saved."""
    return _frame(_WRITE, address, len(data), data)


def save():
    """Keep the present settings over a power cut."""
    return _frame(_SAVE, 0, 1, b"\x00")


def answer(data):
    """The answer frame that a module sends: `data` is one zone after the other, or DONE."""
    body = bytes((0, len(data))) + data
    return ANSWER_HEAD + body + crc16(body).to_bytes(2, "big")
