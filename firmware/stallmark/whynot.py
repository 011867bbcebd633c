"""Why nothing is granted: of all rules that apply the one that came nearest. docs/formats/ruleset.md"""

from stallmark import stacking
from stallmark.constant import const
from stallmark.decision import decision, plain
from stallmark.numbers import (
    GRANT_SPLIT,
    KIND_DENY,
    KIND_UNCERTAIN,
    REASON_ALREADY_HAD,
    REASON_BASKET_SMALL,
    REASON_BUDGET_USED_UP,
    REASON_CAP,
    REASON_CLOCK_UNSET,
    REASON_CONDITION,
    REASON_NEAR,
    REASON_NO_RIGHTS_YET,
    REASON_NO_RULE,
    REASON_OTHER_ARM,
    REASON_OUTSIDE_SLOT,
    REASON_STALE,
    REASON_STOCK_USED_UP,
    REASON_TOKEN_KIND,
    REASON_TOO_MANY_PEOPLE,
    REASON_VOUCHER_SPENT,
)
from stallmark.ruleform import CAP_ONLY, EASY, NEARS, PLAIN
from stallmark.standing import opens_in, short, standing, told, why

# Operators and values, as stallmark.expr names them
_WINDOW_FIRST = const(0)
_GT = const(10)
_GE = const(11)
_EQ = const(14)
_PEOPLE = const(20)
_VISITS = const(21)
_BASKET = const(22)
_EVENTS = const(25)
_SEEN = const(26)
_ITEMS = const(27)
_ITEM = const(28)
_ATTENDED = const(29)
_BALANCE = const(30)
_BALANCE_AGE = const(31)
_SIGNAL = const(32)
_BOTH = const(32)
_ARM = const(33)
_OPEN = const(40)

# Which refusal explains best: the first of these that applies
_NEAREST = (
    REASON_NEAR,
    REASON_ALREADY_HAD,
    REASON_VOUCHER_SPENT,
    REASON_STOCK_USED_UP,
    REASON_BUDGET_USED_UP,
    REASON_CAP,
    REASON_NO_RIGHTS_YET,
    REASON_TOO_MANY_PEOPLE,
    REASON_STALE,
    REASON_BASKET_SMALL,
    REASON_CONDITION,
    REASON_TOKEN_KIND,
    REASON_OUTSIDE_SLOT,
    REASON_CLOCK_UNSET,
    REASON_OTHER_ARM,
)
_RANK = bytes([_NEAREST.index(code) if code in _NEAREST else 99 for code in range(33)])
_SIMPLY = _RANK[REASON_CONDITION]
_HAD = _RANK[REASON_ALREADY_HAD]
_OUTSIDE = _RANK[REASON_OUTSIDE_SLOT]
_OF_SUBJECT = (_VISITS, _SEEN, _ATTENDED, _ARM, _BALANCE_AGE)
_NEAR_TOO = (_BALANCE, _ATTENDED, _VISITS, _ITEMS, _ITEM)
_DENIED = const(1)  # message
_NEAR = const(2)


def refusal(view, refused, unsure):
    """The deny or uncertain Decision where nothing grants: the first unknown, else the rule that came nearest. `refused`:
    (index, why), why being the truth of a condition that is to be explained."""
    found = unsure
    kind = KIND_UNCERTAIN
    if found is None:
        kind = KIND_DENY
        found = _nearest(view, refused)
        if found is None:
            return plain(KIND_DENY, [REASON_NO_RULE])
    told(view, found)
    rule = view.ruleset.bodies[found[1]]
    currency = view.ruleset.currency if found[0] == REASON_BASKET_SMALL else None
    message = _NEAR if found[0] == REASON_NEAR else _DENIED
    return decision(view, rule, kind, found[1], found, message, (), (), (), None, 0, None, currency)


def _nearest(view, refused):
    """Of all reasons the one that explains best, or None."""
    found = None
    best = 99
    ruleset, mine, state = view.ruleset, view.mine, view.state
    flags, limits, starts, parts, units = ruleset.flags, ruleset.limits, ruleset.starts, ruleset.parts, ruleset.units
    hints, enough = view.hints, state.rights.enough
    for index, reason in refused:
        if type(reason) is int:
            if reason > 1 and flags[index] & EASY and mine[index] == view.here:
                # as `_explain` comes to it, for most rules on most events in a few steps
                hint = hints[parts[starts[index] + (reason >> 1) - 1]]
                if best <= _HAD and (reason & 1 or hint != 2):
                    continue
                limit = limits[index]
                if limit:
                    place = view.at
                    if place is None:
                        place = view.place()
                    if place >= 0:
                        had = state.granted(place, index)
                        if had >= limit:
                            if best > _HAD:
                                best = _HAD
                                found = [REASON_ALREADY_HAD, index, True, None, had, limit]
                            continue
                if best > _SIMPLY or (units[index] and enough[index] != 1):
                    pass
                elif not hint or hint == (1 if reason & 1 else 3):
                    continue
            reason = _explain(view, index, reason, best)
            if reason is None:
                continue
        rank = _RANK[reason[0]]
        # of two near ones the nearer, then the earlier rule
        if rank < best or (not rank and not best and reason[7] < found[7]):
            best = rank
            found = reason
    return found


