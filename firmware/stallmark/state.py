"""What a brick remembers of people, grants, latches, rights; records change it. docs/formats/ruleset.md"""

from struct import pack_into, unpack_from

from stallmark import counters
from stallmark.registry import (
    FLAG_SHADOW,
    FLAG_TRAINING,
    KIND_DENY,
    KIND_GHOST,
    KIND_GRANT,
    KIND_LATCH,
    KIND_REFUND,
    KIND_RELEASE,
    KIND_RIGHTS,
    KIND_UNCERTAIN,
    KIND_VOID,
    QUALITY_HOST,
)
from stallmark.spending import Rights

VISITORS = (KIND_GRANT, KIND_DENY, KIND_GHOST, KIND_UNCERTAIN)  # records of somebody having come
# Rights (13) in these are not spent; nothing comes back to a brick either
GIVES_BACK = (KIND_VOID, KIND_REFUND, KIND_RELEASE)
PRACTICE = FLAG_TRAINING | FLAG_SHADOW
TABLE_BYTES = 65536  # at most, for people
_KEY = 7  # slot + 1, first 6 bytes of subject8
_COUNTS = 3  # value: bit for each counter, visits u16, then grants of each limited rule


class State:
    """The state that a ruleset's decisions rest on; `ruleset` None keeps rights alone (nothing installed).

    `people_capacity`: the board's limit of remembered people, where it is lower than the ruleset's. People
    are remembered for each slot apart, so one person in two slots is two. When the table is full those of
    ended slots go; when it is still full newcomers are not remembered, counts are then *at least* what they
    say, and limits of newcomers are unknown (reason *too many people*)."""

    def __init__(self, ruleset=None, people_capacity=None):
        self.ruleset = ruleset
        self.seq = 0
        self._rental = None
        rules = [] if ruleset is None else ruleset.rules
        self._digest8 = None if ruleset is None else ruleset.digest8
        self.rights = Rights(tuple([tuple([need[0] for need in rule.need]) for rule in rules]))
        self._latched = [0] * len(rules)  # until ms
        self._latch_seq = [0] * len(rules)
        self._slots = [] if ruleset is None else ruleset.slots
        self._watched = bytearray() if ruleset is None else ruleset.watched
        self._least_trust = 0 if ruleset is None else ruleset.least_trust
        self._counters = [] if ruleset is None else ruleset.counters
        self._limited = [] if ruleset is None else ruleset.limited
        self._counted = [0] * (len(self._slots) * len(self._counters))
        self._entries = [0] * len(self._slots)
        self._unsure = bytearray(len(self._slots))  # somebody was not remembered, or was dropped
        self._dropped = bytearray(len(self._slots))
        capacity = 0 if ruleset is None else capacity_of(ruleset, people_capacity)
        self._people = counters.Table(capacity, _KEY, _COUNTS + len(self._limited))

    # --- records in

    def apply(self, record):
        """Takes over one record (seq, fields, private_fields), new or read back at start-up, in order of seq.

        False, and nothing changed, for one that was applied before."""
        if record.seq <= self.seq:
            return False
        self.seq = record.seq
        f = record.fields
        kind = f[10]
        if f[16] != self._rental:
            if self._rental is not None:
                self.rights.forget()
            self._rental = f[16]
        if 13 in f and kind not in GIVES_BACK:
            for slice_id, amount in f[13]:
                if kind == KIND_RIGHTS:
                    self.rights.carry(slice_id, amount, record.seq)
                else:
                    self.rights.spend(slice_id, amount, record.seq)
        if self.ruleset is not None and not f[0] & PRACTICE:
            if kind == KIND_LATCH:
                self._latch(f, record.seq)
            elif kind in VISITORS and f[5] is not None and f[7][0] >= QUALITY_HOST:
                private = record.private_fields
                subject = private.get(1) if private else None
                if subject is not None and f.get(11, 0) & 15 >= self._least_trust:
                    self._visit(f, subject)
        return True

    def _latch(self, f, seq):
        rule = f.get(9)
        until = f.get(24)
        if f.get(8) == self._digest8 and rule is not None and rule < len(self._latched) and until:
            self._latched[rule] = until[0]
            self._latch_seq[rule] = seq

    def _visit(self, f, subject):
        wall = f[5]
        for slot, (start, end) in enumerate(self._slots):
            if start <= wall < end and self._watched[slot] and not self._dropped[slot]:
                at = self._remember(slot, subject, wall)
                if at < 0:
                    self._unsure[slot] = 1
                else:
                    self._note(f, slot, at, wall - start)

    def _remember(self, slot, subject, wall):
        key = _key(slot, subject)
        at = self._people.find(key)
        if at < 0:
            at = self._people.add(key)
            if at < 0 and self._drop_ended(wall):
                at = self._people.add(key)
            if at >= 0:
                self._entries[slot] += 1
        return at

    def _note(self, f, slot, at, since):
        data = self._people.data
        trust = f.get(11, 0) & 15
        for number, (first, least) in enumerate(self._counters):
            bit = 1 << number
            if not data[at] & bit and since < first and trust >= least:
                data[at] |= bit
                self._counted[slot * len(self._counters) + number] += 1
        visits = unpack_from(">H", data, at + 1)[0]
        if visits < 0xFFFF:
            pack_into(">H", data, at + 1, visits + 1)
        if f[10] == KIND_GRANT and f.get(8) == self._digest8 and f.get(9) in self._limited:
            place = at + _COUNTS + self._limited.index(f[9])
            if data[place] < 255:
                data[place] += 1

    def _drop_ended(self, wall):
        """Makes room: people of slots that ended are forgotten; those slots stay closed."""
        gone = bytearray(len(self._slots) + 1)
        for slot, (_start, end) in enumerate(self._slots):
            if end <= wall and self._entries[slot]:
                gone[slot + 1] = self._dropped[slot] = self._unsure[slot] = 1
                self._entries[slot] = 0
        return any(gone) and self._people.drop(gone)

    # --- what a decision asks

    def open_slots(self, wall):
        """Indexes of the slots that `wall` (ms, None: not known well enough) lies in."""
        if wall is None:
            return ()
        return tuple([i for i, (start, end) in enumerate(self._slots) if start <= wall < end])

    def person(self, slot, subject):
        """Place of what is remembered of a subject in a slot, or -1."""
        return self._people.find(_key(slot, subject))

    def room(self, slot, wall):
        """True where one more person could be remembered in a slot."""
        if self._dropped[slot]:
            return False
        if self._people.used < self._people.capacity:
            return True
        for other, (_start, end) in enumerate(self._slots):
            if end <= wall and self._entries[other]:
                return True
        return False

    def count(self, slot, counter):
        """Different people counted so far by a counter in a slot."""
        return self._counted[slot * len(self._counters) + counter]

    def unsure(self, slot):
        """True where counts of a slot are only the least that they can be."""
        return bool(self._unsure[slot])

    def counts(self, place, counter):
        """True where the person at `place` is already in a counter."""
        return bool(self._people.data[place] >> counter & 1)

    def visits(self, place):
        """Visits of the person at `place` so far."""
        return unpack_from(">H", self._people.data, place + 1)[0]

    def granted(self, place, rule):
        """Grants of a limited rule (its index) to the person at `place` so far."""
        return self._people.data[place + _COUNTS + self._limited.index(rule)]

    def latched(self, rule, until):
        """True where a rule is latched up to `until` ms, the end of its slot."""
        return self._latched[rule] == until

    # --- rights

    def add_slice(self, piece, floor_ms):
        """Slice result for a stallmark.rights.Slice whose signature, kit and rental the caller has checked.
        `floor_ms`: the latest instant known from signed things, 0 for none."""
        rule = -1
        if self.ruleset is not None:
            for index, name in enumerate(self.ruleset.rule8):
                if name == piece.rule:
                    rule = index
        return self.rights.add(piece, rule, floor_ms)

    def slices_left(self):
        """[[slice id, left], …] of the slices held, in order of id."""
        return self.rights.lefts()

    def carry_forward(self, before_seq=None, at_most=12):
        """[[slice id, spent so far], …] for a *rights* record: sums that rest on records older than
        `before_seq` (None: all). Ask before a sector is erased, with the first seq after it; write, apply,
        ask again until it is empty."""
        return self.rights.carry_forward(before_seq, at_most)

    def carry_latches(self, before_seq, wall):
        """[[rule index, until ms], …] of latches still open at `wall` that rest on records older than
        `before_seq`: to be written again as *latch* records before those are erased."""
        due = []
        for rule, until in enumerate(self._latched):
            if until > wall and self._latch_seq[rule] < before_seq:
                due.append([rule, until])
        return due


def capacity_of(ruleset, most=None):
    """How many people a State remembers: what the ruleset asks for, within the table's bytes and `most`."""
    if not any(ruleset.watched):
        return 0
    capacity = ruleset.people_capacity
    if most is not None and most < capacity:
        capacity = most
    entry = _KEY + _COUNTS + len(ruleset.limited)
    while counters.slots(capacity) * entry > TABLE_BYTES:
        capacity -= 1 + capacity // 64
    return capacity


def _key(slot, subject):
    return bytes((slot + 1,)) + subject[:6]
