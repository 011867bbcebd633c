"""Rules tried beside those in use: the same events, a state of their own, nothing acted on. docs/formats/shadow.md

Loaded with the controller's order and forgotten with its end."""

# pyright: reportAttributeAccessIssue=false
# A ruleset has what reading it found (stallmark.ruleread).

import gc
from collections import namedtuple

from stallmark import bundle, cbor, decision, form, numbers, risk, rules, shadow
from stallmark.constant import const
from stallmark.errors import FormatError, LimitError
from stallmark.golden import Seen, first_wrong
from stallmark.pages import Pages
from stallmark.spending import Rights
from stallmark.state import State

from brick import counters as count
from brick.unload import unload

MSG_SHADOWED = const(16)
_CHUNK = const(256)
_STEP = const(32)  # records of the journal a turn
_QUEUE = const(8)  # events that wait for a quiet moment
_SPARE = const(16384)  # bytes of heap that are left to the rules in use
_LOOK = const(16)  # events between two looks at them
_SAY_MS = const(2000)
_LENT = const(0x80000000)  # slices from here on are none: what a rule without slices is lent


# What a trial may use of its brick; `hand_out(state)` gives a state the slices held, `people`: the board's limit or None
Uses = namedtuple(
    "Uses", "identity directing installer slots journal outbox decider clock counters post hand_out people boot"
)


def ordered(value, uses, current):
    """Message 53: what is tried from now on, or None. `current`: what is. Raises FormatError."""
    found = shadow.order(value)
    if found[0] is None:
        if current is not None:
            current.end(shadow.OVER)
        return current
    identity = uses.identity
    if not shadow.order_good(identity.control_key, identity.brick8, found):
        uses.counters.add(count.SHADOWS_REFUSED)
        return current
    if current is not None and current.digest32 == found[0] and current.going:
        current.until_ms = found[2]
        current.linked()
        return current
    if current is not None:
        current.end(shadow.OVER)
    return Shadow(uses, found)


class _Lent(Rights):
    """Rights without which a rule that nobody minted for yet would refuse everybody."""

    def cover(self, rule, unit, amount):
        """As Rights; for a rule of which no slice ever came, as much as is asked for."""
        if self.had(rule, unit):
            return Rights.cover(self, rule, unit, amount)
        return [[_LENT + 4 * rule + unit, amount]]

    def spend(self, slice_id, amount, seq):
        """As Rights, but for what was lent."""
        if slice_id < _LENT:
            Rights.spend(self, slice_id, amount, seq)


