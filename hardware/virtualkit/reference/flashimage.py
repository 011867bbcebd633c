"""Reads a brick's journal out of its flash image, as docs/formats/record.md describes it."""

import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cbor2

JOURNAL_OFFSET = 0x520000  # docs/formats/flash.md, 8 MiB
JOURNAL_SIZE = 0x100000
PAGE = 256
SECTOR = 4096
RING_OFFSET = JOURNAL_OFFSET + 2 * SECTOR
RING_PAGES = (JOURNAL_SIZE - 2 * SECTOR) // PAGE
BLANK = b"\xff" * PAGE


@dataclass(frozen=True)
class FlashRecord:
    """One record as it lies on flash."""

    page: int
    seq: int
    public: bytes
    mac: bytes
    private: bytes

    @property
    def pages(self) -> int:
        """1, or 2 for a large record."""
        return 1 if 12 + len(self.public) + 16 + len(self.private) + 4 <= PAGE else 2

    @cached_property
    def fields(self) -> dict[int, Any]:
        """The public part, decoded."""
        return cbor2.loads(self.public)

    @cached_property
    def private_fields(self) -> dict[int, Any]:
        """The private part, decoded; empty where there is none."""
        return cbor2.loads(self.private) if self.private else {}


def parse(raw: bytes, page: int) -> FlashRecord | None:
    """The record that starts at `raw` (512 bytes are enough), or None for anything else."""
    if raw[:2] != b"\x53\x01":
        return None
    public_size, private_size, seq = struct.unpack_from(">HHI", raw, 2)
    need = 12 + public_size + 16 + private_size + 4
    extent = PAGE if need <= PAGE else 2 * PAGE
    if need > extent or len(raw) < extent:
        return None
    if struct.unpack_from(">I", raw, extent - 4)[0] != zlib.crc32(raw[: extent - 4]):
        return None
    middle = 12 + public_size
    return FlashRecord(
        page, seq, raw[12:middle], raw[middle : middle + 16], raw[middle + 16 : middle + 16 + private_size]
    )


class FlashImage:
    """One brick's flash file, read while the brick runs or after."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Every record ever seen: the ring may have been written over, the ledger must still hold it.
        self._records: dict[int, FlashRecord] = {}
        self._heads: dict[int, bytes] = {}

    def records(self) -> dict[int, FlashRecord]:
        """Every good record that is or was in the ring, by seq."""
        with self._path.open("rb") as image:
            image.seek(RING_OFFSET)
            ring = image.read(RING_PAGES * PAGE)
        for page in range(RING_PAGES):
            start = page * PAGE
            if ring[start] == 0x53:
                head = ring[start : start + 12]
                if self._heads.get(page) != head:
                    record = parse(ring[start : start + 2 * PAGE], page)
                    if record is not None:
                        self._heads[page] = head
                        self._records[record.seq] = record
        return self._records

    def at(self, page: int) -> FlashRecord | None:
        """The good record that starts at a page of the ring now, remembered as any; or None."""
        with self._path.open("rb") as image:
            image.seek(RING_OFFSET + page * PAGE)
            record = parse(image.read(2 * PAGE), page)
        if record is not None:
            self._records[record.seq] = record
        return record

    def marks(self) -> tuple[int, int]:
        """(host seq, ledger seq) of the newest good mark; (0, 0) without one."""
        with self._path.open("rb") as image:
            image.seek(JOURNAL_OFFSET)
            raw = image.read(2 * SECTOR)
        best = (0, 0, -1)
        for offset in range(0, 2 * SECTOR, 32):
            mark = raw[offset : offset + 32]
            if mark[:4] == b"SMMK" and struct.unpack_from(">I", mark, 28)[0] == zlib.crc32(mark[:28]):
                host_seq, ledger_seq, generation = struct.unpack_from(">III", mark, 4)
                if generation > best[2]:
                    best = (host_seq, ledger_seq, generation)
        return best[0], best[1]
