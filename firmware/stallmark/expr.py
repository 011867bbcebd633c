"""Conditions of a rule: numbers in shared tables (stallmark.condition makes them), three-valued. docs/formats/ruleset.md"""

from stallmark.constant import const

# Truth, so that `all` is the least and `any` the greatest (Kleene)
FALSE = const(0)
UNKNOWN = const(1)
TRUE = const(2)

ALWAYS = const(0)
ALL = const(1)
ANY = const(2)
NOT = const(3)
AT_LEAST = const(4)
GT = const(10)
GE = const(11)
LT = const(12)
LE = const(13)
EQ = const(14)
BETWEEN = const(15)
IN = const(16)
BOTH = const(32)  # added to an operator of the tables: a value, not a number, on the right too

NUMBER = const(0)  # a plain number in the table of values
PEOPLE = const(20)
VISITS = const(21)
BASKET = const(22)
TIP = const(23)
SINCE = const(24)
EVENTS = const(25)
SEEN = const(26)
ITEMS = const(27)
ITEM = const(28)
ATTENDED = const(29)
BALANCE = const(30)
BALANCE_AGE = const(31)
SIGNAL = const(32)
ARM = const(33)
RISK = const(34)
TRUST = const(35)
EVENT_TYPE = const(36)
LATCHED = const(37)
OPEN = const(40)
ADD = const(50)
SUB = const(51)
SHARE = const(52)
MIN = const(53)
MAX = const(54)
DOWN_TO = const(55)

WINDOW_FIRST = const(0)
WINDOW_SLIDING = const(1)
WINDOW_TUMBLING = const(2)

MAX_DEPTH = const(8)
MAX_SLOT_MS = const(1036800000)  # 12 days: differences of instants stay small integers on a 32-bit brick


def mirror(op):
    """The comparison with its sides exchanged."""
    if op == EQ:
        return EQ
    return LT + op - GT if op < LT else GT + op - LT


# --- evaluation: `view` has `known` (truth of each comparison so far, 3 where not looked at) and `leaf(number)`


def truth(node, view):
    """FALSE, UNKNOWN or TRUE of a compiled condition; comparisons are looked at only as far as they matter."""
    op = node[0]
    if op == ALL or op == ANY:
        known = view.known
        stop = FALSE if op == ALL else TRUE
        result = TRUE - stop
        for index in range(1, len(node)):
            part = node[index]
            if type(part) is int:
                got = known[part]
                if got == 3:
                    got = view.leaf(part)
            else:
                got = truth(part, view)
            if got == stop:
                return stop
            if got == UNKNOWN:
                result = UNKNOWN
        return result
    if op == AT_LEAST:
        true = unknown = 0
        for index in range(2, len(node)):
            got = _part(node[index], view)
            true += got == TRUE
            unknown += got == UNKNOWN
        return TRUE if true >= node[1] else UNKNOWN if true + unknown >= node[1] else FALSE
    return TRUE - _part(node[1], view) if op == NOT else TRUE


def _part(part, view):
    if type(part) is not int:
        return truth(part, view)
    got = view.known[part]
    return view.leaf(part) if got == 3 else got


def parts(node):
    """The parts of `all`, `any`, `not` and `at least`: numbers of comparisons and nodes."""
    return node[2:] if node[0] == AT_LEAST else node[1:]


def path(node, view, at=0):
    """(mask of the true comparisons, how many there are): every one is looked at."""
    mask = 0
    for part in parts(node):
        if type(part) is int:
            if _part(part, view) == TRUE:
                mask |= 1 << at
            at += 1
        else:
            more, at = path(part, view, at)
            mask |= more
    return mask, at


def nth(node, number):
    """The comparison (its place in the table) with this number in a condition, or None."""
    found = _nth(node, number)
    return found if found >= 0 else None


def _nth(node, number):
    """The place, or -1 - how many comparisons are still to come."""
    for part in parts(node):
        if type(part) is int:
            if not number:
                return part
            number -= 1
        else:
            found = _nth(part, number)
            if found >= 0:
                return found
            number = -1 - found
    return -1 - number


def blame(node, view, counts_people, wanted=TRUE, at=0):
    """(number, place) of the comparison because of which `node` is not `wanted` (TRUE or FALSE): of several that must
    all change the first, of several of which one is enough the first that counts people (`counts_people(place)`), else the
    first. None where there is none. `at`: the number of the node's first comparison."""
    op = node[0]
    if op == NOT:
        wanted = TRUE - wanted
        return (at, node[1]) if type(node[1]) is int else blame(node[1], view, counts_people, wanted, at)
    result = truth(node, view)
    one_is_enough = (op == ANY) == (wanted == TRUE)
    if op == AT_LEAST:
        one_is_enough = True
    found = None
    for part in parts(node):
        here = at
        if type(part) is int:
            at += 1
            if not _guilty(_part(part, view), result, op, wanted):
                continue
            got = (here, part)
        else:
            at += count(part)
            if not _guilty(truth(part, view), result, op, wanted):
                continue
            got = blame(part, view, counts_people, wanted, here)
        if not one_is_enough or (got is not None and counts_people(got[1])):
            return got
        found = found or got
    return found


def _guilty(got, result, op, wanted):
    """Whether a part explains the whole: it has its truth; of *at least* it is any that is not as wanted."""
    return got != wanted if op == AT_LEAST else got == result


def count(node):
    """Comparisons in a condition."""
    total = 0
    for part in parts(node):
        total += 1 if type(part) is int else count(part)
    return total


def needed(op, number):
    """The least (for less-than: the greatest) number on the left that makes the comparison true."""
    if op == GT:
        return number + 1
    if op == LT:
        return number - 1
    return number
