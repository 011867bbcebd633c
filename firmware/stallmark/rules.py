"""A compiled ruleset, read strictly into compact tuples; and `decide`. docs/formats/ruleset.md"""

from collections import namedtuple

from stallmark import cbor, expr, form
from stallmark.crypt import sha256
from stallmark.decide import Decision, decide, record_fields
from stallmark.errors import FormatError, LimitError
from stallmark.registry import (
    GRANT_FIXED_NOW,
    GRANT_PERCENT_NOW,
    GRANT_SAMPLE,
    KIND_DENY,
    KIND_UNCERTAIN,
    TRUST_ISSUED,
    UNIT_MINOR,
    UNIT_PEOPLE,
    UNIT_PIECES,
)
from stallmark.rights import rule8

__all__ = ("ENGINE", "Decision", "Rule", "Ruleset", "decide", "record_fields")

ENGINE = 1  # the version of the language that this engine decides by
MAX_BYTES = 16384
MAX_SLOTS = 64
MAX_RULES = 64
MAX_PEOPLE = 8192
MAX_AMOUNT = 1000000000  # of minor units or pieces in one grant or need

# when: compiled condition (stallmark.expr); shown: the comparison that explains a grant, or None;
# people_trust: field 12
Rule = namedtuple(
    "Rule", "id events trust slots when latch grants need limit policy messages people_trust shown"
)


class Ruleset:
    """A ruleset of its bytes, at most 16 KiB. Raises FormatError (LimitError) for anything that the page does
    not allow.

    `digest` is SHA-256 of the bytes, `digest8` its prefix as records name it. Derived: `counters` distinct
    (first ms, trust) people counts, `latching` and `limited` indexes of rules, `watched` whether a slot's
    people are remembered, `least_trust` the lowest trust of which they are, `rule8` the names of rules in
    slices."""

    def __init__(self, data):
        if len(data) > MAX_BYTES:
            raise LimitError("ruleset of {} bytes: expected at most {}".format(len(data), MAX_BYTES))
        self.digest = sha256(data)
        self.digest8 = self.digest[:8]
        self._read(cbor.decode(data, 16, 4096))

    def _read(self, f):
        _exactly(f, "ruleset", 9)
        form.version1(f, "ruleset")
        self.id = _name(f[1], "ruleset id (1)", 48)
        self.rev = form.uint(f[2], "ruleset rev (2)", form.U32)
        self.currency = _currency(f[3])
        self.slots = tuple([_slot(pair) for pair in form.array(f[4], "slots (4)", MAX_SLOTS)])
        self.terms = None if f[6] is None else form.octets(f[6], "terms (6)", 16)
        self.people_capacity = form.uint(f[7], "people capacity (7)", MAX_PEOPLE)
        self.market = form.text(f[8], "market name (8)", 64)
        parser = expr.Parser()
        rules = []
        for index, rule in enumerate(form.array(f[5], "rules (5)", MAX_RULES)):
            try:
                rules.append(self._rule(rule, parser))
            except LimitError as error:
                raise LimitError("rule {}: {}".format(index, error))
            except FormatError as error:
                raise FormatError("rule {}: {}".format(index, error))
        self.rules = tuple(rules)
        names = [rule.id for rule in rules]
        for name in names:
            if names.count(name) > 1:
                form.fail("rule id {}".format(name), "each id once")
        self.counters = tuple(parser.counters)
        self.rule8 = tuple([rule8(name) for name in names])
        self.latching = tuple([i for i in range(len(rules)) if rules[i].latch])
        self.limited = tuple([i for i in range(len(rules)) if rules[i].limit])

    # --- one rule

    def _rule(self, f, parser):
        _exactly(f, "rule", 13)
        name = _name(f[0], "rule id (0)", 32)
        events = form.array(f[1], "event types (1)", 32, 1)
        for event in events:
            form.uint(event, "event type (1)", 4095, 1)
        trust = form.uint(f[2], "minimum trust (2)", 15)
        slots = self._slots_of(form.array(f[3], "slots (3)", MAX_SLOTS, 1))
        people_trust = form.uint(f[12], "counts-as-people trust (12)", 15)
        when = parser.condition(f[4], people_trust)
        latch = f[5]
        if type(latch) is not bool:
            form.fail("latch (5)", "true or false")
        if latch:
            for value in parser.values:
                if value not in expr.SHARED:
                    form.fail("latch (5)", "a condition on the whole slot: people and time only")
        grants = tuple([_grant(grant) for grant in form.array(f[6], "grants (6)", 4, 1)])
        need = _needs(f[7], grants)
        if need and expr.PEOPLE in parser.values and people_trust < TRUST_ISSUED:
            form.fail("counts-as-people trust (12)", "3 or more: tokens that anyone can make open no money")
        limit = form.uint(f[8], "limit per subject (8)", 255)
        policy = f[9]
        if policy != KIND_DENY and policy != KIND_UNCERTAIN:
            form.fail("offline policy (9)", "2 or 14")
        messages = form.fields(f[10], "messages (10)", ())
        for key in messages:
            if key > 2:
                form.fail("messages (10)", "keys 0 to 2")
            form.text(messages[key], "message (10)", 120)
        form.uint(f[11], "intent (11)", 4, 1)
        return Rule(
            name, tuple(events), trust, slots, when, latch, grants, need, limit, policy,
            tuple([messages.get(key) for key in range(3)]), people_trust, _shown(when, parser.leaves),
        )  # fmt: skip

    def _slots_of(self, indexes):
        for at, index in enumerate(indexes):
            form.uint(index, "slot index (3)", len(self.slots) - 1)
            start, end = self.slots[index]
            for other in indexes[:at]:
                if self.slots[other][0] < end and start < self.slots[other][1]:
                    form.fail("slots (3) of a rule", "slots that do not overlap")
        return tuple(indexes)

    # --- what the state has to remember

    @property
    def watched(self):
        """For each slot whether people in it are remembered: a rule counts them, their visits or grants."""
        watched = bytearray(len(self.slots))
        for rule in self.rules:
            if _remembers(rule):
                for index in rule.slots:
                    watched[index] = 1
        return watched

    @property
    def least_trust(self):
        """The lowest trust of which a person is remembered: tokens that count for nothing fill no table."""
        least = 15
        for rule in self.rules:
            if _asks(rule.when, expr.PEOPLE):
                least = min(least, rule.people_trust)
            if rule.limit or _asks(rule.when, expr.VISITS):
                least = min(least, rule.trust)
        return least


