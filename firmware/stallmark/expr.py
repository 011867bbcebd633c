"""Conditions of a rule: three-valued, integers only, bounded. docs/formats/ruleset.md"""

from stallmark import form
from stallmark.constant import const
from stallmark.errors import FormatError, LimitError

# Truth, so that `all` is the least and `any` the greatest (Kleene)
FALSE = const(0)
UNKNOWN = const(1)
TRUE = const(2)

ALWAYS = const(0)
ALL = const(1)
ANY = const(2)
NOT = const(3)
GT = const(10)
GE = const(11)
LT = const(12)
LE = const(13)
EQ = const(14)

PEOPLE = const(20)  # different people in the first ms of the slot
VISITS = const(21)  # of this subject in the slot
BASKET = const(22)
TIP = const(23)
SINCE = const(24)  # ms since the slot's start

MAX_DEPTH = const(8)
MAX_NODES = const(32)
MAX_COUNTERS = const(8)
MAX_SLOT_MS = const(1036800000)  # 12 days: differences of instants stay small integers on a 32-bit brick
SHARED = (PEOPLE, SINCE)  # values that are the same for everyone at one moment


def mirror(op):
    """The comparison with its sides exchanged."""
    if op == EQ:
        return EQ
    return LT + op - GT if op < LT else GT + op - LT


class Parser:
    """Compiles the conditions of one ruleset to nested tuples, and collects what they count.

    `counters`: distinct (first ms, trust), at most 8, shared by all rules. `values`, `nodes`, `leaves`: of
    the condition compiled last."""

    def __init__(self):
        self.counters = []

    def condition(self, expr, trust):
        """The compiled form of `expr`; people of at least `trust` count. Raises FormatError, LimitError.

        (0,) · (1 | 2, children) · (3, child) · (10 … 14, value, value, leaf number), a value being an int or
        (20, counter index, first ms) or (21 … 24,)."""
        self.nodes = 0
        self.leaves = 0
        self.values = []
        self._trust = trust
        return self._expr(expr, MAX_DEPTH)

    def _node(self, expr):
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise LimitError("condition of more than {} nodes".format(MAX_NODES))
        form.array(expr, "condition", MAX_NODES, 1)
        return form.uint(expr[0], "condition operator", 255)

    def _expr(self, expr, depth):
        op = self._node(expr)
        if not depth:
            raise LimitError("condition of more than {} levels".format(MAX_DEPTH))
        if op == ALWAYS:
            form.array(expr, "condition [0]", 1)
            return (ALWAYS,)
        if op == ALL or op == ANY:
            form.array(expr, "condition all or any", MAX_NODES, 2)
            return (op, tuple([self._expr(child, depth - 1) for child in expr[1:]]))
        if op == NOT:
            form.array(expr, "condition not", 2, 2)
            return (op, self._expr(expr[1], depth - 1))
        if op < GT or op > EQ:
            form.fail("condition operator {}".format(op), "one of version 1 (newer than this program?)")
        form.array(expr, "comparison", 3, 3)
        leaf = self.leaves
        self.leaves += 1
        left = self._value(expr[1])
        right = self._value(expr[2])
        if type(left) is int:
            if type(right) is int:
                form.fail("comparison of two numbers", "a value that can change on one side")
            left, right, op = right, left, mirror(op)
        return (op, left, right, leaf)

    def _value(self, value):
        if type(value) is int:
            return form.integer(value, "number in a condition")
        name = self._node(value)
        if name == PEOPLE:
            form.array(value, "people [20]", 2, 2)
            first = form.uint(value[1], "first ms of people [20]", MAX_SLOT_MS, 1)
            counter = (first, self._trust)
            if counter not in self.counters:
                if len(self.counters) == MAX_COUNTERS:
                    raise LimitError("more than {} different people counts".format(MAX_COUNTERS))
                self.counters.append(counter)
            self.values.append(PEOPLE)
            return (PEOPLE, self.counters.index(counter), first)
        if name < VISITS or name > SINCE:
            raise FormatError("value {}: expected one of version 1 (newer than this program?)".format(name))
        form.array(value, "value [{}]".format(name), 1)
        self.values.append(name)
        return (name,)


def truth(node, view):
    """FALSE, UNKNOWN or TRUE. Every leaf is looked at: `view.path` gets the bit of each true one.

    `view.number(value)` gives an int or None (unknown), and sets `view.least` where the true number may be
    higher."""
    op = node[0]
    if op >= GT:
        result = compare(node, view)
        if result == TRUE:
            view.path |= 1 << node[3]
        return result
    if op == ALL:
        result = TRUE
        for child in node[1]:
            got = truth(child, view)
            if got < result:
                result = got
        return result
    if op == ANY:
        result = FALSE
        for child in node[1]:
            got = truth(child, view)
            if got > result:
                result = got
        return result
    if op == NOT:
        return TRUE - truth(node[1], view)
    return TRUE


def compare(node, view):
    """FALSE, UNKNOWN or TRUE for one comparison."""
    op = node[0]
    a = view.number(node[1])
    a_least = view.least
    b = node[2]
    b_least = False
    if type(b) is not int:
        b = view.number(b)
        b_least = view.least
    if a is None or b is None:
        return UNKNOWN
    if b_least:
        if a_least:
            return UNKNOWN
        a, b, op = b, a, mirror(op)
    if a_least or b_least:
        # The true number is a or more: what more can only confirm is known, the rest is not.
        if op == GT:
            return TRUE if a > b else UNKNOWN
        if op == GE:
            return TRUE if a >= b else UNKNOWN
        if op == LT:
            return FALSE if a >= b else UNKNOWN
        return FALSE if a > b else UNKNOWN
    if op == GT:
        holds = a > b
    elif op == GE:
        holds = a >= b
    elif op == LT:
        holds = a < b
    elif op == LE:
        holds = a <= b
    else:
        holds = a == b
    return TRUE if holds else FALSE


def blame(node, view, wanted=TRUE):
    """The comparison because of which `node` is not `wanted` (TRUE or FALSE): of several that must all change
    the first, of several of which one is enough the first that counts people, else the first. None where
    there is none."""
    op = node[0]
    if op >= GT:
        return node
    if op == NOT:
        return blame(node[1], view, TRUE - wanted)
    if op == ALWAYS:
        return None
    result = truth(node, view)
    one_is_enough = (op == ANY) == (wanted == TRUE)
    found = None
    for child in node[1]:
        if truth(child, view) != result:
            continue
        got = blame(child, view, wanted)
        if _counts_people(got) or not one_is_enough:
            return got
        found = found or got
    return found


def _counts_people(leaf):
    return leaf is not None and type(leaf[1]) is tuple and leaf[1][0] == PEOPLE


def leaf(node, number):
    """The comparison with this number, or None."""
    op = node[0]
    if op >= GT:
        return node if node[3] == number else None
    if op == NOT:
        return leaf(node[1], number)
    if op == ALL or op == ANY:
        for child in node[1]:
            found = leaf(child, number)
            if found is not None:
                return found
    return None


def needed(op, number):
    """The least (for less-than: the greatest) number on the left that makes the comparison true."""
    if op == GT:
        return number + 1
    if op == LT:
        return number - 1
    return number
