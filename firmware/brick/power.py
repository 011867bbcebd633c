"""Two packs, one level: what the brick leaves out as they run down, and when it switches itself off (docs/appliance.md)."""

from stallmark.constant import const

from brick import aio, config
from brick import counters as count
from brick.battery import Source

# Levels
FULL = const(0)  # everything, also where nothing is measured
SAVING = const(1)  # dimmer light, slower polls
LOW = const(2)  # and no grant that takes rights along, no installation
EMPTY = const(3)  # the brick switches itself off

# per cent below which a level begins, and how many readings in a row it takes to believe that
_BELOW = (None, 25, 10, 2)
_DOWN = (0, 5, 5, 10)
_RISE = const(5)  # per cent above its beginning at which a level ends
_UP = const(10)  # readings in a row
_BRIGHT = (100, 40, 20, 0)
_POLL_MS = (config.POLL_MS, 120, 180, 180)


class Power:
    """The task. `port` is the port's `power`: `read()` gives (main mV, back-up mV, charging), None where not known.

    A level falls only when readings agree, so that a sag under the buzzer's load changes nothing; it rises above
    where it began, so that it does not flicker. While any gauge cannot be believed, the level is SAVING at most:
    the pack that it does not tell of may be the one that carries the brick. It is told, and stops nobody.
    """

    def __init__(self, port, ticks, counters, log):
        self._port = port
        self._ticks = ticks
        self._counters = counters
        self._log = log
        self.main = Source()
        self.backup = Source()
        self.charging = None
        self.level = FULL
        self._wanted = FULL
        self._agreed = 0
        self._on_main = None
        self._failing = False
        self._told = lambda: None
        self._parts = None
        self._look_ms = getattr(port, "look_ms", config.POWER_LOOK_MS)

    def connect(self, lamp, reader, decider, chores, told, switch_off):
        """Say what saves power, who is told of a new level, and what ends the day when the packs are empty."""
        self._parts = lamp, reader, decider, chores
        self._told = told
        self._switch_off = switch_off

    @property
    def believable(self):
        """False while a converter gives nonsense, or nothing."""
        return not self._failing and self.main.believable and self.backup.believable

    @property
    def percent(self):
        """State of charge of the better source, None where nothing is known."""
        known = [part.percent for part in (self.main, self.backup) if part.percent is not None]
        return max(known) if known else None

    @property
    def supplied(self):
        """True while power comes from outside."""
        return bool(self.charging) or self.main.supply or self.backup.supply

    def facts(self):
        """`[level, per cent, main mV, back-up mV, charging, believable]` for the diagnostics."""
        return [self.level, self.percent, self.main.mv, self.backup.mv, self.charging, self.believable]

    def look(self):
        """Take one reading. True where the level is another one now."""
        try:
            main, backup, self.charging = self._port.read()
            self._failing = False
        except OSError:
            self._counters.add(count.GAUGE_ERRORS)
            main = backup = None
            self._failing = True
        self.main.take(main)
        self.backup.take(backup)
        self._swaps()
        return self._settle()

    def _swaps(self):
        if self._failing or not self.main.believable:
            return  # a gauge that says nothing true says nothing of a pack taken out either
        on_main = self.main.mv is not None
        if self._on_main is not None and on_main != self._on_main:
            self._counters.add(count.PACK_SWAPS)
            self._log("main pack {}".format("is back" if on_main else "is gone: running on the back-up"))
        self._on_main = on_main

    def _settle(self):
        wanted = self._level()
        if wanted == self.level:
            self._agreed = 0
            return False
        self._agreed = self._agreed + 1 if wanted == self._wanted else 1
        self._wanted = wanted
        if self._agreed < (_DOWN[wanted] if wanted > self.level else _UP):
            return False
        self._agreed = 0
        self.level = wanted
        self._counters.add(count.POWER_LEVELS)
        self._log("power level {} at {} per cent".format(wanted, self.percent))
        return True

    def _level(self):
        percent = self.percent
        if percent is None or self.supplied:
            return FULL
        level = FULL
        for candidate in (SAVING, LOW, EMPTY):
            # to leave a level takes more charge than to enter it
            edge = _BELOW[candidate] + (_RISE if self.level >= candidate else 0)
            if percent < edge:
                level = candidate
        return level if self.believable else min(level, SAVING)

    def _apply(self):
        lamp, reader, decider, chores = self._parts
        level = self.level
        lamp.dim(_BRIGHT[level])
        decider.sparing = chores.sparing = level >= LOW
        chores.saving = level >= SAVING
        if reader is not None:
            poll = _POLL_MS[level]
            alone = self._ticks() - decider.last_at > config.LONELY_MS
            if alone and self.percent is not None and not self.supplied:
                poll = max(poll, config.LONELY_POLL_MS)
            reader.poll_ms = poll

    async def run(self, pulse):
        """Look once a second; when the packs are empty, the day ends in order."""
        while True:
            pulse.beat()
            if self.look():
                self._told()
            self._apply()
            if self.level == EMPTY:
                await self._switch_off()
            await aio.sleep_ms(self._look_ms)
