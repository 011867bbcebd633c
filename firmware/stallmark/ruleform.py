"""A rule as deciding has it: one tuple, and flags of what its condition looks at. stallmark.ruleread reads it."""

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
