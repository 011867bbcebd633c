"""What one event's conditions ask for: each value fetched once for the slot that is looked at. docs/formats/ruleset.md"""

from stallmark import arms
from stallmark.arithmetic import arithmetic, known
from stallmark.constant import const
from stallmark.counted import Counted
from stallmark.numbers import QUALITY_HOST
from stallmark.ruleform import BALANCES, COUNTS_KIT, SIGNALS

# Operators and values, as stallmark.expr names them
_NUMBER = const(0)
_PEOPLE = const(20)
_ADD = const(50)

NOWHERE = 255


class Facts(Counted):
    """One event at one rule after another. `slot` is the rule's open one, `since` ms from its start (0 in early access), `here`
    what stands for both; `known` the truth of each comparison (3: not looked at), `latching` the rules that latch with this
    event, `at` the subject's place in the slot (None: not looked up), `mine` for each rule its open slot (NOWHERE without),
    `others` the flags of rules that look at data of others, `lane` whether this is the host's gateway lane."""

    lane = False
    others = COUNTS_KIT | BALANCES | SIGNALS

    def __init__(self, ruleset, state, event, risk=None):
        self.ruleset = ruleset
        self.state = state
        self.values = ruleset.values
        self._ops, self._lefts, self._rights, self.hints = ruleset.leaves
        self._starts, self._parts = ruleset.starts, ruleset.parts
        self.begin(event, risk)

    def begin(self, event, risk):
        """Turns to another event, as a new one would see it."""
        self.event = event
        self.risk = risk
        self.slot = -1
        self.latching = ()
        # of slots turned away from; whether anything is known that could be too old
        self.here = self._arms = self._stale = self._kept = self._aged = None
        if event.quality >= QUALITY_HOST and event.wall_ms is not None:
            self.wall = event.wall_ms
            self.open, self.mine = self.ruleset.open_at(self.wall)
        else:
            self.wall = self.mine = None
            self.open = ()

    def enter(self, index, rule):
        """Turns to a rule: its open slot, or -1."""
        slot = self.mine[index]
        if slot == NOWHERE:
            slot = self._early(rule) if rule.early else -1
            if slot < 0:
                return -1
        stale = rule.stale
        here = slot
        if stale is not None and rule.flags & self.others and self.aging():
            here = slot, stale
        if here != self.here:
            self.turn(here, slot, stale)
        return slot

    def aging(self):
        """Whether anything of others is known, which could be too old."""
        if self._aged is None:
            state = self.state
            self._aged = (
                bool(self.ruleset.signals)
                or state.remote_age(self.wall) is not None
                or state.balance_age(self.wall) is not None
            )
        return self._aged

    def turn(self, here, slot, stale):
        """Turns to a slot, and to how old data of others may be (`here` stands for both)."""
        if self.here is not None:
            if self._kept is None:
                self._kept = {}
            self._kept[self.here] = (self.known, self._cache, self.at)
        self.slot = slot
        self._stale = stale
        since = self.wall - self.ruleset.slots[slot][0]
        self.since = since if since > 0 else 0  # who comes early comes at its start
        self.here = here
        if self._kept is not None and here in self._kept:
            self.known, self._cache, self.at = self._kept[here]
        else:
            self.known = bytearray(self.ruleset.unknown)
            self._cache = [None] * len(self.values)
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

    # --- values

    def value(self, at):
        """An int, NOBODY, or (n,): n or more."""
        found = self._cache[at]
        if found is None:
            found = self._fetch(self.values[at])
            self._cache[at] = found  # pyright: ignore[reportCallIssue, reportArgumentType] - None stood for "not yet"
        return found

    def _fetch(self, value):
        name = value[0]
        if name == _NUMBER:
            return value[1]
        if name >= _ADD:
            return arithmetic(name, self.value(value[1]), self.value(value[2]))
        found = _HOW[name - _PEOPLE](self, value[1] if len(value) > 1 else 0)
        return found if type(found) is tuple else known(found)

    def _basket(self, _):
        return self.event.basket_minor

    def _tip(self, _):
        return self.event.tip_minor

    def _since(self, _):
        return self.since

    def _trust(self, _):
        return self.event.trust

    def _type(self, _):
        return self.event.type

    def _risk(self, _):
        return self.risk

    def _open(self, index):
        return self.state.parameter(index)

    def _items(self, _):
        found = self.event.items
        if found is None and self.event.lines is not None:
            found = sum([line[1] for line in self.event.lines])
        return found

    def _item(self, code):
        lines = self.event.lines
        return None if lines is None else sum([line[1] for line in lines if line[0] == code])

    def _balance_age(self, _):
        return None if self.event.subject is None else self.state.balance_age(self.wall)

    def _balance(self, _):
        subject = self.event.subject
        if subject is None or (self._stale is not None and self._old(self.state.balance_age(self.wall))):
            return None
        return self.state.balance(subject)

    def old(self, rule):
        """True where a rule counts kit-wide and what others counted is older than it may be."""
        age = self.state.remote_age(self.wall)
        return rule.stale is not None and age is not None and age > rule.stale

    def _signal(self, index):
        return self.signal(index)[0]

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

    def _arm(self, index):
        return None if self.event.subject is None else self.arm(index)

    def arm(self, index):
        """The subject's arm of an experiment."""
        if self._arms is None:
            self._arms = {}
        found = self._arms.get(index)
        if found is None:
            found = self._arms[index] = arms.arm(self.ruleset.experiments[index], self.event.subject)
        return found

    def age(self, index):
        """(age s of the newest, of the oldest) of the data of others that a rule's condition looks at, or None twice."""
        flags = self.ruleset.flags[index]
        if self.wall is None or not flags & self.others:
            return None, None
        ages = []
        if flags & COUNTS_KIT:
            ages.append(self.state.remote_age(self.wall))
        if flags & BALANCES and self.event.subject is not None:
            ages.append(self.state.balance_age(self.wall))
        if flags & SIGNALS:
            for signal in arms.signals_of(self.ruleset, self.ruleset.when(index)):
                ages.append(self.signal(signal)[1])
        ages = [age for age in ages if age is not None]
        return (min(ages), max(ages)) if ages else (None, None)


_F = Facts
# How the values from 20 to 40 are fetched; 38 and 39 are none
_HOW = (
    # of a count the methods that somebody may have made anew
    lambda facts, counter: facts._people(counter), _F._visits, _F._basket, _F._tip, _F._since,
    lambda facts, counter: facts._events(counter), _F._seen, _F._items, _F._item, _F._attended, _F._balance, _F._balance_age,
    _F._signal, _F._arm, _F._risk, _F._trust, _F._type, _F._latched, None, None, _F._open,
)  # fmt: skip
del _F
