"""What the brick says about itself: the status message and the diagnostics (docs/formats/link.md)."""

from stallmark import numbers as reg
from stallmark import record
from stallmark.constant import const

from brick import aio, config, indicator
from brick import counters as count
from brick.power import LOW
from brick.unload import unload

GOOD = const(0)
DEGRADED = const(1)
NO_PART = const(0)
GOOD_PART = const(1)
FAULT = const(2)


class Diagnosis:
    """Collects what the parts say."""

    def __init__(
        self, identity, journal, recorder, decider, clock, lamp, firmware32, counters, ticks, vitals
    ):
        self._journal = journal
        self._recorder = recorder
        self._decider = decider
        self._clock = clock
        self._lamp = lamp
        self._firmware32 = firmware32
        self._counters = counters
        self._ticks = ticks
        self._brick8 = identity.brick8
        self.vitals = vitals
        self.radio_failed = False  # at the start: the link goes by cable alone
        self.directing = None
        self.application = None
        self.leave = None  # what ends a trial that failed
        self.stayed = None  # what says that one is over
        self._reader = None
        self._scanner = None
        self._uplink = None

    def connect(self, uplink, reader, scanner):
        """Say where diagnostics go, and which parts this brick has (None: not that one)."""
        self._uplink = uplink
        self._reader = reader
        self._scanner = scanner

    def _part(self, part):
        return NO_PART if part is None else part.state

    @property
    def reader_good(self):
        """Whether the reader works."""
        return self._part(self._reader) == GOOD_PART

    @property
    def scanner_good(self):
        """Whether the scanner works."""
        return self._part(self._scanner) == GOOD_PART

    @property
    def state(self):
        """GOOD, or DEGRADED while a part is faulty, flash fails, the journal is full, or memory was too short for somebody."""
        state = self._decider.state
        short = state is not None and state.short
        return DEGRADED if short or self.faulty or self._decider.full else GOOD

    @property
    def faulty(self):
        """True while something is broken that a person has to look at."""
        parts = (self._part(self._reader), self._part(self._scanner))
        return FAULT in parts or self.radio_failed or self._decider.flash_failing

    def status(self):
        """(status message, what of it is worth a message of its own when it changes)."""
        journal = self._journal
        head = journal.head
        ruleset = self._decider.ruleset
        digest = None if ruleset is None else ruleset.digest
        slices = [] if self._decider.state is None else self._decider.state.slices_left()
        reader, scanner, state = self._part(self._reader), self._part(self._scanner), self.state
        message = {
            0: self._recorder.boot,
            1: journal.next_seq,
            2: journal.oldest_seq,
            3: record.ZERO16 if head is None else record.link(head.public, head.mac),
            4: self._firmware32[:8],
            5: None if digest is None else digest[:8],
            6: journal.free_pages,
            7: self._clock.quality,
            8: state,
            9: slices,
            10: reader,
            11: scanner,
            12: digest,
            13: self._firmware32,
        }
        if self.radio_failed:
            message[14] = FAULT
        message[15] = ordered = self.directing.status()  # pyright: ignore[reportAttributeAccessIssue]
        held = [slice_id for slice_id, left in slices if left]
        return message, (digest, self._clock.quality, state, reader, scanner, held, ordered)

    def diagnostics(self):
        """The diagnostics message."""
        self._collect()
        return self.vitals.message()

    def tell(self):
        """Send diagnostics now: something changed that people should know."""
        if self._uplink.up:
            self._uplink.post(reg.MSG_DIAGNOSTICS, self.diagnostics())

    def _background(self):
        if self.faulty:
            return indicator.FAULTY
        power = self.vitals.power
        if power is not None and power.level >= LOW:
            return indicator.LOW_POWER
        return indicator.READY if self._decider.training is None else indicator.PRACTICE

    def _collect(self):
        journal = self._journal
        self._counters.set(count.JOURNAL_TORN, journal.torn)
        self._counters.set(count.JOURNAL_CONFLICTS, journal.conflicts)
        self._counters.set(count.JOURNAL_FREED_EARLY, journal.freed_early)
        self._uplink.collect()
        if self._reader is not None:
            self._counters.set(count.NFC_FRAMES_DAMAGED, self._reader.frames_damaged)

    def _try(self):
        """A new application is looked at once a second, until it stays or goes back."""
        application = self.application
        if application is None or application.trial is None:
            return
        verdict = application.trial.look()
        if verdict > 0:
            self.leave(verdict)  # pyright: ignore[reportOptionalCall]
        elif verdict < 0:
            try:
                application.stay()
            except OSError:
                self._counters.add(count.FLASH_ERRORS)
                return
            unload("brick.trial")
            application.tell(None)
            self.stayed()  # pyright: ignore[reportOptionalCall]

    async def run(self, pulse):
        """The task that sends diagnostics while the link is up."""
        while True:
            begun = self._ticks()
            while self._ticks() - begun < config.DIAGNOSTICS_MS:
                pulse.beat()
                await aio.sleep_ms(config.LOOK_MS)
                self._lamp.background(self._background())
                self._uplink.status_changed()
                self._try()
            self.tell()
