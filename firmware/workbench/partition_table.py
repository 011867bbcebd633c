"""The ESP-IDF partition table as bytes, from the table in boards/partitions.py.

Format: ESP-IDF "Partition Tables": 32-byte little-endian entries (magic AA 50, type, subtype, offset, size, label16, flags),
then EB EB, fourteen FF and the MD5 of the entries, padded with FF to 0xC00 bytes; it lies at 0x8000.
"""

import hashlib
import struct

OFFSET = 0x8000
SIZE = 0xC00
_APP, _DATA = 0x00, 0x01
# Raw partitions of ours use the subtype "undefined": found by label, touched by no ESP-IDF component.
_RAW = (_DATA, 0x06)
_TYPES = {
    "nvs": (_DATA, 0x02),
    "otadata": (_DATA, 0x00),
    "phy": (_DATA, 0x01),
    "factory": (_APP, 0x00),
    "ota_0": (_APP, 0x10),
    "ota_1": (_APP, 0x11),
    "vfs": (_DATA, 0x81),
}


def binary(partitions: tuple[tuple[str, int, int], ...]) -> bytes:
    """`partitions`: (label, offset, size) in order. Returns the SIZE bytes that go to OFFSET."""
    entries = b""
    for label, offset, size in partitions:
        kind, subtype = _TYPES.get(label, _RAW)
        entries += struct.pack("<HBBII16sI", 0x50AA, kind, subtype, offset, size, label.encode(), 0)
    table = entries + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries, usedforsecurity=False).digest()
    return table.ljust(SIZE, b"\xff")
