"""Safe mode: after three failed start-ups the brick talks and tells, and decides nothing (docs/appliance.md).

No rules are read, no state is built, no reader is driven: whatever made the start-ups fail is not run again. Records that
wait in the journal still go to the host, unless safe mode itself has failed twice: then not even the journal is opened.
"""

import gc

from stallmark import numbers as reg
from stallmark import record
from stallmark.constant import const
from stallmark.errors import FormatError
from stallmark.link import BrickLink

from brick import aio, airline, config, indicator
from brick import counters as count
from brick.counters import Counters
from brick.lines import Lines
from brick.orders import restart_mode, told_time
from brick.outbox import Outbox
from brick.supervisor import Supervisor
from brick.uplink import Uplink
from brick.vitals import Vitals

SAFE = const(2)  # state of the status message
RADIO_FAULT = const(2)
_TASK_MS = const(5000)
_NO_BOOT = const(0)  # a start-up without a number: no record is written in it


class _NoJournal:
    """Stands for a journal that was not opened, and for its outbox: nothing to send, nothing to mark."""

    host_seq = 0

    def restart(self):
        pass

    def next(self):
        return None

    def acknowledged(self, value):
        pass

    def resend(self, value):
        pass


class SafeBrick:
    """The parts of a brick in safe mode."""

    def __init__(self, port, line, log, lamp, clock, identity, boots):
        ticks = port.ticks_ms
        self._port = port
        self._boots = boots
        self._clock = clock
        self._lamp = lamp
        self._firmware32 = port.firmware_digest32
        self.counters = counters = Counters()
        counters.set(count.BOOTS_BAD, boots.bad)
        self._journal = self._open_journal(log)
        outbox = _NoJournal() if self._journal is None else Outbox(self._journal, identity, counters, ticks)
        link = BrickLink(
            identity.brick8,
            identity.link_epoch,
            identity.link_key,
            _NO_BOOT,
            port.make_ecb,
            port.random,
            identity.advance_link,
            identity.rekeyed,
        )
        found, self._radio_failed = airline.lines(port, line, identity.brick8, log)
        counters.set(count.RADIO_FAULTS, 1 if self._radio_failed else 0)
        lines = Lines(found, ticks)
        self._uplink = uplink = Uplink(lines, link, outbox, counters, self._status, self._tell)
        self.supervisor = supervisor = Supervisor(port.watchdog, ticks, counters, log, boots)
        self._vitals = Vitals(port, clock, counters, boots, supervisor, self._journal)
        for kind, handler in (
            (reg.MSG_ACK, outbox.acknowledged),
            (reg.MSG_RESEND, outbox.resend),
            (reg.MSG_CLOCK, self._take_clock),
            (reg.MSG_IDENTIFY, self._identify),
            (reg.MSG_RESTART, self._restart),
        ):
            uplink.on(kind, handler)
        supervisor.add("light", lamp.run, _TASK_MS)
        for number in range(len(lines)):
            supervisor.add(("link in", "radio in")[number], uplink.listener(number), None)
        if len(lines) > 1:
            supervisor.add("radio", lines[1].run, _TASK_MS)
        supervisor.add("link out", uplink.talk, _TASK_MS)
        supervisor.add("diagnostics", self._run, _TASK_MS)
        lamp.background(indicator.SAFE)
        log("safe mode: {} start-ups in a row failed; no rules are run".format(boots.bad))
        gc.collect()

    def _open_journal(self, log):
        """The journal, for what waits in it; None where it does not open, or where that may be what fails."""
        if self._boots.bad >= config.BARE_BOOTS:
            return None
        from stallmark.journal import Journal

        try:
            journal = Journal(self._port.flash("journal"))
            journal.open()
        except (FormatError, OSError, MemoryError, ValueError) as error:
            log("safe mode: the journal does not open: {}".format(error))
            return None
        return journal

    def _status(self):
        """The status message, with what is known, and what of it is worth a new one."""
        journal, firmware32 = self._journal, self._firmware32
        message = {0: _NO_BOOT, 4: firmware32[:8], 5: None, 7: self._clock.quality, 8: SAFE, 9: [], 10: 0, 11: 0, 13: firmware32}
        if self._radio_failed:
            message[14] = RADIO_FAULT
        if journal is not None:
            head = journal.head
            message[1] = journal.next_seq
            message[2] = journal.oldest_seq
            message[3] = record.ZERO16 if head is None else record.link(head.public, head.mac)
            message[6] = journal.free_pages
        return message, self._clock.quality

    def _tell(self):
        self._uplink.collect()
        self._uplink.post(reg.MSG_DIAGNOSTICS, self._vitals.message())

    def _take_clock(self, value):
        """The host's time, for the screen. What was signed, the floor of every time, is not read here, so nothing is kept of
        it over the restart; a time before this program was made cannot be."""
        wall_ms, quality, spread_ms = told_time(value)
        if wall_ms < config.EARLIEST_MS:
            self.counters.add(count.CLOCK_REFUSED)
            return
        self._clock.set(wall_ms, quality, spread_ms, keep=False)

    def _identify(self, value):
        self._lamp.show(indicator.IDENTIFY)

    def _restart(self, value):
        safe = restart_mode(value)

        async def over():
            self._boots.meant(safe)
            self._port.reset()

        self.supervisor.finish(over)

    async def _run(self, pulse):
        """Diagnostics while the link is up."""
        ticks = self._port.ticks_ms
        while True:
            begun = ticks()
            while ticks() - begun < config.DIAGNOSTICS_MS:
                pulse.beat()
                await aio.sleep_ms(config.LOOK_MS)
            if self._uplink.up:
                self._tell()
