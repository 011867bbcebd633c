"""One source of power as the brick sees it: millivolts become a percentage that neither jumps nor lies."""

from stallmark.constant import const

ABSENT_MV = const(500)  # below this nothing is connected: an open input reads a few ten millivolts
SUPPLY_MV = const(4400)  # above this it is a charger or a USB supply, not a cell
HIGHEST_MV = const(6500)  # above this the reading cannot be true
_SAMPLES = const(5)
_STUCK = const(240)  # readings alike to the millivolt, one a second: a converter at work is never that quiet

# Open-circuit voltage of one lithium-ion cell, as in common use for eighteen-650 cells; under the brick's small load
# (100 mA of 3 Ah) the cell lies within a few per cent of it. (millivolts, per cent), rising.
_CURVE = (
    (3100, 0),
    (3300, 5),
    (3420, 10),
    (3530, 20),
    (3630, 30),
    (3720, 40),
    (3800, 50),
    (3890, 60),
    (3990, 75),
    (4050, 85),
    (4190, 100),
)


def percent(mv):
    """The state of charge of a cell at `mv` millivolts, 0 to 100."""
    low_mv, low = _CURVE[0]
    if mv <= low_mv:
        return 0
    for high_mv, high in _CURVE[1:]:
        if mv < high_mv:
            return low + (high - low) * (mv - low_mv) // (high_mv - low_mv)
        low_mv, low = high_mv, high
    return 100


class Source:
    """Takes one reading a second. `mv`: the median of the last five, None while nothing is connected.

    `believable` is False while the converter gives what cannot be: beyond its range, or the same for minutes.
    """

    def __init__(self):
        self._last = []
        self._same = 0
        self.mv = None
        self.believable = True

    def take(self, mv):
        """A reading in millivolts, or None where the converter did not answer."""
        if mv is None or mv > HIGHEST_MV:
            self.believable = mv is None  # an input that is not there is absent, one beyond its range is broken
            self._empty()
            return
        if mv < ABSENT_MV:
            self.believable = True
            self._empty()
            return
        last = self._last
        self._same = self._same + 1 if last and last[-1] == mv else 0
        self.believable = self._same < _STUCK
        last.append(mv)
        if len(last) > _SAMPLES:
            last.pop(0)
        self.mv = sorted(last)[len(last) // 2]

    def _empty(self):
        self._last = []
        self._same = 0
        self.mv = None

    @property
    def supply(self):
        """True while this is no cell that runs down."""
        return self.mv is not None and self.mv >= SUPPLY_MV

    @property
    def percent(self):
        """0 to 100, None while nothing is known. A supply is 100."""
        return None if self.mv is None or not self.believable else percent(self.mv)
