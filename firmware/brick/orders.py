"""What the host may tell a brick besides rules and rights: the time, to close the day, to show itself."""

from stallmark import form
from stallmark import numbers as reg
from stallmark.errors import FullError

from brick import config, indicator
from brick import counters as count


class Orders:
    """Handlers for messages 33, 38, 39 and 49; each raises FormatError for what it cannot read.

    `floor_ms()`: the latest instant known from signed things; a time before it cannot be. `restart(safe)`: start anew.
    """

    def __init__(self, clock, recorder, decider, lamp, counters, changed, floor_ms, restart):
        self._clock = clock
        self._recorder = recorder
        self._decider = decider
        self._lamp = lamp
        self._counters = counters
        self._changed = changed
        self._floor_ms = floor_ms
        self._restart = restart
        self.tell = None  # sends diagnostics

    def clock(self, value):
        """Take the host's time; a step, or another quality, is a record of its own.

        A time before something that was signed (a host that woke up in 1970) is refused and counted: the brick
        keeps its own. A time far ahead is taken, and corrected by the next one: nothing here tells it from a true one.
        """
        wall_ms, quality, spread_ms = told_time(value)
        if wall_ms < self._floor_ms() - config.CLOCK_SLACK_MS:
            self._counters.add(count.CLOCK_REFUSED)
            return
        clock = self._clock
        old_ms, old_quality = clock.wall_ms(), clock.quality
        clock.set(wall_ms, quality, spread_ms)
        step = old_ms is None or abs(wall_ms - old_ms) > config.CLOCK_STEP_MS
        if step:
            self._counters.add(count.CLOCK_STEPS)
        if step or quality != old_quality:
            self._record(reg.KIND_CLOCK, [old_ms, wall_ms, old_quality])
            self._changed()

    def close(self, value):
        """The stall closes: what is merged is written, the close record ends the key epoch."""
        form.fields(value, "close", (0,))
        who = form.text(value[0], "close who (0)", 24)
        if self._decider.asking is not None:
            self._decider.asking.finish()
        try:
            self._decider.close_repeats(everything=True)
        except (FullError, OSError):
            self._counters.add(count.JOURNAL_FULL)
        self._record(reg.KIND_CLOSE, [who])

    def identify(self, value):
        """Blink, so that a person finds this brick among others, and say how it is: somebody wants to know it as of now."""
        self._lamp.show(indicator.IDENTIFY)
        self._changed(True)
        if self.tell is not None:
            self.tell()

    def restart(self, value):
        """Start anew, in safe mode where the host wants that."""
        self._restart(restart_mode(value))

    def _record(self, kind, detail):
        try:
            self._recorder.write(kind, {24: detail})
        except FullError:
            self._counters.add(count.JOURNAL_FULL)
        except OSError:
            self._counters.add(count.FLASH_ERRORS)


def told_time(value):
    """Message 33: (wall ms, quality, ± ms). Raises FormatError."""
    form.fields(value, "clock", (0, 1, 2))
    wall_ms = form.uint(value[0], "clock wall ms (0)", config.LATEST_MS)
    quality = min(form.uint(value[1], "clock quality (1)", 255), reg.QUALITY_HOST)
    return wall_ms, quality, form.uint(value[2], "clock spread (2)", form.U32)


def restart_mode(value):
    """Message 49: whether the next start-up is to be in safe mode. Raises FormatError."""
    form.fields(value, "restart", (0,))
    return form.uint(value[0], "restart mode (0)", 1) == 1
