"""A compiled ruleset, version 1 or 2, read strictly into compact tables; and `decide`. docs/formats/ruleset.md"""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# What a ruleset holds is set by its reader (stallmark.ruleread), which a brick forgets once it has read.

import sys

from stallmark import form
from stallmark.crypt import sha256
from stallmark.decide import (
    Decision,
    commit,
    decide,
    decide_one,
    outcome,
    record_fields,
    reserve_fields,
    settle,
)
from stallmark.errors import LimitError
from stallmark.ruleform import MAX_AMOUNT, Rule

__all__ = (
    "ENGINE", "MAX_AMOUNT", "Decision", "Rule", "Ruleset", "commit", "decide", "decide_one", "outcome",
    "record_fields", "reserve_fields", "settle",
)  # fmt: skip

ENGINE = 2  # the version of the language that this engine decides by; version 1 is read too
MAX_BYTES = 49152
MAX_PEOPLE = 8192
READING = (  # modules that are of no use once a ruleset was read: nothing that stays may import them
    "stallmark.ruleread", "stallmark.ruleform1", "stallmark.ruleform2", "stallmark.ruleshapes",
    "stallmark.grantform", "stallmark.condition", "stallmark.conditionvalues",
)  # fmt: skip
WARM = 256 if sys.implementation.name == "cpython" else 0
_NOWHERE = 255  # of a rule: none of its slots is open


class Ruleset:
    """A ruleset of its bytes, at most 48 KiB (version 1: 16 KiB), or of a stallmark.pages.Pages that reads them from flash.
    Raises FormatError (LimitError) for anything that the page does not allow. Texts are read from `data` when they are asked
    for.

    `digest` is SHA-256 of the bytes, `digest8` its prefix as records name it. Version 1 leaves empty what it
    does not know. Derived, all indexes being places in the tuples beside them:
    `values` what conditions compare, each once; `leaves` the comparisons, each once, in columns: operators, values on the left,
    what is on the right, hints for explaining;
    `counters` (what 20|25|26, window, ms, scope, event type, least trust); `latching`, `limited` (a limit in the
    slot) and `limited_ever` (over the campaign) rules; of each rule in columns `flags`, `trusts`, `limits` (in the slot), `units`
    that it needs (a bit for each), `shown`, and `parts` from `starts[rule]` to `starts[rule + 1]`: the comparisons of a condition
    that is `all` of them (`trees`: of the others, by rule); `bodies`: the rules without these; `watched` for each slot whether
    its people are remembered, from `leads` ms before its start on; `attends` whether attended slots are asked for;
    `least_trust` the lowest trust of which people are remembered; `parameters_defaults`; `rule8` the names of rules in
    slices."""

    def __init__(self, data):
        if len(data) > MAX_BYTES:
            raise LimitError("ruleset of {} bytes: expected at most {}".format(len(data), MAX_BYTES))
        if not hasattr(data, "sha256"):
            data = bytes(data)
        self.data = data
        self.digest = sha256(data) if type(data) is bytes else data.sha256()
        self.digest8 = self.digest[:8]
        from stallmark import ruleread  # as large as all else here: bricks forget it once they have read

        ruleread.read(self)
        self.slow = WARM
        self._from = self._to = 0
        self._open = None

    judges = None  # a function for each rule, once somebody had them made (stallmark.judge)

    def warm(self):
        """One more decision without functions; they are made when there were so many that it is worth the time."""
        self.slow -= 1
        if not self.slow:
            from stallmark import judge

            judge.prepare(self)
        return self.judges

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
        for index, rule in enumerate(self.bodies):
            mine[index] = _NOWHERE
            for slot in slots:
                if slot in rule.slots:
                    mine[index] = slot
                    break
        self._from, self._to = since, until
        self._open = (tuple(slots), mine)

    def when(self, index):
        """A rule's compiled condition (stallmark.expr)."""
        found = self.trees.get(index)
        if found is None:
            found = tuple(self.parts[self.starts[index] : self.starts[index + 1]])
            found = (1,) + found if found else (0,)  # `all` of them, or true
        return found

    # --- what is read again when somebody asks

    def fields(self, index):
        """The wire map of a rule: what deciding does not need (tax, funder, odds, intent, messages) is here."""
        from stallmark import ruleshapes

        return ruleshapes.decode(self.data, self.rules[index].at, 1024)[0]

    def tree(self, index):
        """A rule's condition as nested tuples: (0,) · (1 | 2, children) · (3, child) · (4, children, n) · comparisons
        as `leaf` gives them, the numbers counting up in order of first appearance."""
        from stallmark import exprtree  # for people and compilers: no brick asks

        return exprtree.tree(self, self.rules[index].when, [0])

    def leaf(self, index, number):
        """Comparison `number` of a rule: (operator, value, value or int, number), values as tuples; None where there is none."""
        from stallmark import exprtree

        return exprtree.leaf(self.tree(index), number)

    def words(self, index, message, language=0):
        """The author's text for an outcome (0 granted, 1 denied, 2 near) of a rule in one of the languages; None without one."""
        if index is None or message is None or index >= len(self.rules):
            return None
        from stallmark import ruleshapes

        at = ruleshapes.places(self.data, self.rules[index].at, "rule")[10]
        texts = ruleshapes.decode(self.data, at, 64)[0]
        if self.version == 1:
            return texts.get(message)
        return texts[language if language < len(texts) else 0][message]
