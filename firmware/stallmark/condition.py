"""Conditions read strictly, into shared tables of numbers that stallmark.expr evaluates. docs/formats/ruleset.md"""

from stallmark import form
from stallmark.conditionvalues import NONE, RISING, Values
from stallmark.errors import LimitError
from stallmark.expr import (
    ADD,
    ALL,
    ALWAYS,
    ANY,
    AT_LEAST,
    ATTENDED,
    BALANCE,
    BASKET,
    BOTH,
    EQ,
    EVENT_TYPE,
    EVENTS,
    GE,
    GT,
    IN,
    ITEM,
    ITEMS,
    LATCHED,
    MAX_DEPTH,
    NOT,
    OPEN,
    PEOPLE,
    RISK,
    SINCE,
    TIP,
    TRUST,
    VISITS,
    mirror,
)

_LEAVES = (0, 32, 24)  # comparisons in a rule, by version
_NEAR = (PEOPLE, BASKET, EVENTS, BALANCE, ATTENDED, VISITS, ITEMS, ITEM)

# Rule flags that a condition sets, as stallmark.ruleform names them
_FLAT, _NEARS = 8, 1024


class Parser(Values):
    """Compiles the conditions of one ruleset; values and comparisons that repeat are kept once.

    After `condition`: `flags` of the rule, `shown` the number of the comparison that explains a grant or None, `shared`
    whether its truth is the same for everyone, `counts_different` whether people are counted. `latches`: for each rule read
    so far whether it latches."""

    def __init__(self, ruleset):
        Values.__init__(self, ruleset)
        self._leaves = {}

    def tables(self):
        """(values, comparisons in columns, counters) of all conditions."""
        values = [None] * len(self._values)
        for value in self._values:
            values[self._values[value]] = value
        leaves = [None] * len(self._leaves)
        for leaf in self._leaves:
            leaves[self._leaves[leaf]] = leaf
        ops = bytes([leaf[0] for leaf in leaves])
        column = bytes if len(values) < 256 else tuple
        lefts = column([leaf[1] for leaf in leaves])
        rights = tuple([leaf[2] for leaf in leaves])
        hints = bytes([_hint(values, leaf) for leaf in leaves])
        return tuple(values), (ops, lefts, rights, hints), tuple(self._counters)

    def condition(self, expr, trust, version, strict=False):
        """The compiled form: (operator, part, …), a part being the number of a comparison in the ruleset's table or such a
        tuple; (0,) for true; (4, n, part, …). People of at least `trust` count; `strict` lets kit-wide counts stand anywhere,
        because the host answers. Raises FormatError, LimitError."""
        self._version = version
        self._strict = strict
        self._trust = trust
        self._nodes = self._count = self.flags = 0
        self._inverted = False
        self.shown = None
        self._shown_people = False
        self.shared = True
        self.counts_different = False
        found = self._expr(expr, MAX_DEPTH)
        if type(found) is int:
            found = (ALL, found)
        if found[0] == ALWAYS or (found[0] == ALL and all([type(part) is int for part in found])):
            self.flags |= _FLAT
        return found

    def _expr(self, expr, depth):
        op = self._node(expr)
        if not depth:
            raise LimitError("condition of more than {} levels".format(MAX_DEPTH))
        if op == ALWAYS:
            form.array(expr, "condition [0]", 1)
            return (ALWAYS,)
        if op == ALL or op == ANY:
            form.array(expr, "condition all or any", 48, 2)
            return (op,) + tuple([self._expr(child, depth - 1) for child in expr[1:]])
        if op == NOT:
            form.array(expr, "condition not", 2, 2)
            was = self._inverted
            self._inverted = True
            found = (op, self._expr(expr[1], depth - 1))
            self._inverted = was
            return found
        if op == AT_LEAST and self._version > 1:
            form.array(expr, "condition at least", 48, 3)
            form.uint(expr[1], "how many of at least", len(expr) - 2, 1)
            return (op, expr[1]) + tuple([self._expr(child, depth - 1) for child in expr[2:]])
        if op < GT or op > (EQ if self._version == 1 else IN):
            form.fail(
                "condition operator {}".format(op),
                "one of version {} (newer than this program?)".format(self._version),
            )
        return self._comparison(op, expr, depth)

    # --- comparisons

    def _comparison(self, op, expr, depth):
        number = self._count
        self._count += 1
        if number == _LEAVES[self._version]:
            raise LimitError("condition of more than {} comparisons".format(number))
        if op > EQ:
            found = self._several(op, expr, depth)
        else:
            found = self._two(op, expr, depth)
        name = self._name
        if name == PEOPLE and not self._shown_people:
            self._shown_people = True
            self.shown = number
        elif self.shown is None:
            self.shown = number
        return self._leaves.setdefault(found, len(self._leaves))

    def _two(self, op, expr, depth):
        form.array(expr, "comparison", 3, 3)
        left, right = expr[1], expr[2]
        if type(left) is int:
            if type(right) is int:
                form.fail("comparison of two numbers", "a value that can change on one side")
            left, right, op = right, left, mirror(op)
        at, kit = self._value(left, depth)
        name = self._name
        other = NONE
        if type(right) is int:
            form.integer(right, "number in a condition")
            fixed = True
        else:
            right, other = self._value(right, depth)
            fixed = self._name == OPEN
        self._name = name
        self._safe(kit, other, op == GT or op == GE)
        if (op == GT or op == GE) and fixed and name in _NEAR:
            self.flags |= _NEARS
        return (op, at, right) if type(expr[1]) is int or type(expr[2]) is int else (op + BOTH, at, right)

    def _several(self, op, expr, depth):
        """[15, v, low, high] · [16, v, int…]"""
        form.array(expr, "between or one of", 48, 3)
        if type(expr[1]) is int:
            form.fail("between or one of a number", "a value that can change")
        at, kit = self._value(expr[1], depth)
        name = self._name
        self._safe(kit, NONE, False)
        if op == IN:
            for number in expr[2:]:
                form.integer(number, "number in a condition")
            return (op, at, tuple(expr[2:]))
        form.array(expr, "between", 4, 4)
        low, high = expr[2], expr[3]
        if type(low) is int and type(high) is int:
            form.integer(low, "number in a condition")
            if form.integer(high, "number in a condition") < low:
                form.fail("between", "a low that is not above the high")
            return (op, at, (low, high))
        sides = []
        for side in (low, high):
            found, kit = self._value(side, depth)
            self._safe(kit, NONE, False)
            sides.append(found)
        self._name = name
        return (op + BOTH, at, tuple(sides))

    def _safe(self, kit, other, rising):
        """A count of the whole kit is only ever a lower bound: what it may be compared by."""
        if self._strict or (kit == NONE and other == NONE):
            return
        if other != NONE or kit != RISING or not rising or self._inverted:
            form.fail("kit-wide count", "only gt or ge, not in not, unless the offline mode is strict (3)")


def _hint(values, leaf):
    """How a comparison that is not true is explained: 0 simply not met, 1 a basket that may be too small, 2 other, 3 simply
    not met where it is false, other where it is unknown."""
    op, left, _right = leaf
    name = values[left][0]
    if name == BASKET:
        return 1 if op in (GT, GE) else 2 if op > BOTH else 0
    if name in (TIP, SINCE, TRUST, EVENT_TYPE, RISK, LATCHED, OPEN) or name >= ADD:
        return 0
    return 2 if name in _NEAR and op & 31 in (GT, GE) else 3
