"""Flash that writes down what is done to it, and every way in which one operation can be left half done."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from ramflash import PAGE, SECTOR, RamFlash

SHARES = (0.02, 0.2, 0.5, 0.8, 0.98)  # of a cell's way, when a whole page or sector stops half way at once


class Logged(RamFlash):
    """`steps`: (offset, data or None for an erase, what `known()` said before it)."""

    def __init__(self, size, known=None):
        RamFlash.__init__(self, size)
        self.steps = []
        self.known = known or (lambda: None)
        self.bytes_programmed = 0

    def program(self, offset, data):
        self.steps.append((offset, bytes(data), self.known()))
        self.bytes_programmed += len(data)
        RamFlash.program(self, offset, data)

    def erase(self, offset):
        self.steps.append((offset, None, self.known()))
        RamFlash.erase(self, offset)


class Half:
    """A part of a chip as a flash port of its own."""

    def __init__(self, chip, offset, size):
        self._chip, self._offset, self.size = chip, offset, size

    def read_into(self, offset, buf):
        self._chip.read_into(self._offset + offset, buf)

    def program(self, offset, data):
        self._chip.program(self._offset + offset, data)

    def erase(self, offset):
        self._chip.erase(self._offset + offset)


def places(length: int, stride: int) -> list[int]:
    """Bytes after which to cut: every `stride`-th, and the last eight."""
    return sorted({*range(0, length, stride), *range(max(0, length - 8), length + 1)})


def torn(
    before: RamFlash, offset: int, data: bytes | None, stride: int, seed: int
) -> Iterator[tuple[str, RamFlash]]:
    """(what happened, the chip powered again) for a program or erase that the power ended: after each byte, and with the whole
    page or sector part of its way: cells of a sector rise together, and each reads as what it likes."""
    length = SECTOR if data is None else len(data)
    last = None
    for byte in places(length, stride):
        chip = before.copy()
        chip._random = seed + byte + 1
        chip.tear(offset, data, byte)
        if chip.data != last:  # else the byte is FF, and nothing differs from the cut before it
            last = bytes(chip.data)
            yield f"byte {byte}", chip
    for share in SHARES:
        chip = before.copy()
        rng = random.Random(f"{seed} {offset} {share}")
        if data is None:
            noise = _bits(rng, SECTOR, share)
            old = int.from_bytes(chip.data[offset : offset + SECTOR], "big")
            chip.data[offset : offset + SECTOR] = (old | noise).to_bytes(SECTOR, "big")
        else:
            kept = _bits(rng, length, 1 - share)
            old = int.from_bytes(chip.data[offset : offset + length], "big")
            new = int.from_bytes(data, "big") | kept
            chip.data[offset : offset + length] = (old & new).to_bytes(length, "big")
        yield f"share {share}", chip


def _bits(rng: random.Random, length: int, share: float) -> int:
    """So many random bytes, each bit set with about this probability (in 64ths)."""
    out = 0
    for bit in f"{round(share * 64):06b}"[::-1]:
        word = rng.getrandbits(8 * length)
        out = out | word if bit == "1" else out & word
    return out


def apply(chip: RamFlash, offset: int, data: bytes | None) -> None:
    """The operation, whole."""
    if data is None:
        chip.erase(offset)
    else:
        chip.program(offset, data)


__all__ = ["PAGE", "SECTOR", "Half", "Logged", "RamFlash", "apply", "places", "torn"]
