"""Event in, light out: rules, then records in the journal, then state, and only then the light (A8)."""

from stallmark import registry as reg
from stallmark.collective import Collective
from stallmark.decide import Decision, decide, record_fields
from stallmark.errors import FullError

from brick import config, indicator
from brick import counters as count

_LIGHTS = (
    (reg.KIND_GRANT, indicator.GRANTED),
    (reg.KIND_DENY, indicator.NOTHING),
    (reg.KIND_GHOST, indicator.NOTHING),  # a control arm is never shown as a refusal
    (reg.KIND_UNCERTAIN, indicator.ASK),
)


class Decider:
    """Decides one event at a time, whole: nothing else runs between the decision and its light."""

    def __init__(self, recorder, clock, lamp, counters, ticks):
        self._recorder = recorder
        self._clock = clock
        self._lamp = lamp
        self._counters = counters
        self._ticks = ticks
        self._collective = Collective()
        self._merged = []  # counts that are due and not yet written
        self.ruleset = None
        self.state = None
        self.last_at = ticks() - config.IDLE_MS
        self.flash_failing = False
        self.full = False

    def use(self, ruleset, state):
        """Decide by another ruleset from now on; `state` has seen every record."""
        self.ruleset = ruleset
        self.state = state

    def decide(self, event):
        """Decide, record, show. Returns the Record, or None where none could be written or it was merged."""
        self.last_at = self._ticks()
        self._counters.add(count.DECISIONS)
        decision = decide(self.ruleset, self.state, event)
        if self._collective.offer(event.subject, decision, event.uptime_ms, event.wall_ms) == "merged":
            self._counters.add(count.COLLECTED)
            self._lamp.show(indicator.NOTHING)
            return None
        try:
            record = self._write(event, decision)
        except FullError:
            return self._without_room(event, decision)
        except OSError:
            self._counters.add(count.FLASH_ERRORS)
            self._counters.add(count.DECIDED_WITHOUT_RECORD)
            self.flash_failing = True
            self._lamp.show(indicator.FAULT)
            return None
        self.flash_failing = self.full = False
        for kind, pattern in _LIGHTS:
            if kind == decision.kind:
                self._lamp.show(pattern)
        return record

    def _write(self, event, decision):
        fields = record_fields(self.ruleset, event, decision)
        for rule, until in zip(decision.latches, decision.until):
            latch = {5: fields[5], 6: fields[6], 7: fields[7], 8: fields[8], 9: rule, 24: [until]}
            self._recorder.write(reg.KIND_LATCH, latch)
        if decision.opens:
            self._recorder.write(reg.KIND_RIGHTS, {13: [[slice_id, 0] for slice_id in decision.opens]})
        return self._recorder.write(decision.kind, fields, _private(event))

    def _without_room(self, event, decision):
        """The journal takes no such record any more: nothing is granted, the customer asks at the stall."""
        self._counters.add(count.JOURNAL_FULL)
        self.full = True
        self._lamp.show(indicator.ASK)
        if decision.kind == reg.KIND_GRANT:
            why = [reg.REASON_JOURNAL_FULL, decision.rule]
            refusal = Decision(reg.KIND_UNCERTAIN, decision.rule, [], [], why, [], None, None, [], [])
            try:
                return self._write(event, refusal)
            except (FullError, OSError):
                pass
        self._counters.add(count.DECIDED_WITHOUT_RECORD)
        return None

    def close_repeats(self, everything=False):
        """Write the merged denials whose minute is over, or all of them; what finds no room waits."""
        self._merged += self._collective.due(None if everything else self._clock.uptime_ms())
        while self._merged:
            subject, repeats, first_wall_ms = self._merged[0]
            digest8 = None if self.ruleset is None else self.ruleset.digest8
            private = None if subject is None else {1: subject}
            self._recorder.write(reg.KIND_COLLECTIVE, {8: digest8, 24: [repeats, first_wall_ms]}, private)
            self._merged.pop(0)

    # --- what the journal is about to forget

    def carry(self, before_seq):
        """Say again what decisions rest on: sums spent of slices, latches that are still open."""
        while True:
            sums = self.state.carry_forward(before_seq)
            if not sums:
                break
            self._recorder.write(reg.KIND_RIGHTS, {13: sums})
        wall_ms = self._clock.wall_ms()
        if self.ruleset is not None and wall_ms is not None:
            for rule, until in self.state.carry_latches(before_seq, wall_ms):
                self._recorder.write(reg.KIND_LATCH, {8: self.ruleset.digest8, 9: rule, 24: [until]})


def _private(event):
    """The private part's map without its salt, or None where nothing is known of a person or a basket."""
    private = {}
    if event.subject is not None:
        private[1] = event.subject
    if event.basket_minor is not None or event.items is not None:
        private[2] = [event.basket_minor, event.items]
    if event.tip_minor is not None:
        private[3] = event.tip_minor
    if event.lines:
        private[4] = [line[0] for line in event.lines]
    if event.token_counter is not None:
        private[5] = event.token_counter
    if event.staff is not None:
        private[6] = event.staff
    return private or None
