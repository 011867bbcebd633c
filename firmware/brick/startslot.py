"""Which application slot a start-up runs from, and how one on trial comes to stay or goes back (docs/formats/slot.md).

The loader's part: it lies beside `appfs` in the board's file system, so that no application can take it along when it
fails. It is written for every application to come: what it is asked for here does not change.
"""

from binascii import crc32

try:
    import appfs
except ImportError:  # from the sources
    from brick import appfs

DATA = 4096  # a bundle begins here; the sector before it holds header and marks
_HEADER = b"SMSL\x01"
_PAGE = 256
_MARKS = 256  # the marks' page, from the slot's start
_STARTS = 28  # bytes: how many starts a trial may take, whatever ended them (Mender's number)
_FAILED = 3  # of them by an error or a watchdog
_GOOD = 29
_GONE = 30
_POWER = (1, 4)  # reset reasons that say nothing of the program: power, waking up
_MEANT = 0x80

# Why a slot was left; docs/formats/registry.md, Reasons of a return
FAILED_STARTS = 1
MANY_STARTS = 2
DAMAGED = 3


def header(flash):
    """(generation, offset of the pack) of what stands in a slot: 0 for the bench's own pack; None where nothing does."""
    page = bytearray(_PAGE)
    flash.read_into(0, page)
    if page[:5] == appfs.MAGIC:
        return 0, 0
    if page[:5] != _HEADER or crc32(memoryview(page)[:252]) & 0xFFFFFFFF != int.from_bytes(page[252:], "big"):
        return None
    size = bytearray(4)
    flash.read_into(DATA, size)
    envelope = int.from_bytes(size, "big")
    return (int.from_bytes(page[5:9], "big"), DATA + 4 + envelope) if 0 < envelope <= 4096 else None


class Slot:
    """One slot and its marks. `flash`: read_into(offset, buffer), program(offset, data). `pack`: appfs.Pack or None.

    Marks only ever fall from FF; they go when the slot is erased for another application. Nothing here is erased.
    """

    def __init__(self, flash, index, generation, at):
        self.flash = flash
        self.index = index
        self.generation = generation
        self.at = at
        self.pack = None

    def marks(self):
        """The page of marks; blank for the bench's pack, which was never on trial."""
        page = bytearray(_PAGE)
        self.flash.read_into(_MARKS, page)
        return page

    @property
    def trial(self):
        """Whether it is neither confirmed nor given up."""
        page = self.marks()
        return self.generation > 0 and page[_GOOD] != 0 and page[_GONE] == 0xFF

    @property
    def gone(self):
        """Why it was given up, or 0."""
        left = self.marks()[_GONE]
        return 0 if self.generation == 0 or left == 0xFF else left

    def confirm(self):
        """It stays. Raises OSError."""
        self.flash.program(_MARKS + _GOOD, b"\x00")

    def give_up(self, reason):
        """It goes back to the other slot at the next start. Raises OSError."""
        self.flash.program(_MARKS + _GONE, bytes((reason,)))

    def meant(self):
        """The start-up of now is ended on purpose. Raises OSError."""
        starts = self._starts(self.marks())
        if starts:
            self.flash.program(_MARKS + starts - 1, bytes((0xFF & ~_MEANT,)))

    @staticmethod
    def _starts(page):
        count = 0
        while count < _STARTS and page[count] != 0xFF:
            count += 1
        return count

    def judge(self, reason):
        """Why it has to go, or 0, now that a start with this reset reason has come."""
        page = self.marks()
        starts = self._starts(page)
        failed = 0
        for number in range(starts):
            ended_by = (page[number + 1] if number + 1 < starts else reason) & 7
            if ended_by not in _POWER and page[number] & _MEANT:
                failed += 1
        if failed >= _FAILED:
            return FAILED_STARTS
        return MANY_STARTS if starts >= _STARTS else 0

    def begin(self, reason):
        """Count a start."""
        self.flash.program(_MARKS + self._starts(self.marks()), bytes((0xF8 | reason & 7,)))

    def intact(self):
        """Whether the pack is whole: every byte is read. Leaves it in `pack`."""
        read = self.flash.read_into
        base = self.at
        try:
            pack = appfs.Pack(lambda at, buffer: read(base + at, buffer))
            if not pack.intact():
                return False
        except OSError:
            return False
        self.pack = pack
        return True


class Start:
    """What this start-up runs: `slot`, the `other` one (or None), `returned`: the start before ran something newer."""

    def __init__(self, slot, other, returned):
        self.slot = slot
        self.other = other
        self.returned = returned


def choose(flashes, reason):
    """The Start for two flash ports and this reset reason; counts it. Raises OSError where there is nothing to run.

    The newest slot that is whole and was not given up; where none is left, one that was given up rather than nothing.
    """
    slots = []
    for index, flash in enumerate(flashes):
        found = None if flash is None else header(flash)
        if found is not None:
            slots.append(Slot(flash, index, found[0], found[1]))
    slots.sort(key=lambda slot: -slot.generation)
    returned = False
    for last_resort in (False, True):
        for slot in slots:
            if slot.gone and not last_resort:
                continue
            trial = slot.trial
            why = slot.judge(reason) if trial else 0
            if not why and not slot.intact():
                if not trial:
                    continue
                why = DAMAGED
            if why and not last_resort:
                returned = True
                _tried(slot.give_up, why)
                continue
            if slot.pack is None and not slot.intact():
                continue
            if trial:
                _tried(slot.begin, reason)
            others = [other for other in slots if other is not slot]
            return Start(slot, others[0] if others else None, returned)
    raise OSError("the programs are damaged: flash this board again")


def _tried(mark, value):
    """A mark that flash refuses does not keep the brick from starting."""
    try:
        mark(value)
    except OSError:
        pass
