"""One event against a ruleset and the state: grant, deny or uncertain, and why. docs/formats/ruleset.md"""

from collections import namedtuple

from stallmark import expr
from stallmark.registry import (
    GRANT_SAMPLE,
    KIND_DENY,
    KIND_GRANT,
    KIND_UNCERTAIN,
    QUALITY_HOST,
    REASON_ALREADY_HAD,
    REASON_BASKET_SMALL,
    REASON_BUDGET_USED_UP,
    REASON_CLOCK_UNSET,
    REASON_CONDITION,
    REASON_GRANTED,
    REASON_NEAR,
    REASON_NO_RIGHTS_YET,
    REASON_NO_RULE,
    REASON_NO_RULESET,
    REASON_OUTSIDE_SLOT,
    REASON_STOCK_USED_UP,
    REASON_TOKEN_KIND,
    REASON_TOO_MANY_PEOPLE,
    UNIT_MINOR,
)

# kind, rule (index or None), grants, rights, why and currency (text or None) as the record's fields 10, 9,
# 12, 13, 14, 23; latches: indexes of rules whose *latch* record is to be written first, until: the ends (ms)
# of those latches; opens: slices spent from for the first time, whose *rights* record [[slice, 0]] is to be
# written first; message: the author's words for this outcome, or None
Decision = namedtuple("Decision", "kind rule grants rights why latches currency message until opens")

# Which refusal explains best: the first of these that applies
_NEAREST = (
    REASON_NEAR,
    REASON_ALREADY_HAD,
    REASON_STOCK_USED_UP,
    REASON_BUDGET_USED_UP,
    REASON_NO_RIGHTS_YET,
    REASON_TOO_MANY_PEOPLE,
    REASON_BASKET_SMALL,
    REASON_CONDITION,
    REASON_TOKEN_KIND,
    REASON_OUTSIDE_SLOT,
    REASON_CLOCK_UNSET,
)


class _View:
    """What one event's conditions see: the values of docs/formats/ruleset.md for one rule at a time."""

    def __init__(self, ruleset, state, event):
        self.state = state
        self.event = event
        self.ruleset = ruleset
        self.wall = event.wall_ms if event.quality >= QUALITY_HOST else None
        self.open = state.open_slots(self.wall)
        self.least = False
        self.path = 0

    def enter(self, rule):
        """Turns to a rule: its open slot, or -1."""
        self.path = 0
        self.slot = -1
        for slot in self.open:
            if slot in rule.slots:
                self.slot = slot
                self.since = self.wall - self.ruleset.slots[slot][0]
                break
        return self.slot

    def place(self):
        """Where the subject is remembered in this slot, or -1."""
        if self.event.subject is None:
            return -1
        return self.state.person(self.slot, self.event.subject)

    def unseen(self):
        """True where this subject can not be told from a newcomer: not remembered, and no room to be."""
        return self.place() < 0 and not self.state.room(self.slot, self.wall)

    def number(self, value):
        name = value[0]
        self.least = False
        if name == expr.PEOPLE:
            return self._people(value[1], value[2])
        if name == expr.SINCE:
            return self.since
        if name == expr.VISITS:
            if self.event.subject is None or self.unseen():
                return None
            place = self.place()
            return 1 if place < 0 else min(self.state.visits(place) + 1, 0xFFFF)
        return self.event.basket_minor if name == expr.BASKET else self.event.tip_minor

    def _people(self, counter, first):
        """People counted so far, this event's subject included: as the count will be once it is recorded."""
        event = self.event
        count = self.state.count(self.slot, counter)
        self.least = self.state.unsure(self.slot)
        trust = self.ruleset.counters[counter][1]
        if event.subject is None or event.trust < trust or self.since >= first:
            return count
        if self.unseen():
            self.least = True
            return count
        place = self.place()
        return count if place >= 0 and self.state.counts(place, counter) else count + 1


def decide(ruleset, state, event):
    """The Decision of a Ruleset (None: nothing installed) on an Event; the State is read, not changed.

    No floats, no clock, no randomness: the same bytes on every interpreter."""
    if ruleset is None:
        return Decision(KIND_UNCERTAIN, None, [], [], [REASON_NO_RULESET], [], None, None, [], [])
    view = _View(ruleset, state, event)
    latches, until = _new_latches(ruleset, view)
    unsure = nearest = None
    for index, rule in enumerate(ruleset.rules):
        if event.type not in rule.events:
            continue
        kind, why, rights = _judge(view, index, rule, index in latches)
        if kind == KIND_GRANT:
            opens = [part[0] for part in rights if not state.rights.opened(part[0])]
            grants = [list(grant) for grant in rule.grants]
            currency = None
            for grant in grants:
                if grant[0] != GRANT_SAMPLE:
                    currency = ruleset.currency
            words = rule.messages[0]
            return Decision(kind, index, grants, rights, why, latches, currency, words, until, opens)
        if kind == KIND_UNCERTAIN:
            unsure = unsure or (rule, why)
        elif nearest is None or _rank(why) < _rank(nearest[1]):
            nearest = (rule, why)
    kind = KIND_UNCERTAIN if unsure else KIND_DENY
    explained = unsure or nearest
    if explained is not None:
        rule, why = explained
        index = why[1]
        message = rule.messages[2 if why[0] == REASON_NEAR else 1]
    else:
        index = message = None
        why = [REASON_NO_RULE]
    currency = ruleset.currency if why[0] == REASON_BASKET_SMALL else None
    return Decision(kind, index, [], [], why, latches, currency, message, until, [])


