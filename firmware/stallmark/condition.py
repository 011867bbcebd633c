"""Conditions read strictly, into shared tables of numbers that stallmark.expr evaluates. docs/formats/ruleset.md"""

from stallmark import form
from stallmark.constant import const
from stallmark.errors import FormatError, LimitError
from stallmark.expr import (
    ADD,
    ALL,
    ALWAYS,
    ANY,
    ARM,
    AT_LEAST,
    ATTENDED,
    BALANCE,
    BALANCE_AGE,
    BASKET,
    BOTH,
    DOWN_TO,
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
    MAX_SLOT_MS,
    NOT,
    NUMBER,
    OPEN,
    PEOPLE,
    RISK,
    SEEN,
    SHARE,
    SIGNAL,
    SINCE,
    SUB,
    TIP,
    TRUST,
    VISITS,
    WINDOW_SLIDING,
    WINDOW_TUMBLING,
    mirror,
)

_MAX_CODE_BYTES = const(32)
_MIN_SLIDING_MS = const(8000)

# By version: nodes and comparisons in a rule, counters in a ruleset
_NODES = (0, 32, 48)
_LEAVES = (0, 32, 24)
_COUNTERS = (0, 8, 12)
_SHARED = (PEOPLE, SINCE, EVENTS, SIGNAL, LATCHED, OPEN)  # the same for everyone at one moment
_NEAR = (PEOPLE, BASKET, EVENTS, BALANCE, ATTENDED, VISITS, ITEMS, ITEM)

# Rule flags that a condition sets, as stallmark.ruleform names them
_FLAT, _KIT, _PEOPLE, _VISITS, _ATTENDS, _BALANCES, _SIGNALS, _NEARS = 8, 16, 32, 64, 128, 256, 512, 1024
_FLAG_OF = (
    (PEOPLE, _PEOPLE), (SEEN, _PEOPLE), (VISITS, _VISITS), (ATTENDED, _ATTENDS),
    (BALANCE, _BALANCES), (BALANCE_AGE, _BALANCES), (SIGNAL, _SIGNALS),
)  # fmt: skip

# How a kit-wide count stands in a value: not at all, so that more only raises it, in another way
_NONE, _RISING, _OTHER = 0, 1, 2


