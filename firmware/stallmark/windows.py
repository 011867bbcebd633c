"""Counts that slide or tumble: how many were last seen in each of the latest eight steps of a slot."""

from array import array

STEPS = 8
_CELL = STEPS + 1  # latest step + 1 (0: none yet), then the counts of eight steps by step mod 8


class Windows:
    """Counts of `counters` windowed counters for the slots that can be open at one time.

    Slots that are never open together share a row: its numbers are those of the latest slot that something
    was counted in; of the others nothing is known any more. Counts are for a step, the number of whole steps
    since the slot's start. What is counted comes out the same in whatever order it comes."""

    def __init__(self, slots, counters):
        self._slots = slots
        self._row, rows = _rows(slots)
        self._owner = array("H", [0] * rows)  # slot + 1
        self._counters = counters
        self._cells = array("I", [0] * (rows * counters * _CELL))

    def forget(self):
        """Nothing was counted: rows are cleared as slots take them."""
        for row in range(len(self._owner)):
            self._owner[row] = 0

    def move(self, slot, counter, before, step):
        """Somebody who was last seen in step `before` (-1: never) is seen in a later one."""
        at = self._enter(slot, counter)
        if at < 0:
            return
        cells = self._cells
        latest = cells[at] - 1
        if 0 <= before and before > latest - STEPS:
            cells[at + 1 + before % STEPS] -= 1
        self._add(at, latest, step)

    def add(self, slot, counter, step):
        """Something happened in a step."""
        at = self._enter(slot, counter)
        if at >= 0:
            self._add(at, self._cells[at] - 1, step)

    def total(self, slot, counter, low, high):
        """The sum over steps `low` to `high`, of those that are still known."""
        row = self._row[slot]
        if self._owner[row] != slot + 1:
            return 0
        at = (row * self._counters + counter) * _CELL
        latest = self._cells[at] - 1
        cells = self._cells
        if high > latest:
            high = latest
        if low <= latest - STEPS + 1 and high == latest:
            return sum(cells[at + 1 : at + _CELL])  # all that are known; what never was is 0
        total = 0
        for step in range(max(low, latest - STEPS + 1, 0), high + 1):
            total += cells[at + 1 + step % STEPS]
        return total

    def behind(self, slot, counter, step):
        """True where something later than `step` was counted already: its total may be too low."""
        row = self._row[slot]
        owner = self._owner[row]
        if owner == slot + 1:
            return self._cells[(row * self._counters + counter) * _CELL] > step + 1
        return owner and self._later(owner - 1, slot)

    def _enter(self, slot, counter):
        """Where the cells of a slot's counter begin; -1 where a later slot has its row."""
        row = self._row[slot]
        owner = self._owner[row]
        if owner != slot + 1:
            if owner and self._later(owner - 1, slot):
                return -1
            self._owner[row] = slot + 1
            first = row * self._counters * _CELL
            for at in range(first, first + self._counters * _CELL):
                self._cells[at] = 0
        return (row * self._counters + counter) * _CELL

    def _later(self, slot, other):
        return self._slots[slot][0] > self._slots[other][0]

    def _add(self, at, latest, step):
        cells = self._cells
        if step > latest:
            for old in range(max(latest + 1, step - STEPS + 1), step + 1):
                cells[at + 1 + old % STEPS] = 0
            cells[at] = step + 1
        elif step <= latest - STEPS:
            return
        cells[at + 1 + step % STEPS] += 1


def _rows(slots):
    """(row of each slot, number of rows): slots of one row never overlap."""
    order = sorted([(start, end, index) for index, (start, end) in enumerate(slots)])
    ends = []
    row_of = bytearray(len(slots))
    for start, end, index in order:
        for row in range(len(ends)):
            if ends[row] <= start:
                break
        else:
            row = len(ends)
            ends.append(0)
        ends[row] = end
        row_of[index] = row
    return row_of, len(ends)