def _new_latches(ruleset, view):
    """Rules whose condition is true for the first time in their slot, and until when they stay so."""
    latches = []
    until = []
    for index in ruleset.latching:
        rule = ruleset.rules[index]
        if view.enter(rule) >= 0:
            end = ruleset.slots[view.slot][1]
            if not view.state.latched(index, end) and expr.truth(rule.when, view) == expr.TRUE:
                latches.append(index)
                until.append(end)
    return latches, until


def _judge(view, index, rule, latching):
    """(kind, why, rights) of one rule that applies. All checks are joined by `all` (Kleene): one that is
    false denies, whatever is unknown; without one, an unknown leads to the rule's offline policy. A condition
    explains last: "2 more people" is said only where they would help."""
    event = view.event
    unknown = refusal = None
    if event.trust < rule.trust:
        return KIND_DENY, _why(REASON_TOKEN_KIND, index, None, None, event.trust, rule.trust), []
    if view.wall is None:
        unknown = _why(REASON_CLOCK_UNSET, index)
    elif view.enter(rule) < 0:
        why = _why(REASON_OUTSIDE_SLOT, index, None, None, None, None, _opens_in(view, rule))
        return KIND_DENY, why, []
    else:
        result = expr.truth(rule.when, view)
        path = view.path
        end = view.ruleset.slots[view.slot][1]
        if result != expr.TRUE and not latching and not view.state.latched(index, end):
            unknown = _not_yet(view, index, rule, result, path)
            if result == expr.FALSE:
                refusal = unknown
        if rule.limit:
            limit = _limit(view, index, rule, path)
            if limit is not None and limit[0] == REASON_ALREADY_HAD:
                return KIND_DENY, limit, []
            unknown = unknown or limit
    rights = []
    for unit, amount in rule.need:
        parts = view.state.rights.cover(index, unit, amount)
        if parts is None:
            return KIND_DENY, _short(view, index, unit, amount), []
        rights += parts
    if refusal is not None:
        return KIND_DENY, refusal, []
    if unknown is not None:
        return rule.policy, unknown, []
    shown = rule.shown
    if shown is None:
        return KIND_GRANT, _why(REASON_GRANTED, index, path), rights
    have, need = _sides(view, shown)
    return KIND_GRANT, _why(REASON_GRANTED, index, path, shown[3], have, need), rights


def _not_yet(view, index, rule, result, path):
    """Why a condition is not true: the comparison to blame, how much there is and how much it takes."""
    leaf = expr.blame(rule.when, view)
    if leaf is None:
        return _why(REASON_CONDITION, index, path)
    have, need = _sides(view, leaf)
    name = leaf[1][0]
    code = REASON_CONDITION
    near = None
    rising = leaf[0] in (expr.GT, expr.GE) and type(leaf[2]) is int
    if result == expr.UNKNOWN:
        if name == expr.PEOPLE:
            code = REASON_TOO_MANY_PEOPLE
        elif name == expr.VISITS:
            code = REASON_TOKEN_KIND if view.event.subject is None else REASON_TOO_MANY_PEOPLE
    elif rising and have < need:
        if name == expr.PEOPLE and view.since < leaf[1][2]:
            code = REASON_NEAR
            near = need - have
        elif name == expr.BASKET:
            code = REASON_BASKET_SMALL
            near = need - have
    return _why(code, index, path, leaf[3], have, need, near)


def _sides(view, leaf):
    have = view.number(leaf[1])
    need = leaf[2] if type(leaf[2]) is int else view.number(leaf[2])
    return have, None if need is None else expr.needed(leaf[0], need)


def _limit(view, index, rule, path):
    """Why the subject may not be granted once more, or None."""
    if view.event.subject is None:
        return _why(REASON_TOKEN_KIND, index, path)
    place = view.place()
    if place < 0:
        return _why(REASON_TOO_MANY_PEOPLE, index, path) if view.unseen() else None
    had = view.state.granted(place, index)
    return _why(REASON_ALREADY_HAD, index, path, None, had, rule.limit) if had >= rule.limit else None


def _short(view, index, unit, amount):
    rights = view.state.rights
    if not rights.had(index, unit):
        return _why(REASON_NO_RIGHTS_YET, index, None, None, None, amount)
    code = REASON_BUDGET_USED_UP if unit == UNIT_MINOR else REASON_STOCK_USED_UP
    return _why(code, index, None, None, rights.available(index, unit), amount)


def _opens_in(view, rule):
    """Seconds until the rule's next slot begins, rounded up; None where none follows."""
    starts = [view.ruleset.slots[slot][0] for slot in rule.slots]
    later = [start for start in starts if start > view.wall]
    return (min(later) - view.wall + 999) // 1000 if later else None


def _why(code, index, path=None, leaf=None, have=None, need=None, near=None):
    """Field 14 of the record: [code, rule, path, leaf, have, need, age s, near] no absent ones at the end."""
    why = [code, index, path, leaf, have, need, None, near]
    while why[-1] is None:
        why.pop()
    return why


def _rank(why):
    """Order of refusals: the lower explains better; of two near ones the nearer, then the earlier rule."""
    return (_NEAREST.index(why[0]), why[7] if why[0] == REASON_NEAR else 0)


def record_fields(ruleset, event, decision):
    """The part of a decision record's public fields that comes from deciding: 5 to 15 and 23."""
    fields = {
        5: event.wall_ms,
        6: event.uptime_ms or 0,
        7: [event.quality, event.spread_ms or 0],
        10: decision.kind,
        11: event.type * 16 + event.trust,
        14: decision.why,
        15: event.nonce,
    }
    if ruleset is not None:
        fields[8] = ruleset.digest8
    if decision.rule is not None:
        fields[9] = decision.rule
    if decision.grants:
        fields[12] = decision.grants
    if decision.rights:
        fields[13] = decision.rights
    if decision.currency is not None:
        fields[23] = decision.currency
    return fields