class Parser:
    """Compiles the conditions of one ruleset; values and comparisons that repeat are kept once.

    After `condition`: `flags` of the rule, `shown` the number of the comparison that explains a grant or None, `shared`
    whether its truth is the same for everyone, `counts_different` whether people are counted. `latches`: for each rule read
    so far whether it latches."""

    def __init__(self, ruleset):
        self._ruleset = ruleset
        self.latches = []
        self._counters = []
        self._values = {}
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

    def _node(self, expr):
        self._nodes += 1
        most = _NODES[self._version]
        if self._nodes > most:
            raise LimitError("condition of more than {} nodes".format(most))
        form.array(expr, "condition", most, 1)
        return form.uint(expr[0], "condition operator", 255)

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
        other = _NONE
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
        self._safe(kit, _NONE, False)
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
            self._safe(kit, _NONE, False)
            sides.append(found)
        self._name = name
        return (op + BOTH, at, tuple(sides))

    def _safe(self, kit, other, rising):
        """A count of the whole kit is only ever a lower bound: what it may be compared by."""
        if self._strict or (kit == _NONE and other == _NONE):
            return
        if other != _NONE or kit != _RISING or not rising or self._inverted:
            form.fail("kit-wide count", "only gt or ge, not in not, unless the offline mode is strict (3)")

    # --- values

    def _value(self, value, depth):
        """(place in the table of values, how a kit-wide count stands in it); `_name` is left as its name."""
        if type(value) is int:
            self._name = NUMBER
            form.integer(value, "number in a condition")
            return self._keep((NUMBER, value)), _NONE
        name = self._node(value)
        if (self._version == 1 and name > SINCE) or name < PEOPLE:
            raise FormatError(
                "value {}: expected one of version {} (newer than this program?)".format(name, self._version)
            )
        if name >= ADD:
            return self._arithmetic(name, value, depth)
        kit = _NONE
        if name == PEOPLE or name == EVENTS or name == SEEN:
            found, kit = self._counted(name, value)
        elif name == SIGNAL or name == ARM or name == LATCHED or name == OPEN:
            found = (name, self._index(name, value))
        elif name == ITEM:
            form.array(value, "item [28]", 2, 2)
            if type(value[1]) is int:
                form.integer(value[1], "item code [28]")
            elif not form.text(value[1], "item code [28]", _MAX_CODE_BYTES):
                form.fail("item code [28]", "a number or a text")
            found = (name, value[1])
        elif name <= EVENT_TYPE:
            form.array(value, "value [{}]".format(name), 1)
            found = (name,)
        else:
            raise FormatError("value {}: expected one of version 2 (newer than this program?)".format(name))
        for known, flag in _FLAG_OF:
            if known == name:
                self.flags |= flag
        if name not in _SHARED:
            self.shared = False
        self._name = name
        return self._keep(found), kit

    def _keep(self, value):
        return self._values.setdefault(value, len(self._values))

    def _counted(self, name, value):
        """[20, window, ms, scope] · [25, window, ms, scope, type] · [26, type, ms]; version 1: [20, first ms]"""
        scope = kind = window = 0
        if self._version == 1:
            form.array(value, "people [20]", 2, 2)
            ms = form.uint(value[1], "first ms of people [20]", MAX_SLOT_MS, 1)
            scope = 1
        elif name == SEEN:
            form.array(value, "seen [26]", 3, 3)
            kind = form.uint(value[1], "event type of seen [26]", 255, 1)
            ms = form.uint(value[2], "ms of seen [26]", MAX_SLOT_MS, 1)
            window = WINDOW_SLIDING
        else:
            size = 4 if name == PEOPLE else 5
            form.array(value, "count [{}]".format(name), size, size)
            window = form.uint(value[1], "window of a count", WINDOW_TUMBLING)
            ms = form.uint(value[2], "ms of a count", MAX_SLOT_MS, 1)
            scope = form.uint(value[3], "scope of a count", 1)
            if name == EVENTS:
                kind = form.uint(value[4], "event type of a count", 255)
            if scope == 0:
                self.flags |= _KIT
        if name == PEOPLE:
            self.counts_different = True
        if window == WINDOW_SLIDING and ms < _MIN_SLIDING_MS:
            form.fail(
                "sliding window or seen of {} ms".format(ms), "at least 8 s: eight steps of a second or more"
            )
        counter = (name, window, ms, scope, kind, self._trust)
        if counter not in self._counters:
            if len(self._counters) == _COUNTERS[self._version]:
                raise LimitError("more than {} different people counts".format(_COUNTERS[self._version]))
            self._counters.append(counter)
        return (name, self._counters.index(counter), ms), _NONE if scope or name == SEEN else _RISING

    def _index(self, name, value):
        form.array(value, "value [{}]".format(name), 2, 2)
        ruleset = self._ruleset
        if name == LATCHED:
            index = form.uint(value[1], "rule of latched [37]: an earlier one", len(self.latches) - 1)
            if not self.latches[index]:
                form.fail("rule of latched [37]", "one that latches")
            return index
        if name == SIGNAL:
            return form.uint(value[1], "signal [32]", len(ruleset.signals) - 1)
        if name == ARM:
            return form.uint(value[1], "experiment [33]", len(ruleset.experiments) - 1)
        return form.uint(value[1], "open value [40]", len(ruleset.open_values) - 1)

    def _arithmetic(self, name, value, depth):
        if name > DOWN_TO:
            raise FormatError("value {}: expected one of version 2 (newer than this program?)".format(name))
        if depth < 2:
            raise LimitError("condition of more than {} levels".format(MAX_DEPTH))
        form.array(value, "value [{}]".format(name), 3, 3)
        left, kit = self._value(value[1], depth - 1)
        if name == DOWN_TO:
            right = self._keep((NUMBER, form.uint(value[2], "multiple [55]", form.I64, 1)))
            other = _NONE
        else:
            right, other = self._value(value[2], depth - 1)
        if other != _NONE and (name == SUB or name == SHARE):
            kit = _OTHER
        if name == SHARE and kit == _RISING and (type(value[2]) is not int or value[2] < 0):
            kit = _OTHER
        self._name = name
        return self._keep((name, left, right)), max(kit, other)


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
