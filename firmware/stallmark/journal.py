"""The record ring on raw flash: durable before green, safe against a cut at any byte.

docs/formats/record.md"""

from collections import namedtuple

from stallmark import record
from stallmark.constant import const
from stallmark.errors import FormatError, FullError
from stallmark.marks import Marks
from stallmark.ring import PAGE, PAGES, Ring

CARRY = const(2)  # pages kept for carry-over while the next sector is not erased
URGENT = const(4)  # pages left in a sector at which the next one is erased without waiting for an idle moment
EARLY = const(8)  # pages left at which records may be freed by the host's mark alone
TRIES = const(4)  # pages tried for one record before flash counts as failed

Summary = namedtuple("Summary", "records torn conflicts head_seq")


class Journal:
    """The ring of one brick.

    `flash` has size, read_into(offset, buf), program(offset, data), erase(offset). `reserved` pages are kept
    for essential records. `carry(first_seq, last_seq)`, where given, is called before records are erased and
    may append what must be said again (kind 10 rights): append takes essential records from within it.

    Order at start-up: open, rebuild what is kept of the records, set carry, erase_ahead until False,
    append."""

    def __init__(self, flash, reserved=64, carry=None):
        self._ring = Ring(flash)
        self._marks = Marks(flash)
        self._reserved = reserved
        self.carry = carry
        self._carrying = False
        self.head = None
        self.next_seq = 1
        self.oldest_seq = 0
        self.torn = 0
        self.conflicts = 0
        self.freed_early = 0
        self.erase_errors = 0
        self._sector = 0  # being written
        self._used = PAGES  # pages of it that are behind us
        self._open = False  # False until a sector has been written to
        self._ready = False  # the sector after it was erased to the end in this session
        self._free = 0  # sectors after it that hold nothing above the freeing mark
        self._again = False  # the head is to be written again before anything new

    # --- start-up

    def open(self):
        """Reads every page once; returns Summary(records, torn, conflicts, head_seq). Raises OSError.

        records counts distinct sequence numbers; head_seq is 0 for an empty ring."""
        self._marks.open()
        found = self._ring.scan()
        self.torn += found.torn
        self.conflicts += found.conflicts
        if found.head_seq:
            self._resume(found.head_at // PAGES, found.head_at % PAGES)
        self._find_oldest()
        # marks name records that existed: their numbers are not given twice, even if their pages were lost
        self.next_seq = max(found.head_seq, self.host_seq, self.ledger_seq) + 1
        self._free = 0
        self._extend()
        try:
            self._repeat_head()
        except (FullError, OSError):
            self.erase_errors += 1  # the first append tries again
        return Summary(found.records, found.torn, found.conflicts, found.head_seq)

    def _resume(self, sector, at):
        """Goes on after the head's page, on the first blank page of its sector."""
        size = self._ring.look(sector, at)
        self.head = self._ring.found()
        at += size // PAGE
        while at < PAGES and self._ring.look(sector, at) != 0:
            at += 1
        self._sector = sector
        self._used = at
        self._open = True
        self._again = True

    def _repeat_head(self):
        """Writes the head again after a start: bits of a page torn at its very end can read well once and
        fade later. Waits where only the room for carry-over is left."""
        head = self.head
        if self._again and self._room(record.page_size(len(head.public), len(head.private)) // PAGE) >= 0:
            self._write(head.seq, head.public, head.mac, head.private)
            self._again = False

    # --- state

    @property
    def host_seq(self):
        """Highest seq that the host said is durable there."""
        return self._marks.host

    @property
    def ledger_seq(self):
        """Highest seq that the controller said is in the ledger."""
        return self._marks.ledger

    @property
    def free_pages(self):
        """Pages that can still be written before the ring is full."""
        return PAGES - self._used + PAGES * self._free

    def _after(self, steps):
        return (self._sector + steps) % self._ring.sectors if self._open else steps - 1

    def _extend(self):
        """Counts the sectors ahead that hold nothing above the host's mark, from where it stopped counting.
        The head's own sector never counts."""
        most = self._ring.sectors - 1 if self._open else self._ring.sectors
        mark = self.host_seq
        if self.head is not None and mark >= self.head.seq:
            mark = self.head.seq - 1
        while self._free < most and self._ring.span(self._after(1 + self._free))[1] <= mark:
            self._free += 1

    def _room(self, need):
        """Pages left after a record of `need` pages, beyond those kept for carry-over; negative where it may
        not be written."""
        left = PAGES - self._used
        after = self.free_pages - need - (left if need > left else 0)
        if self._carrying:
            return after
        if self._crowded(need):
            return -1
        return after - CARRY

    def _crowded(self, need):
        """True where the record would take the pages that carry-over needs before the next sector is
        erased."""
        if self._ready or not self._free or not self._ring.span(self._after(1))[0]:
            return False
        return need > PAGES - self._used - CARRY

    def _find_oldest(self):
        self.oldest_seq = 0
        for steps in range(1, self._ring.sectors + 1):
            low = self._ring.span(self._after(steps))[0]
            if low:
                self.oldest_seq = low
                return

    # --- marks and erasing

    def mark(self, host_seq, ledger_seq):
        """Raises the freeing marks (they never fall; above the head they count as the head; None is no news)
        and stores them. Losing a mark costs repeats, never records. Raises OSError where flash fails."""
        top = self.next_seq - 1
        if self._marks.rise(min(host_seq or 0, top), min(ledger_seq or 0, top)):
            self._extend()
            self._settle()

    def erase_due(self):
        """`(first_seq, last_seq)` of the records that `erase_ahead` would erase now, (0, 0) where the sector
        holds none, or None where there is nothing to do."""
        if self._ready or not self._free:
            return None
        low, high = self._ring.span(self._after(1))
        if high > self.ledger_seq and self._open and PAGES - self._used >= EARLY:
            return None
        return low, high

    def erase_ahead(self):
        """Call when idle: does at most one erase (45 ms typical, 400 ms at most); True where it did.

        Carries over first. Raises FullError where carry-over found no room, OSError where flash fails."""
        if self.erase_due() is None:
            return self._marks.erase_ahead()
        self._make_ready()
        return True

    def _make_ready(self):
        sector = self._after(1)
        low, high = self._ring.span(sector)
        if low and self.carry is not None:
            self._carrying = True
            try:
                self.carry(low, high)
            finally:
                self._carrying = False
        self._ring.erase(sector)
        if high > self.ledger_seq:
            self.freed_early += high - max(low - 1, self.ledger_seq)
        self._ready = True
        self._find_oldest()

    def _settle(self):
        """Erases ahead without waiting where the sector is nearly used up: what is left belongs to
        carry-over."""
        if self._carrying or self._ready or PAGES - self._used >= URGENT or self.erase_due() is None:
            return
        try:
            self._make_ready()
        except (FullError, OSError):
            self.erase_errors += 1  # the next append or idle moment tries again

    # --- writing

    def append(self, seq, public, mac, private, essential):
        """Writes a record; returns when it is durable and read back equal.

        `essential` records may use the last reserved pages. Raises FullError where no page may be used,
        FormatError where seq is not next_seq, LimitError over 440 bytes, OSError where flash fails."""
        if seq != self.next_seq:
            raise FormatError("record {}: expected {}".format(seq, self.next_seq))
        need = record.page_size(len(public), len(private)) // PAGE
        if self.carry is None and self._crowded(need):
            self._make_ready()
        self._repeat_head()
        room = self._room(need)
        if room < 0:
            raise FullError("journal full: records wait to be acknowledged, or the next sector to be erased")
        if room + CARRY < self._reserved and not essential and not self._carrying:
            raise FullError("journal nearly full: the last {} pages are reserved".format(self._reserved))
        self._write(seq, public, mac, private)
        self.head = record.Record(seq, public, mac, private)
        self.next_seq = seq + 1
        self._extend()
        if not self.oldest_seq:
            self.oldest_seq = seq
        self._settle()

    def _write(self, seq, public, mac, private):
        failed = None
        for _ in range(TRIES):
            pages = self._ring.fill(seq, public, mac, private)
            self._step(pages)
            at = self._used
            self._used += pages
            try:
                if self._ring.program(self._sector, at, pages):
                    return
            except OSError as error:
                failed = error
            self.torn += 1
        raise failed or OSError(5, "journal: {} pages in a row read back other bytes".format(TRIES))

    def _step(self, need):
        """Moves on to the next sector where the record does not fit the rest of this one."""
        if need <= PAGES - self._used:
            return
        if not self._free:
            raise FullError("journal full: records wait for the host's acknowledgement")
        if not self._ready:
            if self.carry is not None and self._ring.span(self._after(1))[0]:
                raise FullError("journal: the next sector waits to be erased")
            self._make_ready()
        self._sector = self._after(1)
        self._open = True
        self._used = 0
        self._free -= 1
        self._ready = False
        self._extend()

    # --- reading

    def records(self, from_seq=0):
        """Generator of the Records from `from_seq` on, in order of seq, each once; of two copies the later.

        May go on while records are appended or erased: it ends at the head as it is when it gets there."""
        waiting = None
        sector = self._after(1)
        for _ in range(self._ring.sectors):
            at = 0
            while at < PAGES and self._ring.span(sector)[1] >= from_seq:
                size = self._ring.look(sector, at)
                if size > 0:
                    seq = self._ring.seq()
                    if seq >= from_seq:
                        if waiting is not None and seq > waiting.seq:
                            done = waiting
                            waiting = self._ring.found()
                            from_seq = seq
                            yield done
                        else:
                            waiting = self._ring.found()
                            from_seq = seq
                    at += size // PAGE
                else:
                    at += 1
            sector = (sector + 1) % self._ring.sectors
        if waiting is not None:
            yield waiting

    def read(self, seq):
        """The Record with this seq, or None."""
        if self.head is not None and seq == self.head.seq:
            return self.head
        for found in self.records(seq):
            return found if found.seq == seq else None
        return None
