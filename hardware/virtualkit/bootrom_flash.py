"""The flash chip as a boot ROM sees it: a NOR file, with the time that its operations would take added up."""

import mmap
from pathlib import Path

SECTOR = 4096
BLOCK = 65536
PAGE = 256
# Typical times of a Winbond W25Q64JV (data sheet, AC characteristics): page 0.4 ms, sector 45 ms, 64 KiB block
# 150 ms, whole chip 20 s for 8 MiB. The page time here is the figure that the rest of the kit uses.
PAGE_MS = 0.7
SECTOR_MS = 45.0
BLOCK_MS = 150.0
CHIP_MS_PER_MIB = 2500.0


class RomFlash:
    """A flash image in `path`, which must exist with the chip's size; `busy_ms` counts the chip's own time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), 0)
        self.size = len(self._map)
        self.busy_ms = 0.0

    def close(self) -> None:
        """Lets go of the file."""
        self._map.close()
        self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; fewer at the chip's end."""
        return self._map[offset : offset + size]

    def erase_range(self, offset: int, size: int) -> None:
        """Every sector that the range touches becomes FF; whole blocks go faster."""
        first, end = offset // SECTOR * SECTOR, -(-(offset + size) // SECTOR) * SECTOR
        end = min(end, self.size)
        self._map[first:end] = b"\xff" * (end - first)
        at = first
        while at < end:
            whole = at % BLOCK == 0 and at + BLOCK <= end
            self.busy_ms += BLOCK_MS if whole else SECTOR_MS
            at += BLOCK if whole else SECTOR

    def erase_chip(self) -> None:
        """Everything becomes FF."""
        self._map[:] = b"\xff" * self.size
        self.busy_ms += CHIP_MS_PER_MIB * self.size / (1 << 20)

    def program(self, offset: int, data: bytes) -> None:
        """Bits only fall. Raises ValueError beyond the end."""
        end = offset + len(data)
        if end > self.size:
            raise ValueError("beyond the end of the flash")
        old = self._map[offset:end]
        if old.count(0xFF) == len(old):
            self._map[offset:end] = data
        else:
            size = len(data)
            fallen = int.from_bytes(old, "little") & int.from_bytes(data, "little")
            self._map[offset:end] = fallen.to_bytes(size, "little")
        self.busy_ms += PAGE_MS * -(-len(data) // PAGE)
