"""Entry of the brick: `run(port)` takes it from power-on to its tasks; `assembly` builds and joins the parts."""

# isort: off
import gc
from brick import config

if hasattr(gc, "threshold"):
    # Before anything else is loaded: what loading leaves behind would fill the heap before the first collection,
    # and what lives for ever would lie scattered over all of it. Without this the demo's market day did not run in
    # 630 KiB; with it, in 456: `python -m tests.bench brick`.
    gc.collect()
    gc.threshold(config.GC_THRESHOLD)

# The order of imports is the order in which the heap fills: what lives for ever first, biggest modules before
# small ones, so that what is compiled and dropped on the way leaves its holes at the end.
from brick.assembly import Brick
import asyncio
from stallmark import keystore
from stallmark import numbers as reg
from stallmark.errors import FormatError
# isort: on

from stallmark.constant import const

from brick import aio, indicator
from brick.clock import Clock
from brick.identity import Identity
from brick.indicator import Indicator
from brick.line import Line
from brick.log import Log

_TROUBLE_MS = const(10000)


class _Feeding:
    """A pulse that feeds the watchdog itself: before the supervisor runs there is only one task."""

    def __init__(self, watchdog):
        self.beat = watchdog.feed


def run(port):
    """Run the brick on a board (what a port offers is in ports/__init__.py). Returns only by an exception."""
    asyncio.run(main(port))


async def main(port):
    """Everything, from power-on."""
    lamp = Indicator(port.light, port.sound)
    line = Line(port.uart("link", config.LINK_BAUD))
    log = Log(line.write, port.ticks_ms)
    feeding = _Feeding(port.watchdog)
    clock = Clock(port.clock)
    store = keystore.KeyStore(port.flash("keys"))
    shining = asyncio.create_task(lamp.run(feeding))
    try:
        try:
            fields = store.load()
            if fields is None:
                lamp.background(indicator.BLANK)
                fields = await _provisioned(port, line, clock, store, feeding)
                lamp.background(indicator.READY)
            brick = Brick(port, line, log, lamp, clock, Identity(store, fields))
        except (FormatError, OSError) as error:
            await _trouble(lamp, log, feeding, error)
    finally:
        shining.cancel()
    gc.collect()
    await brick.supervisor.run()


async def _provisioned(port, line, clock, store, feeding):
    """Wait for the bench; the key partition's content."""
    from stallmark.provision import Provisioner

    from brick import blank

    describe = (port.hardware, port.flash_bytes, port.firmware_digest32)
    provisioner = Provisioner(describe, port.random, store)
    await blank.provision(line, provisioner, port.ticks_ms, feeding)
    clock.set(provisioner.wall_ms, reg.QUALITY_HELD, 0)
    return store.load()


async def _trouble(lamp, log, feeding, error):
    """Keys damaged or flash dead: shown and said until somebody comes; nothing is erased here."""
    lamp.background(indicator.FAULTY)
    while True:
        log("cannot start: {}".format(error))
        for _ in range(_TROUBLE_MS // config.FEED_MS):
            feeding.beat()
            await aio.sleep_ms(config.FEED_MS)
