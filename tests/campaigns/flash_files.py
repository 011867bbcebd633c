"""Small files on littlefs, with MicroPython's settings, on the same flash: replaced by rename, and appended to."""

import random
from collections import Counter

import littlefs

from tests.campaigns.flashchip import SECTOR, Logged, RamFlash, apply, torn

BLOCKS = 12
CONFIG = {
    "block_size": SECTOR,
    "block_count": BLOCKS,
    "read_size": 32,
    "prog_size": 32,
    "cache_size": 128,
    "lookahead_size": 32,
}
BOARD = "board.txt"


class Context(littlefs.UserContext):
    """littlefs on a NOR chip: bits only fall, programs are cut into pages."""

    def __init__(self, chip: RamFlash) -> None:
        super().__init__(buffsize=1)
        self.chip = chip

    def read(self, cfg, block: int, off: int, size: int) -> bytearray:
        out = bytearray(size)
        self.chip.read_into(block * SECTOR + off, memoryview(out))
        return out

    def prog(self, cfg, block: int, off: int, data: bytes) -> int:
        start = block * SECTOR + off
        at = 0
        while at < len(data):
            size = min(len(data) - at, 256 - (start + at) % 256)
            self.chip.program(start + at, data[at : at + size])
            at += size
        return 0

    def erase(self, cfg, block: int) -> int:
        self.chip.erase(block * SECTOR)
        return 0


def mounted(chip: RamFlash, fresh: bool = False) -> littlefs.LittleFS:
    """The filesystem as the board mounts it. Raises LittleFSError where it cannot be mounted."""
    fs = littlefs.LittleFS(context=Context(chip), mount=False, block_cycles=100, **CONFIG)
    if fresh:
        fs.format()
    fs.mount()
    return fs


def _content(fs: littlefs.LittleFS, name: str) -> bytes | None:
    try:
        with fs.open(name, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def cuts(seed: int, stride: int, erase_stride: int) -> Counter:
    """A file replaced by rename, and one that records are appended to, cut inside every operation of the chip."""
    rng = random.Random(f"files {seed}")
    chip = Logged(BLOCKS * SECTOR)
    fs = mounted(chip, fresh=True)
    state = {"file": (None, None), "done": 0}  # content before and after; records appended and flushed
    chip.known = lambda: (state["file"], state["done"])
    fs.open("log", "wb").close()
    chip.steps = []
    before = chip.copy()
    lines = b""
    for turn in range(14):
        new = rng.randbytes(rng.choice((24, 90, 600)))
        state["file"] = (state["file"][1], new)
        with fs.open(BOARD + ".new", "wb") as file:
            file.write(new)
        fs.rename(BOARD + ".new", BOARD)
        state["file"] = (new, new)
        with fs.open("log", "ab") as file:
            line = b"%04d" % turn + rng.randbytes(60)
            lines += line
            file.write(line)
        state["done"] = len(lines)
    told: Counter = Counter()
    for number, (offset, data, (files, done)) in enumerate(chip.steps):
        for where, cut in torn(before, offset, data, erase_stride if data is None else stride, seed):
            step = f"seed {seed} operation {number} {where}"
            again = mounted(cut)
            found = _content(again, BOARD)
            assert found in files, f"{step}: a file of {len(found or b'')} bytes that nobody wrote"
            log = _content(again, "log") or b""
            assert len(log) >= done and lines.startswith(log), (
                f"{step}: {len(log)} bytes of the log, {done} acknowledged"
            )
            told["images"] += 1
            if rng.random() < 0.05:
                with again.open(BOARD, "wb") as file:
                    file.write(b"next")
                assert _content(mounted(cut), BOARD) == b"next", step
                told["images that were written to again"] += 1
        apply(before, offset, data)
    told["operations"] += len(chip.steps)
    return told


def appends(records: int, size: int) -> Counter:
    """Records appended and flushed one by one: what the journal would cost as a file. A full file is begun anew."""
    chip = Logged(BLOCKS * 8 * SECTOR)
    fs = littlefs.LittleFS(
        context=Context(chip), mount=False, block_cycles=100, **{**CONFIG, "block_count": BLOCKS * 8}
    )
    fs.format()
    fs.mount()
    chip.steps = []
    programmed, erases = chip.bytes_programmed, chip.erases
    written = 0
    for number in range(records):
        mode = "wb" if written % (40 * SECTOR) < size else "ab"
        with fs.open("log", mode) as file:
            file.write(bytes([number & 0xFF]) * size)
        written += size
        chip.steps.clear()
    return Counter(
        {
            "records": records,
            "bytes of records": records * size,
            "bytes programmed": chip.bytes_programmed - programmed,
            "erases": chip.erases - erases,
        }
    )
