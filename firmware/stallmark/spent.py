"""Sets with a bound: vouchers that were paid here or elsewhere, subjects that were revoked."""

from stallmark.constant import const
from stallmark.counters import table
from stallmark.crypt import sha256

MAX_SPENT = const(1024)
MAX_REVOKED = const(256)


class Spent:
    """Vouchers known as spent: own ones by serial, those of other bricks by the subject that stands for the serial.
    Kept are 40 bits of each: of 10^9 good vouchers one may look spent."""

    def __init__(self):
        self._table = table(MAX_SPENT, 6, 0)
        self._short = False

    def add(self, serial8):
        """A serial was redeemed."""
        self._put(_own(serial8))

    def add_subject(self, subject6):
        """The voucher of this subject was redeemed."""
        self._put(b"\x02" + subject6[:5])

    def _put(self, key):
        if self._table.find(key) < 0 and self._table.add(key) < 0:
            self._short = True

    def has(self, serial8, subject8):
        """True: spent. False: not that is known. None: it can not be known, or could not be remembered."""
        if self._table.find(_own(serial8)) >= 0:
            return True
        if subject8 is not None and self._table.find(b"\x02" + subject8[:5]) >= 0:
            return True
        return None if self._short or self._table.full else False

    @property
    def short(self):
        """True where there was no memory for one of them."""
        return self._table.short

    def keys(self):
        """Every key, in no order that means anything."""
        return self._table.keys()


def _own(serial8):
    return b"\x01" + sha256(serial8)[:5]


class Revoked:
    """Subjects that were revoked, the first 256 of them; kept until restart, sent anew by the host."""

    def __init__(self):
        self._table = table(MAX_REVOKED, 7, 0)

    def take(self, first, entries):
        """Adds subjects (n × 6 bytes); `first` forgets the earlier ones. False where not all found room."""
        if first:
            self._table.drop(b"\0\x01")
        all_in = True
        for at in range(0, len(entries) - 5, 6):
            key = b"\x01" + entries[at : at + 6]
            if self._table.find(key) < 0 and self._table.add(key) < 0:
                all_in = False
        return all_in

    def has(self, subject8):
        """True for a revoked subject."""
        return self._table.find(b"\x01" + subject8[:6]) >= 0

    def keys(self):
        """Every key, in no order that means anything."""
        return self._table.keys()
