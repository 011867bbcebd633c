"""Memory too short for somebody who was to be remembered: said, and tried again once there is some."""

from brick import config
from brick import counters as count


class Shortage:
    """One for each brick. `quiet(ms)`: whether nobody has tapped for so long; `changed()`: the status says another thing.

    Whoever found no memory stays unknown to a state for a whole slot, or the campaign: it cannot tell newcomers from them. The
    journal can: `remember` is a coroutine of Brick's that reads it once more."""

    def __init__(self, decider, quiet, counters, ticks, changed):
        self._decider = decider
        self._quiet = quiet
        self._counters = counters
        self._ticks = ticks
        self._changed = changed
        self._short = False
        self._wait = self._due = 0
        self.remember = None

    def look(self):
        """Count and say that memory is short now, or no longer."""
        short = self._decider.state.short
        if short == self._short:
            return
        self._short = short
        self._wait = config.REMEMBER_MS
        self._due = self._ticks() + self._wait
        self._counters.add(count.MEMORY_SHORT if short else count.MEMORY_AGAIN)
        self._changed()

    async def after_collecting(self):
        """Right after a collection in a quiet moment: memory for those who come next, and for those who found none."""
        self._decider.ahead()
        if not self._short or self.remember is None or self._ticks() < self._due or not self._quiet(config.REMEMBER_MS):
            return
        self._due = self._ticks() + self._wait
        if not _enough():
            return
        self._wait = min(2 * self._wait, config.REMEMBER_MOST_MS)  # it takes long where the journal is
        await self.remember()


def _enough():
    """Whether a block of four pieces of a table can be had: before, there was none of one."""
    try:
        bytearray(config.REMEMBER_BYTES)
    except MemoryError:
        return False
    return True
