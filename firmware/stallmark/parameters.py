"""What is set on the day: open values by signed records, signals from the host. docs/formats/ruleset.md"""


class Parameters:
    """Open values: each holds its default until a *parameters* record sets it within its bounds."""

    def __init__(self, open_values):
        self._open = open_values  # (unit, lowest, highest, default, name)
        self.forget()

    def forget(self):
        """Nothing was set: another rental begins."""
        self.values = [one[3] for one in self._open]
        self._seqs = [0] * len(self._open)

    def take(self, detail, seq):
        """Record `seq` says `[[[index, value] …], who]`; what is out of bounds changes nothing."""
        pairs = detail[0] if type(detail) is list and detail else None
        for pair in pairs if type(pairs) is list else ():
            if type(pair) is list and len(pair) == 2 and self.fits(pair[0], pair[1]):
                self.values[pair[0]] = pair[1]
                self._seqs[pair[0]] = seq

    def fits(self, index, value):
        """True where an open value may be set so."""
        if type(index) is not int or type(value) is not int or not 0 <= index < len(self._open):
            return False
        return self._open[index][1] <= value <= self._open[index][2]

    def carry(self, before_seq):
        """[[index, value], …] that rest on records older than `before_seq`."""
        due = []
        for index, seq in enumerate(self._seqs):
            if 0 < seq < before_seq:
                due.append([index, self.values[index]])
        return due


class Signals:
    """The newest value of each signal and its instant."""

    def __init__(self, signals):
        self._ages = [one[2] for one in signals]  # s
        self._values = [None] * len(signals)  # (wall ms, value)

    def set(self, index, value, wall):
        """False for a signal that is not there, or is not newer than what is known."""
        if not 0 <= index < len(self._values):
            return False
        known = self._values[index]
        if known is not None and (wall, value) <= known:
            return False
        self._values[index] = (wall, value)
        return True

    def get(self, index, wall):
        """(value, age s), or None where there is none, or none young enough."""
        known = self._values[index]
        if known is None or wall is None:
            return None
        age = max(wall - known[0], 0) // 1000
        return None if age > self._ages[index] else (known[1], age)
