"""Small files on MicroPython's own VfsLfs2, cut inside every operation of the chip; prints one JSON object. Run by flash_vfs.

The workload runs once on a block device that writes down every program and erase. Then each of them is left half done, and what
is in flash is mounted and read as after a start.
"""

import json
import random
import sys

import vfs
from ramflash import PAGE, SECTOR, RamFlash

BLOCKS = 12
TURNS = 14
SHARES = (0.02, 0.2, 0.5, 0.8, 0.98)  # of a cell's way, when a whole page or sector stops half way at once
BOARD = "/board.txt"
LOG = "/log"


class Device:
    """MicroPython's block device protocol on a chip. `steps`: (offset, data or None for an erase, what was known before it)."""

    def __init__(self, chip, known=None):
        self.chip = chip
        self.steps = []
        self._known = known or (lambda: None)

    def readblocks(self, block, buf, off=0):
        self.chip.read_into(block * SECTOR + off, buf)

    def writeblocks(self, block, buf, off=0):
        at = block * SECTOR + off
        done = 0
        while done < len(buf):
            size = min(len(buf) - done, PAGE - at % PAGE)
            data = bytes(memoryview(buf)[done : done + size])
            self.steps.append((at, data, self._known()))
            self.chip.program(at, data)
            at += size
            done += size

    def ioctl(self, request, block):
        if request == 4:
            return BLOCKS
        if request == 5:
            return SECTOR
        if request == 6:
            self.steps.append((block * SECTOR, None, self._known()))
            self.chip.erase(block * SECTOR)
        return 0


def content(fs, name):
    """Bytes of a file; None where there is none."""
    try:
        with fs.open(name, "rb") as file:
            return file.read()
    except OSError as missing:
        if missing.errno != 2:
            raise
        return None


def replace(fs, new):
    """The board's file, as the bench writes it."""
    with fs.open(BOARD + ".new", "wb") as file:
        file.write(new)
    fs.rename(BOARD + ".new", BOARD)


def workload():
    """(chip before it, steps, all lines): a file replaced by rename, another that records are appended to, turn by turn."""
    chip = RamFlash(BLOCKS * SECTOR)
    vfs.VfsLfs2.mkfs(Device(chip))
    state = [None, None, 0]  # the file before and after; bytes of the log that were closed
    device = Device(chip, lambda: tuple(state))
    fs = vfs.VfsLfs2(device)
    fs.open(LOG, "wb").close()
    device.steps = []
    before = chip.copy()
    lines = b""
    for turn in range(TURNS):
        new = noise(random.choice((24, 90, 600)))
        state[1] = new
        replace(fs, new)
        state[0] = new
        with fs.open(LOG, "ab") as file:
            line = b"%04d" % turn + noise(60)
            lines += line
            file.write(line)
        state[2] = len(lines)
    return before, device.steps, lines


def noise(size):
    return bytes([random.getrandbits(8) for _ in range(size)])


def bits(size, share):
    """So many random bytes, each bit set with about this probability (in 64ths)."""
    out = 0
    share = round(share * 64)
    for bit in range(6):
        word = int.from_bytes(noise(size), "big")
        out = out | word if share >> bit & 1 else out & word
    return out


def halves(chip, offset, data, stride):
    """Names of what can be left of an operation; the chip is as it says while the name is out."""
    size = SECTOR if data is None else len(data)
    old = bytes(chip.data[offset : offset + size])
    last = None
    for byte in sorted(set(range(0, size, stride)) | set(range(max(0, size - 8), size + 1))):
        chip.tear(offset, data, byte)
        now = bytes(chip.data[offset : offset + size])
        if now != last:  # else the byte is FF, and nothing differs from the cut before it
            last = now
            yield f"byte {byte}"
        chip.data[offset : offset + size] = old
    number = int.from_bytes(old, "big")
    for share in SHARES:
        if data is None:
            left = number | bits(size, share)
        else:
            left = number & (int.from_bytes(data, "big") | bits(size, 1 - share))
        chip.data[offset : offset + size] = left.to_bytes(size, "big")
        yield f"share {share}"
        chip.data[offset : offset + size] = old


def main(seed, stride, erase_stride):
    random.seed(seed)
    chip, steps, lines = workload()
    images = again = newer = 0
    for number, (offset, data, (before, after, done)) in enumerate(steps):
        for where in halves(chip, offset, data, erase_stride if data is None else stride):
            step = f"seed {seed} operation {number} {where}"
            operations = chip.operations
            fs = vfs.VfsLfs2(Device(chip))
            found = content(fs, BOARD)
            assert found in (before, after), step + ": a file that nobody wrote"
            log = content(fs, LOG) or b""
            assert len(log) >= done and lines.startswith(log), (
                f"{step}: {len(log)} bytes of the log, {done} closed"
            )
            assert chip.operations == operations, step + ": reading wrote"
            images += 1
            newer += found == after != before
            if random.random() < 0.05:
                device = Device(chip.copy())
                fs = vfs.VfsLfs2(device)
                replace(fs, b"next")
                with fs.open(LOG, "ab") as file:
                    file.write(b"more")
                fs = vfs.VfsLfs2(device)
                assert content(fs, BOARD) == b"next" and content(fs, LOG) == log + b"more", step
                again += 1
        if data is None:
            chip.erase(offset)
        else:
            chip.program(offset, data)
    told = {"images": images, "images with the new file": newer, "images that were written to again": again}
    told["operations"] = len(steps)
    print(json.dumps(told))


main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
