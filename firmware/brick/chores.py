"""Work that can wait for a quiet moment: signatures, flash erasing, marks, merged denials, memory."""

import gc

from stallmark.constant import const
from stallmark.errors import FullError
from stallmark.rules import READING

from brick import aio, config
from brick import counters as count
from brick.shortage import Shortage
from brick.unload import unload

# Why an application waits; docs/formats/registry.md
CUSTOMERS = const(1)
BATTERY = const(2)
QUESTION = const(3)
HELD = const(4)

_TURN_MS = const(100)
_COLLECT_MS = const(5000)


class Chores:
    """The task. `quiet(ms)` says whether nobody has tapped for so long; one heavy thing a turn. `wake`: a Flag."""

    def __init__(
        self, decider, recorder, journal, outbox, installer, directing, allotment, quiet, counters, ticks, changed, wake
    ):
        self._decider = decider
        self._recorder = recorder
        self._journal = journal
        self._outbox = outbox
        self._installer = installer
        self._directing = directing
        self._allotment = allotment
        self._quiet = quiet
        self._counters = counters
        self._ticks = ticks
        self._changed = changed
        self._heavy_ms = None  # how long a signature takes here, once one was checked
        self._install_since = None
        self._directing_since = None
        self._collected = ticks()
        self._wake = wake
        self.sparing = False  # the battery is low: nothing is installed (brick.power)
        self.saving = False  # it is no longer well filled: no application is
        self.application = None
        self._lasting = None  # the bundle whose rules have been in use since
        self._lasting_since = ticks()
        self._lasted = False
        self._began = ticks()
        self.shortage = Shortage(decider, quiet, counters, ticks, changed)

    async def run(self, pulse):
        """Look after everything, for ever."""
        while True:
            pulse.beat()
            busy = False
            try:
                self._books()
                await aio.sleep_ms(0)  # what came is acknowledged before a signature keeps the link silent
                busy = await self._heavy()
            except OSError:
                self._counters.add(count.FLASH_ERRORS)
            if not busy and self._quiet(config.LULL_MS) and self._ticks() - self._collected > _COLLECT_MS:
                gc.collect()
                await self.shortage.after_collecting()
                self._collected = self._ticks()
            await self._wake.wait(1 if busy else _TURN_MS)

    def _books(self):
        self.shortage.look()
        if self._outbox.mark_due():
            self._outbox.mark()
        if self._decider.full and self._journal.free_pages > config.SHORT_PAGES:
            self._decider.full = False
            self._changed()
        self._shadow()
        if self._quiet(config.LULL_MS):
            self._recorder.settle()
            self._journal.erase_ahead()
            self._last()
        try:
            if self._decider.owing:
                self._decider.release_open()
            self._decider.close_repeats()
        except FullError:  # last, because what makes room comes before it; the merged ones wait
            pass

    def _shadow(self):
        """Rules that are tried begin, end and are told of; their code goes with them."""
        tried = self._decider.shadow
        if tried is not None and not tried.look(self._ticks()):
            self._decider.shadow = None
            unload("brick.shadow", "brick.shadowtold", "stallmark.shadow", "stallmark.golden", "stallmark.bundle", *READING)
            gc.collect()

    def _last(self):
        """Rules that were in use for a minute are not blamed for failed start-ups."""
        installed, now = self._installer.installed, self._ticks()
        if installed is not self._lasting:
            self._lasting, self._lasting_since, self._lasted = installed, now, False
        elif not self._lasted and now - self._lasting_since >= config.GOOD_BOOT_MS:
            self._lasted = True
            self._installer.lasted()

    def _holds(self):
        """Why an application's next step does not come now, or 0: customers first, then power, questions, the host's word."""
        installer, application = self._installer, self.application
        ready = installer.ready
        if not self._quiet(application.calm_ms if ready else config.LULL_MS):  # pyright: ignore[reportAttributeAccessIssue]
            return CUSTOMERS
        if self.saving or self.sparing:
            return BATTERY
        if not ready:
            return 0
        if self._decider.asking is not None and self._decider.asking.open:
            return QUESTION
        until = application.held_until  # pyright: ignore[reportAttributeAccessIssue]
        return HELD if until is not None and self._ticks() < until else 0

    async def _heavy(self):
        """One signature of root or directive, one piece of a download, or one slice. True where something was done."""
        installer = self._installer
        if self._directing.waiting:  # first: it may say that nothing is to be installed
            return self._direct()
        hold = self._holds() if installer.large else 0
        if installer.large:
            self.application.say(installer, hold)  # pyright: ignore[reportAttributeAccessIssue]
        if installer.waiting and not self.sparing and not hold:
            now = self._ticks()
            if self._install_since is None:
                self._install_since = now
            # Rules come in the end however busy it is; an application does not.
            waited = 0 if installer.large else now - self._install_since
            if not self._may(installer.heavy, waited, config.IDLE_PATIENCE_MS):
                return False
            heavy = installer.heavy
            self._install_since = None
            await installer.step()
            if heavy:
                self._heavy_ms = self._ticks() - now
                self._changed()
            return True
        since = self._allotment.waiting_since
        # Before the first ruleset is there, no slice can be told good: they wait for it.
        if since is None or (installer.installed is None and (installer.busy or self._directing.busy)):
            return self._try()
        now = self._ticks()
        if not self._may(True, now - since, config.SLICE_PATIENCE_MS):
            return False
        if self._allotment.step():
            self._heavy_ms = self._ticks() - now
        self._changed()
        return True

    def _try(self):
        """A piece of the rules that are tried, last of all: nobody waits for it."""
        tried = self._decider.shadow
        if tried is None or not tried.waiting or self.sparing:
            return False
        if not self._quiet(config.IDLE_MS if tried.heavy else config.LULL_MS):
            return False
        tried.step()
        return True

    def _direct(self):
        now = self._ticks()
        if self._directing_since is None:
            self._directing_since = now
        if not self._may(True, now - self._directing_since, config.SLICE_PATIENCE_MS):
            return False
        self._directing_since = None
        self._directing.step(self._installer.installed, self._installer.floor_ms)
        self._heavy_ms = self._ticks() - now
        return True

    def _may(self, heavy, waited_ms, patience_ms):
        """Whether a step may run now: light ones in a lull, heavy ones when idle unless they are cheap."""
        if not heavy:
            return self._quiet(config.LULL_MS) or waited_ms >= config.IDLE_MS
        if self._heavy_ms is not None and self._heavy_ms <= config.CHEAP_MS:
            return True
        return self._quiet(config.IDLE_MS) or waited_ms >= patience_ms