def _exactly(f, what, count):
    """A map with keys 0 to count - 1 exactly: a field unknown here could change a decision."""
    form.fields(f, what, range(count))
    if len(f) != count:
        form.fail(what, "fields 0 to {} only (newer than this program?)".format(count - 1))


def _name(value, what, limit):
    if not form.text(value, what, limit):
        form.fail(what, "a name")
    return value


def _currency(value):
    form.text(value, "currency (3)", 3)
    for letter in value:
        if not "A" <= letter <= "Z":
            value = ""
    if len(value) != 3:
        form.fail("currency (3)", "three capital letters")
    return value


def _slot(pair):
    form.array(pair, "slot (4)", 2, 2)
    start = form.uint(pair[0], "slot start (4)")
    end = form.uint(pair[1], "slot end (4)")
    if not 0 < end - start <= expr.MAX_SLOT_MS:
        form.fail("slot (4)", "an end after the start, within 12 days")
    return (start, end)


def _grant(grant):
    """[1, bps, most it may cost] · [2, 1, minor] · [5, pieces, 0]"""
    form.array(grant, "grant (6)", 3, 3)
    kind = form.uint(grant[0], "grant type (6)", 255)
    if kind == GRANT_PERCENT_NOW:
        form.uint(grant[1], "basis points (6)", 10000, 1)
        form.uint(grant[2], "most that a percentage may cost (6)", MAX_AMOUNT, 1)
    elif kind == GRANT_FIXED_NOW:
        form.uint(grant[1], "number of credits (6)", 1, 1)
        form.uint(grant[2], "credit (6)", MAX_AMOUNT, 1)
    elif kind == GRANT_SAMPLE:
        form.uint(grant[1], "pieces (6)", MAX_AMOUNT, 1)
        form.uint(grant[2], "credit of a sample (6)", 0)
    else:
        form.fail("grant type {} (6)".format(kind), "one that this engine can give (a newer one?)")
    return tuple(grant)


def _needs(needs, grants):
    """((unit, amount), …), each unit once; money and pieces that are granted must be covered."""
    money = pieces = 0
    for kind, quantity, minor in grants:
        if kind == GRANT_SAMPLE:
            pieces += quantity
        else:
            money += minor
    covered = {}
    for need in form.array(needs, "needs (7)", 3):
        form.array(need, "need (7)", 2, 2)
        unit = form.uint(need[0], "unit (7)", UNIT_PEOPLE, UNIT_MINOR)
        if unit in covered:
            form.fail("needs (7)", "each unit once")
        covered[unit] = form.uint(need[1], "amount (7)", MAX_AMOUNT, 1)
    if covered.get(UNIT_MINOR, 0) < money or covered.get(UNIT_PIECES, 0) < pieces:
        form.fail("needs (7)", "rights for everything that is granted")
    return tuple([(need[0], need[1]) for need in needs])


def _shown(when, leaves):
    """The comparison that explains a grant best: the first that counts people, else the first."""
    found = [expr.leaf(when, number) for number in range(leaves)]
    for leaf in found:
        if leaf is not None and leaf[1][0] == expr.PEOPLE:
            return leaf
    return found[0] if found else None


def _asks(node, name):
    if node[0] >= expr.GT:
        return node[1][0] == name or (type(node[2]) is tuple and node[2][0] == name)
    if node[0] == expr.NOT:
        return _asks(node[1], name)
    if node[0] == expr.ALWAYS:
        return False
    return any([_asks(child, name) for child in node[1]])


def _remembers(rule):
    return rule.limit or _asks(rule.when, expr.PEOPLE) or _asks(rule.when, expr.VISITS)