def _explain(view, index, result, best):
    """Why of a rule whose slot is not open or whose condition is not true: what would refuse all the same goes first.
    None where that is no better than `best`."""
    ruleset = view.ruleset
    flags = ruleset.flags[index]
    if not (flags & PLAIN and view.mine[index] == view.here) and view.enter(index, ruleset.bodies[index]) < 0:
        if best <= _OUTSIDE:
            return None
        return why(REASON_OUTSIDE_SLOT, index, None, None, None, None, opens_in(view, ruleset.bodies[index]))
    if result > 1:
        number = (result >> 1) - 1
        result &= 1
        guilty = number, ruleset.parts[ruleset.starts[index] + number]
    else:
        guilty = view.guilty(index, result)
    hint = 0 if guilty is None else view.hints[guilty[1]]
    if best <= _HAD and (result or hint != 2):
        return None  # not near, and the rest is no better
    state = view.state
    if flags & EASY:
        # `standing` in a few steps
        limit = ruleset.limits[index]
        if limit:
            place = view.at
            if place is None:
                place = view.place()
            if place >= 0:
                had = state.granted(place, index)
                if had >= limit:
                    return [REASON_ALREADY_HAD, index, True, None, had, limit]
    else:
        found, _unknown = standing(view, index, ruleset.bodies[index])
        if found is not None:
            return found
    if ruleset.units[index]:
        enough = state.rights.enough[index] or _enough(state, index, ruleset.bodies[index])
        if enough > 1:
            rule = ruleset.bodies[index]
            grants, money, pieces = stacking.give(state, view.event, rule)
            if not grants:
                return [REASON_BASKET_SMALL, index]
            if enough > 2:
                rights = stacking.cover(state, index, rule, money, pieces)
                if type(rights) is tuple:
                    return short(view, index, rights[0], rights[1])
    if best <= _SIMPLY and (not hint or hint == (1 if result else 3)):
        return None
    return not_yet(view, index, result, guilty)


def _enough(state, index, rule):
    """How far the rights of a rule go, kept until they change: 1 it gives something, whatever the event is, and they cover the
    most that it can give; 2 they do if it gives something; 3 that depends."""
    money = pieces = 0
    found = 2
    for kind, quantity, minor in [grant[:3] for grant in rule.grants]:
        if type(quantity) is tuple or type(minor) is tuple or rule.redeems is not None:
            found = 3
            break
        if kind in stacking.PIECES:
            pieces += quantity
        if kind != GRANT_SPLIT:
            money += minor
        if kind not in stacking.SHARES and (quantity or kind not in stacking.PIECES):
            found = 1
    if found < 3 and type(stacking.cover(state, index, rule, money, pieces)) is tuple:
        found = 3
    state.rights.enough[index] = found
    return found


def not_yet(view, index, result, guilty):
    """Why a condition is not true: the comparison to blame (View.guilty), how much there is and how much it takes."""
    path = True
    if guilty is None:
        return why(REASON_CONDITION, index, path)
    number, place = guilty
    hint = view.hints[place]
    have, need = view.sides(place)
    if not hint:
        return why(REASON_CONDITION, index, path, number, have, need)
    code, near = _code(view, index, place, result, have, need)
    return why(code, index, path, number, have, need, near)


def _code(view, index, place, result, have, need):
    """(reason, what is missing) for the comparison to blame."""
    ruleset = view.ruleset
    ops, lefts, rights, _hints = ruleset.leaves
    op = ops[place]
    value = ruleset.values[lefts[place]]
    name = value[0]
    if result:
        subject = view.event.subject
        if name == _PEOPLE or name == _EVENTS:
            return REASON_STALE if view.old(ruleset.bodies[index]) else REASON_TOO_MANY_PEOPLE, None
        if name == _SIGNAL or (name == _BALANCE and subject is not None):
            return REASON_STALE, None
        if name in _OF_SUBJECT or name == _BALANCE:
            return REASON_TOKEN_KIND if subject is None else REASON_TOO_MANY_PEOPLE, None
        return REASON_CONDITION, None
    flags = ruleset.flags[index]
    if not flags & NEARS or have is None or need is None or have >= need:
        return REASON_CONDITION, None
    if op >= _BOTH:
        op = op - _BOTH if ruleset.values[rights[place]][0] == _OPEN else _EQ
    if op != _GT and op != _GE:
        return REASON_CONDITION, None
    if name == _BASKET:
        return REASON_BASKET_SMALL, need - have
    if name == _PEOPLE or name == _EVENTS:
        counter = ruleset.counters[value[1]]
        if counter[1] != _WINDOW_FIRST or view.since < counter[2]:
            return REASON_NEAR, need - have
    elif name in _NEAR_TOO and not flags & CAP_ONLY:
        return REASON_NEAR, need - have
    return REASON_CONDITION, None
