"""The journal's two freeing marks: 32 bytes a time, appended, in two sectors used in turn.

docs/formats/record.md"""

from binascii import crc32
from struct import pack_into, unpack_from

from stallmark.constant import const

SECTOR = const(4096)
ENTRY = const(32)
ENTRIES = const(128)  # in a sector
PREPARE = const(96)  # entries used at which the other sector is erased when idle
MAGIC = b"SMMK"
_EMPTY = b"\xff" * ENTRY
_BLANK = b"\xff" * 256


class Marks:
    """`host` and `ledger`: highest seq durable at the host, and in the ledger. They only rise."""

    def __init__(self, flash):
        self._flash = flash
        self._entry = bytearray(ENTRY)
        self._back = bytearray(ENTRY)
        self.host = 0
        self.ledger = 0
        self._generation = 0
        self._sector = 1
        self._next = ENTRIES  # next entry in the sector in use
        self._ready = False  # the other sector was erased in this session

    def open(self):
        """Takes the good entry with the highest generation; what cannot be read is passed over. Raises
        OSError."""
        page = bytearray(256)
        last = [0, 0]  # entries in use, of each sector
        for sector in (0, 1):
            blank = False
            for at in range(ENTRIES):
                inside = at * ENTRY % 256
                if not inside:
                    self._flash.read_into(sector * SECTOR + at * ENTRY, page)
                    blank = page == _BLANK
                if blank:
                    continue
                entry = memoryview(page)[inside : inside + ENTRY]
                if page[inside] == 0xFF and entry == _EMPTY:
                    continue
                last[sector] = at + 1
                if page[inside] != MAGIC[0] or entry[:4] != MAGIC:
                    continue
                host, ledger, generation = unpack_from(">III", page, inside + 4)
                if crc32(entry[:28]) & 0xFFFFFFFF != unpack_from(">I", page, inside + 28)[0]:
                    continue
                if generation > self._generation:
                    self._generation = generation
                    self._sector = sector
                self.host = max(self.host, host)
                self.ledger = max(self.ledger, ledger)
        if self._generation:
            self._next = last[self._sector]

    def rise(self, host, ledger):
        """Stores higher marks; True where one rose. Raises OSError where flash fails."""
        host = max(self.host, host, ledger)
        ledger = max(self.ledger, ledger)
        if host == self.host and ledger == self.ledger:
            return False
        entry = self._entry
        for index in range(16, 28):
            entry[index] = 0xFF
        entry[:4] = MAGIC
        for _ in range(3):
            pack_into(">III", entry, 4, host, ledger, self._generation + 1)
            pack_into(">I", entry, 28, crc32(memoryview(entry)[:28]) & 0xFFFFFFFF)
            if self._next == ENTRIES:
                if not self._ready:
                    self._flash.erase((1 - self._sector) * SECTOR)
                self._sector = 1 - self._sector
                self._next = 0
                self._ready = False
            offset = self._sector * SECTOR + self._next * ENTRY
            self._next += 1
            self._generation += 1
            self._flash.program(offset, entry)
            self._flash.read_into(offset, self._back)
            if self._back == entry:
                self.host = host
                self.ledger = ledger
                return True
        raise OSError(5, "journal marks read back other bytes")

    def erase_ahead(self):
        """Erases the other sector when this one is three quarters used; True where it did."""
        if self._ready or self._next < PREPARE or not self._generation:
            return False
        self._flash.erase((1 - self._sector) * SECTOR)
        self._ready = True
        return True
