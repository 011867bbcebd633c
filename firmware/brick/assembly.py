"""Composition root: every part of a provisioned brick, and how they hang together."""

# The order of imports is the order in which the heap fills: what lives for ever first, biggest modules before
# small ones (appliance.py says why it matters).
# isort: off
import gc
from stallmark.state import State
from stallmark.risk import Watch
from stallmark.journal import Journal
from stallmark.link import BrickLink
from stallmark import ed25519
from stallmark.slot import Slots
from stallmark import risktable
from stallmark import numbers as reg
from stallmark.errors import FormatError, FullError
# isort: on

from stallmark.constant import const

from brick import aio, airline, config
from brick import counters as count
from brick.allotment import Allotment
from brick.asking import Asking
from brick.chores import Chores
from brick.counters import Counters
from brick.decider import Decider
from brick.diag import Diagnosis
from brick.directing import Directing
from brick.install import Installer
from brick.intake import Desk
from brick.kitwide import Kitwide
from brick.line import Line
from brick.lines import Lines
from brick.orders import Orders
from brick.outbox import Outbox
from brick.recorder import Recorder
from brick.supervisor import Supervisor
from brick.uplink import Uplink
from brick.vitals import Vitals

_TASK_MS = const(5000)  # deadline of a task that beats every round
_MSG_HOLD = const(55)
_MSG_SHADOW = const(53)
_GAVE_WAY = const(5)  # a state of rules that are tried
_MSG_STEP = const(52)
_CHORES_MS = const(9000)  # one signature check included
_REPLAY_STEP = const(32)  # records between two breaths of a replay


