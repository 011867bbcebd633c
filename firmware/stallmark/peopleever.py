"""What is kept of a person over the whole campaign: slots attended, grants. docs/formats/ruleset.md, State"""

from stallmark import counters

BALANCE_BYTES = 6  # of stallmark.balances, at the end of an entry
_KEY = 7  # 01 ‖ first 6 bytes of subject8


class Ever:
    """One entry for each subject: a bit for each slot attended, grants of each rule of `ruleset.limited_ever` (in as
    many bits as its limit needs), and room for a balance. Nobody is ever forgotten: once the table is full, what is
    asked of newcomers is not known (None). Whoever found no memory stays unknown when there is some again: nobody can tell
    newcomers from them."""

    def __init__(self, ruleset, most, tokens):
        self.table = counters.table(most, _KEY, entry_bytes(ruleset, tokens) - _KEY)
        self.lost = False  # somebody found no memory
        self._limited = ruleset.limited_ever
        self._attended = attended_bytes(ruleset)
        self._grants = counters.Tallies(_limits(ruleset), self._attended)
        self._grants.pieces = self.table.pieces
        self.balance_at = self._attended + self._grants.size

    def forget(self):
        """Everybody: another rental begins."""
        self.table.drop(b"\x01" * 256)
        self.lost = False

    def place(self, subject6, spare=0):
        """Where a subject's entry is, made if need be while more than `spare` are free; -1 without room."""
        key = b"\x01" + subject6
        at = self.table.find(key)
        if at < 0 and not self.lost and self.table.used + spare < self.table.capacity:
            at = self.table.add(key)
            self.lost = at < 0
        return at

    def attend(self, subject6, slot):
        """The subject came in a slot."""
        if self._attended:
            at = self.place(subject6)
            if at >= 0:
                self.table.pieces[at >> 12][(at & 4095) + (slot >> 3)] |= 1 << (slot & 7)

    def grant(self, subject6, rule):
        """The subject was granted a rule (its index) once more."""
        if rule in self._limited:
            at = self.place(subject6)
            if at >= 0:
                self._grants.add(at, rule)

    def _known(self, subject6):
        """Place of an entry, -1 for a newcomer, None where newcomers can not be remembered."""
        at = self.table.find(b"\x01" + subject6)
        return None if at < 0 and self.full else at

    @property
    def full(self):
        """True where newcomers can not be remembered, or told from others."""
        return self.lost or self.table.full

    def granted(self, subject6, rule):
        """Grants of a rule so far, true up to its limit; None where that is not known."""
        at = self._known(subject6)
        if at is None or at < 0:
            return at if at is None else 0
        return self._grants.get(at, rule)

    def attended(self, subject6, slot):
        """Different slots attended so far, with `slot` (its index, -1 for none); None where that is not
        known."""
        at = self._known(subject6)
        if at is None:
            return None
        count = 0
        found = False
        if at >= 0:
            data = self.table.pieces[at >> 12]
            at &= 4095
            for byte in range(self._attended):
                bits = data[at + byte]
                while bits:
                    bits &= bits - 1
                    count += 1
            found = slot >= 0 and bool(data[at + (slot >> 3)] >> (slot & 7) & 1)
        return count if slot < 0 or found else count + 1


def attended_bytes(ruleset):
    """Bytes of the bits for slots: none where no rule asks."""
    return (len(ruleset.slots) + 7) // 8 if ruleset.attends else 0


def entry_bytes(ruleset, tokens):
    """Bytes of a subject's entry, its key included; 0 where nothing is kept of anybody."""
    size = attended_bytes(ruleset) + counters.Tallies(_limits(ruleset)).size + (BALANCE_BYTES if tokens else 0)
    return _KEY + size if size else 0


def _limits(ruleset):
    """For each rule its limit over the campaign, 0 for none."""
    limits = bytearray(len(ruleset.limits))
    for rule in ruleset.limited_ever:
        limits[rule] = ruleset.bodies[rule].limit_ever
    return limits
