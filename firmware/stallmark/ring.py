"""Pages and sectors of the record ring: what stands where in flash. The journal decides what may be done
to it."""

from collections import namedtuple
from struct import pack_into, unpack_from

from stallmark import record
from stallmark.constant import const

PAGE = const(256)
SECTOR = const(4096)
PAGES = const(16)  # in a sector
FIRST = const(2)  # sectors 0 and 1 of the partition hold the marks
BLANK = b"\xff" * PAGE

# head_at: page of the ring where the record with the highest seq starts
Scan = namedtuple("Scan", "records torn conflicts head_seq head_at")


class Ring:
    """`sectors` sectors of 16 pages on a flash port, counted from 0.

    Memory: 8 bytes for each sector (lowest and highest seq in it) and two buffers of 512; nothing grows
    with the
    number of records."""

    def __init__(self, flash):
        self._flash = flash
        self.sectors = flash.size // SECTOR - FIRST
        if self.sectors < 3:
            raise ValueError("journal of {} bytes: expected at least 5 sectors".format(flash.size))
        self._image = bytearray(record.MAX_PAGE)  # what is written
        self._back = bytearray(record.MAX_PAGE)  # what is read
        self._seqs = bytearray(8 * self.sectors)

    # --- reading

    def look(self, sector, at):
        """Reads page `at` of a sector: size of the good record that starts there (256 or 512), 0 where the
        page is blank, -1 where it is torn."""
        offset = (FIRST + sector) * SECTOR + at * PAGE
        back = self._back
        view = memoryview(back)
        self._flash.read_into(offset, view[:PAGE])
        size = record.stated_size(back)
        if size == PAGE:
            return PAGE if record.whole(back, PAGE) else -1
        if size and at + 1 < PAGES:
            self._flash.read_into(offset + PAGE, view[PAGE:])
            return size if record.whole(back, size) else -1
        return 0 if back[0] == 0xFF and view[:PAGE] == BLANK else -1

    def seq(self):
        """seq of the record that `look` found last."""
        return unpack_from(">I", self._back, 6)[0]

    def found(self):
        """The Record that `look` found last."""
        return record.split(self._back)

    def span(self, sector):
        """`(lowest, highest)` seq of the good records in a sector, (0, 0) where there is none."""
        return unpack_from(">II", self._seqs, 8 * sector)

    def scan(self):
        """Reads every page once, fills the spans; returns a Scan. Raises OSError.

        records counts different seqs; conflicts are copies of one seq that differ. head_seq is 0 for no
        record."""
        count = torn = conflicts = head_seq = head_at = 0
        before = first = None  # (seq, CRC) of the good record before, and of the first one of all
        for sector in range(self.sectors):
            low = high = at = 0
            while at < PAGES:
                size = self.look(sector, at)
                if size <= 0:
                    torn -= size
                    at += 1
                    continue
                seq = self.seq()
                this = (seq, bytes(self._back[size - 4 : size]))
                if before is not None and before[0] == seq:
                    conflicts += before[1] != this[1]
                else:
                    count += 1
                before = this
                if first is None:
                    first = this
                # of two copies the later is the head; one in the first sector came after one in the last
                wrapped = sector == self.sectors - 1 and head_at < PAGES
                if seq > head_seq or (seq == head_seq and not wrapped):
                    head_seq, head_at = seq, sector * PAGES + at
                low = seq if not low else min(low, seq)
                high = max(high, seq)
                at += size // PAGE
            pack_into(">II", self._seqs, 8 * sector, low, high)
        if first is not before and before[0] == first[0]:  # the copies stand at both ends of the ring
            count -= 1
            conflicts += before[1] != first[1]
        return Scan(count, torn, conflicts, head_seq, head_at)

    # --- writing

    def fill(self, seq, public, mac, private):
        """Makes the image of the record to be written; returns the pages that it takes, 1 or 2."""
        return record.page_into(self._image, seq, public, mac, private) // PAGE

    def program(self, sector, at, pages):
        """Writes the image to page `at` of a sector; True where it reads back equal. Raises OSError."""
        offset = (FIRST + sector) * SECTOR + at * PAGE
        size = pages * PAGE
        image = memoryview(self._image)
        back = memoryview(self._back)
        for part in range(0, size, PAGE):
            self._flash.program(offset + part, image[part : part + PAGE])
        self._flash.read_into(offset, back[:size])
        if back[:size] != image[:size]:
            return False
        low, high = self.span(sector)
        seq = self.seq()
        pack_into(">II", self._seqs, 8 * sector, low or seq, max(high, seq))
        return True

    def erase(self, sector):
        """Erases a sector: 45 ms typical, 400 ms at most. Raises OSError."""
        self._flash.erase((FIRST + sector) * SECTOR)
        pack_into(">II", self._seqs, 8 * sector, 0, 0)