class Brick:
    """The parts of a provisioned brick and how they hang together. Raises OSError where flash fails."""

    def __init__(self, port, line, log, lamp, clock, identity, boots):
        ticks = port.ticks_ms
        self._port = port
        self._boots = boots
        self._counters = counters = Counters()
        self._clock = clock
        counters.set(count.BOOTS_BAD, boots.bad)
        counters.set(count.BOOT_LOG_ERRORS, 1 if boots.trouble else 0)
        self._lamp = lamp
        self._journal = journal = Journal(port.flash("journal"))
        self._recorder = recorder = Recorder(identity, journal, clock, port.random)
        self._decider = decider = Decider(recorder, clock, lamp, counters, ticks)
        decider.watch = Watch(risktable.MODEL)  # pyright: ignore[reportAttributeAccessIssue] - None until here
        self._people = getattr(port, "people_capacity", None)
        self._tags = self._add_tags(identity)
        journal.carry = recorder.before_erasing
        recorder.connect(self._recorded, decider.carry)
        summary = journal.open()
        port.watchdog.feed()
        slots = Slots(port.flash("rules_a"), port.flash("rules_b"))
        work = aio.Flag()
        self._directing = directing = Directing(
            port.flash, identity, port.hardware, self._verify, self._post, work.raise_, self._ordered, counters
        )
        decider.stopped = directing.stopped  # pyright: ignore[reportAttributeAccessIssue] - None until here
        self._installer = installer = Installer(
            slots, directing, clock, self._post, self._activate, work.raise_, counters
        )
        self._application = application = self._add_application(boots)
        judge = application.judge if application is not None and application.on_trial else None
        installer.before = self._give_way  # pyright: ignore[reportAttributeAccessIssue] - None until here
        self._slots = slots
        ruleset = installer.load(boots.bad, judge)
        if judge is not None and application.wrong_rules:
            application.leave(application.wrong_rules, boots, port.reset)
        self._replay(ruleset)
        link = BrickLink(
            identity.brick8,
            identity.link_epoch,
            identity.link_key,
            recorder.boot,
            port.make_ecb,
            port.random,
            identity.advance_link,
            identity.rekeyed,
        )
        outbox = Outbox(journal, identity, counters, ticks)
        self.supervisor = supervisor = Supervisor(port.watchdog, ticks, counters, log, boots)
        vitals = Vitals(port, clock, counters, boots, supervisor, journal)
        decider.speed.boot = recorder.boot
        vitals.speed = decider.speed  # pyright: ignore[reportAttributeAccessIssue] - None until here
        self._diag = diag = Diagnosis(
            identity, journal, recorder, decider, clock, lamp, port.firmware_digest32, counters, ticks, vitals
        )
        found, diag.radio_failed = airline.lines(port, line, identity.brick8, log)
        counters.set(count.RADIO_FAULTS, 1 if diag.radio_failed else 0)
        lines = Lines(found, ticks)
        self._uplink = uplink = Uplink(lines, link, outbox, counters, diag.status, self._session_begins)
        self._allotment = allotment = Allotment(
            identity, directing, self._verify, self._add_slice, self._post, work.raise_, counters, ticks
        )
        allotment.refuses = self._refuses_slice  # pyright: ignore[reportAttributeAccessIssue] - None until here
        decider.asking = asking = Asking(  # pyright: ignore[reportAttributeAccessIssue] - None until here
            decider, lamp, lambda: uplink.up, self._post, port.random, counters, ticks
        )
        kitwide = Kitwide(identity.brick8, decider, recorder, clock, counters, self._post, allotment.hand_out)
        self._outbox = outbox
        orders = Orders(
            clock,
            recorder,
            decider,
            lamp,
            counters,
            uplink.status_changed,
            lambda: installer.floor_ms,
            self._restart,
        )
        orders.tell = diag.tell  # pyright: ignore[reportAttributeAccessIssue] - None until here
        chores = Chores(
            decider,
            recorder,
            journal,
            outbox,
            installer,
            directing,
            allotment,
            self._quiet,
            counters,
            ticks,
            uplink.status_changed,
            work,
        )
        shortage = chores.shortage
        shortage.remember = self._remember  # pyright: ignore[reportAttributeAccessIssue] - None until here
        chores.application = application  # pyright: ignore[reportAttributeAccessIssue] - None until here
        if application is not None:
            uplink.on(_MSG_HOLD, application.hold)
        for kind, handler in (
            (reg.MSG_ACK, self._acknowledged),
            (reg.MSG_RESEND, outbox.resend),
            (reg.MSG_CLOCK, orders.clock),
            (reg.MSG_CLOSE, orders.close),
            (reg.MSG_IDENTIFY, orders.identify),
            (reg.MSG_OFFER, installer.offered),
            (reg.MSG_CHUNK, self._chunk),
            (_MSG_SHADOW, self._try_rules),
            (reg.MSG_TRUST, directing.told),
            (reg.MSG_TRUST_PIECE, directing.piece),
            (reg.MSG_SLICE, allotment.received),
            (reg.MSG_PEOPLE, kitwide.people),
            (reg.MSG_SIGNALS, kitwide.signals),
            (reg.MSG_BALANCES, kitwide.balances),
            (reg.MSG_PARAMETERS, kitwide.parameters),
            (reg.MSG_ANSWER, asking.answered),
            (reg.MSG_REVOKED, kitwide.revoked),
            (reg.MSG_TRAINING, kitwide.training),
            (reg.MSG_RESTART, orders.restart),
            (_MSG_STEP, self._step_rental),
        ):
            uplink.on(kind, handler)
        if self._tags is not None:
            uplink.on(reg.MSG_TAG_KEYS, self._tags.keys)
            uplink.on(reg.MSG_TAG_COUNTERS, self._tags.told)
        supervisor.add("light", lamp.run, _TASK_MS)
        for number, name in enumerate(("link in", "radio in")[: len(lines)]):
            supervisor.add(name, uplink.listener(number), None)
        if len(lines) > 1:
            supervisor.add("radio", lines[1].run, _TASK_MS)
        supervisor.add("link out", uplink.talk, _TASK_MS)
        supervisor.add("asking", asking.run, _TASK_MS)
        supervisor.add("chores", chores.run, _CHORES_MS)
        supervisor.add("diagnostics", diag.run, _TASK_MS)
        desk = Desk(
            identity, clock, port.random, decider, lambda: installer.floor_ms, lamp, counters, self._tags
        )
        self._reader = self._add_reader(desk, ticks)
        diag.directing = directing  # pyright: ignore[reportAttributeAccessIssue] - None until here
        diag.connect(uplink, self._reader, self._add_scanner(desk, ticks))
        diag.application = application  # pyright: ignore[reportAttributeAccessIssue] - None until here
        if judge is not None:
            from brick.trial import Trial

            given = getattr(port, "trial_ms", None)  # a minute, but in a test
            tried = Trial(application.expected, self._working, ticks, *(() if given is None else given))
            application.trial = tried  # pyright: ignore[reportAttributeAccessIssue] - None until here
            diag.leave = self._leave  # pyright: ignore[reportAttributeAccessIssue] - None until here
            diag.stayed = self._stayed  # pyright: ignore[reportAttributeAccessIssue] - None until here
        self._add_event_port(clock)
        self._add_power(lamp, chores, log)
        self._first_records(summary)

    def _add_application(self, boots):
        """What is known of the running programs, where they lie in a slot."""
        port, installer = self._port, self._installer
        start = getattr(port, "start", None)
        if start is None:
            return None
        from brick.application import Application

        calm_ms = getattr(port, "calm_ms", config.CALM_MS)
        application = Application(start, boots, self._post, self._counters, port.ticks_ms, calm_ms)
        installer.connect(application, port.flash, self._switch)
        return application

    def _working(self):
        """Bits of what works now: what a new application is measured by (brick.application)."""
        diag = self._diag
        bits = 1 if diag.reader_good else 0
        if diag.scanner_good:
            bits |= 2
        if self._uplink.up:
            bits |= 4
        return bits if self._decider.ruleset is None else bits | 8

    def _leave(self, reason):
        self._application.leave(reason, self._boots, self._port.reset)  # pyright: ignore[reportOptionalMemberAccess]

    def _stayed(self):
        """The trial is over: a second boot record says so under its MAC."""
        try:
            self._record_boot()
        except FullError:
            self._counters.add(count.JOURNAL_FULL)

    def _switch(self, slot, digest):
        """What memory holds goes to flash, then the header of the new application, then a new start."""
        parts = self._working()

        async def over():
            ending = self._ending()
            ending.write_down()
            try:
                slot.finish(digest, parts, self._directing.number)
            except OSError:
                self._counters.add(count.FLASH_ERRORS)
            self._boots.meant()
            self._port.reset()

        self.supervisor.finish(over)

    def _add_tags(self, identity):
        """Tags are known only where there is a reader for them."""
        if "nfc" not in self._port.parts:
            return None
        from brick.tags import Tags

        return Tags(identity, self._port, self._counters)

    def _add_reader(self, desk, ticks):
        """Only the drivers of the parts that this brick has are loaded."""
        port = self._port
        if "nfc" not in port.parts:
            return None
        from brick.nfc import bus
        from brick.nfc.pn532 import Pn532
        from brick.nfc.reader import Reader

        reset = getattr(port, "reset_part", None)
        chip = Pn532(bus.of(port, ticks), None if reset is None else lambda: reset("nfc"))
        reader = Reader(chip, desk, self._counters, ticks, self._tags)
        self.supervisor.add("reader", reader.run, _TASK_MS)
        return reader

    def _add_scanner(self, desk, ticks):
        port = self._port
        if "qr" not in port.parts:
            return None
        from brick.qr.scanner import Scanner
        from brick.voucherdesk import VoucherDesk

        try:
            flash = port.flash("combs")
        except (KeyError, OSError):  # flashed before there was such a partition: vouchers take longer
            flash = None
        vouchers = VoucherDesk(flash, self._issuers, self._lamp, self._quiet, self._counters)
        self.supervisor.add("vouchers", vouchers.run, _TASK_MS)
        desk.vouchers = vouchers
        scanner = Scanner(lambda baud: Line(port.uart("qr", baud)), desk, self._counters, ticks)
        self.supervisor.add("scanner", scanner.run, _TASK_MS)
        return scanner

    def _add_power(self, lamp, chores, log):
        """Only a board that measures its packs saves and switches itself off."""
        port = self._port
        if getattr(port, "power", None) is None:
            return
        from brick.power import Power

        power = Power(port.power, port.ticks_ms, self._counters, log)
        self._diag.vitals.power = power  # pyright: ignore[reportAttributeAccessIssue] - None until here
        power.connect(lamp, self._reader, self._decider, chores, self._diag.tell, self._switch_off)
        self.supervisor.add("power", power.run, _TASK_MS)

    def _ending(self):
        """What brings everything to flash before an end on purpose; loaded then, not before."""
        from brick.switchoff import Ending

        return Ending(self._port, self._recorder, self._decider, self._outbox, self._boots, self._counters)

    async def _switch_off(self):
        ending = self._ending()
        ending.record(self._diag.vitals.power)
        await aio.sleep_ms(config.FAREWELL_MS)
        self.supervisor.finish(ending.rest)
        await aio.sleep_ms(config.FAREWELL_MS)

    def _restart(self, safe):
        self.supervisor.finish(lambda: self._ending().restart(safe))

    def _step_rental(self, value):
        """Message 52: the controller's order to go on with the next rental. Its code is loaded for it alone."""
        from brick import stepping
        from brick.unload import unload

        try:
            answer, stepped = stepping.take(
                value, self._directing.identity, self._recorder, self._ending().write_down, self._counters
            )
        finally:
            unload("brick.stepping", "stallmark.rental")
        if stepped:  # by what ended with the rental before nothing is decided any more
            self._decider.stopped = _always  # pyright: ignore[reportAttributeAccessIssue]
            self._restart(False)
        else:
            self._post(*answer)

    def _add_event_port(self, clock):
        if "events" in self._port.parts:
            from brick.events import EventPort

            line = Line(self._port.uart("events", config.LINK_BAUD))
            bench = EventPort(line, self._decider.decide, clock, self._counters)
            self.supervisor.add("events", bench.run, None)

    # --- start-up

    def _replay(self, ruleset):
        """Read every record once: what is remembered, the key epoch's length, the number of this start-up."""
        state = State(ruleset, self._people)
        state.reconciled(self._journal.host_seq)
        recorder = self._recorder
        # Collecting after every few records would make a start with a full journal four times as long.
        gc.threshold(-1)
        for number, entry in enumerate(self._journal.records()):
            try:
                recorder.replayed(entry)
                state.apply(entry)
                if self._tags is not None:
                    self._tags.replayed(entry)
            except FormatError:
                self._counters.add(count.RECORDS_NEWER)
            if number % _REPLAY_STEP == 0:
                self._port.watchdog.feed()
        gc.threshold(config.GC_THRESHOLD)
        self._decider.use(ruleset, state)
        recorder.settle()

    def _first_records(self, summary):
        recorder, journal = self._recorder, self._journal
        self._counters.set(count.BOOTS, recorder.boot)
        try:
            if journal.next_seq == 1:
                recorder.write(reg.KIND_START, {24: []})
            elif journal.next_seq > summary.head_seq + 1:  # marks know of records whose pages are gone
                recorder.write(reg.KIND_LOST, {24: [summary.head_seq + 1, journal.next_seq - 1]})
            self._record_boot()
            self._decider.release_open(starting=True)
        except FullError:
            self._counters.add(count.JOURNAL_FULL)

    def _record_boot(self):
        """The version report: what decides here, written at start-up, at every activation and when a trial is over."""
        ruleset = self._decider.ruleset
        digest = None if ruleset is None else ruleset.digest
        port = self._port
        directing = self._directing
        detail = [digest, port.firmware_digest32, directing.number, port.reset_reason, self._journal.torn]
        detail.append(directing.root_version)
        if self._application is not None:
            detail.append(2 if self._application.on_trial else 1)
        self._recorder.write(reg.KIND_BOOT, {8: None if digest is None else digest[:8], 24: detail})

    # --- what the parts ask of each other

    def _recorded(self, entry):
        """A record is durable: everything that rests on records takes it over."""
        self._decider.state.apply(entry)
        self._uplink.wake.raise_()

    def _acknowledged(self, value):
        self._outbox.acknowledged(value)
        self._decider.state.reconciled(self._outbox.host_seq)

    def _session_begins(self):
        self._installer.restart()
        self._directing.restart()
        if self._decider.shadow is not None:
            self._decider.shadow.linked()
        if self._application is not None:
            self._application.tell(self._installer.pending, anew=True)
        self._post(reg.MSG_DIAGNOSTICS, self._diag.diagnostics())

    def _ordered(self):
        """Another root or directive is in force."""
        self._installer.reconsider()
        self._uplink.status_changed()

    def _try_rules(self, value):
        """Message 53. Its code is loaded for it alone."""
        from brick import shadow

        uses = shadow.Uses(
            self._directing.identity, self._directing, self._installer, self._slots, self._journal, self._outbox,
            self._decider, self._clock, self._counters, self._post, self._allotment.hand_out, self._people, self._recorder.boot,
        )  # fmt: skip
        self._decider.shadow = shadow.ordered(value, uses, self._decider.shadow)  # pyright: ignore[reportAttributeAccessIssue]

    def _give_way(self):
        """Rules are to be installed over what is tried."""
        if self._decider.shadow is not None:
            self._decider.shadow.end(_GAVE_WAY)

    def _chunk(self, value):
        tried = self._decider.shadow
        if tried is not None and tried.coming and type(value) is dict and value.get(0) == tried.digest8:
            tried.chunk(value)
        else:
            self._installer.chunk(value)

    def _quiet(self, ms):
        reader = self._reader
        return self._port.ticks_ms() - self._decider.last_at >= ms and (reader is None or not reader.busy)

    def _issuers(self):
        ruleset = self._decider.ruleset
        return () if ruleset is None else ruleset.issuers

    def _verify(self, public, message, signature):
        self._port.watchdog.feed()  # seconds on a small chip
        return ed25519.verify(public, message, signature)

    def _add_slice(self, piece):
        return self._decider.state.add_slice(piece, self._installer.floor_ms)

    def _refuses_slice(self, piece):
        return self._decider.state.refuses(piece, self._installer.floor_ms)

    def _post(self, kind, value):
        self._uplink.post(kind, value)

    async def _activate(self, ruleset):
        """Decide by another ruleset: its state is made from the journal while the old one still decides. Where there is no room
        for both, the old one goes first: until the new one is there, it is "ask at the stall"."""
        decider = self._decider
        try:
            decider.close_repeats(everything=True)
        except FullError:
            self._counters.add(count.JOURNAL_FULL)
        await self._use_anew(ruleset)
        try:
            self._record_boot()
        except FullError:
            self._counters.add(count.JOURNAL_FULL)
        gc.collect()

    async def _remember(self):
        """Memory was short for somebody: the journal is read once more, by the same rules. A host tells again what it tells as a
        session begins."""
        await self._use_anew(self._decider.ruleset)
        self._uplink.anew()
        gc.collect()

    async def _use_anew(self, ruleset):
        decider = self._decider
        try:
            state = await self._read_back(ruleset, False)
        except MemoryError:
            state = None
        if state is None:
            bare = State()
            bare.keep(decider.state)
            decider.use(None, bare)
            gc.collect()
            state = await self._read_back(ruleset, True)
        decider.asking.finish()  # pyright: ignore[reportAttributeAccessIssue]
        for entry in self._journal.records(state.seq + 1):
            state.apply(entry)
        state.keep(decider.state)
        decider.use(ruleset, state)
        self._allotment.renew()

    async def _read_back(self, ruleset, alone):
        """The state by a ruleset of all that is in the journal. None, unless it is `alone` in memory, where there is none for
        everybody: one that has forgotten people decides other things than after a restart."""
        state = State(ruleset, self._people)
        state.reconciled(self._outbox.host_seq)
        for number, entry in enumerate(self._journal.records()):
            try:
                state.apply(entry)
            except FormatError:
                self._counters.add(count.RECORDS_NEWER)
            if number % _REPLAY_STEP == 0:
                self._port.watchdog.feed()
                if state.short and not alone:
                    return None
                await aio.sleep_ms(0)
        return None if state.short and not alone else state


def _always():
    return True
