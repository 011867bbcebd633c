"""People of each slot: who came, what they are counted in, how often they were granted. docs/formats/ruleset.md"""

from array import array
from struct import pack_into, unpack_from

from stallmark import counters
from stallmark.constant import const

TABLE_BYTES = const(65536)  # at most, for everything that is kept of people
KEY = const(7)  # slot + 1, first 6 bytes of subject8

# What a counter counts, as in conditions: [20] people, [25] events, [26] the last event of a type
_PEOPLE = const(20)
_EVENTS = const(25)
# How it does so
_FIRST = const(0)  # people in the first ms of the slot: a bit of the person and a sum
_TIMED = const(1)  # people in a window: the instant they were seen last, sums of steps
_TOTAL = const(2)  # events in the first ms: a sum
_STEPS = const(3)  # events in a window: sums of steps
_LAST = const(4)  # the instant of the last event of a type


class Visitors:
    """What is remembered of people, for each slot apart: one person in two slots is two.

    A person has, in one table: a bit for each count of the first ms, visits u16, grants of each rule
    of `ruleset.limited` (in as many bits as its limit needs), and u32 (ms since the slot's start, plus 1) for each counter with a
    window. When the table is full those of ended slots go; when it is still full newcomers are not
    remembered and counts are *at least* what they say. A slot in which somebody found no memory takes nobody new up to its
    end, whatever memory there is then: nobody can tell newcomers from those."""

    def __init__(self, ruleset, most, beside=0):
        """Room for `most` people, or as many as fit 64 KiB with `beside` bytes for each kept elsewhere."""
        self.slots = ruleset.slots
        self._watched = ruleset.watched
        self._least_trust = ruleset.least_trust
        self._plan(ruleset)
        if not any(self._watched):
            most = 0
        most = counters.fitting(most, KEY + self._value + beside, TABLE_BYTES)
        self.table = counters.table(most, KEY, self._value)
        self._pieces = self._grants.pieces = self.table.pieces
        # (place, rule): grants of a limited rule to the person there so far; true up to the limit
        self.granted = self._grants.get
        self._sums = array("I", [0] * (len(self.slots) * self._columns))
        self._entries = array("H", [0] * len(self.slots))
        self._unsure = bytearray(len(self.slots))  # somebody was not remembered, or was dropped
        self._dropped = bytearray(len(self.slots))
        self.closed = bytearray(len(self.slots))

    def _plan(self, ruleset):
        """Where each counter keeps what it needs: (how, place, least trust, kit-wide, ms, type, tumbling)."""
        plan = []
        bits = columns = windowed = timed = 0
        for what, window, ms, scope, event_type, trust in ruleset.counters:
            span = ms
            if what == _PEOPLE:
                how = _TIMED if window else _FIRST
            elif what == _EVENTS:
                how = _STEPS if window else _TOTAL
            else:
                how = _LAST
            place = columns
            if how == _FIRST:
                place = columns << 8 | bits
                bits += 1
            elif how in (_TIMED, _STEPS):
                span = ms // 8 if window == 1 else ms
                place = windowed << 8 | timed
            if how in (_FIRST, _TOTAL):
                columns += 1
            if how == _LAST:
                place = timed
            if how in (_TIMED, _STEPS):
                windowed += 1
            if how in (_TIMED, _LAST):
                timed += 1
            plan.append((how, place, trust, not scope, span, event_type, window == 2))
        self._columns = columns
        self._visits = max(1, (bits + 7) // 8)
        self._grants = counters.Tallies(ruleset.limits, self._visits + 2)
        self._times = self._visits + 2 + self._grants.size
        self._value = self._times + 4 * timed
        self._counters = tuple(plan)
        self._windows = None
        if windowed:
            from stallmark.windows import Windows  # only where a rule has a window

            self._windows = Windows(self.slots, windowed)

    def forget(self):
        """Everybody, as if nobody had come: another rental begins."""
        self.table.drop(b"\x01" * 256)
        for column in (self._sums, self._entries, self._unsure, self._dropped, self.closed):
            for at in range(len(column)):
                column[at] = 0
        if self._windows is not None:
            self._windows.forget()

    # --- what comes in

    def meet(self, slot, subject6, since, wall, event_type, trust, own, fresh, rule):
        """Somebody (None: nobody known) came `since` ms after a slot's start.

        `own`: at this brick. `fresh`: an event that was not counted before. `rule`: index of the rule that
        was granted, or -1. `wall`: the latest instant known, for making room."""
        if fresh:
            self._happened(slot, since, event_type, trust, own)
        if subject6 is None or trust < self._least_trust or not self._watched[slot] or self._dropped[slot]:
            return
        at = self._remember(slot, subject6, wall)
        if at < 0:
            self._unsure[slot] = 1
            return
        self._seen(slot, at, since, event_type, trust, own)
        if fresh:
            data = self._pieces[at >> 12]
            where = (at & 4095) + self._visits
            visits = unpack_from(">H", data, where)[0]
            if visits < 0xFFFF:
                pack_into(">H", data, where, visits + 1)
        if rule >= 0:
            self._grants.add(at, rule)

    def _happened(self, slot, since, event_type, trust, own):
        for how, place, least, kit, span, wanted, _tumbling in self._counters:
            if trust < least or not (own or kit) or (wanted and wanted != event_type):
                continue
            if how == _TOTAL and since < span:
                self._sums[slot * self._columns + place] += 1
            elif how == _STEPS:
                self._windows.add(slot, place >> 8, since // span)

    def _seen(self, slot, at, since, event_type, trust, own):
        data = self._pieces[at >> 12]
        at &= 4095
        for how, place, least, kit, span, wanted, _tumbling in self._counters:
            if trust < least or not (own or kit):
                continue
            if how == _FIRST:
                bit = place & 255
                if since < span and not data[at + (bit >> 3)] & 1 << (bit & 7):
                    data[at + (bit >> 3)] |= 1 << (bit & 7)
                    self._sums[slot * self._columns + (place >> 8)] += 1
            elif how == _TIMED or (how == _LAST and wanted == event_type):
                where = at + self._times + 4 * (place & 255)
                last = unpack_from(">I", data, where)[0] - 1
                if since > last:
                    pack_into(">I", data, where, since + 1)
                    before = last // span if last >= 0 else -1
                    if how == _TIMED and since // span > before:
                        self._windows.move(slot, place >> 8, before, since // span)

    def _remember(self, slot, subject6, wall):
        key = _key(slot, subject6)
        table = self.table
        at = table.find(key)
        if at < 0 and not self.closed[slot]:
            at = table.add(key)
            if at < 0 and wall is not None and self._drop_ended(wall):
                at = table.add(key)
            if at >= 0:
                self._entries[slot] += 1
            elif table.short:
                self.closed[slot] = 1
        return at

    def _drop_ended(self, wall):
        """Makes room: people of slots that ended are forgotten; those slots stay closed."""
        gone = bytearray(len(self.slots) + 1)
        for slot, (_start, end) in enumerate(self.slots):
            if end <= wall and self._entries[slot]:
                gone[slot + 1] = self._dropped[slot] = self._unsure[slot] = 1
                self._entries[slot] = 0
        return any(gone) and self.table.drop(gone)

    def ended(self, wall):
        """Slots in which somebody found no memory and that are over at `wall` are done with: their people go."""
        for slot, (_start, end) in enumerate(self.slots):
            if self.closed[slot] and end <= wall:
                self.closed[slot] = 0
                self._drop_ended(wall)
                self._dropped[slot] = 1

    # --- what a decision asks

    def find(self, slot, subject):
        """Place of what is remembered of a subject in a slot, or -1."""
        return self.table.find(bytes((slot + 1,)) + subject[:6])

    def room(self, slot, wall):
        """True where one more person could be remembered in a slot."""
        if self._dropped[slot] or self.closed[slot]:
            return False
        if not self.table.full:
            return True
        for other, (_start, end) in enumerate(self.slots):
            if end <= wall and self._entries[other]:
                return True
        return False

    def count(self, slot, counter, wall=None):
        """People or events in a counter's window as it lies at `wall`; those of the first ms stay."""
        how, place, _least, _kit, span, _wanted, tumbling = self._counters[counter]
        if how == _FIRST or how == _TOTAL:
            return self._sums[slot * self._columns + (place >> 8 if how == _FIRST else place)]
        if how == _LAST or wall is None:
            return 0
        step = (wall - self.slots[slot][0]) // span
        return self._windows.total(slot, place >> 8, step if tumbling else step - 7, step)

    def tally(self, slot, counter, wall):
        """`count` and `unsure` of a counter at `wall` in one."""
        how, place, _least, _kit, span, _wanted, tumbling = self._counters[counter]
        unsure = self._unsure[slot]
        if how == _FIRST or how == _TOTAL:
            return self._sums[slot * self._columns + (place >> 8 if how == _FIRST else place)], unsure
        step = (wall - self.slots[slot][0]) // span
        windows = self._windows
        place >>= 8
        return (
            windows.total(slot, place, step if tumbling else step - 7, step),
            unsure or windows.behind(slot, place, step),
        )

    def unsure(self, slot, counter=None, wall=None):
        """True where counts of a slot are only the least that they can be: not everybody is remembered, or
        the clock went back behind what this counter's window has seen."""
        if self._unsure[slot]:
            return True
        if self._windows is None or counter is None or wall is None:
            return False
        how, place, _least, _kit, span, _wanted, _tumbling = self._counters[counter]
        step = (wall - self.slots[slot][0]) // span
        return how in (_TIMED, _STEPS) and bool(self._windows.behind(slot, place >> 8, step))

    def counts(self, at, counter, slot=0, wall=None):
        """True where the person at place `at` is in a counter's window already."""
        how, place, _least, _kit, span, _wanted, tumbling = self._counters[counter]
        if how == _FIRST:
            bit = place & 255
            return bool(self._pieces[at >> 12][(at & 4095) + (bit >> 3)] >> (bit & 7) & 1)
        if how != _TIMED or wall is None:
            return False
        last = self._last(at, place)
        step = (wall - self.slots[slot][0]) // span
        return last >= 0 and (step if tumbling else step - 7) <= last // span <= step

    def seen(self, at, counter, slot, wall):
        """True where the person at `at` had an event of the counter's type within its ms before `wall`."""
        _how, place, _least, _kit, span, _wanted, _tumbling = self._counters[counter]
        last = self._last(at, place)
        return last >= 0 and wall - self.slots[slot][0] - last <= span

    def _last(self, at, place):
        return unpack_from(">I", self._pieces[at >> 12], (at & 4095) + self._times + 4 * (place & 255))[0] - 1

    def visits(self, at):
        """Visits of the person at `at` so far."""
        return unpack_from(">H", self._pieces[at >> 12], (at & 4095) + self._visits)[0]


def _key(slot, subject6):
    return bytes((slot + 1,)) + subject6
