"""From power-on to the tasks: light and log, the keys or the bench that brings them, then the brick itself."""

import asyncio
import gc

from stallmark import keystore
from stallmark import numbers as reg
from stallmark.constant import const
from stallmark.errors import FormatError

from brick import aio, config, indicator
from brick.clock import Clock
from brick.identity import Identity
from brick.indicator import Indicator
from brick.line import Line
from brick.log import Log
from brick.unload import unload

_TROUBLE_MS = const(10000)


class _Feeding:
    """A pulse that feeds the watchdog itself: before the supervisor runs there is only one task."""

    def __init__(self, watchdog):
        self.beat = watchdog.feed


async def main(port, boots, make):
    """Everything, from power-on. `make`: assembly.Brick, or safemode.SafeBrick after failed start-ups."""
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
        except (FormatError, OSError) as error:
            _tried(port, log, error)
            await _trouble(lamp, log, feeding, error)
        brick = _made(make, port, line, log, lamp, clock, Identity(store, fields), boots)
        if brick is None:
            await _trouble(lamp, log, feeding, "nor in safe mode")
    finally:
        shining.cancel()
    gc.collect()
    await brick.supervisor.run()


def _tried(port, log, error):
    """An application on trial that cannot start where the one before could: a failed start, not a state to stay in."""
    start = getattr(port, "start", None)
    if start is not None and start.slot.trial:
        log("on trial, and cannot start: {}".format(error))
        port.reset()


def _made(make, port, line, log, lamp, clock, identity, boots):
    """The brick; where rules, journal or a part keep it from being built, the one of safe mode: it has a link, says what
    it is, and brings what waits to the host. None where that fails too."""
    for _ in range(2):
        try:
            return make(port, line, log, lamp, clock, identity, boots)
        except (FormatError, OSError) as error:
            log("cannot start: {}".format(error))
            _tried(port, log, error)
        gc.collect()
        from brick.safemode import SafeBrick

        if make is SafeBrick:
            break
        make, boots.safe = SafeBrick, True
    return None


async def _provisioned(port, line, clock, store, feeding):
    """Wait for the bench; the key partition's content."""
    from stallmark.provision import Provisioner

    from brick import blank, selftest

    describe = (port.hardware, port.flash_bytes, port.firmware_digest32)
    provisioner = Provisioner(describe, port.random, store)
    await blank.provision(line, provisioner, port.ticks_ms, feeding, selftest.Bench(port, feeding.beat))
    unload("brick.selftest", "brick.blank", "stallmark.provision")  # never again on a brick with keys
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
