"""What one event's conditions see: each value fetched and each comparison made once. docs/formats/ruleset.md"""

from stallmark import arms, expr
from stallmark.constant import const
from stallmark.numbers import QUALITY_HOST
from stallmark.ruleform import BALANCES, COUNTS_KIT, FLAT, SIGNALS

# Operators and values, as stallmark.expr names them
_NUMBER = const(0)
_WINDOW_FIRST = const(0)
_GT = const(10)
_GE = const(11)
_LT = const(12)
_LE = const(13)
_EQ = const(14)
_BETWEEN = const(15)
_IN = const(16)
_PEOPLE = const(20)
_VISITS = const(21)
_BASKET = const(22)
_TIP = const(23)
_SINCE = const(24)
_EVENTS = const(25)
_SEEN = const(26)
_ITEMS = const(27)
_ITEM = const(28)
_ATTENDED = const(29)
_BALANCE_AGE = const(31)
_BOTH = const(32)
_SIGNAL = const(32)
_ARM = const(33)
_RISK = const(34)
_TRUST = const(35)
_EVENT_TYPE = const(36)
_LATCHED = const(37)
_OPEN = const(40)
_ADD = const(50)
_SUB = const(51)
_SHARE = const(52)
_MIN = const(53)
_MAX = const(54)

NOBODY = ()  # a value that is not known; (n,) is one of which n is the least that it can be
_HIGH = 0x7FFFFFFFFFFFFFFF
NOWHERE = 255


