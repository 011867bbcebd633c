"""The application slot that does not run: written by the piece, read back, switched to by its header (docs/formats/slot.md).

Loaded while an application comes; `brick.startslot` reads what is written here at the next start."""

import hashlib
from binascii import crc32

from stallmark.constant import const
from stallmark.errors import FormatError, LimitError

PAGE = const(256)
SECTOR = const(4096)
DATA = const(4096)
_MAGIC = b"SMSL\x01"
_MARKS = const(256)
_PARTS = const(28)  # of the marks: what worked when the switch was made, FF minus bits
_GONE = const(30)
_ORDER = const(32)  # u32: the directive under which it was made
_DOWNLOAD = const(512)  # digest8 of the bundle's name, length u32, CRC32: what is being written
_SECTORS = const(768)  # a byte for each sector that is whole


class AppSlot:
    """`flash` of the slot, `generation` above those of both. Raises OSError where flash fails or reads back other bytes."""

    def __init__(self, flash, generation):
        self._flash = flash
        self._generation = generation
        self._buffer = bytearray(PAGE)
        self.length = 0
        self.written = 0
        self._erased = 0
        self._page = None

    def begin(self, digest8, length):
        """Go on where a download of this name was left, else begin one. `written` says from where. Raises LimitError."""
        flash = self._flash
        if not 0 < length <= flash.size - DATA:
            raise LimitError("bundle of {} bytes: expected 1 to {}".format(length, flash.size - DATA))
        self.length = length
        self.written = 0
        name = digest8 + length.to_bytes(4, "big")
        name += (crc32(name) & 0xFFFFFFFF).to_bytes(4, "big")
        if (
            self._read(0, PAGE) == b"\xff" * PAGE
            and self._read(_DOWNLOAD, 16) == name
            and self._blank(_MARKS)
        ):
            whole = self._read(_SECTORS, (length + SECTOR - 1) // SECTOR)
            sectors = 0
            while sectors < len(whole) and whole[sectors] == 0:
                sectors += 1
            self.written = min(sectors * SECTOR, length)
        else:
            # An erase that the power ends may leave the header and take the marks: it has to go first.
            flash.program(0, bytes(PAGE))
            flash.erase(0)
            flash.program(_DOWNLOAD, name)
        self._erased = (self.written + SECTOR - 1) // SECTOR * SECTOR

    def _blank(self, at):
        return self._read(at, PAGE) == b"\xff" * PAGE

    def _read(self, at, size):
        view = memoryview(self._buffer)[:size]
        self._flash.read_into(at, view)
        return bytes(view)

    def read(self, offset, size):
        """Bytes of the bundle as they stand in flash."""
        out = bytearray(max(0, min(size, self.length - offset)))
        if out:
            self._flash.read_into(DATA + offset, out)
        return bytes(out)

    def write(self, offset, data):
        """The next bytes, read back. Raises FormatError out of order, LimitError beyond the length."""
        if offset != self.written:
            raise FormatError("bundle bytes at {}: expected {}".format(offset, self.written))
        if offset + len(data) > self.length:
            raise LimitError("bundle bytes beyond its {}".format(self.length))
        view = memoryview(data)
        at = 0
        while at < len(data):
            here = offset + at
            if here >= self._erased:
                self._flash.erase(DATA + self._erased)
                self._erased += SECTOR
            size = min(PAGE - here % PAGE, len(data) - at)
            self._flash.program(DATA + here, view[at : at + size])
            if self._read(DATA + here, size) != view[at : at + size]:
                raise OSError(5, "slot reads back other bytes at {}".format(here))
            at += size
            self.written = here + size
            if self.written % SECTOR == 0 or self.written == self.length:
                self._flash.program(_SECTORS + (self.written - 1) // SECTOR, b"\x00")

    def check(self, start):
        """A Check of what was written; `start`: where the artefact begins."""
        return Check(self, start)

    def finish(self, digest, parts, order):
        """The switch: what worked until now and the directive's number first, the header last. `digest`: of the whole
        bundle, as a Check gave it."""
        self._flash.program(_MARKS + _PARTS, bytes((0xFF & ~parts,)))
        self._flash.program(_MARKS + _ORDER, order.to_bytes(4, "big"))
        page = bytearray(b"\xff" * PAGE)
        page[:5] = _MAGIC
        page[5:9] = self._generation.to_bytes(4, "big")
        page[9:13] = self.length.to_bytes(4, "big")
        page[13:45] = digest
        page[252:] = (crc32(memoryview(page)[:252]) & 0xFFFFFFFF).to_bytes(4, "big")
        self._flash.program(0, page)
        if self._read(0, PAGE) != page:
            raise OSError(5, "slot header reads back other bytes")


class Check:
    """The written bundle read back, a sector in each `step`: reading half a megabyte at once would keep customers waiting."""

    def __init__(self, slot, start):
        self._slot = slot
        self._start = start
        self._at = 0
        self._whole = hashlib.sha256()
        self._artefact = hashlib.sha256()
        self.digest = None  # of all bytes, and
        self.artefact = None  # of the artefact, once every byte was read

    def step(self):
        """Read on. True where all is read."""
        slot = self._slot
        end = min(self._at + SECTOR, slot.length)
        while self._at < end:
            data = slot.read(self._at, min(PAGE, end - self._at))
            self._whole.update(data)
            skip = max(0, self._start - self._at)
            if skip < len(data):
                self._artefact.update(data[skip:])
            self._at += len(data)
        if self._at == slot.length:
            self.digest, self.artefact = self._whole.digest(), self._artefact.digest()
            return True
        return False


class Found:
    """What an installed application's slot says of it: `bundle` (bundle.Bundle without its vectors, or None for the bench's pack
    and where it cannot be read), `parts`, `order`, `reason` (0: not given up)."""

    def __init__(self, slot):
        self.bundle = None
        marks = slot.marks()
        self.reason = slot.gone
        self.parts = 0xFF & ~marks[_PARTS]
        self.order = int.from_bytes(marks[_ORDER : _ORDER + 4], "big")
        if slot.generation == 0:
            return
        from stallmark import bundle

        try:
            size = slot.at - DATA - 4
            envelope = bytearray(size)
            slot.flash.read_into(DATA + 4, envelope)
            found = bundle.parse(bytes(envelope))
        except FormatError:
            return
        fields = dict(found.fields)
        fields[9] = []
        self.bundle = bundle.Bundle(found.type, b"", [], found.digest, fields)
