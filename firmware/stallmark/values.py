"""What one event's conditions see: each comparison made once, on values fetched once. docs/formats/ruleset.md"""

from stallmark import expr
from stallmark.arithmetic import NOBODY
from stallmark.constant import const
from stallmark.facts import NOWHERE, Facts
from stallmark.ruleform import FLAT

__all__ = ("NOBODY", "NOWHERE", "View", "compare")

# Operators and values, as stallmark.expr names them
_GT = const(10)
_GE = const(11)
_LT = const(12)
_LE = const(13)
_EQ = const(14)
_BETWEEN = const(15)
_IN = const(16)
_PEOPLE = const(20)
_BOTH = const(32)


class View(Facts):
    """Facts of an event, and the truth of comparisons between them."""

    def all(self, index):
        """FALSE, UNKNOWN or TRUE of the condition of a rule that is FLAT: what most are."""
        known, cache, ops, lefts, rights = self.known, self._cache, self._ops, self._lefts, self._rights
        starts = self._starts
        result = 2
        for part in self._parts[starts[index] : starts[index + 1]]:
            got = known[part]
            if got == 3:
                op = ops[part]
                a = cache[lefts[part]]
                if a is None:
                    a = self.value(lefts[part])
                if op > _EQ or type(a) is not int:
                    got = self._odd(op, a, rights[part])
                elif op == _GE:
                    got = 2 if a >= rights[part] else 0
                elif op == _GT:
                    got = 2 if a > rights[part] else 0
                elif op == _LT:
                    got = 2 if a < rights[part] else 0
                elif op == _LE:
                    got = 2 if a <= rights[part] else 0
                else:
                    got = 2 if a == rights[part] else 0
                known[part] = got
            if got != 2:
                if not got:
                    return 0
                result = 1
        return result

    def leaf(self, part):
        """FALSE, UNKNOWN or TRUE of a comparison, from now on in `known`."""
        op = self._ops[part]
        a = self.value(self._lefts[part])
        if op > _EQ:
            got = self._odd(op, a, self._rights[part])
        else:
            got = compare(op, a, self._rights[part])
        self.known[part] = got
        return got

    def path(self, index):
        """Mask of a rule's true comparisons: every one is looked at."""
        ruleset = self.ruleset
        if not ruleset.flags[index] & FLAT:
            return expr.path(ruleset.trees[index], self)[0]
        known, cache, ops, lefts, rights = self.known, self._cache, self._ops, self._lefts, self._rights
        mask = 0
        bit = 1
        for part in self._parts[self._starts[index] : self._starts[index + 1]]:
            got = known[part]
            if got == 3:
                op = ops[part]
                a = cache[lefts[part]]
                if a is None:
                    a = self.value(lefts[part])
                if op > _LT or type(a) is not int:
                    got = self._odd(op, a, rights[part])
                elif op == _GE:
                    got = 2 if a >= rights[part] else 0
                elif op == _GT:
                    got = 2 if a > rights[part] else 0
                else:
                    got = 2 if a < rights[part] else 0
            if got == 2:
                mask |= bit
            bit += bit
        return mask

    def guilty(self, index, result):
        """(number, place) of the comparison to blame for a rule's condition that is FALSE or UNKNOWN, or None."""
        ruleset = self.ruleset
        if not ruleset.flags[index] & FLAT:
            return expr.blame(ruleset.trees[index], self, self._counts_people)
        known = self.known
        number = 0
        for part in self._parts[self._starts[index] : self._starts[index + 1]]:
            if known[part] == result:
                return number, part
            number += 1
        return None

    def _counts_people(self, part):
        return self.values[self._lefts[part]][0] == _PEOPLE

    def _odd(self, op, a, right):
        """A comparison of more than a number, or of what is not simply known."""
        if op <= _EQ:
            return compare(op, a, right)
        if op == _IN:
            if type(a) is int:
                return 2 if a in right else 0
            return 0 if a and a[0] > max(right) else 1
        if op == _BETWEEN:
            return min(compare(_GE, a, right[0]), compare(_LE, a, right[1]))
        if op == _BETWEEN + _BOTH:
            low, high = self.value(right[0]), self.value(right[1])
            return min(compare(_GE, a, low), compare(_LE, a, high))
        return compare(op - _BOTH, a, self.value(right))

    def sides(self, place):
        """(number on the left, number that it takes) of a comparison, each None where it is not known."""
        op, right = self._ops[place], self._rights[place]
        have = self._cache[self._lefts[place]]
        if have is None:
            have = self.value(self._lefts[place])
        if op < _BETWEEN and type(have) is int:
            return have, right + 1 if op == _GT else right - 1 if op == _LT else right
        if op == _IN:
            need = NOBODY
        elif op == _BETWEEN:
            need = right[0]
        elif op == _BETWEEN + _BOTH:
            need = self.value(right[0])
        else:
            need = right if op < _BOTH else self.value(right)
        have = have if type(have) is int else have[0] if have else None
        need = need if type(need) is int else need[0] if need else None
        return have, None if need is None else expr.needed(op & 31, need)


def compare(op, a, b):
    """FALSE, UNKNOWN or TRUE, either side being an int, NOBODY or (n,)."""
    if a == NOBODY or b == NOBODY:
        return 1
    if type(b) is not int:
        if type(a) is not int:
            return 1
        a, b, op = b, a, expr.mirror(op)
    if type(a) is not int:
        # The true number is a or more: what more can only confirm is known, the rest is not.
        a = a[0]
        if op == _GT:
            return 2 if a > b else 1
        if op == _GE:
            return 2 if a >= b else 1
        if op == _LT:
            return 0 if a >= b else 1
        return 0 if a > b else 1
    if op == _GT:
        holds = a > b
    elif op == _GE:
        holds = a >= b
    elif op == _LT:
        holds = a < b
    elif op == _LE:
        holds = a <= b
    else:
        holds = a == b
    return 2 if holds else 0
