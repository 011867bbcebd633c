"""Tiles (C2SP tlog-tiles): where hashes and entries of a tree stand, and how bundles are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleet.core import FormatError

WIDTH = 256  # hashes of a full tile, entries of a full bundle
HEIGHT = 8  # levels of the tree that one tile level spans
HASH = 32
MAX_ENTRY = 65_535  # a bundle writes lengths as u16
MAX_LEVEL = 7  # 256^8 leaves are more than int64 counts
ENTRIES = -1  # "level" of an entry bundle

_PATH = re.compile(
    r"tile/(?P<level>entries|[0-9]{1,2})/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile file: level (ENTRIES for a bundle), index in its level, and how many of its 256 places are
    filled."""

    level: int
    index: int
    width: int

    @property
    def path(self) -> str:
        """As served: `tile/<L>/<N>[.p/<W>]`, N in groups of three digits, all but the last with an x."""
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        number = "/".join([*("x" + g for g in groups[:-1]), groups[-1]])
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{number}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @property
    def full(self) -> Tile:
        """The same tile once it is full."""
        return Tile(self.level, self.index, WIDTH)


def parse_path(path: str) -> Tile | None:
    """The tile that a path names, or None where it names none: nothing else of a request reaches the disk."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level = ENTRIES if found["level"] == "entries" else int(found["level"])
    width = WIDTH if found["width"] is None else int(found["width"])
    tile = Tile(level, int(found["index"].replace("x", "").replace("/", "")), width)
    return tile if level <= MAX_LEVEL and width <= WIDTH and tile.path == path else None


def width_at(level: int, index: int, size: int) -> int:
    """How many places of that tile are filled in a tree of `size` leaves (0: there is no such tile)."""
    total = size >> (HEIGHT * max(level, 0))
    return max(0, min(WIDTH, total - index * WIDTH))


def tile_at(level: int, index: int, size: int) -> Tile:
    """That tile as a reader of a tree of `size` leaves must ask for it. Raises ValueError where there is
    none."""
    width = width_at(level, index, size)
    if width == 0:
        raise ValueError(f"a tree of {size} leaves has no tile {level}/{index}")
    return Tile(level, index, width)


def new_tiles(old: int, new: int) -> Iterator[Tile]:
    """Every hash tile and bundle that a tree of `new` leaves has and one of `old` leaves had not, bottom
    up."""
    for level in (ENTRIES, *range(MAX_LEVEL + 1)):
        shift = HEIGHT * max(level, 0)
        before, after = old >> shift, new >> shift
        if after == before:
            if level >= 0:
                return
            continue
        for index in range(before // WIDTH, -(-after // WIDTH)):
            yield tile_at(level, index, new)


def all_tiles(size: int) -> Iterator[Tile]:
    """Every tile of a tree of `size` leaves."""
    return new_tiles(0, size)


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry with its length as u16 before it. Raises FormatError where one is too
    long."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise FormatError(f"an entry has at most {MAX_ENTRY} bytes, this one {len(entry)}")
        parts.append(len(entry).to_bytes(2, "big"))
        parts.append(entry)
    return b"".join(parts)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle. Raises FormatError where there are fewer, more, or half of one."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise FormatError("the entry bundle ends in the middle of an entry")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != width:
        raise FormatError(f"the entry bundle holds {len(entries)} entries, expected {width}")
    return entries
