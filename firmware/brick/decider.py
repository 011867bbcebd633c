"""Event in, light out: rules, then records in the journal, then state, and only then the light (A8)."""

from collections import namedtuple

from stallmark import decide as engine
from stallmark import numbers as reg
from stallmark import risk
from stallmark.collective import Collective
from stallmark.errors import FullError

from brick import asking as question
from brick import config, indicator
from brick import counters as count
from brick.speed import Speed

# What is shown of several records is the first of these kinds among them; everything else is "nothing this time":
# a control arm is never shown as a refusal.
_LIGHTS = (
    (reg.KIND_GRANT, indicator.GRANTED),
    (reg.KIND_REDEEM, indicator.GRANTED),
    (reg.KIND_UNCERTAIN, indicator.ASK),
)

# A refusal that needs no rule, as far as Collective looks at a decision
_Refusal = namedtuple("Refusal", "kind rule why latches")


class Decider:
    """Decides one event at a time, whole: nothing else runs between the decision and its light, unless the host is
    asked first (brick.asking)."""

    def __init__(self, recorder, clock, lamp, counters, ticks):
        self._recorder = recorder
        self._clock = clock
        self._lamp = lamp
        self._counters = counters
        self._ticks = ticks
        self._collective = Collective()
        self._merged = []  # counts that are due and not yet written
        self.asking = None  # brick.asking.Asking, where there is a host to ask
        self.training = None  # brick.training.Training, while it is on
        self.ruleset = None
        self.state = None
        self.last_at = ticks() - config.IDLE_MS
        self.flash_failing = False
        self.full = False
        self.owing = False  # a reserve is open whose end could not be written
        self.watch = None  # stallmark.risk.Watch: how unusual events are
        self.speed = Speed()
        self.shadow = None  # brick.shadow.Shadow, while other rules are tried
        self.summaries = 0  # of trials since the start
        self._score = None
        self.since = None  # ticks at which the reader first saw what is handed in next (brick.intake)
        self._since = None
        self._risk = None  # what the record of the event in hand says of it (field 22)
        self.sparing = False  # the battery is low: rights are not taken along any more (brick.power)
        self.stopped = None  # brick.directing: whether the director stopped the kit, then nothing is given

    def use(self, ruleset, state):
        """Decide by another ruleset from now on; `state` has seen every record."""
        if self.asking is not None:
            self.asking.finish()
        self.ruleset = ruleset
        self.state = state
        self.speed.use(None if ruleset is None else ruleset.digest8)
        if self.training is not None:
            self.training.begin(ruleset)

    def ahead(self):
        """In a quiet moment: memory for those who come next. Slots that are over need none any more."""
        self.state.ahead(self._clock.wall_ms() if self._clock.quality >= reg.QUALITY_HOST else None)

    def decide(self, event, done=None):
        """Decide, record, show. Returns the Record that the light is for; None where none could be written, where it
        was merged, and where the light comes later: `done(record or None)` is called once it is there."""
        if self.asking is not None and self.asking.waits(event, done):
            self.since = None
            return None
        return self.decide_now(event, done)

    def decide_now(self, event, done=None):
        """`decide` for an event whose turn it is."""
        self.last_at = self._ticks()
        self._since, self.since = self.since, None
        self._counters.add(count.DECISIONS)
        state = self.state if self.training is None else self.training.state
        decisions = self._judged(state, event)
        if self.training is None:
            if self.shadow is not None:
                self.shadow.note(event, decisions, self._score)
            if len(decisions) == 1 and self._merges(event, decisions[0]):
                return _tell(done, None)
            if self.sparing and any([decision.rights for decision in decisions]):
                return _tell(done, self._left_for_power(event, decisions))
            if self.asking is not None and any([decision.ask for decision in decisions]):
                self._since = None  # others come while this one waits
                try:
                    return self.asking.begin(event, decisions, done)
                except FullError:
                    return _tell(done, self._without_room(event, decisions[0]))
                except OSError:
                    return _tell(done, self._flash_failed())
        return self.carry_out(event, decisions, done)

    def refuse(self, event, kind, reason):
        """Record and show a refusal that no rule has to judge (a voucher that cannot be taken)."""
        self.last_at = self._ticks()
        self._since, self.since = self.since, None
        self._counters.add(count.DECISIONS)
        refusal = _Refusal(kind, None, [reason], ())
        if self.training is None and self._merges(event, refusal):
            return None
        return self._guarded(event, refusal, self._refusals, None)

    def _judged(self, state, event):
        """Decisions, with the risk for rules that look at it; what it would refuse is asked at the stall."""
        self._risk = None
        if self.stopped is not None and self.stopped():
            return [engine.plain(reg.KIND_DENY, [reg.REASON_HALTED])]
        self._score = None
        if self.watch is None:
            return engine.decide(self.ruleset, state, event)
        score, signal = self.watch.see(event)
        self._score = score
        self._risk = risk.field(self.watch.version, score, signal)
        if score >= config.RISK_HIGH:
            self._counters.add(count.RISK_HIGH)
        found = risk.decide(self.ruleset, state, event, score)
        if found[0].why[0] == reg.REASON_RISK:
            self._counters.add(count.RISK_SOFTENED)
        return found

    def _left_for_power(self, event, decisions):
        """What rights pay is left to the stall while the battery is low: they would go down with this brick."""
        self._counters.add(count.LEFT_FOR_POWER)
        rule = next(decision.rule for decision in decisions if decision.rights)
        refusal = _Refusal(reg.KIND_UNCERTAIN, rule, [reg.REASON_POWER_LOW, rule], ())
        return self._guarded(event, refusal, self._refusals, None)

    def _merges(self, event, decision):
        offer = self._collective.offer(event.subject, decision, event.uptime_ms, event.wall_ms)
        if offer != "merged":
            return False
        self._counters.add(count.COLLECTED)
        self._lamp.show(indicator.NOTHING)
        return True

    # --- records

    def carry_out(self, event, decisions, done, answers=None):
        """Write everything that decisions say, then show one light. `answers`: of the host, by place of the decision
        (brick.asking.entry)."""
        record = self._guarded(event, decisions[0], self._written, (decisions, answers or {}))
        if record is not None and record.fields[10] == reg.KIND_GRANT and self.watch is not None:
            self.watch.granted(risk.served_by(event), event.uptime_ms or 0)
        return _tell(done, record)

    def _guarded(self, event, first, write, given):
        shown = []
        try:
            for record in write(event, given or first):
                shown.append(record)
        except FullError:
            if not shown:
                return self._without_room(event, first)
            self._counters.add(count.JOURNAL_FULL)
            self.full = True
        except OSError:
            if not shown:
                return self._flash_failed()
            self._counters.add(count.FLASH_ERRORS)
            self.flash_failing = True
        else:
            self.flash_failing = self.full = False
        light = self._show(shown)
        self._waited(event)
        return light

    def _waited(self, event):
        """The light is there: how long it took, from the card in the field, or from the event where nobody knows that."""
        since, self._since = self._since, None
        if self.training is not None:
            return
        if since is not None:
            self.speed.add(self._ticks() - since)
        elif event.uptime_ms is not None:
            self.speed.add(self._clock.uptime_ms() - event.uptime_ms)

    def _written(self, event, given):
        """Every record of an event that somebody is to see the outcome of, one after the other."""
        decisions, answers = given
        for place, decision in enumerate(decisions):
            if place not in answers:
                yield self._write(event, decision)
                continue
            seq, answer, reason = question.entry(answers[place])
            self.owing = True  # until its end is written
            for kind, fields in engine.settle(self.ruleset, event, decision, seq, answer, reason):
                if self._risk is not None and kind != reg.KIND_RELEASE:
                    fields[22] = self._risk
                record = self._recorder.write(kind, fields, _private(event))
                if kind != reg.KIND_RELEASE:
                    yield record
            self.owing = False

    def _refusals(self, event, refusal):
        fields = self._practice(_basics(self.ruleset, event, refusal.kind, refusal.why))
        fields[9] = refusal.rule
        yield self._recorder.write(refusal.kind, fields, _private(event))

    def _write(self, event, decision):
        fields = engine.record_fields(self.ruleset, event, decision)
        if self._risk is not None:
            fields[22] = self._risk
        if self.training is not None:
            rights = fields.pop(13, None)  # nothing is spent, so no record says that it was
            record = self._recorder.write(fields[10], self._practice(fields), _private(event))
            self.training.note(record, rights, decision)
            return record
        self._prepare(fields, decision)
        return self._recorder.write(fields[10], fields, _private(event))

    def _prepare(self, fields, decision):
        """What has to stand before a grant: latches, first uses of slices."""
        for rule, until in zip(decision.latches, decision.until):
            latch = {
                5: fields[5],
                6: fields[6],
                7: fields[7],
                8: fields[8],
                9: rule,
                21: fields.get(21),
                24: [until],
            }
            self._recorder.write(reg.KIND_LATCH, latch)
        opens = [[slice_id, 0] for slice_id in decision.opens if not self.state.rights.opened(slice_id)]
        if opens:
            self._recorder.write(reg.KIND_RIGHTS, {13: opens})

    def reserve(self, event, decision):
        """Set the rights of a decision aside; the seq of the *reserve* record. Raises FullError, OSError."""
        fields = engine.reserve_fields(self.ruleset, event, decision)
        self._prepare(fields, decision)
        return self._recorder.write(reg.KIND_RESERVE, fields, _private(event)).seq

    def _practice(self, fields):
        if self.training is not None:
            fields[0] = fields.get(0, 0) | reg.FLAG_TRAINING
            self._counters.add(count.PRACTISED)
        return fields

    def release_open(self, starting=False):
        """Give back what was reserved and never came to an end: after a cut, or where its end found no room."""
        waiting = () if self.asking is None else self.asking.open
        for seq, _rule, parts in self.state.open_reserves():
            if seq not in waiting:
                fields = {13: parts, 20: seq}
                nonce = self.state.reserve(seq)[3]
                if nonce is not None:
                    fields[15] = nonce  # one nonce from the reserve to its end
                self._recorder.write(reg.KIND_RELEASE, fields)
                if starting:
                    self._counters.add(count.RELEASED)
        self.owing = False

    # --- lights

    def _show(self, records):
        """One light for all of them; the record that it is for."""
        for kind, pattern in _LIGHTS:
            for record in records:
                if record.fields[10] == kind:
                    self._lamp.show(pattern)
                    return record
        self._lamp.show(indicator.NOTHING)
        return records[0] if records else None

    def _flash_failed(self):
        self._counters.add(count.FLASH_ERRORS)
        self._counters.add(count.DECIDED_WITHOUT_RECORD)
        self.flash_failing = True
        self._lamp.show(indicator.FAULT)
        return None

    def _without_room(self, event, decision):
        """The journal takes no such record any more: nothing is granted, the customer asks at the stall."""
        self._counters.add(count.JOURNAL_FULL)
        self.full = True
        self._lamp.show(indicator.ASK)
        if decision.kind == reg.KIND_GRANT or decision.kind == reg.KIND_REDEEM:
            why = [reg.REASON_JOURNAL_FULL, decision.rule]
            fields = _basics(self.ruleset, event, reg.KIND_UNCERTAIN, why)
            fields[9] = decision.rule
            try:
                return self._recorder.write(reg.KIND_UNCERTAIN, self._practice(fields), _private(event))
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
        """Say again what decisions rest on: sums spent of slices, latches that are still open, open values."""
        while True:
            sums = self.state.carry_forward(before_seq)
            if not sums:
                break
            self._recorder.write(reg.KIND_RIGHTS, {13: sums})
        if self.ruleset is None:
            return
        wall_ms = self._clock.wall_ms()
        if wall_ms is not None:
            for rule, until in self.state.carry_latches(before_seq, wall_ms):
                self._recorder.write(reg.KIND_LATCH, {8: self.ruleset.digest8, 9: rule, 24: [until]})
        values = self.state.carry_parameters(before_seq)
        if values:
            self._recorder.write(reg.KIND_PARAMETERS, {8: self.ruleset.digest8, 24: [values, "carried"]})


def _tell(done, record):
    if done is not None:
        done(record)
    return record


def _basics(ruleset, event, kind, why):
    """What every decision record says of its event."""
    return {
        5: event.wall_ms,
        6: event.uptime_ms or 0,
        7: [event.quality, event.spread_ms or 0],
        8: None if ruleset is None else ruleset.digest8,
        10: kind,
        11: event.type * 16 + event.trust,
        14: why,
        15: event.nonce,
    }


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
        private[4] = codes = []
        size = 0
        for line in event.lines:
            size += len(str(line[0])) + 2
            if size > config.CODE_BYTES:
                break
            codes.append(line[0])
    if event.token_counter is not None:
        private[5] = event.token_counter
    if event.staff is not None:
        private[6] = event.staff
    return private or None
