"""The condition of a rule as text of Python: straight-line, three-valued, of fixed words and the rule's integers."""

from stallmark.constant import const
from stallmark.numbers import KIND_DENY
from stallmark.ruleform import FLAT

# Operators and values, as stallmark.expr names them
_ALWAYS = const(0)
_ALL = const(1)
_NOT = const(3)
_AT_LEAST = const(4)
_GT = const(10)
_GE = const(11)
_LT = const(12)
_LE = const(13)
_EQ = const(14)
_BETWEEN = const(15)
_IN = const(16)
_PEOPLE = const(20)
_BASKET = const(22)
_TIP = const(23)
_SINCE = const(24)
_EVENTS = const(25)
_BOTH = const(32)
_TRUST = const(35)
_EVENT_TYPE = const(36)
_LATCHED = const(37)
_OPEN = const(40)

_ALWAYS_KNOWN = (_SINCE, _TRUST, _EVENT_TYPE, _LATCHED, _OPEN)
_AT_HAND = {_SINCE: "V.since", _TRUST: "E.trust", _EVENT_TYPE: "E.type"}
_OF_EVENT = {_BASKET: "basket_minor", _TIP: "tip_minor"}
_SIGN = {_GT: ">", _GE: ">=", _LT: "<", _LE: "<=", _EQ: "=="}
_OTHERWISE = {_GT: "<=", _GE: "<", _LT: ">=", _LE: ">", _EQ: "!="}


def code(number, result):
    """Comparison `number` of a condition is the one to blame that it is FALSE (0) or UNKNOWN (1); 0 and 1 name none."""
    return 2 * number + 2 + result


