"""Where the tables of fixed points are in flash: rows are read from there, never held. docs/formats/flash.md, Tables"""

import hashlib
from binascii import crc32
from struct import pack_into, unpack_from

from stallmark.comb import ROW, ROWS
from stallmark.constant import const

PAGE = const(256)
SECTOR = const(4096)
PLACES = const(3)  # tables: the base point's and those of two signers
BASE = bytes(32)  # stands for the base point: as a key it would be refused, so it is nobody's
MAGIC = b"SMCB\x01"
_SIZE = const(12288)  # ROW * ROWS, three sectors
_HEADERS = const(16)  # pages of the first sector
_DEAD = bytes(PAGE)


class CombStore:
    """Tables on a flash port of ten sectors or more (docs/formats/record.md says what a flash port is).

    What is here can be made again at any time: a table that is torn, rotten or missing costs time, nothing else. Its rows are
    read through once before the first use since start-up, and again when a signature seems wrong (`sound`)."""

    def __init__(self, flash):
        self._flash = flash
        self._found = {}  # key: (place, digest of the rows, page of its header)
        self._seen = set()  # keys whose rows were read through
        self._next = _HEADERS  # first page that is blank up to the sector's end
        self.open()

    def open(self):
        """Reads the headers. Raises OSError."""
        self._found = {}
        self._seen = set()
        page = bytearray(PAGE)
        self._next = 0
        places = {}
        for at in range(_HEADERS):
            self._flash.read_into(at * PAGE, page)
            if page[0] == 0xFF and page == b"\xff" * PAGE:
                continue
            self._next = at + 1
            crc = unpack_from(">I", page, PAGE - 4)[0]
            if (
                page[:5] != MAGIC
                or crc32(memoryview(page)[: PAGE - 4]) & 0xFFFFFFFF != crc
                or page[5] >= PLACES
            ):
                continue
            places[page[5]] = (
                bytes(page[6:38]),
                bytes(page[38:70]),
                at,
            )  # of one place the later header counts
        for place, (key, digest, at) in places.items():
            self._found[key] = (place, digest, at)

    def keys(self):
        """Keys (BASE among them) that have a table."""
        return list(self._found)

    def wanted(self, signers):
        """What to build next for these signers: BASE, one of the first two of them, or None."""
        if signers:
            for key in (BASE,) + tuple(signers[: PLACES - 1]):
                if key not in self._found:
                    return key
        return None

    def rows(self, key):
        """`function(row, buffer of 96 bytes)` for stallmark.comb, or None: there is no table of it, or not a whole one."""
        if key not in self._found or (key not in self._seen and not self.sound(key)):
            return None
        start = SECTOR + self._found[key][0] * _SIZE
        read_into = self._flash.read_into

        def row(number, buffer):
            read_into(start + ROW * number, buffer)

        return row

    def sound(self, key):
        """Whether a table is still what was written: 12 KiB are read. One that is not is forgotten, to be built again."""
        place, digest, at = self._found[key]
        if self._digest(place) == digest:
            self._seen.add(key)
            return True
        self._forget(key, at)
        return False

    def _forget(self, key, at):
        self._found.pop(key)
        self._seen.discard(key)
        self._flash.program(at * PAGE, _DEAD)

    def _digest(self, place):
        state = hashlib.sha256()
        page = bytearray(PAGE)
        for at in range(SECTOR + place * _SIZE, SECTOR + (place + 1) * _SIZE, PAGE):
            self._flash.read_into(at, page)
            state.update(page)
        return state.digest()

    def build(self, key, signers):
        """Generator that makes and stores the table of a key, tens of milliseconds of a small chip at a time. `signers`: whose
        tables stay. Its last step makes it count; its value is True where it does. Raises OSError where flash fails."""
        from stallmark import combmake

        place = self._place(key, signers)
        if place is None:
            return False
        for other in list(self._found):
            if self._found[other][0] == place:
                self._forget(other, self._found[other][2])
        start = SECTOR + place * _SIZE
        for at in range(start, start + _SIZE, SECTOR):
            self._flash.erase(at)
            yield
        state = hashlib.sha256()
        written = 0
        for made in combmake.rows(None if key == BASE else key):
            if made is None:
                yield
                continue
            row, data = made
            view = memoryview(data)
            for at in range(0, len(data), PAGE):
                self._flash.program(start + ROW * row + at, view[at : at + PAGE])
            state.update(data)
            written += len(data)
            yield
        digest = state.digest()
        if written != _SIZE or self._digest(place) != digest:
            return False
        self._write(key, place, digest)
        return True

    def _place(self, key, signers):
        if key == BASE:
            return 0
        held = {found[0]: other for other, found in self._found.items()}
        for place in range(1, PLACES):
            if place not in held:
                return place
        for place in range(1, PLACES):
            if held[place] not in signers:
                return place
        return None

    def _write(self, key, place, digest):
        if self._next == _HEADERS:  # all pages used: those that count are written again
            kept = list(self._found.items())
            self._flash.erase(0)
            self._next = 0
            for other, found in kept:
                self._header(other, found[0], found[1])
        self._header(key, place, digest)
        self._seen.add(key)

    def _header(self, key, place, digest):
        page = bytearray(b"\xff" * PAGE)
        page[:5] = MAGIC
        page[5] = place
        page[6:38] = key
        page[38:70] = digest
        pack_into(">I", page, PAGE - 4, crc32(memoryview(page)[: PAGE - 4]) & 0xFFFFFFFF)
        self._flash.program(self._next * PAGE, page)
        self._found[key] = (place, digest, self._next)
        self._next += 1


assert ROW * ROWS == _SIZE
