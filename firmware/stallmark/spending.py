"""Rights on one brick: slices held, what is spent of each, which comes next. docs/formats/bundle.md"""

from struct import pack, pack_into, unpack_from

from stallmark.counters import table
from stallmark.numbers import SLICE_EXPIRED, SLICE_HELD, SLICE_NO_ROOM, SLICE_OK, SLICE_UNKNOWN_RULE

MAX_HELD = 24  # what fits a status message
MAX_KNOWN = 512  # slices of one rental of which a brick remembers what it spent
MAX_SPENT = 0xFFFFFFFF

# Entries of a held slice
_EXPIRES, _ID, _RULE, _UNIT, _AMOUNT, _LEFT = range(6)


class Rights:
    """What may be spent here. Slices held are lost with power and come again; what was spent is rebuilt from
    the journal.

    `units`: for each rule the units that it needs, a bit for each. `floor_ms`: the latest instant known from signed things.
    `short`: more slices were spent from than can be remembered; then nothing more is covered. A slice that is accepted has its
    place among them from then on: this comes of other ones' records alone, as they are read back."""

    _fresh = ()

    def __init__(self, units=b""):
        self._units = units
        self._had = bytearray(len(units))
        self.enough = bytearray(len(units))  # for whynot: 0 not looked at since a slice changed
        self.floor_ms = 0
        self.forget()

    def forget(self):
        """Another rental: slices of the last one can neither be spent nor come again."""
        self._known = table(MAX_KNOWN, 5, 8)  # 01 ‖ id → spent, seq of the record that the sum starts from
        self._held = []  # in the order in which they are spent: by expiry, then id
        self._fresh = []  # ids of held slices of which no record speaks yet
        for rule in range(len(self._had)):
            self._had[rule] = self.enough[rule] = 0
        self.short = False

    # --- what records say

    def spend(self, slice_id, amount, seq):
        """`amount` was spent from a slice, as record `seq` says."""
        at = self._place(slice_id, seq)
        if at >= 0:
            self._set(slice_id, at, self._spent(at) + amount)

    def release(self, parts):
        """[[slice id, amount], …] that a reserve had taken are free again."""
        for slice_id, amount in parts:
            at = self._known.find(_key(slice_id))
            if at >= 0:
                self._set(slice_id, at, max(self._spent(at) - amount, 0))

    def sums(self, parts):
        """[[unit, amount], …] of parts [[slice id, amount], …] of slices held: what the host is asked about."""
        out = []
        for held in self._held:
            for slice_id, amount in parts:
                if held[_ID] == slice_id:
                    if out and out[-1][0] == held[_UNIT]:
                        out[-1][1] += amount
                    else:
                        out.append([held[_UNIT], amount])
        return out

    def carry(self, slice_id, total, seq):
        """Record `seq` says how much was spent from a slice up to it: the sum rests on it alone."""
        at = self._place(slice_id, seq)
        if at >= 0:
            self._set(slice_id, at, max(self._spent(at), total))
            pack_into(">I", self._known.pieces[at >> 12], (at & 4095) + 4, seq)

    def _place(self, slice_id, seq):
        key = _key(slice_id)
        at = self._known.find(key)
        if at < 0:
            at = self._known.add(key)
            if at < 0:
                self.short = True
                self._changed()
            else:
                if slice_id in self._fresh:
                    self._fresh.remove(slice_id)  # pyright: ignore[reportAttributeAccessIssue] - a list from the start on
                pack_into(">I", self._known.pieces[at >> 12], (at & 4095) + 4, seq)
        return at

    def _spent(self, at):
        return unpack_from(">I", self._known.pieces[at >> 12], at & 4095)[0]

    def _set(self, slice_id, at, total):
        total = min(total, MAX_SPENT)
        pack_into(">I", self._known.pieces[at >> 12], at & 4095, total)
        for held in self._held:
            if held[_ID] == slice_id:
                held[_LEFT] = max(held[_AMOUNT] - total, 0)
                self.enough[held[_RULE]] = 0

    def _changed(self):
        for rule in range(len(self.enough)):
            self.enough[rule] = 0

    def opened(self, slice_id):
        """True where a record already speaks of this slice."""
        return self._known.find(_key(slice_id)) >= 0

    def opens(self, parts):
        """Slices among parts [[slice id, amount], …] of slices held of which no record speaks yet."""
        fresh = self._fresh
        return [part[0] for part in parts if part[0] in fresh] if fresh else []

    def carry_forward(self, before_seq=None, at_most=12):
        """[[slice id, spent so far], …]: sums that rest on records older than `before_seq` (None: all of
        them), at most `at_most`, lowest id first. They are to be written as a *rights* record before those
        records are erased; once that one is applied they rest on it."""
        due = []
        for key in self._known.keys():
            at = self._known.find(key)
            spent, anchor = unpack_from(">II", self._known.pieces[at >> 12], at & 4095)
            if spent and (before_seq is None or anchor < before_seq):
                due.append([unpack_from(">I", key, 1)[0], spent])
        due.sort()
        return due[:at_most]

    # --- what is held

    def add(self, piece, rule, floor_ms):
        """Slice result for a Slice (stallmark.rights) of rule index `rule` (-1: none), whose signature, kit
        and rental the caller has checked."""
        self._changed()
        if floor_ms > self.floor_ms:
            self.floor_ms = floor_ms
        for held in self._held:
            if held[_ID] == piece.id:
                return SLICE_HELD
        if piece.expires <= self.floor_ms:
            return SLICE_EXPIRED
        if rule < 0 or not self._units[rule] >> piece.unit & 1:
            return SLICE_UNKNOWN_RULE
        at = self._known.find(_key(piece.id))
        amount = min(piece.amount, MAX_SPENT)
        left = amount if at < 0 else max(amount - self._spent(at), 0)
        if not left:
            self._had[rule] |= 1 << piece.unit
        if len(self._held) >= MAX_HELD and not self._make_room():
            return SLICE_NO_ROOM if left else SLICE_HELD
        if at < 0:
            known, rows = self._known, self._unopened() + 1
            if known.used + rows > known.capacity or not known.ahead(rows):
                return SLICE_NO_ROOM  # what is spent of it could not be remembered
        self._had[rule] |= 1 << piece.unit
        new = [piece.expires, piece.id, rule, piece.unit, amount, left]
        place = 0
        while place < len(self._held) and self._held[place][:2] < new[:2]:
            place += 1
        self._held.insert(place, new)
        if at < 0:
            self._fresh.append(piece.id)  # pyright: ignore[reportAttributeAccessIssue]
        return SLICE_OK

    def _make_room(self):
        for index, held in enumerate(self._held):
            if held[_EXPIRES] <= self.floor_ms or not held[_LEFT]:
                self._held.pop(index)
                if held[_ID] in self._fresh:
                    self._fresh.remove(held[_ID])  # pyright: ignore[reportAttributeAccessIssue]
                return True
        return False

    def _unopened(self):
        return len(self._fresh)

    def lefts(self):
        """[[slice id, left], …] in order of id: what a status message says."""
        return sorted([[held[_ID], held[_LEFT]] for held in self._held])

    # --- what may be spent next

    def available(self, rule, unit):
        """The sum that is left for a rule in a unit."""
        total = 0
        for held in self._held:
            if held[_RULE] == rule and held[_UNIT] == unit and held[_EXPIRES] > self.floor_ms:
                total += held[_LEFT]
        return total

    def had(self, rule, unit):
        """True where a slice of this rule and unit has come since the start."""
        return bool(self._had[rule] >> unit & 1)

    def cover(self, rule, unit, amount):
        """[[slice id, part], …] of one or two slices that cover `amount`, or None.

        Slices go by expiry, then id: the first alone if it is enough, else what is left of it and the first
        later one that has the rest; else the same from the next slice on."""
        if self.short:
            return None
        fit = None  # earlier ones, none of which is enough alone
        for held in self._held:
            if held[_RULE] == rule and held[_UNIT] == unit and held[_LEFT] and held[_EXPIRES] > self.floor_ms:
                if fit is None:
                    if held[_LEFT] >= amount:
                        return [[held[_ID], amount]]
                    fit = [held]
                else:
                    fit.append(held)
        if fit is not None:
            for first, held in enumerate(fit):
                left = held[_LEFT]
                if left >= amount:
                    return [[held[_ID], amount]]
                for other in fit[first + 1 :]:
                    if left + other[_LEFT] >= amount:
                        return [[held[_ID], left], [other[_ID], amount - left]]
        return None


def _key(slice_id):
    return pack(">BI", 1, slice_id)
