"""What a rule gives for one event, and which of several rules that would grant do so together. docs/formats/ruleset.md"""

from stallmark.numbers import (
    GRANT_FIXED_NOW,
    GRANT_PERCENT_NEXT,
    GRANT_SPLIT,
    GRANT_TIP_MATCH,
    UNIT_MINOR,
    UNIT_PIECES,
)
from stallmark.ruleform import CAP_ONLY, PIECES, SHARES

MOST = 4  # grants for one event
FIRST, BEST, EVERY = 1, 2, 3


# A win, a rule that would grant, is a list of: rule index, Rule, grants as in the record's field 12, money and pieces of them,
# rights that cover them, whether the host is asked, whether for the control arm, why; rights and why are None where they are
# to be looked up
INDEX, RULE, GRANTS, MONEY, _PIECES, RIGHTS, _ASK, CONTROL, BECAUSE = range(9)


def give(state, event, rule):
    """(grants [[type, bps or quantity, minor] …], money and pieces that need rights) of a rule for an event; money that is 0
    is left out. What is split is the customer's own, a voucher's own value was covered when it was issued: they need none."""
    grants = []
    money = pieces = 0
    for grant in rule.grants:
        kind, quantity, minor = grant[0], grant[1], grant[2]
        own = minor == 0 and rule.redeems is not None
        if type(quantity) is tuple:
            quantity = state.parameter(quantity[1])
        if type(minor) is tuple:
            minor = state.parameter(minor[1])
        if own and (kind == GRANT_FIXED_NOW or kind in SHARES):
            minor = max(event.signal[1], 0)
            if not minor:
                continue
        if kind in SHARES:
            # What a share of the next basket comes to is not known yet: its cap is set aside.
            if not rule.flags & CAP_ONLY and kind != GRANT_PERCENT_NEXT:
                of = event.tip_minor if kind == GRANT_TIP_MATCH else event.basket_minor
                if of is not None:
                    minor = min(minor, (of * quantity + 5000) // 10000)
            if not minor or not quantity:
                continue
        elif kind in PIECES:
            if not quantity:
                continue
            pieces += quantity
        elif (not minor and type(grant[2]) is tuple) or (not quantity and type(grant[1]) is tuple):
            continue  # an open value that the operator has set to nothing
        grants.append([kind, quantity, minor])
        if kind != GRANT_SPLIT and not own:
            money += minor
    return grants, money, pieces


def cover(state, index, rule, money, pieces):
    """Rights [[slice, part] …] for money and pieces that are given, or the (unit, amount) that is not covered."""
    rights = []
    for unit, amount in rule.need:
        if not amount:
            amount = money if unit == UNIT_MINOR else pieces if unit == UNIT_PIECES else 1
            if not amount:
                continue
        parts = state.rights.cover(index, unit, amount)
        if parts is None:
            return unit, amount
        rights += parts
    return rights


def choose(ruleset, wins):
    """The wins that may grant together, in order: of each group as its mode says, and nothing beside an exclusive one."""
    if len(wins) == 1:
        return wins
    left = []
    plain = False
    groups = ruleset.groups
    for win in wins:
        group = win[RULE].group
        if group is None:
            if plain:
                continue
            plain = True
        elif groups[group][0] != EVERY and not _best(groups[group][0], group, win, wins):
            continue
        left.append(win)
    return left


def _best(mode, group, win, wins):
    """Whether a win is its group's: the first, or the one of most money and then the first."""
    best = None
    for other in wins:
        if other[RULE].group == group and (best is None or (mode == BEST and _worth(other) > _worth(best))):
            best = other
    return best is win


def _worth(win):
    return sum([grant[2] for grant in win[GRANTS] if grant[0] != GRANT_SPLIT])


def together(ruleset, left):
    """(wins that grant, wins that nothing is left for): exclusive groups end the list, caps cut money. At most four."""
    out = []
    capped = []
    event_left = ruleset.basket_cap or None
    group_left = {}
    for win in left:
        group = win[RULE].group
        _mode, exclusive, cap = (EVERY, False, 0) if group is None else ruleset.groups[group]
        if exclusive and out:
            continue
        room = event_left
        if cap:
            mine = group_left.get(group, cap)
            room = mine if room is None else min(room, mine)
        if room is not None and win[MONEY] > room:
            if not _cut(win, room):
                capped.append(win)
                continue
        if event_left is not None:
            event_left -= win[MONEY]
        if cap:
            group_left[group] = group_left.get(group, cap) - win[MONEY]
        out.append(win)
        if exclusive or len(out) == MOST:
            break
    return out, capped


def _cut(win, room):
    """Cuts a win's money to `room` minor units, from its last grant on; False where nothing is left of it. A split and a
    voucher's own value, which is first, are no budget's money: they stay whole."""
    own = _worth(win) - win[MONEY]
    grants = []
    money = 0
    for kind, quantity, minor in win[GRANTS]:
        had = minor
        if own:
            own = 0
        elif kind != GRANT_SPLIT:
            minor = min(minor, room)
            room -= minor
            money += minor
        if minor or not had:
            grants.append([kind, quantity, minor])
    win[GRANTS] = grants
    win[MONEY] = money
    win[RIGHTS] = None
    return bool(grants)
