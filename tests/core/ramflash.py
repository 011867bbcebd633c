"""NOR flash in memory for tests: bits only fall, erase by sector, power can fail inside any operation."""

SECTOR = 4096
PAGE = 256


class PowerCut(Exception):
    """The power went away inside an operation; what was on its way may be half there."""


class RamFlash:
    """The flash port of the core. `cut_at(operation, byte)` ends the power inside the operation with that
    number (programs and erases counted from 0): the first `byte` bytes are done, then `PowerCut` is raised
    and every later access raises it too. `fade` bits of the byte under way are left as a real chip may leave
    them: some fallen."""

    def __init__(self, size, seed=1):
        self.size = size
        self.data = bytearray(b"\xff" * size)
        self.operations = 0
        self.log = []  # (name, offset, length) of each operation where `keep_log`
        self.keep_log = False
        self.erases = 0
        self.programs = 0
        self._cut = None
        self._off = False
        self._random = seed or 1

    def copy(self):
        """The same chip, powered again."""
        other = RamFlash(0, self._random)
        other.size = self.size
        other.data = bytearray(self.data)
        return other

    def cut_at(self, operation, byte):
        self._cut = (operation, byte)

    def _noise(self):
        self._random = (self._random * 1103515245 + 12345) & 0x7FFFFFFF
        return self._random >> 16 & 0xFF

    def _begin(self, name, offset, length):
        if self._off:
            raise PowerCut()
        number = self.operations
        self.operations += 1
        if self.keep_log:
            self.log.append((name, offset, length))
        if self._cut is not None and self._cut[0] == number:
            self._off = True
            return min(self._cut[1], length)
        return None

    def read_into(self, offset, buf):
        if self._off:
            raise PowerCut()
        if offset < 0 or offset + len(buf) > self.size:
            raise OSError(22)
        buf[:] = memoryview(self.data)[offset : offset + len(buf)]

    def program(self, offset, data):
        size = len(data)
        if not size or offset < 0 or offset + size > self.size or offset % PAGE + size > PAGE:
            raise OSError(22)
        done = self._begin("program", offset, size)
        count = size if done is None else done
        for index in range(count):
            self.data[offset + index] &= data[index]
        if done is not None:
            if done < size:  # the byte under way: some of its bits fell
                self.data[offset + done] &= data[done] | self._noise()
            raise PowerCut()
        self.programs += 1

    def erase(self, offset):
        if offset % SECTOR or not 0 <= offset < self.size:
            raise OSError(22)
        done = self._begin("erase", offset, SECTOR)
        if done is None:
            self.data[offset : offset + SECTOR] = b"\xff" * SECTOR
            self.erases += 1
            return
        self.data[offset : offset + done] = b"\xff" * done
        if 0 < done < SECTOR:  # the page under way: any bits
            for index in range(offset + done, min(offset + done + PAGE, offset + SECTOR)):
                self.data[index] |= self._noise()
        raise PowerCut()