class Conditions:
    """Writes lines of the function of one rule, its condition for now; `r0`, `u` and `C` are its names for that."""

    def __init__(self, ruleset, index):
        self._ruleset = ruleset
        self._rule = ruleset.rules[index]
        self._index = index
        self._lines = []
        self._depth = 1

    def _put(self, line, *numbers):
        """One line; numbers that are no ints never get into it."""
        for number in numbers:
            if type(number) is not int:
                raise TypeError("no number")
        self._lines.append(" " * self._depth + (line.format(*numbers) if numbers else line))

    def _leave(self, condition):
        """No win, for a reason that is rare: found where nothing else grants."""
        self._put("if " + condition + ":return -1")

    def _condition(self):
        rule = self._rule
        if rule.when[0] == _ALWAYS:
            return
        if rule.latch:
            self._put(
                "if {} not in V.latching and not V.state.latched({},V.ruleset.slots[V.slot][1]):",
                self._index,
                self._index,
            )
            self._depth += 1
        self._put("C=V._cache")
        if rule.flags & FLAT:
            self._flat(rule.when)
        else:
            self._node(rule.when, 0)
            self._put("if not r0:return 0")
            self._unknown("r0==1", "1")
        if rule.latch:
            self._depth -= 1

    def _unknown(self, condition, found):
        if self._rule.policy == KIND_DENY:
            self._put("if " + condition + ":return " + found)
        else:
            self._leave(condition)

    def _fetch(self, name, at):
        """Sets `name` to a value, as View.value finds it."""
        value = self._ruleset.values[at]
        if value[0] in _AT_HAND:
            self._put(name + "=" + _AT_HAND[value[0]])
            return
        self._put(name + "=C[{}]", at)
        if value[0] in _OF_EVENT:
            self._put("if " + name + " is None:" + name + "=C[{}]=F(E." + _OF_EVENT[value[0]] + ")", at)
        elif value[0] == _PEOPLE or value[0] == _EVENTS:
            count = "_people" if value[0] == _PEOPLE else "_events"
            self._put("if " + name + " is None:" + name + "=C[{}]=V." + count + "({})", at, value[1])
        else:
            self._put("if " + name + " is None:" + name + "=V.value({})", at)

    def _known(self, at):
        return self._ruleset.values[at][0] in _ALWAYS_KNOWN

    def _flat(self, when):
        """`all` of comparisons: back at the first that is false; `u` says the first that is unknown."""
        ops, lefts, rights, _hints = self._ruleset.leaves
        sure = all([self._known(lefts[part]) and ops[part] <= _EQ for part in when[1:]])
        if not sure:
            self._put("u=0")
        for number, part in enumerate(when[1:]):
            op, at, right = ops[part], lefts[part], rights[part]
            false = code(number, 0)
            if op > _EQ:
                self._leaf(part, 0)
                self._put("if not r0:return {}", false)
                self._put("if r0==1 and not u:u={}", false + 1)
                continue
            self._fetch("a", at)
            test = "if a" + _OTHERWISE[op] + "{}:return {}"
            if self._known(at):
                self._put(test, right, false)
                continue
            self._put("if type(a) is int:")
            self._put(" " + test, right, false)
            self._put("elif a:")
            self._put(" r0=M({},a,{})", op, right)
            self._put(" if not r0:return {}", false)
            self._put(" if r0==1 and not u:u={}", false + 1)
            self._put("elif not u:u={}", false + 1)
        if not sure:
            self._unknown("u", "u")

    def _node(self, node, depth):
        """Sets r{depth} to the truth of a condition, as stallmark.expr finds it."""
        op = node[0]
        name = "r{}".format(depth)
        part = "r{}".format(depth + 1)
        if op == _ALWAYS:
            self._put(name + "=2")
        elif op == _NOT:
            self._part(node[1], depth + 1)
            self._put(name + "=2-" + part)
        elif op == _AT_LEAST:
            self._put("t{}=y{}=0", depth, depth)
            for child in node[2:]:
                self._part(child, depth + 1)
                self._put("if " + part + "==2:t{}+=1", depth)
                self._put("elif " + part + ":y{}+=1", depth)
            self._put(
                name + "=2 if t{}>={} else 1 if t{}+y{}>={} else 0", depth, node[1], depth, depth, node[1]
            )
        else:
            stop = 0 if op == _ALL else 2
            self._put(name + "={}", 2 - stop)
            self._put("while 1:")
            self._depth += 1
            for child in node[1:]:
                self._part(child, depth + 1)
                self._put("if " + part + "=={}:", stop)
                self._put(" " + name + "={}", stop)
                self._put(" break")
                self._put("if " + part + "==1:" + name + "=1")
            self._put("break")
            self._depth -= 1

    def _part(self, part, depth):
        if type(part) is int:
            self._leaf(part, depth)
        else:
            self._node(part, depth)

    def _leaf(self, part, depth):
        """Sets r{depth} to the truth of a comparison."""
        ops, lefts, rights, _hints = self._ruleset.leaves
        op, at, right = ops[part], lefts[part], rights[part]
        name = "r{}=".format(depth)
        if op >= _BETWEEN + _BOTH:
            self._put(name + "V.leaf({})", part)
            return
        self._fetch("a", at)
        if op == _IN:
            held = "(" + "".join(["{},".format(int(number)) for number in right]) + ")"
            self._put(name + "(2 if a in " + held + " else 0) if type(a) is int else V.leaf({})", part)
        elif op == _BETWEEN:
            test = "(2 if {}<=a<={} else 0) if type(a) is int else V.leaf({})"
            self._put(name + test, right[0], right[1], part)
        elif op > _BOTH:
            self._fetch("b", right)
            test = (
                "(2 if a"
                + _SIGN[op - _BOTH]
                + "b else 0) if type(a) is int and type(b) is int else V.leaf({})"
            )
            self._put(name + test, part)
        elif self._known(at):
            self._put(name + "2 if a" + _SIGN[op] + "{} else 0", right)
        else:
            self._put(
                name + "(2 if a" + _SIGN[op] + "{} else 0) if type(a) is int else M({},a,{})",
                right,
                op,
                right,
            )
