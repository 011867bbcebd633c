"""A raw partition of an ESP32 as the core's flash port; small, for it is loaded before a start-up is counted (main.py)."""

import esp32
from stallmark.constant import const

_SECTOR = const(4096)
_ERASE_BLOCK = const(6)  # ioctl of MicroPython's block device protocol


class Flash:
    """The partition of a name. Every method raises OSError where flash fails."""

    def __init__(self, name):
        found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label=name)
        if not found:
            raise OSError("no partition {}: flash the partition table of this project".format(name))
        self._partition = found[0]
        self.size = found[0].info()[3]

    def read_into(self, offset, buf):
        """Fill `buf` from `offset`."""
        self._partition.readblocks(offset // _SECTOR, buf, offset % _SECTOR)

    def program(self, offset, data):
        """Let bits fall; with an offset, writeblocks does not erase."""
        self._partition.writeblocks(offset // _SECTOR, data, offset % _SECTOR)

    def erase(self, offset):
        """Erase one sector."""
        self._partition.ioctl(_ERASE_BLOCK, offset // _SECTOR)
