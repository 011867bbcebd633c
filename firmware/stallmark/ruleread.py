"""Reads a ruleset's bytes strictly into what deciding needs. A brick forgets this module, and those that only it uses, once
it has read: stallmark.rules and what that imports must not import it."""

from stallmark import columns, form, ruleform, ruleform1, ruleform2, ruleshapes
from stallmark.condition import Parser
from stallmark.errors import FormatError, LimitError
from stallmark.numbers import KIND_DENY
from stallmark.rights import rule8

MAX_SLOTS = 250
MAX_RULES = 250
MAX_PEOPLE = 8192


def read(ruleset):
    """Fills a stallmark.rules.Ruleset from its `data`. Raises FormatError, LimitError."""
    data = ruleset.data
    places = ruleshapes.places(data, 0, "ruleset")
    ruleset.version = ruleshapes.field(data, places, 0, "ruleset")
    if ruleset.version not in (1, 2) or type(ruleset.version) is not int:
        form.fail("ruleset", "version 1 or 2")
    if ruleset.version == 1:
        ruleform1.check_fields(places, "ruleset")
    else:
        ruleshapes.check_fields(places, "ruleset")
    _head(ruleset, data, places)
    if ruleset.version == 1:
        ruleform1.head(ruleset)
    else:
        ruleform2.head(ruleset, data, places)
    _rules(ruleset, data, places[5])


def _head(ruleset, data, places):
    def get(key):
        return ruleshapes.field(data, places, key, "ruleset")

    most_slots = ruleform1.MAX_SLOTS if ruleset.version == 1 else MAX_SLOTS
    if ruleset.version == 1 and len(data) > ruleform1.MAX_BYTES:
        raise LimitError("ruleset of {} bytes: expected at most {}".format(len(data), ruleform1.MAX_BYTES))
    ruleset.id = ruleshapes.name(get(1), "ruleset id (1)", 48)
    ruleset.rev = form.uint(get(2), "ruleset rev (2)", form.U32)
    ruleset.currency = ruleshapes.currency(get(3))
    count, at = ruleshapes.array_head(data, places[4], "slots (4)", most_slots)
    slots = []
    for _ in range(count):
        pair, at = ruleshapes.decode(data, at, 16)
        slots.append(ruleshapes.slot(pair))
    ruleset.slots = tuple(slots)
    terms = get(6)
    ruleset.terms = None if terms is None else form.octets(terms, "terms (6)", 16)
    ruleset.people_capacity = form.uint(get(7), "people capacity (7)", MAX_PEOPLE)
    ruleset.market = form.text(get(8), "market name (8)", 64)


def _rules(ruleset, data, at):
    most = ruleform1.MAX_RULES if ruleset.version == 1 else MAX_RULES
    count, at = ruleshapes.array_head(data, at, "rules (5)", most)
    reader = ruleshapes.Reader(ruleset, Parser(ruleset))
    read = ruleform1.rule if ruleset.version == 1 else ruleform2.rule
    found = _Found(ruleset, columns.PACKED and count > 0)
    for index in range(count):
        try:
            fields, end = ruleshapes.decode(data, at, 1024)
            rule = read(reader, fields, at)
            if (
                rule.flags & ruleform.FLAT
                and not (rule.latch or rule.early)
                and rule.stale is rule.redeems is None
            ):
                rule = rule[:13] + (rule.flags | ruleform.PLAIN,) + rule[14:]
                rule = ruleform.Rule(*rule)
            found.add(index, rule)
            reader.parser.latches.append(rule.latch)
            at = end
        except LimitError as error:
            raise LimitError("rule {}: {}".format(index, error))
        except FormatError as error:
            raise FormatError("rule {}: {}".format(index, error))
    found.end(reader.parser)
    if type(data) is not bytes:
        data.forget()


