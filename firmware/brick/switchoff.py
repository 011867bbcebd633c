"""An end on purpose: an order to start anew, or empty batteries, on which the brick goes dark and waits for power."""

from stallmark import numbers as reg
from stallmark.constant import const
from stallmark.errors import FullError

from brick import aio
from brick import counters as count
from brick.battery import ABSENT_MV, HIGHEST_MV, percent

_EMPTY_BATTERIES = const(1)  # cause in the *outage* record
_WAKE_PERCENT = const(8)  # of either source: enough for a start and some work
_REST_MS = const(5000)
_AGREED = const(3)


class Ending:
    """`port` of the board, the parts that hold something unwritten, `boots` of the start-up. Every task has ended."""

    def __init__(self, port, recorder, decider, outbox, boots, counters):
        self._port = port
        self._recorder = recorder
        self._decider = decider
        self._outbox = outbox
        self._boots = boots
        self._counters = counters

    def write_down(self):
        """What only memory holds goes to flash: questions, merged denials, marks. What fails is counted."""
        if self._decider.asking is not None:
            self._decider.asking.finish()
        try:
            self._decider.close_repeats(everything=True)
            if self._outbox.mark_due():
                self._outbox.mark()
        except FullError:
            self._counters.add(count.JOURNAL_FULL)
        except OSError:
            self._counters.add(count.FLASH_ERRORS)

    async def restart(self, safe):
        """Start anew; `safe`: in safe mode."""
        self.write_down()
        self._boots.meant(safe)
        self._port.reset()

    def record(self, power):
        """Write down that the day ends here, while the link can still carry it to the host."""
        self.write_down()
        try:
            self._recorder.write(reg.KIND_OUTAGE, {24: [_EMPTY_BATTERIES, power.main.mv, power.backup.mv]})
        except FullError:
            self._counters.add(count.JOURNAL_FULL)
        except OSError:
            self._counters.add(count.FLASH_ERRORS)

    async def rest(self):
        """Dark until there is power again; then the board starts anew."""
        self.write_down()
        self._boots.meant()
        await rest(self._port)


def recovered(reading):
    """Whether a reading of the port's power is enough to start on."""
    main, backup, charging = reading
    if charging:
        return True
    for mv in (main, backup):
        if mv is not None and ABSENT_MV <= mv <= HIGHEST_MV and percent(mv) >= _WAKE_PERCENT:
            return True
    return False


async def rest(port):
    """Dark and asleep but for a look at the packs every five seconds; ends with a restart."""
    port.light.set(0, 0, 0)
    port.sound.tone(0)
    sleep = getattr(port, "sleep_ms", None)
    rest_ms = getattr(port.power, "rest_ms", _REST_MS)
    good = 0
    while good < _AGREED:
        port.watchdog.feed()
        if sleep is None:
            await aio.sleep_ms(rest_ms)
        else:
            sleep(rest_ms)
        try:
            good = good + 1 if recovered(port.power.read()) else 0
        except OSError:
            good = 0
    port.reset()
