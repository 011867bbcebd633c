"""NOR flash in a file: bits only fall, erasing goes by sector, and power can fail inside any operation.

Runs on MicroPython (under the real firmware) and on CPython (in tests). Every write goes straight to the
operating system, so what was programmed survives a SIGKILL of the process as it would survive a power cut.
"""

import struct
import time

from stallmark.constant import const

PAGE = const(256)
SECTOR = const(4096)
_EINVAL = const(22)

# Control file, written by the kit in one go: order number (0: none), random number that picks the byte.
CONTROL_BYTES = const(16)
_CONTROL = ">QQ"

PROGRAM = "program"
ERASE = "erase"


def stop_for_ever():
    """What a brick without power does: nothing. The kit ends the process."""
    while True:
        time.sleep(3600)


class NorChip:
    """The whole flash chip of one brick.

    path     file of exactly the chip's size; must exist
    control  path of the control file, or None: an order written there tears the next program or erase
    cut      (n, pick): tear the n-th program or erase from now (1 = the next), or None
    torn     called as torn(operation name, offset, bytes that got done) when power has failed
    halt     called after that and expected not to return
    programmed  called as programmed(count, offset, bytes) after each program that was completed, before `program` returns
    program_us, erase_ms   how long the operations take, 0 = no time (a real chip: 700 and 45)
    """

    def __init__(
        self,
        path,
        control=None,
        cut=None,
        torn=None,
        halt=stop_for_ever,
        programmed=None,
        program_us=0,
        erase_ms=0,
    ):
        try:
            self._file = open(path, "r+b", buffering=0)
        except TypeError:  # MicroPython's files are unbuffered and take no such argument
            self._file = open(path, "r+b")
        self._file.seek(0, 2)
        self.size = self._file.tell()
        self._control = open(control, "rb") if control else None
        self._order = bytearray(CONTROL_BYTES)
        self._seen = self._read_order()[0]
        self._cut = cut
        self._torn = torn
        self._halt = halt
        self._programmed = programmed
        self._program_us = program_us
        self._erase_ms = erase_ms
        self._old = bytearray(PAGE)
        self._blank = b"\xff" * PAGE
        self.programs = 0  # completed, since the chip was opened
        self.erases = 0

    def close(self):
        """Lets go of the files."""
        self._file.close()
        if self._control:
            self._control.close()

    def read_into(self, offset, buf):
        """Fills `buf` from `offset`."""
        self._check(offset, len(buf))
        self._file.seek(offset)
        if self._file.readinto(buf) != len(buf):
            raise OSError(_EINVAL)

    def program(self, offset, data):
        """Clears bits: new = old AND data. At most one page, never across a page's edge."""
        n = len(data)
        self._check(offset, n)
        if not n or offset % PAGE + n > PAGE:
            raise OSError(_EINVAL)
        old = self._old
        view = memoryview(old)[:n]
        self.read_into(offset, view)
        pick = self._power_fails()
        if pick is not None:
            n = pick % (n + 1)
        for i in range(n):
            old[i] &= data[i]
        if pick is not None and n < len(data):
            # The byte under way when power failed: some of its bits have fallen, some not.
            old[n] &= data[n] | (pick >> 24) & 0xFF
            self._write(offset, view[: n + 1])
        else:
            self._write(offset, view[:n])
        if pick is not None:
            self._fail(PROGRAM, offset, n)
        self.programs += 1
        if self._program_us:
            time.sleep(self._program_us / 1000000)
        if self._programmed:
            self._programmed(self.programs, offset, n)

    def erase(self, offset):
        """Sets one sector of 4096 bytes to FF."""
        self._check(offset, SECTOR)
        if offset % SECTOR:
            raise OSError(_EINVAL)
        pick = self._power_fails()
        n = SECTOR if pick is None else pick % (SECTOR + 1)
        done = 0
        while done < n:
            step = min(PAGE, n - done)
            self._write(offset + done, memoryview(self._blank)[:step])
            done += step
        if pick is not None and n < SECTOR:
            # A half-erased cell reads as anything between what it was and FF.
            cell = bytearray(1)
            self.read_into(offset + n, cell)
            cell[0] |= (pick >> 24) & 0xFF
            self._write(offset + n, cell)
        self.erases += 1
        if pick is not None:
            self._fail(ERASE, offset, n)
        if self._erase_ms:
            time.sleep(self._erase_ms / 1000)

    def cut_after(self, operations, pick):
        """Tears the `operations`-th program or erase from now; `pick`, a random number, chooses the byte."""
        self._cut = (operations, pick)

    def _check(self, offset, n):
        if offset < 0 or offset + n > self.size:
            raise OSError(_EINVAL)

    def _write(self, offset, data):
        self._file.seek(offset)
        if len(data) and self._file.write(data) != len(data):
            raise OSError(_EINVAL)

    def _read_order(self):
        if self._control is None:
            return (0, 0)
        self._control.seek(0)
        if self._control.readinto(self._order) != CONTROL_BYTES:
            return (0, 0)
        return struct.unpack(_CONTROL, self._order)

    def _power_fails(self):
        """The random number of a power cut that is due in this operation, else None."""
        if self._cut is not None:
            left, pick = self._cut
            if left <= 1:
                self._cut = None
                return pick
            self._cut = (left - 1, pick)
        if self._control is not None:
            order, pick = self._read_order()
            if order and order != self._seen:
                self._seen = order
                return pick
        return None

    def _fail(self, operation, offset, done):
        if self._torn:
            self._torn(operation, offset, done)
        self._halt()


class NorFile:
    """One partition of a chip, from offset 0: the flash port `size`, `read_into`, `program`, `erase`."""

    def __init__(self, chip, offset=0, size=None):
        self._chip = chip
        self._offset = offset
        self.size = chip.size - offset if size is None else size
        if self._offset % SECTOR or self.size % SECTOR or offset + self.size > chip.size:
            raise OSError(_EINVAL)

    def read_into(self, offset, buf):
        """Fills `buf` from `offset`. OSError outside the partition."""
        self._check(offset, len(buf))
        self._chip.read_into(self._offset + offset, buf)

    def program(self, offset, data):
        """Clears bits within one 256-byte page. OSError outside the partition or across a page."""
        self._check(offset, len(data))
        self._chip.program(self._offset + offset, data)

    def erase(self, offset):
        """Erases one 4096-byte sector. OSError outside the partition or off a sector's edge."""
        self._check(offset, SECTOR)
        self._chip.erase(self._offset + offset)

    def _check(self, offset, n):
        if offset < 0 or offset + n > self.size:
            raise OSError(_EINVAL)
