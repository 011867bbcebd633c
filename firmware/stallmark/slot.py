"""Two slots for what a brick runs by: any cut leaves the old bundle or the new one. docs/formats/bundle.md"""

import hashlib
from binascii import crc32
from struct import pack_into, unpack_from

from stallmark.constant import const
from stallmark.errors import FormatError, LimitError

PAGE = const(256)
SECTOR = const(4096)
DATA = const(4096)  # bundle bytes start here; the header sector stands alone
MAGIC = b"SMSL\x01"
_MARKS = const(256)  # the page after the header: bytes that fall while the bundle is in use
_GONE = const(1)  # of the marks; 0: it lasted
_ORDER = const(4)  # u32: the directive in force when it was given up


class Reader:
    """A bundle in a slot: `.generation`, `.length`, `.digest` (SHA-256 of its bytes)."""

    def __init__(self, flash, generation, length, digest):
        self._flash = flash
        self.generation = generation
        self.length = length
        self.digest = digest

    def read(self, offset, size):
        """At most `size` bytes from `offset` on, as far as the bundle goes."""
        size = max(0, min(size, self.length - offset))
        out = bytearray(size)
        if size:
            self._flash.read_into(DATA + offset, out)
        return bytes(out)

    def bytes(self):
        """The whole bundle."""
        return self.read(0, self.length)

    def sha256(self):
        """SHA-256 of the bundle as it stands in flash now, read page by page."""
        return _digest(self._flash, self.length)


def _digest(flash, length):
    state = hashlib.sha256()
    buffer = bytearray(PAGE)
    at = 0
    while at < length:
        size = min(PAGE, length - at)
        view = memoryview(buffer)[:size]
        flash.read_into(DATA + at, view)
        state.update(view)
        at += size
    return state.digest()


