"""What decisions rest on: people, grants, latches, rights, what others told; records change it. docs/formats/ruleset.md"""

from stallmark.numbers import (
    FLAG_SHADOW,
    FLAG_TRAINING,
    GRANT_TOKENS,
    KIND_DENY,
    KIND_GHOST,
    KIND_GRANT,
    KIND_LATCH,
    KIND_PARAMETERS,
    KIND_REDEEM,
    KIND_REFUND,
    KIND_RELEASE,
    KIND_RENTAL,
    KIND_RESERVE,
    KIND_RIGHTS,
    KIND_UNCERTAIN,
    KIND_VOID,
    QUALITY_HOST,
    REASON_PERSON,
    SLICE_EXPIRED,
    SLICE_UNKNOWN_RULE,
)
from stallmark.spending import Rights
from stallmark.told import Told

# Parts that not every ruleset needs (people, windows, balances …) are imported when one does: a brick's heap
# holds the code, too.

# Records of somebody having come
VISITORS = (KIND_GRANT, KIND_DENY, KIND_GHOST, KIND_UNCERTAIN, KIND_REDEEM)
GRANTS = (KIND_GRANT, KIND_GHOST, KIND_REDEEM)  # what counts towards limits
# Rights (13) in these are not spent; only what a reserve took comes back to a brick
GIVES_BACK = (KIND_VOID, KIND_REFUND, KIND_RELEASE)
PRACTICE = FLAG_TRAINING | FLAG_SHADOW
_ASKS_BALANCE = 256  # flag of a rule, as stallmark.ruleform names it
_NO_NONCE = bytes(8)
_NEVER = 1 << 62
_NEXT = 8  # people for whom memory is had ahead
_NONCES = 4  # latest events, of which another record is no other event