class _Found:
    """Rules as they are read, into the columns of their Ruleset and what follows from all of them."""

    def __init__(self, ruleset, packed):
        self._ruleset = ruleset
        self._packed = None if not packed else (ruleform.Packed(ruleset), ruleform.Bodies())
        self._rules = []
        self._names = []
        self._repeated = None
        self._columns = [], [], [], [], [], [0]  # flags, trusts, limits, units, shown, starts
        ruleset.trees = {}
        self._parts = []
        self._latching, self._limited, self._limited_ever = [], [], []
        ruleset.attends = ruleset.elsewhere = False
        ruleset.watched = bytearray(len(ruleset.slots))
        ruleset.leads = [0] * len(ruleset.slots)
        ruleset.least_trust = 15
        ruleset.by_type = {}

    def add(self, index, rule):
        self._name(rule)
        self._column(index, rule)
        self._slots(rule)
        ruleset, flags = self._ruleset, rule.flags
        if rule.latch:
            self._latching.append(index)
        if rule.limit:
            self._limited.append(index)
        if rule.limit_ever:
            self._limited_ever.append(index)
        for event in rule.events:
            ruleset.by_type[event] = ruleset.by_type.get(event, b"") + bytes((index,))
        if flags & ruleform.ATTENDS:
            ruleset.attends = True
        if flags & (ruleform.NOT_AT_LANE | ruleform.NOT_AT_BRICKS):
            ruleset.elsewhere = True
        if flags & ruleform.COUNTS_PEOPLE:
            ruleset.least_trust = min(ruleset.least_trust, rule.people_trust)
        if rule.limit or rule.limit_ever or flags & (ruleform.ASKS_VISITS | ruleform.ATTENDS):
            ruleset.least_trust = min(ruleset.least_trust, rule.trust)
        for rules in self._packed or (self._rules,):
            rules.append(rule)

    def _name(self, rule):
        name = rule8(rule.id)
        if name in self._names and self._repeated is None:
            self._repeated = rule.id
        self._names.append(name)

    def _column(self, index, rule):
        flags = rule.flags
        if flags & ruleform.PLAIN and not rule.limit_ever and rule.experiment is None:
            flags |= ruleform.EASY
        if rule.policy == KIND_DENY:
            flags |= ruleform.DENIES
        if rule.redeems is not None:
            flags |= ruleform.REDEEMS
        units = 0
        for need in rule.need:
            units |= 1 << need[0]
        if flags & ruleform.FLAT:
            self._parts += rule.when[1:]
        else:
            self._ruleset.trees[index] = rule.when
        shown = ruleform.NEVER if rule.shown is None else rule.shown
        for place, value in enumerate((flags, rule.trust, rule.limit, units, shown, len(self._parts))):
            self._columns[place].append(value)

    def _slots(self, rule):
        ruleset = self._ruleset
        for slot in rule.slots:
            if rule.limit or rule.flags & ruleform.WATCHES:
                ruleset.watched[slot] = 1
            for _tokens, lead in rule.early:
                ruleset.leads[slot] = max(ruleset.leads[slot], lead)

    def end(self, parser):
        """The tables that all rules share. Raises FormatError for an id that comes twice."""
        ruleset = self._ruleset
        if self._repeated is not None:
            form.fail("rule id {}".format(self._repeated), "each id once")
        found = [columns.column(values) for values in self._columns]
        ruleset.flags, ruleset.trusts, ruleset.limits, ruleset.units, ruleset.shown, ruleset.starts = found
        ruleset.parts = columns.column(self._parts)
        if self._packed is not None:
            ruleset.rules, ruleset.bodies = self._packed
        else:
            ruleset.rules = ruleset.bodies = tuple(self._rules)
        ruleset.rule8 = ruleform.Names(b"".join(self._names))
        ruleset.latching = tuple(self._latching)
        ruleset.limited, ruleset.limited_ever = tuple(self._limited), tuple(self._limited_ever)
        ruleset.values, ruleset.leaves, ruleset.counters = parser.tables()
        ruleset.unknown = b"\x03" * len(ruleset.leaves[0])