class View:
    """One event at one rule after another. `slot` is the rule's open one, `since` ms from its start (0 in early access), `here`
    what stands for both; `known` the truth of each comparison (3: not looked at), `latching` the rules that latch with this
    event, `at` the subject's place in the slot (None: not looked up), `mine` for each rule its open slot (NOWHERE without),
    `others` the flags of rules that look at data of others."""

    others = COUNTS_KIT | BALANCES | SIGNALS

    def __init__(self, ruleset, state, event, risk=None):
        self.ruleset = ruleset
        self.state = state
        self._ops, self._lefts, self._rights, self.hints = ruleset.leaves
        self.begin(event, risk)

    def begin(self, event, risk):
        """Turns to another event, as a new View would see it."""
        self.event = event
        self.risk = risk
        self.slot = -1
        self.latching = ()
        self.here = self._arms = self._stale = None
        self._kept = None  # of slots turned away from
        self._aged = None  # whether anything is known that could be too old
        self.wall = wall = event.wall_ms if event.quality >= QUALITY_HOST else None
        if wall is not None:
            self.open, self.mine = self.ruleset.open_at(wall)
        else:
            self.open, self.mine = (), None

    def enter(self, index, rule):
        """Turns to a rule: its open slot, or -1."""
        slot = self.mine[index]
        if slot == NOWHERE:
            slot = self._early(rule) if rule.early else -1
            if slot < 0:
                return -1
        stale = rule.stale
        here = slot
        if stale is not None and rule.flags & self.others and self._aging():
            here = slot, stale
        if here != self.here:
            self.turn(here, slot, stale)
        return slot

    def _aging(self):
        if self._aged is None:
            state = self.state
            self._aged = (
                bool(self.ruleset.signals)
                or state.remote_age(self.wall) is not None
                or state.balance_age(self.wall) is not None
            )
        return self._aged

    def turn(self, here, slot, stale):
        kept = self._kept
        if self.here is not None:
            if kept is None:
                kept = self._kept = {}
            kept[self.here] = (self.known, self._cache, self.at)
        self.here = here
        self.slot = slot
        self._stale = stale
        self.since = max(self.wall - self.ruleset.slots[slot][0], 0)  # who comes early comes at its start
        if kept is not None and here in kept:
            self.known, self._cache, self.at = kept[here]
        else:
            self.known = bytearray(self.ruleset.unknown)
            self._cache = [None] * len(self.ruleset.values)
            self.at = None

    def _early(self, rule):
        """The slot that begins soon enough for this subject's tokens, or -1."""
        if self.event.subject is None:
            return -1
        lead = 0
        tokens = self.state.balance(self.event.subject)
        for least, ms in rule.early:
            if tokens is not None and tokens >= least and ms > lead:
                lead = ms
        for slot in rule.slots:
            if 0 < self.ruleset.slots[slot][0] - self.wall <= lead:
                return slot
        return -1

    # --- comparisons

    def all(self, when):
        """FALSE, UNKNOWN or TRUE of `all` of nothing but comparisons: what most conditions are."""
        known, cache, ops, lefts, rights = self.known, self._cache, self._ops, self._lefts, self._rights
        result = 2
        for part in when[1:]:
            got = known[part]
            if got == 3:
                op = ops[part]
                a = cache[lefts[part]]
                if a is None:
                    a = self.value(lefts[part])
                if op > _EQ or type(a) is not int:
                    got = self._odd(op, a, rights[part])
                elif op == _GE:
                    got = 2 if a >= rights[part] else 0
                elif op == _GT:
                    got = 2 if a > rights[part] else 0
                elif op == _LT:
                    got = 2 if a < rights[part] else 0
                elif op == _LE:
                    got = 2 if a <= rights[part] else 0
                else:
                    got = 2 if a == rights[part] else 0
                known[part] = got
            if got != 2:
                if not got:
                    return 0
                result = 1
        return result

    def leaf(self, part):
        """FALSE, UNKNOWN or TRUE of a comparison, from now on in `known`."""
        op = self._ops[part]
        a = self.value(self._lefts[part])
        if op > _EQ:
            got = self._odd(op, a, self._rights[part])
        else:
            got = _compare(op, a, self._rights[part])
        self.known[part] = got
        return got

    def path(self, rule):
        """Mask of a rule's true comparisons: every one is looked at."""
        if not rule.flags & FLAT:
            return expr.path(rule.when, self)[0]
        known = self.known
        mask = 0
        bit = 1
        for part in rule.when[1:]:
            got = known[part]
            if got == 3:
                got = self.leaf(part)
            if got == 2:
                mask |= bit
            bit += bit
        return mask

    def guilty(self, rule, result):
        """(number, place) of the comparison to blame for a condition that is FALSE or UNKNOWN, or None."""
        if not rule.flags & FLAT:
            return expr.blame(rule.when, self, self._counts_people)
        known = self.known
        number = 0
        for part in rule.when[1:]:
            if known[part] == result:
                return number, part
            number += 1
        return None

    def _counts_people(self, part):
        return self.ruleset.values[self._lefts[part]][0] == _PEOPLE

    def _odd(self, op, a, right):
        """A comparison of more than a number, or of what is not simply known."""
        if op <= _EQ:
            return _compare(op, a, right)
        if op == _IN:
            if type(a) is int:
                return 2 if a in right else 0
            return 0 if a and a[0] > max(right) else 1
        if op == _BETWEEN:
            return min(_compare(_GE, a, right[0]), _compare(_LE, a, right[1]))
        if op == _BETWEEN + _BOTH:
            low, high = self.value(right[0]), self.value(right[1])
            return min(_compare(_GE, a, low), _compare(_LE, a, high))
        return _compare(op - _BOTH, a, self.value(right))

    def sides(self, place):
        """(number on the left, number that it takes) of a comparison, each None where it is not known."""
        op, right = self._ops[place], self._rights[place]
        have = self._cache[self._lefts[place]]
        if have is None:
            have = self.value(self._lefts[place])
        if op < _BETWEEN and type(have) is int:
            return have, right + 1 if op == _GT else right - 1 if op == _LT else right
        if op == _IN:
            need = NOBODY
        elif op == _BETWEEN:
            need = right[0]
        elif op == _BETWEEN + _BOTH:
            need = self.value(right[0])
        else:
            need = right if op < _BOTH else self.value(right)
        have = have if type(have) is int else have[0] if have else None
        need = need if type(need) is int else need[0] if need else None
        return have, None if need is None else expr.needed(op & 31, need)

    # --- values

    def value(self, at):
        """An int, NOBODY, or (n,): n or more."""
        found = self._cache[at]
        if found is None:
            found = self._fetch(self.ruleset.values[at])
            self._cache[at] = found  # pyright: ignore[reportCallIssue, reportArgumentType] - None was its place
        return found

    def _fetch(self, value):
        name = value[0]
        event = self.event
        if name == _PEOPLE:
            return self._people(value[1])
        if name == _BASKET:
            found = event.basket_minor
        elif name == _NUMBER:
            found = value[1]
        elif name == _SINCE:
            found = self.since
        elif name == _VISITS:
            found = self._visits()
        elif name == _TIP:
            found = event.tip_minor
        elif name == _EVENTS:
            return self._events(value[1])
        elif name >= _ADD:
            return self._arithmetic(name, self.value(value[1]), self.value(value[2]))
        elif name == _OPEN:
            found = self.state.parameter(value[1])
        elif name == _SEEN:
            found = self._seen_lately(value[1])
        elif name == _ITEMS:
            found = event.items
            if found is None and event.lines is not None:
                found = sum([line[1] for line in event.lines])
        elif name == _ITEM:
            found = None
            if event.lines is not None:
                found = sum([line[1] for line in event.lines if line[0] == value[1]])
        elif name == _SIGNAL:
            found = self.signal(value[1])[0]
        elif name == _LATCHED:
            found = self._latched(value[1])
        elif name == _RISK:
            found = self.risk
        elif name == _TRUST:
            found = event.trust
        elif name == _EVENT_TYPE:
            found = event.type
        else:
            found = self._of_subject(name, value)
        return NOBODY if found is None or not -_HIGH - 1 <= found <= _HIGH else found

    def _of_subject(self, name, value):
        subject = self.event.subject
        if subject is None:
            return None
        if name == _ARM:
            return self.arm(value[1])
        if name == _ATTENDED:
            return self.state.attended(subject, self.slot)
        age = self.state.balance_age(self.wall)
        if name == _BALANCE_AGE:
            return age
        if age is not None and self._stale is not None and age > self._stale:
            return None
        return self.state.balance(subject)

    def place(self):
        """Where the subject is remembered in this slot, or -1."""
        at = self.at
        if at is None:
            subject = self.event.subject
            at = self.at = -1 if subject is None else self.state.person(self.slot, subject)
        return at

    def unseen(self):
        """True where this subject can not be told from a newcomer: not remembered, and no room to be."""
        return self.place() < 0 and not self.state.room(self.slot, self.wall)

    def _visits(self):
        place = self.place()
        if place >= 0:
            return min(self.state.visits(place) + 1, 0xFFFF)
        return None if self.event.subject is None or self.unseen() else 1

    def _people(self, counter):
        """People counted so far, this event's subject included: as the count will be once it is recorded."""
        event = self.event
        _what, window, ms, scope, _type, trust = self.ruleset.counters[counter]
        count = self.state.count(self.slot, counter, self.wall)
        least = self.state.unsure(self.slot, counter, self.wall) or (
            scope == 0 and self._stale is not None and self._old(self.state.remote_age(self.wall))
        )
        if event.subject is not None and event.trust >= trust and self._inside(window, ms):
            place = self.place()
            if place < 0:
                if self.unseen():
                    least = True
                else:
                    count += 1
            elif not self.state.counts(place, counter, self.slot, self.wall):
                count += 1
        return (count,) if least else count

    def _events(self, counter):
        """Events so far, this one included."""
        event = self.event
        _what, window, ms, scope, kind, trust = self.ruleset.counters[counter]
        count = self.state.count(self.slot, counter, self.wall)
        if (not kind or kind == event.type) and event.trust >= trust and self._inside(window, ms):
            count += 1
        if scope == 0 and self._stale is not None and self._old(self.state.remote_age(self.wall)):
            return (count,)
        return count

    def _inside(self, window, ms):
        return 0 <= self.since < ms if window == _WINDOW_FIRST else self.since >= 0

    def old(self, rule):
        """True where a rule counts kit-wide and what others counted is older than it may be."""
        age = self.state.remote_age(self.wall)
        return rule.stale is not None and age is not None and age > rule.stale

    def _old(self, age):
        return self._stale is not None and age is not None and age > self._stale

    def _seen_lately(self, counter):
        event = self.event
        if event.subject is None:
            return None
        _what, _window, _ms, _scope, kind, trust = self.ruleset.counters[counter]
        if event.type == kind and event.trust >= trust:
            return 1
        place = self.place()
        if place < 0:
            return None if self.unseen() else 0
        return 1 if self.state.seen(place, counter, self.slot, self.wall) else 0

    def signal(self, index):
        """(value, age s) of a signal, the event's own before what came earlier; (None, None) where it is not known or too old."""
        name, kind, most = self.ruleset.signals[index]
        own = self.event.signal
        if own is not None and own[0] == name and kind in (0, self.event.type):
            found = own[1], own[2]
        else:
            found = self.state.signal(index, self.wall) if self.wall is not None else None
        if found is None or found[1] > most or self._old(found[1]):
            return None, None
        return found

    def _latched(self, index):
        if index in self.latching:
            return 1
        slot = self.mine[index]
        return 1 if slot != NOWHERE and self.state.latched(index, self.ruleset.slots[slot][1]) else 0

    def arm(self, index):
        """The subject's arm of an experiment."""
        if self._arms is None:
            self._arms = {}
        if index not in self._arms:
            self._arms[index] = arms.arm(self.ruleset.experiments[index], self.event.subject)
        return self._arms[index]

    def age(self, rule):
        """(age s of the newest, of the oldest) of the data of others that a rule's condition looks at, or None twice."""
        if self.wall is None or not rule.flags & self.others:
            return None, None
        ages = []
        if rule.flags & COUNTS_KIT:
            ages.append(self.state.remote_age(self.wall))
        if rule.flags & BALANCES and self.event.subject is not None:
            ages.append(self.state.balance_age(self.wall))
        if rule.flags & SIGNALS:
            for index in arms.signals_of(self.ruleset, rule.when):
                ages.append(self.signal(index)[1])
        ages = [age for age in ages if age is not None]
        return (min(ages), max(ages)) if ages else (None, None)

    def _arithmetic(self, name, a, b):
        """Of ints; of *at least* numbers where more on a side can only give more."""
        if a == NOBODY or b == NOBODY:
            return NOBODY
        least = type(a) is not int or type(b) is not int
        if least:
            if type(b) is not int:
                if name == _SUB or name == _SHARE:
                    return NOBODY
                b = b[0]
            if type(a) is not int:
                if name == _SHARE and b < 0:
                    return NOBODY
                a = a[0]
        if name == _ADD:
            a += b
        elif name == _SUB:
            a -= b
        elif name == _SHARE:
            a = (a * b + 5000) // 10000
        elif name == _MIN:
            a = min(a, b)
        elif name == _MAX:
            a = max(a, b)
        else:
            a = a // b * b
        if not -_HIGH - 1 <= a <= _HIGH:
            return NOBODY
        return (a,) if least else a


def _compare(op, a, b):
    """FALSE, UNKNOWN or TRUE, either side being an int, NOBODY or (n,)."""
    if a == NOBODY or b == NOBODY:
        return 1
    if type(b) is not int:
        if type(a) is not int:
            return 1
        a, b, op = b, a, expr.mirror(op)
    if type(a) is not int:
        # The true number is a or more: what more can only confirm is known, the rest is not.
        a = a[0]
        if op == _GT:
            return 2 if a > b else 1
        if op == _GE:
            return 2 if a >= b else 1
        if op == _LT:
            return 0 if a >= b else 1
        return 0 if a > b else 1
    if op == _GT:
        holds = a > b
    elif op == _GE:
        holds = a >= b
    elif op == _LT:
        holds = a < b
    elif op == _LE:
        holds = a <= b
    else:
        holds = a == b
    return 2 if holds else 0