class State(Told):
    """The state that a ruleset's decisions rest on; `ruleset` None keeps rights alone (nothing installed).

    `people_capacity`: the board's limit of remembered people, where it is lower than the ruleset's. When the
    table of people is full those of ended slots go; when it is still full newcomers are not remembered,
    counts are then *at least* what they say, and limits of newcomers are unknown (reason *too many people*).
    What others told (people, signals, balances, revoked subjects) lasts until a restart; all else is in
    records. Tables are only of what the ruleset uses, and grow with what is kept, up to their limits.

    With a ruleset there are also, of stallmark.peopleslots.Visitors: `person(slot, subject)`, `room(slot,
    wall)`, `unsure(slot, counter, wall)`, `count(slot, counter, wall)`, `tally(slot, counter, wall)` (both in
    one), `counts(place, counter, slot, wall)`, `seen(place, counter, slot, wall)`, `visits(place)`,
    `granted(place, rule)`."""

    people_capacity = 0  # people who can be remembered
    view = None  # stallmark.decide's, used again for the next event
    _rental = None
    _reserves = _exposure = _parameters = None

    def __init__(self, ruleset=None, people_capacity=None):
        self.ruleset = ruleset
        self.seq = 0
        self._digest8 = None if ruleset is None else ruleset.digest8
        self.rights = Rights(b"" if ruleset is None else ruleset.units)
        last = 0 if ruleset is None or not ruleset.latching else ruleset.latching[-1] + 1
        self._latched = [0] * last  # until ms, of rules up to the last one that latches
        self._latch_seq = [0] * last
        self._nonces = []
        self._reach = (0, 0, ())
        if ruleset is not None:
            self._make(ruleset, people_capacity)

    def _make(self, ruleset, most):
        from stallmark import counters
        from stallmark.peopleslots import TABLE_BYTES, Visitors

        rules = ruleset.bodies
        capacity = ruleset.people_capacity if most is None else min(most, ruleset.people_capacity)
        tokens = any([rule.flags & _ASKS_BALANCE or rule.early for rule in rules])
        beside = 0
        if tokens or ruleset.attends or ruleset.limited_ever:
            from stallmark.peopleever import Ever, entry_bytes

            beside = entry_bytes(ruleset, tokens)
        people = self._people = Visitors(ruleset, capacity, beside)
        if beside:
            same = people.table.capacity or counters.fitting(capacity, beside, TABLE_BYTES)
            self._ever = Ever(ruleset, same, tokens)
        if tokens:
            from stallmark.balances import Balances

            self._balances = Balances(self._ever)
        exposed = tuple([index for index, rule in enumerate(rules) if rule.mode > 1])
        if exposed:
            from stallmark.exposure import Exposure

            self._exposure = Exposure(exposed)
        if ruleset.open_values or ruleset.signals:
            from stallmark.parameters import Parameters, Signals

            self._parameters = Parameters(ruleset.open_values)
            self._signals = Signals(ruleset.signals)
        if any([rule.redeems is not None for rule in rules]):
            from stallmark.spent import Spent

            self._spent = Spent()
        self.people_capacity = people.table.capacity
        self.person = people.find
        self.room = people.room
        self.unsure = people.unsure
        self.count = people.count
        self.tally = people.tally
        self.counts = people.counts
        self.seen = people.seen
        self.visits = people.visits
        self.granted = people.granted

    # --- own records

    def apply(self, record):
        """Takes over one record (seq, fields, private_fields), new or read back at start-up, in order of seq.

        False, and nothing changed, for one that was applied before."""
        if record.seq <= self.seq:
            return False
        self.seq = record.seq
        f = record.fields
        kind = f[10]
        if f[16] != self._rental or kind == KIND_RENTAL:
            if self._rental is not None:
                self._another_rental()
            self._rental = f[16]
            if kind == KIND_RENTAL:
                self._rental = f[24][0]
        if 13 in f and kind not in GIVES_BACK:
            for slice_id, amount in f[13]:
                if kind == KIND_RIGHTS:
                    self.rights.carry(slice_id, amount, record.seq)
                else:
                    self.rights.spend(slice_id, amount, record.seq)
        if kind == KIND_RESERVE or 20 in f:
            self._reserve(f, kind, record.seq)
        if self.ruleset is not None and not f[0] & PRACTICE:
            self._brick = f.get(1)
            if kind == KIND_LATCH:
                self._latch(f, record.seq)
            elif kind == KIND_PARAMETERS:
                if self._parameters is not None and f.get(8) == self._digest8:
                    self._parameters.take(f.get(24), record.seq)
            elif kind in VISITORS:
                private = record.private_fields
                self._visit(f, kind, private.get(1) if private else None)
            elif self._balances is not None and 20 in f and (kind == KIND_VOID or (kind == KIND_REFUND and _tokens(f))):
                self._balances.void(f[20])
        return True

    def _another_rental(self):
        """Slices of the last rental can neither be spent nor come again, its people are nobody's business any more, and what its
        operator set or its crowd latched holds for no other."""
        self.rights.forget()
        for rule in range(len(self._latched)):
            self._latched[rule] = self._latch_seq[rule] = 0
        if self._parameters is not None:
            self._parameters.forget()
        self._reserves = self._others = self._revoked = None
        if self._people is not None:
            self._people.forget()
        if self._ever is not None:
            self._ever.forget()
            if self._balances is not None:
                from stallmark.balances import Balances

                self._balances = Balances(self._ever)

    def _reserve(self, f, kind, seq):
        """A reserve's rights are set aside, and come back once at most: with its release."""
        if kind == KIND_RESERVE:
            if self._reserves is None:
                from stallmark.reserves import Reserves

                self._reserves = Reserves()
            self._reserves.add(seq, f.get(9), f.get(13, []), f.get(15))
        elif self._reserves is not None and (kind == KIND_RELEASE or kind in GRANTS):
            parts = self._reserves.end(f[20])
            if parts and kind == KIND_RELEASE:
                from stallmark.reserves import given_back

                self.rights.release(given_back(parts, f.get(13, [])))

    def _latch(self, f, seq):
        rule = f.get(9)
        until = f.get(24)
        if f.get(8) == self._digest8 and rule is not None and rule < len(self._latched) and until:
            self._latched[rule] = until[0]
            self._latch_seq[rule] = seq

    def _visit(self, f, kind, subject):
        event_type, trust = divmod(f.get(11, 0), 16)
        rule = -1
        if kind in GRANTS and f.get(8) == self._digest8 and f.get(9) is not None:
            rule = f[9]
            if self._exposure is not None and kind != KIND_GHOST:
                self._exposure.grant(rule, self.seq)
        subject6 = None
        if subject is not None:
            subject6 = subject[:6]
            if self._ever is not None and rule >= 0:
                self._ever.grant(subject6, rule)
                if self._balances is not None and kind == KIND_GRANT:
                    self._balances.granted(subject6, f.get(12, ()), self.seq)
        if kind == KIND_REDEEM and self._spent is not None and f.get(24):
            if type(f[24][0]) is bytes and len(f[24][0]) == 8:
                self._spent.add(f[24][0])
        wall = f[5]
        if wall is None or f[7][0] < QUALITY_HOST:
            return
        fresh = self._fresh(f)
        if len(f.get(24, ())) > 3:  # the host's lane alone writes answers of people
            from stallmark.people import came

            fresh = False
            wall = came(f)
        for slot in self._reached(wall):
            start, end = self.ruleset.slots[slot]
            since = max((f[5] if f[5] < end else wall) - start, 0)  # who comes early comes at its start
            self._people.meet(slot, subject6, since, f[5], event_type, trust, True, fresh, rule)
            if self._ever is not None and subject6 is not None and trust >= self.ruleset.least_trust:
                self._ever.attend(subject6, slot)

    def _fresh(self, f):
        """True for the first record of an event. What a person answered afterwards is no event."""
        why = f.get(14)
        if why and why[0] == REASON_PERSON:
            return False
        nonce = f.get(15)
        if nonce is None or nonce == _NO_NONCE:
            return True
        if nonce in self._nonces:
            return False
        if len(self._nonces) == _NONCES:
            self._nonces.pop(0)
        self._nonces.append(nonce)
        return True

    def _reached(self, wall):
        """Slots that are open at `wall`, or open for those with early access: who comes then belongs to them."""
        since, until, reached = self._reach
        if not since <= wall < until:
            since, until, reached = 0, _NEVER, []
            for slot, (start, end) in enumerate(self.ruleset.slots):
                start -= self.ruleset.leads[slot]
                if start <= wall < end:
                    reached.append(slot)
                for instant in (start, end):
                    if instant <= wall:
                        since = max(since, instant)
                    else:
                        until = min(until, instant)
            self._reach = since, until, reached
        return reached

    # --- what a decision asks

    def open_slots(self, wall):
        """Indexes of the slots that `wall` (ms, None: not known well enough) lies in."""
        return () if wall is None or self.ruleset is None else self.ruleset.open_at(wall)[0]

    def latched(self, rule, until):
        """True where a rule is latched up to `until` ms, the end of its slot."""
        return self._latched[rule] == until

    def parameter(self, index):
        """The value that an open value (its index) has now."""
        return self._parameters.values[index]

    def exposed(self, rule):
        """Grants of a rule of mode 2 or 3 that are not yet durable at the host."""
        return 0 if self._exposure is None else self._exposure.of(rule)

    def reconciled(self, host_seq):
        """Own records up to `host_seq` are durable at the host. Say so before records are read back, too."""
        if self._exposure is not None:
            self._exposure.reconciled(host_seq)

    # --- memory

    @property
    def short(self):
        """True where there was no memory for somebody or something that was to be remembered, or there is none now."""
        people, ever, spent = self._people, self._ever, self._spent
        return (
            self.rights.short
            or (people is not None and (people.table.short or any(people.closed)))
            or (ever is not None and (ever.table.short or ever.lost))
            or (spent is not None and spent.short)
        )

    def ahead(self, wall=None):
        """In a quiet moment: memory for those who come next, so that nobody waits for it. `wall`: the latest instant known (ms);
        slots that it is behind of take nobody any more."""
        if wall is not None and self._people is not None:
            self._people.ended(wall)
        for part in (self._people, self._ever):
            if part is not None:
                part.table.ahead(_NEXT)

    # --- rights

    def add_slice(self, piece, floor_ms):
        """Slice result for a stallmark.rights.Slice whose signature, kit and rental the caller has checked.
        `floor_ms`: the latest instant known from signed things, 0 for none."""
        return self.rights.add(piece, self._rule_of(piece), floor_ms)

    def refuses(self, piece, floor_ms):
        """Why `add_slice` refuses a slice whoever signed it: a slice result, or None where it may take it. No signature has to
        be checked for that. Without a ruleset none is refused for its rule: what is good is kept for the one that comes."""
        if piece.expires <= max(floor_ms, self.rights.floor_ms):
            return SLICE_EXPIRED
        return SLICE_UNKNOWN_RULE if self.ruleset is not None and self._rule_of(piece) < 0 else None

    def _rule_of(self, piece):
        if self.ruleset is not None:
            for index, name in enumerate(self.ruleset.rule8):
                if name == piece.rule:
                    return index
        return -1

    def slices_left(self):
        """[[slice id, left], …] of the slices held, in order of id."""
        return self.rights.lefts()

    def open_reserves(self):
        """[(seq, rule, parts), …] of reserves without a grant or release yet; after a restart they are to be
        released first."""
        return [] if self._reserves is None else self._reserves.all()

    def reserve(self, seq):
        """(seq, rule, parts, nonce8) of an open reserve, or None."""
        return None if self._reserves is None else self._reserves.get(seq)

    # --- what is to be said again before records are erased

    def carry_forward(self, before_seq=None, at_most=12):
        """[[slice id, spent so far], …] for a *rights* record: sums that rest on records older than
        `before_seq` (None: all). Ask before a sector is erased, with the first seq after it; write, apply,
        ask again until it is empty."""
        return self.rights.carry_forward(before_seq, at_most)

    def carry_latches(self, before_seq, wall):
        """[[rule index, until ms], …] of latches still open at `wall` that rest on records older than
        `before_seq`: to be written again as *latch* records before those are erased."""
        due = []
        for rule, until in enumerate(self._latched):
            if until > wall and self._latch_seq[rule] < before_seq:
                due.append([rule, until])
        return due

    def carry_parameters(self, before_seq):
        """[[open value index, value], …] set by records older than `before_seq`: for a *parameters* record."""
        return [] if self._parameters is None else self._parameters.carry(before_seq)


def _tokens(f):
    """True where a record names loyalty tokens: those of a refund are taken back whole or not at all."""
    for grant in f.get(12, ()):
        if grant[0] == GRANT_TOKENS:
            return True
    return False


def capacity_of(ruleset, most=None):
    """How many people a State remembers: what the ruleset asks for, within the table's bytes and `most`."""
    return State(ruleset, most).people_capacity
