"""NOR flash in memory for tests: bits only fall, erase by sector, power can fail inside any operation."""

SECTOR = 4096
PAGE = 256


class PowerCut(Exception):
    """The power went away inside an operation; what was on its way may be half there."""


class RamFlash:
    """The flash port of the core, in a bytearray (`data`).

    `cut_at(operation, byte)` ends the power inside the operation with that number (programs and erases
    counted from 0): its first `byte` bytes are done, the byte under way is left with some of its bits
    changed, PowerCut is raised, and so it is by every later access. `copy` is the chip powered again."""

    cut_error = PowerCut

    def __init__(self, size, seed=1):
        self.size = size
        self.data = bytearray(b"\xff" * size)
        self.operations = 0
        self.erases = 0
        self.programs = 0
        self._cut = None
        self._off = False
        self._random = seed

    def copy(self):
        """The same chip, powered again."""
        other = RamFlash(0, self._random)
        other.size = self.size
        other.data = bytearray(self.data)
        return other

    def cut_at(self, operation, byte):
        """Power ends inside operation number `operation`, after `byte` of its bytes."""
        self._cut = (operation, byte)

    def tear(self, offset, data, byte):
        """Leaves the chip as a cut leaves it inside a program of `data` at `offset`, or an erase where data
        is None."""
        if data is None:
            self.data[offset : offset + byte] = b"\xff" * byte
            if 0 < byte < SECTOR:  # the page under way: any of its bits may have risen
                for index in range(offset + byte, min(offset + byte + PAGE, offset + SECTOR)):
                    self.data[index] |= self._noise()
            return
        self._and(offset, data, byte)
        if byte < len(data):  # the byte under way: some of its bits have fallen
            self.data[offset + byte] &= data[byte] | self._noise()

    def _and(self, offset, data, count):
        old = int.from_bytes(self.data[offset : offset + count], "big")
        new = int.from_bytes(bytes(data[:count]), "big")
        self.data[offset : offset + count] = (old & new).to_bytes(count, "big")

    def _noise(self):
        self._random = (self._random * 1103515245 + 12345) & 0x7FFFFFFF
        return self._random >> 16 & 0xFF

    def _begin(self, offset, data, length):
        if self._off:
            raise PowerCut()
        number = self.operations
        self.operations += 1
        if self._cut is not None and self._cut[0] == number:
            self._off = True
            self.tear(offset, data, min(self._cut[1], length))
            raise PowerCut()

    def read_into(self, offset, buf):
        """Fills `buf` from `offset` on."""
        if self._off:
            raise PowerCut()
        if offset < 0 or offset + len(buf) > self.size:
            raise OSError(22)
        buf[:] = memoryview(self.data)[offset : offset + len(buf)]

    def program(self, offset, data):
        """Lets bits fall, within one page of 256 bytes."""
        size = len(data)
        if not size or offset < 0 or offset + size > self.size or offset % PAGE + size > PAGE:
            raise OSError(22)
        self._begin(offset, data, size)
        self._and(offset, data, size)
        self.programs += 1

    def erase(self, offset):
        """Sets a sector of 4 KiB to FF."""
        if offset % SECTOR or not 0 <= offset < self.size:
            raise OSError(22)
        self._begin(offset, None, SECTOR)
        self.data[offset : offset + SECTOR] = b"\xff" * SECTOR
        self.erases += 1
