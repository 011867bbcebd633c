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


NEVER = const(255)  # in a ruleset's column `shown`: None


class Bodies:
    """Rules without what is each one's own (id, condition, `shown`, where it stands), a sequence: of those that are alike there
    is one `Rule`, and the rest is in a ruleset's columns."""

    def __init__(self):
        self._alike = []
        self._which = bytearray()

    def append(self, rule):
        """One more rule."""
        body = Rule(*((None,) + rule[1:4] + (None,) + rule[5:12] + (None,) + rule[13:-1] + (0,)))
        if body not in self._alike:
            self._alike.append(body)
        self._which.append(self._alike.index(body))

    def __len__(self):
        return len(self._which)

    def __getitem__(self, index):
        return self._alike[self._which[index]]


class Packed:
    """Whole rules, a sequence of what `Rule` is, each made when it is asked for: deciding does with their `Bodies` and columns.

    `of`: the Ruleset; the ids stand in its bytes (a rule of bytes in flash has none)."""

    def __init__(self, of):
        self._of = of
        self._at = array("H")

    def append(self, rule):
        """One more rule, whose body and columns its ruleset has."""
        self._at.append(rule.at)

    def __len__(self):
        return len(self._at)

    def __getitem__(self, index):
        of = self._of
        body = of.bodies[index]
        shown = of.shown[index]
        shown = None if shown == NEVER else shown
        own = (self._id(index),) + body[1:4] + (of.when(index),) + body[5:12] + (shown,) + body[13:-1] + (self._at[index],)
        return Rule(*own)

    def _id(self, index):
        """The text of field 0, the first of a rule's map."""
        data = self._of.data
        if type(data) is not bytes:
            return None
        at = self._at[index] + 2
        size = data[at] & 31
        if size == 24:
            at += 1
            size = data[at]
        return data[at + 1 : at + 1 + size].decode()
