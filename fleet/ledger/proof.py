"""Proofs from tiles: inclusion, consistency, root; and C2SP tlog-proof files for strangers."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from fleet.core import tree
from fleet.errors import LedgerDamaged, NoteError
from fleet.ledger.checkpoint import Checkpoint, open_checkpoint
from fleet.ledger.note import Verifier
from fleet.ledger.tiles import HASH, HEIGHT, WIDTH, Tile, tile_at

MAGIC = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = 65_536
CACHED_TILES = 256  # expanded tiles kept in memory, about 40 KB each

Levels = list[list[bytes]]


class TileCache:
    """Tiles with the tree inside each worked out. Bounded; shared between threads."""

    def __init__(self, read: Callable[[Tile], bytes | None], limit: int = CACHED_TILES) -> None:
        self._read = read
        self._limit = limit
        self._held: OrderedDict[Tile, Levels] = OrderedDict()
        self._lock = Lock()

    def levels(self, tile: Tile) -> Levels:
        """Nine rows: the tile's hashes, then their parents, and so on; only whole subtrees. Raises
        LedgerDamaged."""
        with self._lock:
            held = self._held.get(tile)
            if held is not None:
                self._held.move_to_end(tile)
                return held
        data = self._read(tile)
        if data is None and tile.width != WIDTH:
            data = self._read(tile.full)  # partial tiles may be gone once the full one is there
            data = None if data is None else data[: tile.width * HASH]
        if data is None or len(data) != tile.width * HASH:
            raise LedgerDamaged(f"{tile.path} is missing or has another length than {tile.width} hashes")
        levels = expand([data[i : i + HASH] for i in range(0, len(data), HASH)])
        with self._lock:
            self._held[tile] = levels
            if len(self._held) > self._limit:
                self._held.popitem(last=False)
        return levels


def expand(hashes: list[bytes]) -> Levels:
    """The rows of the tree over up to 256 hashes; a node without a partner has no parent here."""
    rows = [hashes]
    for _ in range(HEIGHT):
        row = rows[-1]
        rows.append([sha256(b"\x01" + row[i] + row[i + 1]).digest() for i in range(0, len(row) - 1, 2)])
    return rows


class HashTree:
    """The tree of `size` leaves, read from tiles."""

    def __init__(self, size: int, tiles: TileCache) -> None:
        self.size = size
        self._tiles = tiles

    def node(self, level: int, index: int) -> bytes:
        """The hash of the whole subtree of 2^level leaves that starts at leaf index · 2^level."""
        row, inside = divmod(level, HEIGHT)
        tile, place = divmod(index, WIDTH >> inside)
        return self._tiles.levels(tile_at(row, tile, self.size))[inside][place]

    def root(self) -> bytes:
        """The root hash."""
        return self._range(0, self.size) if self.size else sha256(b"").digest()

    def leaf(self, index: int) -> bytes:
        """The hash of one leaf."""
        if not 0 <= index < self.size:
            raise ValueError(f"no leaf {index} in a tree of {self.size}")
        return self.node(0, index)

    def inclusion(self, index: int) -> list[bytes]:
        """Sibling hashes from the leaf up (RFC 6962 §2.1.1). Raises ValueError where the leaf is not in the
        tree."""
        if not 0 <= index < self.size:
            raise ValueError(f"no leaf {index} in a tree of {self.size}")
        path: list[bytes] = []
        low, high = 0, self.size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        path.reverse()
        return path

    def consistency(self, old: int) -> list[bytes]:
        """That the first `old` leaves are the same as in the tree of `old` (RFC 6962 §2.1.2). Raises
        ValueError."""
        if not 0 < old <= self.size:
            raise ValueError(f"no proof from {old} to {self.size} leaves")
        path: list[bytes] = []
        low, high, whole = 0, self.size, True
        while high != old:
            middle = low + _split(high - low)
            if old <= middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low, whole = middle, False
        if not whole:
            path.append(self._range(low, high))
        path.reverse()
        return path

    def _range(self, low: int, high: int) -> bytes:
        """Hash over leaves low … high − 1, where low is a multiple of the largest power of two that fits."""
        parts: list[bytes] = []
        while True:
            count = high - low
            if count & (count - 1) == 0:
                level = count.bit_length() - 1
                result = self.node(level, low >> level)
                break
            left = _split(count)
            level = left.bit_length() - 1
            parts.append(self.node(level, low >> level))
            low += left
        for part in reversed(parts):
            result = sha256(b"\x01" + part + result).digest()
        return result


def _split(count: int) -> int:
    """The largest power of two below count."""
    return 1 << ((count - 1).bit_length() - 1)


@dataclass(frozen=True, slots=True)
class Proof:
    """A tlog-proof file: leaf index, sibling hashes from the leaf up, the checkpoint verbatim."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def verify(self, entry: bytes, verifiers: Sequence[Verifier], origin: str | None = None) -> Checkpoint:
        """Checks that `entry` stands at `index` under the signed checkpoint, and returns that. Raises
        NoteError."""
        checkpoint, _ = open_checkpoint(self.checkpoint, verifiers, origin)
        if not tree.verify_inclusion(
            tree.leaf_hash(entry), self.index, checkpoint.size, list(self.hashes), checkpoint.root
        ):
            raise NoteError(f"the proof does not lead from leaf {self.index} to the root of the checkpoint")
        return checkpoint


def write_proof(index: int, hashes: Sequence[bytes], checkpoint: bytes, extra: bytes | None = None) -> str:
    """The text of a tlog-proof file."""
    lines = [MAGIC]
    if extra is not None:
        lines.append("extra " + base64.b64encode(extra).decode())
    lines.append(f"index {index}")
    lines.extend(base64.b64encode(h).decode() for h in hashes)
    return "\n".join(lines) + "\n\n" + checkpoint.decode()


def read_proof(data: bytes) -> Proof:
    """Reads a tlog-proof file; the checkpoint in it is not yet verified. Raises NoteError."""
    if len(data) > MAX_PROOF_BYTES:
        raise NoteError("a proof file has at most 64 KiB")
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise NoteError("the head of a proof file is ASCII") from None
    if not blank or lines.pop(0) != MAGIC:
        raise NoteError(f"a proof file opens with {MAGIC} and has a blank line before its checkpoint")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _base64(lines.pop(0)[6:], None)
    if not lines or not lines[0].startswith("index "):
        raise NoteError("a proof file names the index of its leaf")
    number = lines.pop(0)[6:]
    if not number.isdigit() or (number[0] == "0" and number != "0") or len(number) > 19:
        raise NoteError("the index is not a decimal number without leading zeros")
    if len(lines) > 63:
        raise NoteError("a proof has at most 63 hashes")
    return Proof(int(number), tuple(_base64(line, HASH) for line in lines), checkpoint, extra)


def _base64(text: str, length: int | None) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("a line of the proof is not base64") from None
    if length is not None and len(data) != length:
        raise NoteError(f"a hash of the proof has {len(data)} bytes, expected {length}")
    return data
