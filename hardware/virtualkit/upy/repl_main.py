"""A board that runs MicroPython and nothing else yet: `micropython -i repl_main.py FLASH`, then its REPL.

The board's file system is littlefs in the partition `vfs` of the flash image, found by the table in the image and mounted
at / as ESP32 boards do it: what mpremote writes stands in the image afterwards. `machine.reset()` ends the process; the
board model starts again.
"""

import os
import struct
import sys

import vfs

_SECTOR = 4096


class Partition:
    """MicroPython's block device protocol, extended interface, over a part of a file; bits fall, sectors are erased."""

    def __init__(self, image, offset, size):
        self._file = image  # the opened flash image: by its path it is not found once / is the board's own
        self._offset = offset
        self._count = size // _SECTOR
        self._erased = b"\xff" * _SECTOR

    def readblocks(self, block, buf, offset=0):
        self._file.seek(self._offset + block * _SECTOR + offset)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            self.ioctl(6, block)
            offset = 0
        at = self._offset + block * _SECTOR + offset
        self._file.seek(at)
        old = self._file.read(len(buf))
        self._file.seek(at)
        self._file.write(bytes(o & n for o, n in zip(old, buf)))
        self._file.flush()

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._count
        if operation == 5:
            return _SECTOR
        if operation == 6:
            self._file.seek(self._offset + argument * _SECTOR)
            self._file.write(self._erased)
            self._file.flush()
            return 0
        return None


def table(path):
    """{label: (offset, size)} of the partition table that lies at 0x8000 of a flash image (ESP-IDF's binary form)."""
    found = {}
    with open(path, "rb") as image:
        image.seek(0x8000)
        while True:
            entry = image.read(32)
            if entry[:2] != b"\xaa\x50":
                return found
            _, _, _, offset, size, label, _ = struct.unpack("<HBBII16sI", entry)
            found[label.rstrip(b"\0").decode()] = (offset, size)


class _Machine:
    """What mpremote wants of `machine` on a board."""

    @staticmethod
    def reset():
        sys.exit(0)


def _esp32(image, partitions):
    """What a program wants of `esp32`: partitions by their label."""

    class Found(Partition):
        TYPE_DATA = 1

        @staticmethod
        def find(_type, label):
            return [Found(image, *partitions[label])] if label in partitions else []

    class Module:
        Partition = Found

    return Module


def _mount():
    partitions = table(sys.argv[1])
    image = open(sys.argv[1], "r+b")
    device = Partition(image, *partitions["vfs"])
    try:
        system = vfs.VfsLfs2(device)
    except OSError:  # blank, as on the first start of a real board
        vfs.VfsLfs2.mkfs(device)
        system = vfs.VfsLfs2(device)
    vfs.umount("/")
    vfs.mount(system, "/")
    os.chdir("/")
    sys.path[:] = [".frozen", "/"]
    sys.modules["machine"] = _Machine
    sys.modules["esp32"] = _esp32(image, partitions)


if __name__ == "__main__":
    _mount()
