"""What one event's conditions see: each value fetched and each comparison made once. docs/formats/ruleset.md"""

from stallmark import arms, expr
from stallmark.registry import QUALITY_HOST
from stallmark.ruleform import BALANCES, COUNTS_KIT, SIGNALS

NOBODY = ()  # a value that is not known; (n,) is one of which n is the least that it can be
_HIGH = 0x7FFFFFFFFFFFFFFF
_NEW = b"\x03"  # a comparison not looked at
NOWHERE = 255
_OTHERS = COUNTS_KIT | BALANCES | SIGNALS


class View:
    """One event at one rule after another. `slot` is the rule's open one, `since` ms from its start (below 0 in early access),
    `known` the truth of each comparison (3: not looked at), `latching` the rules that latch with this event."""

    def __init__(self, ruleset, state, event, risk=None):
        self.ruleset = ruleset
        self.state = state
        self.event = event
        self.risk = risk
        self.latching = ()
        self._leaves = ruleset.leaves
        self._arms = None
        self._here = None
        self._seen = None  # of slots turned away from
        self.slot = -1
        self.wall = wall = event.wall_ms if event.quality >= QUALITY_HOST else None
        if wall is not None:
            self.open, self._mine = ruleset.open_at(wall)

    def enter(self, index, rule):
        """Turns to a rule: its open slot, or -1."""
        slot = self._mine[index]
        if slot == NOWHERE:
            slot = self._early(rule) if rule.early else -1
            if slot < 0:
                return -1
        here = slot if rule.stale is None or not rule.flags & _OTHERS else (slot, rule.stale)
        if here != self._here:
            self._turn(here, slot, rule.stale)
        return slot

    def _turn(self, here, slot, stale):
        if self._here is not None:
            if self._seen is None:
                self._seen = {}
            self._seen[self._here] = (self.known, self._cache)
        self._here = here
        self.slot = slot
        self._stale = stale
        self.since = self.wall - self.ruleset.slots[slot][0]
        if self._seen is not None and here in self._seen:
            self.known, self._cache = self._seen[here]
        else:
            self.known = bytearray(_NEW * (len(self._leaves) // 3))
            self._cache = [None] * len(self.ruleset.values)

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

    def leaf(self, place):
        """FALSE, UNKNOWN or TRUE of a comparison, from now on in `known`."""
        op, left, right = self._leaves[3 * place : 3 * place + 3]
        cache = self._cache
        a = cache[left]
        if a is None:
            a = self.value(left)
        if op >= expr.BETWEEN:
            got = self._several(op, a, right)
        elif type(a) is int:
            if op == expr.GT:
                got = 2 if a > right else 0
            elif op == expr.GE:
                got = 2 if a >= right else 0
            elif op == expr.LT:
                got = 2 if a < right else 0
            elif op == expr.LE:
                got = 2 if a <= right else 0
            else:
                got = 2 if a == right else 0
        else:
            got = _compare(op, a, right)
        self.known[place] = got
        return got

    def _several(self, op, a, right):
        if op == expr.IN:
            if type(a) is int:
                return 2 if a in right else 0
            return 0 if a and a[0] > max(right) else 1
        if op == expr.BETWEEN:
            return min(_compare(expr.GE, a, right[0]), _compare(expr.LE, a, right[1]))
        if op == expr.BETWEEN + expr.BOTH:
            low, high = self.value(right[0]), self.value(right[1])
            return min(_compare(expr.GE, a, low), _compare(expr.LE, a, high))
        return _compare(op - expr.BOTH, a, self.value(right))

    def sides(self, place):
        """(number on the left, number that it takes) of a comparison, each None where it is not known."""
        op, left, right = self._leaves[3 * place : 3 * place + 3]
        have = self.value(left)
        if op == expr.IN:
            need = NOBODY
        elif op == expr.BETWEEN:
            need = right[0]
        elif op == expr.BETWEEN + expr.BOTH:
            need = self.value(right[0])
        else:
            need = right if op < expr.BOTH else self.value(right)
        have = have if type(have) is int else have[0] if have else None
        need = need if type(need) is int else need[0] if need else None
        return have, None if need is None else expr.needed(op & 31, need)

    # --- values

    def value(self, at):
        """An int, NOBODY, or (n,): n or more."""
        found = self._cache[at]
        if found is None:
            found = self._fetch(self.ruleset.values[at])
            self._cache[at] = found
        return found

    def _fetch(self, value):
        name = value[0]
        event = self.event
        if name == expr.PEOPLE:
            return self._people(value[1])
        if name == expr.BASKET:
            found = event.basket_minor
        elif name == expr.NUMBER:
            found = value[1]
        elif name == expr.SINCE:
            found = self.since
        elif name == expr.VISITS:
            found = self._visits()
        elif name == expr.TIP:
            found = event.tip_minor
        elif name == expr.EVENTS:
            return self._events(value[1])
        elif name >= expr.ADD:
            return self._arithmetic(name, self.value(value[1]), self.value(value[2]))
        elif name == expr.OPEN:
            found = self.state.parameter(value[1])
        elif name == expr.SEEN:
            found = self._seen_lately(value[1])
        elif name == expr.ITEMS:
            found = event.items
            if found is None and event.lines is not None:
                found = sum([line[1] for line in event.lines])
        elif name == expr.ITEM:
            found = None
            if event.lines is not None:
                found = sum([line[1] for line in event.lines if line[0] == value[1]])
        elif name == expr.SIGNAL:
            found = self.signal(value[1])[0]
        elif name == expr.LATCHED:
            found = self._latched(value[1])
        elif name == expr.RISK:
            found = self.risk
        elif name == expr.TRUST:
            found = event.trust
        elif name == expr.EVENT_TYPE:
            found = event.type
        else:
            found = self._of_subject(name, value)
        return NOBODY if found is None or not -_HIGH - 1 <= found <= _HIGH else found

    def _of_subject(self, name, value):
        subject = self.event.subject
        if subject is None:
            return None
        if name == expr.ARM:
            return self.arm(value[1])
        if name == expr.ATTENDED:
            had = self.state.attended(subject)
            if had is None or self.place() >= 0:
                return had
            return None if self.unseen() else had + 1
        age = self.state.balance_age(self.wall)
        if name == expr.BALANCE_AGE:
            return age
        if age is not None and self._stale is not None and age > self._stale:
            return None
        return self.state.balance(subject)

    def place(self):
        """Where the subject is remembered in this slot, or -1."""
        if self.event.subject is None:
            return -1
        return self.state.person(self.slot, self.event.subject)

    def unseen(self):
        """True where this subject can not be told from a newcomer: not remembered, and no room to be."""
        return self.place() < 0 and not self.state.room(self.slot, self.wall)

    def _visits(self):
        if self.event.subject is None or self.unseen():
            return None
        place = self.place()
        return 1 if place < 0 else min(self.state.visits(place) + 1, 0xFFFF)

    def _people(self, counter):
        """People counted so far, this event's subject included: as the count will be once it is recorded."""
        event = self.event
        _what, window, ms, scope, _type, trust = self.ruleset.counters[counter]
        count = self.state.count(self.slot, counter, self.wall)
        least = self.state.unsure(self.slot) or (scope == 0 and self._old(self.state.remote_age(self.wall)))
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
        return (count,) if scope == 0 and self._old(self.state.remote_age(self.wall)) else count

    def _inside(self, window, ms):
        return 0 <= self.since < ms if window == expr.WINDOW_FIRST else self.since >= 0

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
        slot = self._mine[index]
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
        if self.wall is None or not rule.flags & _OTHERS:
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
                if name == expr.SUB or name == expr.SHARE:
                    return NOBODY
                b = b[0]
            if type(a) is not int:
                if name == expr.SHARE and b < 0:
                    return NOBODY
                a = a[0]
        if name == expr.ADD:
            a += b
        elif name == expr.SUB:
            a -= b
        elif name == expr.SHARE:
            a = (a * b + 5000) // 10000
        elif name == expr.MIN:
            a = min(a, b)
        elif name == expr.MAX:
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
        if op == expr.GT:
            return 2 if a > b else 1
        if op == expr.GE:
            return 2 if a >= b else 1
        if op == expr.LT:
            return 0 if a >= b else 1
        return 0 if a > b else 1
    if op == expr.GT:
        holds = a > b
    elif op == expr.GE:
        holds = a >= b
    elif op == expr.LT:
        holds = a < b
    elif op == expr.LE:
        holds = a <= b
    else:
        holds = a == b
    return 2 if holds else 0