class Shadow:
    """One trial. `brick`: Uses; `found`: the order, checked."""

    def __init__(self, brick, found):
        self._brick = brick
        self.digest32, self._length, self.until_ms, _ = found
        self.digest8 = self.digest32[:8]
        self.state = shadow.WAITS
        self.result = 0
        self._began = False
        self._chunk = None
        self._bundle = None
        self._end = 0
        self._known = {}
        self._ruleset = self._rules_state = self._records = self._told_others = None
        self._queue = []
        self._events = self._differing = self._others = self._missed = 0
        self._pairs = []
        self._sums = [0, 0, 0, 0]
        self._examples = []
        self._said = None  # the state that was told last
        self._said_ms = self._told = 0

    # --- what comes

    def chunk(self, value):
        """Message 36 of this bundle. Raises FormatError."""
        form.fields(value, "chunk", (0, 1, 2))
        offset = form.uint(value[1], "chunk offset (1)", form.U32)
        data = value[2]
        if type(data) is not bytes or not 0 < len(data) <= _CHUNK:
            form.fail("chunk bytes (2)", "1 to 256 bytes")
        right = self.state == shadow.COMING and not self._known_all() and offset == self._brick.slots.written
        if right and offset + len(data) <= self._length:
            self._chunk = data
        else:
            self._brick.counters.add(count.CHUNKS_WRONG)

    def _known_all(self):
        return self._brick.slots.written >= self._length

    def linked(self):
        """A new link: what was asked for and not answered is asked for again, and the summary told."""
        self._said = None
        if self.state == shadow.COMING and self._chunk is None and not self._known_all():
            self._want()

    def note(self, event, decisions, score):
        """The rules in use decided so. Nothing is done with it before it is quiet."""
        if self.state != shadow.RUNNING:
            return
        if len(self._queue) >= _QUEUE:
            self._missed += 1
        else:
            self._queue.append((event, _outcome(decisions), score, self._brick.decider.state.seq))

    def balances(self, as_of, seq, entries):
        """Message 42, checked. What came before a trial runs it takes from the rules in use."""
        if self.state == shadow.RUNNING:
            self._told_others.balances(as_of, seq, entries)

    # --- work

    @property
    def going(self):
        """False once it is over."""
        return self.state <= shadow.RUNNING or self.state == shadow.WAITS

    @property
    def coming(self):
        """True while its bundle is fetched."""
        return self.state == shadow.COMING

    @property
    def waiting(self):
        """True while `step` has something to do, beside telling."""
        if self.state == shadow.COMING:
            return self._chunk is not None or self._bundle is not None
        return self.state == shadow.READING or bool(self._queue)

    @property
    def heavy(self):
        """True where the next step checks a signature or reads rules."""
        return self.state == shadow.COMING and self._bundle is not None and self._chunk is None

    def look(self, now_ms):
        """Once a turn, also when nothing is to be done: begins, ends in time, tells. False once it is over."""
        if self.state == shadow.WAITS:
            self._begin()
        elif self.state <= shadow.RUNNING:
            wall_ms = self._brick.clock.wall_ms()
            if wall_ms is not None and wall_ms >= self.until_ms:
                self.end(shadow.OVER)
            elif self.state == shadow.RUNNING:
                told = self._told_others
                if not self._queue:
                    told.reached(self._brick.decider.state.seq)
                told.reconciled(self._brick.outbox.host_seq)
        changed = self._told != self._events + self._missed
        if self.state != self._said or (changed and now_ms - self._said_ms >= _SAY_MS):
            self._said, self._said_ms = self.state, now_ms
            self._say()
        return self.going

    def step(self):
        """The next piece of work. Raises OSError."""
        try:
            if self.state == shadow.COMING and self._chunk is not None:
                self._take()
            elif self.state == shadow.COMING:
                self._check()
            elif self.state == shadow.READING:
                self._read()
            elif self._queue:
                self._compare(*self._queue.pop(0))
        except (FormatError, LimitError):
            self._refuse(numbers.INSTALL_UNREADABLE)
        except MemoryError:
            self.end(shadow.NO_MEMORY)
        except OSError:
            self._brick.counters.add(count.FLASH_ERRORS)
            self._refuse(numbers.INSTALL_FLASH)

    def end(self, state):
        """It is over; what it took is free again."""
        if self._began and self.state == shadow.COMING:
            self._brick.slots.abandon()
        self.state = state
        self._chunk = self._bundle = self._ruleset = self._rules_state = self._records = None
        self._told_others = None
        self._queue = []
        gc.collect()

    def _refuse(self, result):
        self._brick.counters.add(count.SHADOWS_REFUSED)
        self.result = result
        self.end(shadow.REFUSED)

    # --- the bundle

    def _begin(self):
        """Only where the other slot is of no use, and nobody else writes."""
        brick = self._brick
        if brick.installer.busy or brick.installer.installed is None or not brick.slots.proven:
            return
        if brick.installer.installed.digest == self.digest32:
            self._refuse(numbers.INSTALL_ALREADY)
            return
        try:
            brick.slots.begin(self._length)
        except LimitError:
            self._refuse(numbers.INSTALL_TOO_LARGE)
            return
        self._began = True
        self.state = shadow.COMING
        self._want()

    def _want(self):
        self._brick.post(numbers.MSG_CHUNK_WANTED, {0: self.digest8, 1: self._brick.slots.written})

    def _take(self):
        slots = self._brick.slots
        data, self._chunk = self._chunk, None
        if not slots.writing:  # an installation that came and went took the slot
            self.end(shadow.GAVE_WAY)
            return
        slots.write(slots.written, data)
        if not self._known_all():
            self._want()
            return
        written = slots.candidate()
        self._end = 4 + bundle.envelope_size(written.read(0, 4))
        self._bundle = bundle.parse(written.read(4, self._end - 4))

    def _check(self):
        """One signature a turn; at the end its rules are read."""
        from brick import judging

        brick, found = self._brick, self._bundle
        if found.digest != self.digest32:
            self._refuse(numbers.INSTALL_DIGEST)
            return
        result = judging.authored(brick.directing, found, brick.installer, self._known)
        if result is None:
            return
        if result != numbers.INSTALL_OK:
            self._refuse(result)
            return
        if found.fields[3] > rules.MAX_BYTES or found.fields[3] != self._length - self._end:
            self._refuse(numbers.INSTALL_TOO_LARGE)
            return
        artefact = Pages(brick.slots.candidate(), self._end, found.fields[3])
        ruleset = rules.Ruleset(artefact)
        if ruleset.digest != found.fields[2]:
            self._refuse(numbers.INSTALL_DIGEST)
            return
        if first_wrong(ruleset, found.fields[9]) is not None:
            self._refuse(numbers.INSTALL_VECTOR)
            return
        self._bundle = None
        unload("stallmark.bundle", *rules.READING)
        gc.collect()
        self._ruleset = ruleset
        self._rules_state = state = State(ruleset, brick.people)
        state.rights = _Lent(ruleset.units)
        state.reconciled(brick.outbox.host_seq)
        self._records = brick.journal.records()
        self.state = shadow.READING

    def _read(self):
        """A few records of the journal more; then it has its slices and runs."""
        state = self._rules_state
        for _ in range(_STEP):
            try:
                entry = next(self._records)  # pyright: ignore[reportArgumentType] - an iterator, in this state
            except StopIteration:
                for entry in self._brick.journal.records(state.seq + 1):
                    state.apply(self._as_tried(entry))
                self._records = None
                self._brick.hand_out(state)
                from brick.shadowtold import Told

                self._told_others = Told(self._brick.decider, state)
                self.state = shadow.RUNNING
                break
            try:
                state.apply(self._as_tried(entry))
            except FormatError:
                pass  # of a newer program: it counts for the rules in use neither
        if state.short or self._short():
            self.end(shadow.NO_MEMORY)

    def _as_tried(self, entry):
        """A record by the rules in use as one by those tried, where a rule of the same name is there: who had something has had
        it. What is compared are rules; that limits begin anew with any change is known."""
        used, f = self._brick.decider.ruleset, entry.fields
        index = f.get(9)
        if used is None or index is None or f.get(8) != used.digest8:
            return entry
        fields = dict(f)
        fields[8] = self._ruleset.digest8
        fields.pop(9)
        name = used.rule8[index] if index < len(used.rule8) else None
        for place, one in enumerate(self._ruleset.rule8):
            if one == name:
                fields[9] = place
        return Seen(entry.seq, fields, entry.private_fields)

    def _short(self):
        gc.collect()
        free = getattr(gc, "mem_free", None)
        return free is not None and free() < _SPARE

    # --- events

    def _compare(self, event, used, score, seq):
        state, ruleset = self._rules_state, self._ruleset
        told = self._told_others
        told.reached(seq)
        told.take_over()
        decisions = risk.decide(ruleset, state, event, score)
        tried = _outcome(decisions)
        self._note(event, decisions)
        self._events += 1
        sums = self._sums
        sums[0] += used[2]
        sums[1] += tried[2]
        sums[2] += used[0] == numbers.KIND_UNCERTAIN
        sums[3] += tried[0] == numbers.KIND_UNCERTAIN
        if _light(used[0]) != _light(tried[0]) or used[3] != tried[3]:
            self._differs(event, used, tried, decisions[0].why)
        if self._events % _LOOK == 0 and (state.short or self._short()):
            self.end(shadow.NO_MEMORY)

    def _note(self, event, decisions):
        """As its records would change its state, had it decided."""
        private = None if event.subject is None else {1: event.subject}
        for one in decisions:
            fields = decision.record_fields(self._ruleset, event, one)
            for index, until in zip(one.latches, one.until):
                latch = {5: fields[5], 7: fields[7], 8: fields[8], 9: index, 10: numbers.KIND_LATCH, 24: [until]}
                self._apply(latch, None)
            if one.ask:
                fields[10] = numbers.KIND_UNCERTAIN
                fields.pop(13, None)
            self._apply(fields, private)

    def _apply(self, fields, private):
        state = self._rules_state
        fields[0] = 0
        fields[1] = self._brick.identity.brick8
        fields[16] = self._brick.identity.rental
        state.apply(Seen(state.seq + 1, fields, private))

    def _differs(self, event, used, tried, why):
        self._differing += 1
        key = [used[0], used[1], tried[0], tried[1]]
        place = 255
        for index, pair in enumerate(self._pairs):
            if pair[:4] == key:
                pair[4] += 1
                place = index
                break
        else:
            if len(self._pairs) < shadow.PAIRS:
                place = len(self._pairs)
                self._pairs.append(key + [1])
            else:
                self._others += 1
        if len(self._examples) < shadow.EXAMPLES:
            self._examples.append([event.wall_ms or 0, event.type * 16 + event.trust, place, list(why)[:5]])

    def _say(self):
        """The summary, with examples as far as they fit."""
        brick = self._brick
        # Counted by the decider, which outlives trials: whoever keeps the newest word of a start-up must not drop a second one's.
        brick.decider.summaries += 1
        self._told = self._events + self._missed
        fields = {
            0: 1, 1: brick.identity.brick8, 2: self.digest8, 3: self.state, 4: brick.boot, 5: brick.decider.summaries,
            6: self._events,
            7: self._differing, 8: self._pairs, 9: self._others, 10: self._sums, 11: self._examples, 12: self.result,
            13: self._missed,
        }  # fmt: skip
        data = shadow.summary(fields)
        while len(data) > shadow.SUMMARY_MOST and fields[11]:
            fields[11] = fields[11][:-1]
            data = shadow.summary(fields)
        brick.post(MSG_SHADOWED, {0: data, 1: shadow.said_tag(brick.identity.control_key, data)})


def _light(kind):
    """What the customer sees: green, ask at the stall, or nothing this time."""
    if kind == numbers.KIND_GRANT or kind == numbers.KIND_REDEEM:
        return 1
    return 2 if kind == numbers.KIND_UNCERTAIN else 0


def _outcome(decisions):
    """(kind, reason, minor units granted, grants as bytes) of what the light is for; a question to the host is uncertain."""
    best, kind, reason = -1, 0, 0
    minor, grants = 0, []
    for one in decisions:
        its, why = one.kind, one.why[0]
        if one.ask:
            its, why = numbers.KIND_UNCERTAIN, numbers.REASON_ASK_HOST
        elif its == numbers.KIND_GRANT:
            grants.extend(one.grants)
            for grant in one.grants:
                minor += grant[2] or 0
        rank = (0, 3, 1)[_light(its)]
        if rank > best:
            best, kind, reason = rank, its, why
    return kind, reason or 0, minor, cbor.encode(grants)
