"""A compiled ruleset, version 1 or 2, read strictly into compact tables; and `decide`. docs/formats/ruleset.md"""

from stallmark import cborread, expr, form, ruleform, ruleform1
from stallmark.crypt import sha256
from stallmark.decide import (
    Decision,
    commit,
    decide,
    decide_one,
    operator,
    outcome,
    record_fields,
    reserve_fields,
    settle,
)
from stallmark.errors import FormatError, LimitError
from stallmark.rights import rule8
from stallmark.ruleform import Rule

__all__ = (
    "ENGINE", "Decision", "Rule", "Ruleset", "commit", "decide", "decide_one", "operator", "outcome", "record_fields",
    "reserve_fields", "settle",
)  # fmt: skip

ENGINE = 2  # the version of the language that this engine decides by; version 1 is read too
MAX_BYTES = 49152
MAX_SLOTS = 250
MAX_RULES = 250
MAX_PEOPLE = 8192
MAX_AMOUNT = ruleform.MAX_AMOUNT
_NOWHERE = 255  # of a rule: none of its slots is open


class Ruleset:
    """A ruleset of its bytes, at most 48 KiB (version 1: 16 KiB). Raises FormatError (LimitError) for anything
    that the page does not allow. The bytes are kept: texts are read from them when they are asked for.

    `digest` is SHA-256 of the bytes, `digest8` its prefix as records name it. Version 1 leaves empty what it
    does not know. Derived, all indexes being places in the tuples beside them:
    `values` what conditions compare, each once; `leaves` the comparisons, each once, in columns: operators, values on the left,
    what is on the right, hints for explaining;
    `counters` (what 20|25|26, window, ms, scope, event type, least trust); `latching`, `limited` (a limit in the
    slot) and `limited_ever` (over the campaign) rules; `watched` for each slot whether its people are remembered,
    from `leads` ms before its start on; `attends` whether attended slots are asked for; `least_trust` the lowest
    trust of which people are remembered; `parameters_defaults`; `rule8` the names of rules in slices."""

    def __init__(self, data):
        if len(data) > MAX_BYTES:
            raise LimitError("ruleset of {} bytes: expected at most {}".format(len(data), MAX_BYTES))
        self.data = data = bytes(data)
        self.digest = sha256(data)
        self.digest8 = self.digest[:8]
        places = ruleform.places(data, 0, "ruleset")
        self.version = ruleform.field(data, places, 0, "ruleset")
        if self.version not in (1, 2) or type(self.version) is not int:
            form.fail("ruleset", "version 1 or 2")
        (ruleform1 if self.version == 1 else ruleform).check_fields(places, "ruleset")
        self._head(data, places)
        if self.version == 1:
            ruleform1.head(self)
        else:
            ruleform.head(self, data, places)
        self._rules(data, places[5])
        self._derive()

    def _head(self, data, places):
        def get(key):
            return ruleform.field(data, places, key, "ruleset")

        most_slots = ruleform1.MAX_SLOTS if self.version == 1 else MAX_SLOTS
        if self.version == 1 and len(data) > ruleform1.MAX_BYTES:
            raise LimitError(
                "ruleset of {} bytes: expected at most {}".format(len(data), ruleform1.MAX_BYTES)
            )
        self.id = ruleform.name(get(1), "ruleset id (1)", 48)
        self.rev = form.uint(get(2), "ruleset rev (2)", form.U32)
        self.currency = ruleform.currency(get(3))
        self.slots = tuple([ruleform.slot(pair) for pair in form.array(get(4), "slots (4)", most_slots)])
        terms = get(6)
        self.terms = None if terms is None else form.octets(terms, "terms (6)", 16)
        self.people_capacity = form.uint(get(7), "people capacity (7)", MAX_PEOPLE)
        self.market = form.text(get(8), "market name (8)", 64)

    def _rules(self, data, at):
        most = ruleform1.MAX_RULES if self.version == 1 else MAX_RULES
        count, at = ruleform.array_head(data, at, "rules (5)", most)
        reader = ruleform.Reader(self, expr.Parser(self))
        read = ruleform1.rule if self.version == 1 else ruleform.rule
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
                    rule = Rule(*rule)
                rules.append(rule)
                reader.parser.latches.append(rule.latch)
                at = end
            except LimitError as error:
                raise LimitError("rule {}: {}".format(index, error))
            except FormatError as error:
                raise FormatError("rule {}: {}".format(index, error))
        self.rules = tuple(rules)
        self.values, self.leaves, self.counters = reader.parser.tables()
        self.unknown = b"\x03" * len(self.leaves[0])

    def _derive(self):
        rules = self.rules
        names = set()
        for rule in rules:
            if rule.id in names:
                form.fail("rule id {}".format(rule.id), "each id once")
            names.add(rule.id)
        self.rule8 = Names(b"".join([rule8(rule.id) for rule in rules]))
        self.latching = _indexes(rules, lambda rule: rule.latch)
        self.limited = _indexes(rules, lambda rule: rule.limit)
        self.limited_ever = _indexes(rules, lambda rule: rule.limit_ever)
        self.attends = any([rule.flags & ruleform.ATTENDS for rule in rules])
        self.watched = bytearray(len(self.slots))
        self.leads = [0] * len(self.slots)
        self.least_trust = 15
        by_type = {}
        for index, rule in enumerate(rules):
            for event in rule.events:
                by_type[event] = by_type.get(event, b"") + bytes((index,))
            flags = rule.flags
            if rule.limit or flags & ruleform.WATCHES:
                for slot in rule.slots:
                    self.watched[slot] = 1
            for slot in rule.slots:
                for _tokens, lead in rule.early:
                    self.leads[slot] = max(self.leads[slot], lead)
            if flags & ruleform.COUNTS_PEOPLE:
                self.least_trust = min(self.least_trust, rule.people_trust)
            if rule.limit or rule.limit_ever or flags & (ruleform.ASKS_VISITS | ruleform.ATTENDS):
                self.least_trust = min(self.least_trust, rule.trust)
        self.by_type = by_type
        self._from = self._to = 0
        self._open = None

    # --- what is open when

    def open_at(self, wall):
        """(slots open at `wall` ms as a tuple, for each rule its open slot or 255). The same object until one opens or closes."""
        if self._open is None or not self._from <= wall < self._to:
            self._turn(wall)
        return self._open

    def _turn(self, wall):
        since, until = 0, form.I64
        slots = []
        for index, (start, end) in enumerate(self.slots):
            for instant in (start, end):
                if instant <= wall:
                    since = max(since, instant)
                else:
                    until = min(until, instant)
            if start <= wall < end:
                slots.append(index)
        mine = bytearray(len(self.rules))
        for index, rule in enumerate(self.rules):
            mine[index] = _NOWHERE
            for slot in slots:
                if slot in rule.slots:
                    mine[index] = slot
                    break
        self._from, self._to = since, until
        self._open = (tuple(slots), mine)

    # --- what is read again when somebody asks

    def fields(self, index):
        """The wire map of a rule: what deciding does not need (tax, funder, odds, intent, messages) is here."""
        return cborread.decode_prefix(self.data, self.rules[index].at, 16, 1024)[0]

    def tree(self, index):
        """A rule's condition as nested tuples: (0,) · (1 | 2, children) · (3, child) · (4, children, n) · comparisons
        as `leaf` gives them, the numbers counting up in order of first appearance."""
        return expr.tree(self, self.rules[index].when, [0])

    def leaf(self, index, number):
        """Comparison `number` of a rule: (operator, value, value or int, number), values as tuples; None where there is none."""
        return expr.leaf(self.tree(index), number)

    def words(self, index, message, language=0):
        """The author's text for an outcome (0 granted, 1 denied, 2 near) of a rule in one of the languages; None without one."""
        if index is None or message is None or index >= len(self.rules):
            return None
        at = ruleform.places(self.data, self.rules[index].at, "rule")[10]
        texts = cborread.decode_prefix(self.data, at, 4, 64)[0]
        if self.version == 1:
            return texts.get(message)
        return texts[language if language < len(texts) else 0][message]


class Names:
    """Names of eight bytes each, in one string of bytes: a sequence of bytes objects."""

    def __init__(self, data):
        self._data = data

    def __len__(self):
        return len(self._data) // 8

    def __getitem__(self, index):
        if index < 0 or index * 8 >= len(self._data):
            raise IndexError(index)
        return self._data[index * 8 : index * 8 + 8]


def _indexes(rules, wanted):
    return tuple([index for index, rule in enumerate(rules) if wanted(rule)])
