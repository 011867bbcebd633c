"""A rule as deciding has it: one tuple, and flags of what its condition looks at. stallmark.ruleread reads it."""

from array import array
from collections import namedtuple

from stallmark.constant import const
from stallmark.numbers import (
    GRANT_DONATION,
    GRANT_PERCENT_NEXT,
    GRANT_PERCENT_NOW,
    GRANT_SAMPLE,
    GRANT_SPLIT,
    GRANT_TIP_MATCH,
    GRANT_UPGRADE,
)

MAX_AMOUNT = const(1000000000)  # of minor units or pieces in one grant or need
MODE_LOCAL, MODE_LAN, MODE_STRICT = 1, 2, 3

# Rule flags: the wire's three, then what a condition looks at
NOT_AT_LANE = const(1)
NOT_AT_BRICKS = const(2)
ANNOUNCED = const(4)
FLAT = const(8)  # `when` is `all` of nothing but comparisons, or true
COUNTS_KIT = const(16)  # people or events of the whole kit
COUNTS_PEOPLE = const(32)  # different people, or events of a subject
ASKS_VISITS = const(64)
ATTENDS = const(128)
BALANCES = const(256)
SIGNALS = const(512)
NEARS = const(1024)  # some comparison can be *near* or short of a basket
PLAIN = const(4096)  # FLAT, and without latch, early access, age of data, voucher
CAP_ONLY = const(2048)  # version 1: a percentage is granted at its cap
# In a ruleset's column `flags` only:
EASY = const(8192)  # PLAIN, and neither with a limit over the campaign nor of an experiment
DENIES = const(16384)  # its offline policy is to deny
REDEEMS = const(32768)  # a voucher's
WATCHES = COUNTS_PEOPLE | ASKS_VISITS

# Grant types that are a share of an amount, and that are things
SHARES = (GRANT_PERCENT_NOW, GRANT_PERCENT_NEXT, GRANT_TIP_MATCH, GRANT_DONATION, GRANT_SPLIT)
PIECES = (GRANT_SAMPLE, GRANT_UPGRADE)

# when: compiled condition (stallmark.expr); shown: number of the comparison that explains a grant, or None; need: ((unit,
# amount, 0 for what is granted), …); early: ((least tokens, lead ms), …); at: where the rule stands in the ruleset's bytes
Rule = namedtuple(
    "Rule",
    "id events trust slots when latch grants need limit limit_ever policy people_trust shown flags mode lower upper group"
    " experiment early redeems stale at",
)


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


_NEVER = const(255)  # in a column of bytes: None


class Packed:
    """Rules in columns, a sequence of what `Rule` is: where memory is short, one is made when it is asked for.

    What rules have in common is kept once. `of`: the Ruleset, whose columns `flags`, `trusts`, `limits`, `parts`, `starts` these
    rules are in as well; `data`: its bytes, in which the ids stand (a rule of bytes in flash has none)."""

    def __init__(self, of, data):
        self._of = of
        self._data = data
        self._alike = []  # each once: (events, slots, latch, grants, need, …)
        self._which = bytearray()  # of `_alike`
        self._shown = bytearray()
        self._at = array("H")
        self._whens = {}  # conditions that are no `all` of comparisons
        self._last = (None, -1)

    def append(self, rule):
        """One more rule; its row is in the ruleset's columns."""
        alike = (
            rule.events, rule.slots, rule.latch, rule.grants, rule.need, rule.limit_ever, rule.policy, rule.people_trust,
            rule.mode, rule.lower, rule.upper, rule.group, rule.experiment, rule.early, rule.redeems, rule.stale,
        )  # fmt: skip
        if alike not in self._alike:
            self._alike.append(alike)
        if not rule.flags & FLAT:
            self._whens[len(self._at)] = rule.when
        self._which.append(self._alike.index(alike))
        self._shown.append(_NEVER if rule.shown is None else rule.shown)
        self._at.append(rule.at)

    def __len__(self):
        return len(self._at)

    def __getitem__(self, index):
        last, rule = self._last
        if last == index:
            return rule
        if not 0 <= index < len(self._at):
            raise IndexError(index)
        of = self._of
        (
            events, slots, latch, grants, need, limit_ever, policy, people_trust, mode, lower, upper, group, experiment, early,
            redeems, stale,
        ) = self._alike[self._which[index]]  # fmt: skip
        shown = self._shown[index]
        rule = Rule(
            self._id(index), events, of.trusts[index], slots, self._when(index), latch, grants, need, of.limits[index],
            limit_ever, policy, people_trust, None if shown == _NEVER else shown, of.flags[index] & (EASY - 1), mode, lower,
            upper, group, experiment, early, redeems, stale, self._at[index],
        )  # fmt: skip
        self._last = (index, rule)
        return rule

    def _when(self, index):
        found = self._whens.get(index)
        if found is None:
            found = tuple(self._of.parts[self._of.starts[index] : self._of.starts[index + 1]])
            found = (1,) + found if found else (0,)  # `all` of them, or true
        return found

    def _id(self, index):
        """The text of field 0, the first of a rule's map."""
        data = self._data
        if type(data) is not bytes:
            return None
        at = self._at[index] + 2
        size = data[at] & 31
        if size == 24:
            at += 1
            size = data[at]
        return data[at + 1 : at + 1 + size].decode()
