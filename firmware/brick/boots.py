"""Start-ups in flash: how each one began, whether it lasted, who kept the watchdog hungry (docs/formats/flash.md)."""

from stallmark.constant import const

# What machine.reset_cause() says on an ESP32; words for people: hostagent/appliance.py
POWER_ON = const(1)
RESTARTED = const(2)  # by the program: an error that nobody caught, an order, a panic
WATCHDOG = const(3)
WOKEN = const(4)
SOFT = const(5)

# Bits of an entry's second byte; they fall as things happen, none ever rises again.
_GOOD = const(1)  # it lasted long enough
_MEANT = const(2)  # it was ended on purpose: an order, batteries empty
_SAFE = const(4)  # it ran in safe mode
_SAFE_NEXT = const(8)  # the next one shall run in safe mode: an order

_SECTOR = const(4096)
_MAGIC = b"SMBT"
_HEADER = const(12)  # magic4, generation u32, its complement u32
_ENTRY = const(4)  # reason, bits, place of the late task or FF, FF
_BLANK = b"\xff\xff\xff\xff"
_CARRIED = const(16)  # newest entries that go along into a fresh sector
_LOOK_BACK = const(64)


def counted(open_flash, reason, limit, anew=False):
    """This start-up, counted. `open_flash(name)` gives a flash port; a board whose partition table is older than start-ups
    are counted has none of that name. `anew`: another application failed before, this one begins at none."""
    try:
        flash = open_flash("boots")
    except (KeyError, OSError):
        flash = None
    boots = Boots(flash)
    boots.begin(reason, limit, anew)
    return boots


class Boots:
    """One entry of four bytes for each start-up: two small programs a start, one erase in a thousand starts.

    `flash`: two sectors (size, read_into, program, erase), or None where there are none. Nothing here raises: a brick that
    cannot count its start-ups still starts; `trouble` says so.
    """

    def __init__(self, flash):
        self._flash = flash
        self._sector = 0
        self._generation = 0
        self._at = None  # offset of this start-up's entry
        self._late = False
        self.bad = 0  # start-ups in a row that failed, up to this one
        self.safe = False  # this start-up runs in safe mode
        self.culprit = None  # place of the task that was late when the last one ended
        self.trouble = False
        self.trial = None  # the slot of an application on trial, which counts its own starts (startslot.Slot)

    def begin(self, reason, limit, anew=False):
        """Count this start-up. `reason` as reset_cause() says; from `limit` failed ones in a row on it is safe mode."""
        if self._flash is None:
            return
        try:
            self._find()
            if anew and self._at >= _HEADER + _ENTRY:
                self._write(self._at - _ENTRY + 1, bytes((0xFF & ~_MEANT,)))
            self._judge(reason, limit)
            bits = 0xFF & ~_SAFE if self.safe else 0xFF
            self._write(self._at, bytes((reason & 0x7F, bits, 0xFF, 0xFF)))
        except OSError:
            self.trouble = True

    @property
    def erases(self):
        """How often a sector was taken anew: what the flash has worn."""
        return self._generation

    def good(self):
        """This start-up has lasted: whatever comes next is no failed start."""
        self._fall(_GOOD)

    def meant(self, safe_next=False):
        """What ends now is ended on purpose; `safe_next`: and the next start-up is to be in safe mode."""
        self._fall(_MEANT | _SAFE_NEXT if safe_next else _MEANT)
        if self.trial is not None:
            try:
                self.trial.meant()
            except OSError:
                self.trouble = True

    def blame(self, place):
        """The task of this place is late: written once, before the watchdog ends it all."""
        if not self._late and self._at is not None:
            self._late = True
            try:
                self._write(self._at + 2, bytes((min(place, 0xFE),)))
            except OSError:
                self.trouble = True

    def _fall(self, bits):
        if self._at is None:
            return
        try:
            self._write(self._at + 1, bytes((0xFF & ~bits,)))
        except OSError:
            self.trouble = True

    def _write(self, at, data):
        self._flash.program(self._sector * _SECTOR + at, data)

    def _find(self):
        """The newest sector and the first blank entry of it."""
        best = None
        header = bytearray(_HEADER)
        for sector in (0, 1):
            self._flash.read_into(sector * _SECTOR, header)
            number = int.from_bytes(header[4:8], "big")
            whole = header[:4] == _MAGIC and number == int.from_bytes(header[8:12], "big") ^ 0xFFFFFFFF
            if whole and (best is None or number > best):
                best, self._sector = number, sector
        if best is None:  # a new board, or one from before there was such a partition
            self._take(0, 1, b"")
            return
        self._generation = best
        self._at = self._end()
        if self._at is None:
            start = _SECTOR - _CARRIED * _ENTRY
            kept = bytearray(_SECTOR - start)
            self._flash.read_into(self._sector * _SECTOR + start, kept)
            self._take(1 - self._sector, best + 1, kept)

    def _end(self):
        """The offset after the newest entry, or None where the sector is full."""
        page = bytearray(256)
        base = self._sector * _SECTOR
        for at in range(_SECTOR - 256, -1, -256):  # from the end: what a cut left half written stays behind
            self._flash.read_into(base + at, page)
            low = _HEADER if at == 0 else 0
            for entry in range(256 - _ENTRY, low - 1, -_ENTRY):
                if page[entry : entry + _ENTRY] != _BLANK:
                    end = at + entry + _ENTRY
                    return end if end < _SECTOR else None
        return _HEADER

    def _take(self, sector, generation, entries):
        """A fresh sector: entries first, the header that makes it count last."""
        base = sector * _SECTOR
        self._flash.erase(base)
        if entries:
            self._flash.program(base + _HEADER, entries)
        self._flash.program(base, _MAGIC + generation.to_bytes(4, "big") + (generation ^ 0xFFFFFFFF).to_bytes(4, "big"))
        self._sector, self._generation = sector, generation
        self._at = _HEADER + len(entries)

    def _judge(self, reason, limit):
        """How many start-ups before this one failed in a row.

        One failed that a watchdog or an error ended before it was good. Power that went away says nothing about
        the program: packs are swapped, plugs are pulled.
        """
        ending, entry = reason, bytearray(_ENTRY)
        at = self._at or 0
        for number in range(_LOOK_BACK):
            at -= _ENTRY
            if at < _HEADER:
                break
            self._flash.read_into(self._sector * _SECTOR + at, entry)
            fallen = ~entry[1]
            if number == 0:
                self.culprit = None if entry[2] == 0xFF else entry[2]
                self.safe = bool(fallen & _SAFE_NEXT)
            if fallen & (_GOOD | _MEANT):
                break
            if ending != POWER_ON and ending != WOKEN:
                self.bad += 1
            ending = entry[0]
        self.safe = self.safe or self.bad >= limit
