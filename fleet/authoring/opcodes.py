"""The numbers of conditions on the wire (docs/formats/ruleset.md); a test holds them equal to the engine's."""

ALWAYS, ALL, ANY, NOT, AT_LEAST = 0, 1, 2, 3, 4
GT, GE, LT, LE, EQ, BETWEEN, IN = 10, 11, 12, 13, 14, 15, 16
PEOPLE, VISITS, BASKET, TIP, SINCE = 20, 21, 22, 23, 24
EVENTS, SEEN, ITEMS, ITEM, ATTENDED, BALANCE, BALANCE_AGE = 25, 26, 27, 28, 29, 30, 31
SIGNAL, ARM, RISK, TRUST, EVENT_TYPE, LATCHED, OPEN = 32, 33, 34, 35, 36, 37, 40
ADD, SUB, SHARE, MIN, MAX, DOWN_TO = 50, 51, 52, 53, 54, 55

MAX_DEPTH = 8
MAX_SLOT_MS = 1_036_800_000  # 12 days

_MIRRORED = {GT: LT, GE: LE, LT: GT, LE: GE}


def mirror(op: int) -> int:
    """The comparison with its sides exchanged."""
    return _MIRRORED.get(op, op)
