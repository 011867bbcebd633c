"""The form of grants: what each type holds, and what it may cost. docs/formats/ruleset.md"""

from stallmark import form
from stallmark.constant import const
from stallmark.numbers import (
    GRANT_DONATION,
    GRANT_FIXED_NEXT,
    GRANT_FIXED_NOW,
    GRANT_PERCENT_NEXT,
    GRANT_PERCENT_NOW,
    GRANT_SPLIT,
    GRANT_TIP_MATCH,
    GRANT_TOKENS,
    GRANT_UNLOCK,
    GRANT_UPGRADE,
    GRANT_VOUCHER,
)
from stallmark.ruleform import MAX_AMOUNT, PIECES, SHARES

OPEN = const(40)  # [40, index]: an open value
UNIT_BPS, UNIT_MONEY, UNIT_PIECES_OPEN = 1, 2, 3
_DAYS = const(3660)

_NAMED = (GRANT_UPGRADE, GRANT_TIP_MATCH, GRANT_UNLOCK, GRANT_DONATION, GRANT_SPLIT)  # end with a text
_LASTING = (GRANT_PERCENT_NEXT, GRANT_FIXED_NEXT, GRANT_TOKENS, GRANT_VOUCHER)  # end with days


def grants_of(grants, open_values, redeems):
    """(tuple of grants, whether money that needs rights is among them, whether pieces are). Raises FormatError.

    `redeems`: the first credit now may be of 0: the voucher's own value, which was bounded when it was issued."""
    out = []
    money = pieces = False
    for grant in form.array(grants, "grants (6)", 4, 1):
        found = _grant(grant, open_values, redeems and not out)
        if redeems and found[0] in _LASTING:
            form.fail("grant type {} (6)".format(found[0]), "nothing for later in a rule that redeems")
        out.append(found)
        kind = found[0]
        pieces = pieces or kind in PIECES
        # A split passes on what a customer paid: nobody's budget is spent by it.
        money = money or (kind != GRANT_SPLIT and found[2] != 0)
    return tuple(out), money, pieces


def _grant(grant, open_values, own):
    form.array(grant, "grant (6)", 4, 3)
    kind = form.uint(grant[0], "grant type (6)", 255)
    if not GRANT_PERCENT_NOW <= kind <= GRANT_SPLIT:
        form.fail("grant type {} (6)".format(kind), "one that this engine can give (a newer one?)")
    size = 4 if kind in _NAMED or kind in _LASTING else 3
    form.array(grant, "grant (6)", size, size)
    quantity, minor = grant[1], grant[2]
    if kind in SHARES:
        quantity = _number(
            quantity,
            open_values,
            UNIT_BPS,
            "basis points (6)",
            10000 if kind != GRANT_TIP_MATCH else 100000,
            1,
        )
        low = 0 if own and kind == GRANT_PERCENT_NOW else 1
        minor = _number(
            minor, open_values, UNIT_MONEY, "most that a percentage may cost (6)", MAX_AMOUNT, low
        )
    elif kind in PIECES:
        quantity = _number(quantity, open_values, UNIT_PIECES_OPEN, "pieces (6)", MAX_AMOUNT, 1)
        form.uint(minor, "credit of pieces (6)", 0)
    elif kind == GRANT_TOKENS:
        quantity = _number(quantity, open_values, UNIT_PIECES_OPEN, "tokens (6)", MAX_AMOUNT, 1)
        form.uint(minor, "credit of tokens (6)", 0)
    elif kind == GRANT_UNLOCK:
        form.uint(quantity, "number of unlocks (6)", 1, 1)
        form.uint(minor, "credit of an unlock (6)", 0)
    elif kind == GRANT_VOUCHER:
        form.uint(quantity, "series (6)", 65535)
        minor = _number(minor, open_values, UNIT_MONEY, "value of a voucher (6)", MAX_AMOUNT, 1)
    else:
        form.uint(quantity, "number of credits (6)", 1, 1)
        low = 0 if own and kind == GRANT_FIXED_NOW else 1
        minor = _number(minor, open_values, UNIT_MONEY, "credit (6)", MAX_AMOUNT, low)
    if size == 3:
        return (kind, quantity, minor)
    if kind in _LASTING:
        form.uint(grant[3], "days (6)", _DAYS, 1)
    elif not form.text(grant[3], "party, resource or thing (6)", 32):
        form.fail("party, resource or thing (6)", "a name")
    return (kind, quantity, minor, grant[3])


def _number(value, open_values, unit, what, high, low):
    """An int, or (40, index) of an open value of this unit within the same bounds."""
    if type(value) is not list:
        return form.uint(value, what, high, low)
    form.array(value, what, 2, 2)
    form.uint(value[0], what, OPEN, OPEN)
    form.uint(value[1], "open value of " + what, len(open_values) - 1)
    found = open_values[value[1]]
    if found[0] != unit:
        form.fail("open value of " + what, "one of unit {}".format(unit))
    if found[2] > high:
        form.fail("open value of " + what, "a highest of at most {}".format(high))
    return (OPEN, value[1])
