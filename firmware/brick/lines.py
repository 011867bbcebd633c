"""Several lines under one link: the host chooses, by where it talks, which one carries the session."""

from stallmark import frame
from stallmark import numbers as reg

from brick import counters as count


class Lines:
    """`lines` in the order in which they are chosen where nothing else decides; the first is always there."""

    def __init__(self, lines, ticks):
        self._lines = lines
        self._ticks = ticks
        self._chosen = 0
        self._asked = 0  # where the last frame came from
        self._open = [False] * len(lines)
        self._last = ticks()
        self._held = 0
        self._busy = False
        self.moves = 0  # changes of line within a session

    def __len__(self):
        return len(self._lines)

    def __getitem__(self, number):
        return self._lines[number]

    def came(self, number):
        """A frame came on this line."""
        self._asked = number

    def proven(self, number):
        """Something new that only the host can have sent came on this line: answers go there from now on."""
        self._lines[number].proven()
        if number != self._chosen:
            self._chosen = number
            self.moves += 1

    def opened(self):
        """True once for every line that has opened since the last call."""
        found = False
        for number in range(len(self._lines)):
            is_open = self._lines[number].open
            found = found or (is_open and not self._open[number])
            self._open[number] = is_open
        return found

    def now(self):
        """The link's milliseconds: they stand still while a slow line still carries bytes."""
        now = self._ticks()
        line = self._lines[self._chosen]
        busy = line.open and line.busy
        if busy and self._busy:
            self._held += now - self._last
        self._busy = busy
        self._last = now
        return now - self._held

    def write(self, data, up):
        """A frame of the session to the line that carries it; without a session to everybody who listens."""
        if not self._lines[self._chosen].open:
            self._chosen = 0
        kind = frame.type_of(data)
        if kind in (reg.FRAME_SEALED, reg.FRAME_ACK, reg.FRAME_M3, reg.FRAME_LOG) and up:
            self._lines[self._chosen].write(data)
        elif up:
            self._lines[self._asked].write(data)
        else:
            for line in self._lines:
                if line.open:
                    line.write(data)

    def collect(self, counters):
        """Bring what the lines count themselves into the counters."""
        counters.set(count.LINK_MOVES, self.moves)
        for line in self._lines[1:]:
            line.collect(counters)
