"""Reads a ruleset's bytes strictly into what deciding needs. A brick forgets this module, and those that only it uses, once
it has read: stallmark.rules and what that imports must not import it."""

from stallmark import cborread, form, ruleform, ruleform1, ruleform2, ruleshapes
from stallmark.condition import Parser
from stallmark.errors import FormatError, LimitError
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
    _derive(ruleset)


def _head(ruleset, data, places):
    def get(key):
        return ruleshapes.field(data, places, key, "ruleset")

    most_slots = ruleform1.MAX_SLOTS if ruleset.version == 1 else MAX_SLOTS
    if ruleset.version == 1 and len(data) > ruleform1.MAX_BYTES:
        raise LimitError("ruleset of {} bytes: expected at most {}".format(len(data), ruleform1.MAX_BYTES))
    ruleset.id = ruleshapes.name(get(1), "ruleset id (1)", 48)
    ruleset.rev = form.uint(get(2), "ruleset rev (2)", form.U32)
    ruleset.currency = ruleshapes.currency(get(3))
    ruleset.slots = tuple([ruleshapes.slot(pair) for pair in form.array(get(4), "slots (4)", most_slots)])
    terms = get(6)
    ruleset.terms = None if terms is None else form.octets(terms, "terms (6)", 16)
    ruleset.people_capacity = form.uint(get(7), "people capacity (7)", MAX_PEOPLE)
    ruleset.market = form.text(get(8), "market name (8)", 64)


def _rules(ruleset, data, at):
    most = ruleform1.MAX_RULES if ruleset.version == 1 else MAX_RULES
    count, at = ruleshapes.array_head(data, at, "rules (5)", most)
    reader = ruleshapes.Reader(ruleset, Parser(ruleset))
    read = ruleform1.rule if ruleset.version == 1 else ruleform2.rule
    rules = []
    for index in range(count):
        try:
            fields, end = cborread.decode_prefix(data, at, 16, 1024)
            rule = read(reader, fields, at)
            if (
                rule.flags & ruleform.FLAT
                and not (rule.latch or rule.early)
                and rule.stale is rule.redeems is None
            ):
                rule = rule[:13] + (rule.flags | ruleform.PLAIN,) + rule[14:]
                rule = ruleform.Rule(*rule)
            rules.append(rule)
            reader.parser.latches.append(rule.latch)
            at = end
        except LimitError as error:
            raise LimitError("rule {}: {}".format(index, error))
        except FormatError as error:
            raise FormatError("rule {}: {}".format(index, error))
    ruleset.rules = tuple(rules)
    ruleset.values, ruleset.leaves, ruleset.counters = reader.parser.tables()
    ruleset.unknown = b"\x03" * len(ruleset.leaves[0])


def _derive(ruleset):
    rules = ruleset.rules
    names = set()
    for rule in rules:
        if rule.id in names:
            form.fail("rule id {}".format(rule.id), "each id once")
        names.add(rule.id)
    ruleset.rule8 = ruleform.Names(b"".join([rule8(rule.id) for rule in rules]))
    ruleset.latching = _indexes(rules, lambda rule: rule.latch)
    ruleset.limited = _indexes(rules, lambda rule: rule.limit)
    ruleset.limited_ever = _indexes(rules, lambda rule: rule.limit_ever)
    ruleset.attends = any([rule.flags & ruleform.ATTENDS for rule in rules])
    ruleset.watched = bytearray(len(ruleset.slots))
    ruleset.leads = [0] * len(ruleset.slots)
    ruleset.least_trust = 15
    by_type = {}
    for index, rule in enumerate(rules):
        for event in rule.events:
            by_type[event] = by_type.get(event, b"") + bytes((index,))
        flags = rule.flags
        if rule.limit or flags & ruleform.WATCHES:
            for slot in rule.slots:
                ruleset.watched[slot] = 1
        for slot in rule.slots:
            for _tokens, lead in rule.early:
                ruleset.leads[slot] = max(ruleset.leads[slot], lead)
        if flags & ruleform.COUNTS_PEOPLE:
            ruleset.least_trust = min(ruleset.least_trust, rule.people_trust)
        if rule.limit or rule.limit_ever or flags & (ruleform.ASKS_VISITS | ruleform.ATTENDS):
            ruleset.least_trust = min(ruleset.least_trust, rule.trust)
    ruleset.by_type = by_type
    ruleset.elsewhere = any([rule.flags & (ruleform.NOT_AT_LANE | ruleform.NOT_AT_BRICKS) for rule in rules])


def _indexes(rules, wanted):
    return tuple([index for index, rule in enumerate(rules) if wanted(rule)])