class Slots:
    """Slot A and slot B on two flash ports of the same size (offsets from 0, sectors of 4 KiB).

    One install at a time: `begin`, `write` in order of offset, `candidate` to look at what was written,
    `finish`. Nothing changes what `active` gives until `finish` has programmed the header."""

    def __init__(self, flash_a, flash_b):
        self._flashes = [flash_a, flash_b]
        self._target = None  # flash being written
        self._length = 0
        self._written = 0
        self._erased = 0  # bytes of the target's data area erased so far
        self._buffer = bytearray(PAGE)

    def _headers(self):
        """`[(generation, index, length, digest)]` of the slots with a good header, newest first."""
        found = []
        for index in (0, 1):
            buffer = self._buffer
            flash = self._flashes[index]
            flash.read_into(0, buffer)
            if bytes(buffer[:5]) != MAGIC:
                continue
            if crc32(memoryview(buffer)[: PAGE - 4]) & 0xFFFFFFFF != unpack_from(">I", buffer, PAGE - 4)[0]:
                continue
            generation, length = unpack_from(">II", buffer, 5)
            if 0 < length <= flash.size - DATA:
                found.append((generation, index, length, bytes(buffer[13:45])))
        found.sort(reverse=True)
        return found

    def active(self):
        """`(generation, Reader)` of the newest slot whose bytes have the digest that its header names, or
        None.

        Reads the whole slot; one that was given up does not count. Raises OSError where flash fails."""
        for generation, index, length, digest in self._headers():
            if not self._fallen(index, _GONE) and _digest(self._flashes[index], length) == digest:
                return generation, Reader(self._flashes[index], generation, length, digest)
        return None

    def _fallen(self, index, mark):
        """Whether this mark of a slot has fallen, wholly or in part."""
        view = memoryview(self._buffer)[:1]
        self._flashes[index].read_into(_MARKS + mark, view)
        return self._buffer[0] != 0xFF

    @property
    def proven(self):
        """True where the active bundle has lasted: nothing goes back to the other slot any more."""
        active = self.active()
        return active is not None and self._fallen(self._flashes.index(active[1]._flash), 0)

    def lasted(self):
        """The active bundle has been in use for long enough: failed start-ups are not laid at its door any more."""
        active = self.active()
        if active is not None:
            index = self._flashes.index(active[1]._flash)
            if not self._fallen(index, 0):
                self._flashes[index].program(_MARKS, b"\x00")

    def give_up(self, order):
        """The active bundle, where it never lasted, makes room for the one before it; `order`: the directive in force. True
        where it did. Raises OSError where flash fails."""
        active = self.active()
        if active is None:
            return False
        index = self._flashes.index(active[1]._flash)
        headers = [header for header in self._headers() if header[1] != index and not self._fallen(header[1], _GONE)]
        if self._fallen(index, 0) or not headers or _digest(self._flashes[headers[0][1]], headers[0][2]) != headers[0][3]:
            return False
        self._flashes[index].program(_MARKS + _ORDER, order.to_bytes(4, "big"))
        self._flashes[index].program(_MARKS + _GONE, b"\x00")
        return True

    def gone(self):
        """(Reader, directive) of a bundle that was given up and still stands in its slot, or None."""
        for generation, index, length, digest in self._headers():
            if self._fallen(index, _GONE):
                order = bytearray(4)
                self._flashes[index].read_into(_MARKS + _ORDER, order)
                return Reader(self._flashes[index], generation, length, digest), int.from_bytes(order, "big")
        return None

    def begin(self, length):
        """Prepares the slot that is not active for a bundle of `length` bytes: its header is erased first.

        Raises LimitError where it does not fit, OSError where flash fails."""
        active = self.active()
        newest = self._headers()
        index = 0
        self._generation = 1
        if newest:
            # above both headers, also one whose bytes no longer fit it
            self._generation = newest[0][0] + 1
        if active is not None and active[1]._flash is self._flashes[0]:
            index = 1
        flash = self._flashes[index]
        if not 0 < length <= flash.size - DATA:
            raise LimitError("bundle of {} bytes: expected 1 to {}".format(length, flash.size - DATA))
        self._target = None
        if newest and (len(newest) > 1 or newest[0][1] == index):
            # An erase that the power ends may leave the header and take the marks: it has to go first.
            flash.program(0, bytes(PAGE))
        flash.erase(0)
        self._target = flash
        self._length = length
        self._written = 0
        self._erased = 0

    @property
    def writing(self):
        """True from `begin` until `finish` or `abandon`."""
        return self._target is not None

    @property
    def written(self):
        """Bytes written since `begin`: the offset that `write` expects next."""
        return self._written

    def write(self, offset, data):
        """Writes the next bytes and reads them back. Raises FormatError out of order, LimitError beyond the
        stated length, OSError where flash fails or reads back other bytes."""
        if self._target is None:
            raise FormatError("no bundle is being written")
        if offset != self._written:
            raise FormatError("bundle bytes at {}: expected {}".format(offset, self._written))
        if offset + len(data) > self._length:
            raise LimitError("bundle bytes beyond its {}".format(self._length))
        view = memoryview(data)
        at = 0
        while at < len(data):
            here = offset + at
            if here >= self._erased:
                self._target.erase(DATA + self._erased)
                self._erased += SECTOR
            size = min(PAGE - here % PAGE, len(data) - at)
            part = view[at : at + size]
            self._target.program(DATA + here, part)
            back = memoryview(self._buffer)[:size]
            self._target.read_into(DATA + here, back)
            if back != part:
                raise OSError(5, "slot reads back other bytes at {}".format(here))
            at += size
            self._written = here + size

    def candidate(self):
        """A Reader of what was written since `begin`. Raises FormatError before its last byte."""
        if self._target is None or self._written != self._length:
            raise FormatError("bundle has {} of {} bytes".format(self._written, self._length))
        return Reader(self._target, self._generation, self._length, _digest(self._target, self._length))

    def finish(self, digest):
        """Makes the written bundle the active one where its SHA-256 (over all its bytes) is `digest`; returns
        its Reader. Raises FormatError for another digest or missing bytes, OSError where flash fails."""
        reader = self.candidate()
        if reader.digest != digest:
            raise FormatError("bundle digest is not the one that was checked")
        page = bytearray(b"\xff" * PAGE)
        page[:5] = MAGIC
        pack_into(">II", page, 5, self._generation, self._length)
        page[13:45] = digest
        pack_into(">I", page, PAGE - 4, crc32(memoryview(page)[: PAGE - 4]) & 0xFFFFFFFF)
        target, self._target = self._target, None
        target.program(0, page)
        target.read_into(0, self._buffer)
        if self._buffer != page:
            raise OSError(5, "slot header reads back other bytes")
        return reader

    def abandon(self):
        """Gives up what is being written; the active slot stays as it is."""
        self._target = None
