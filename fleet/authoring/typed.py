"""campaign/2, conditions: compiled to the wire's integers, every `not` moved to where it is plain."""

from __future__ import annotations

from typing import Any, cast

from fleet.authoring import opcodes as expr
from fleet.authoring.measures import REFUSED, YES, Measures, Seen, World
from fleet.authoring.reader import Node

MAX_LEAVES = 24
_OPS: dict[str, int] = {"gt": expr.GT, "ge": expr.GE, "lt": expr.LT, "le": expr.LE, "eq": expr.EQ}


class Typed:
    """One rule's condition. `asked` says what it looks at, `people_needed` for how many people it waits."""

    def __init__(self, world: World, people_trust: int, strict: bool) -> None:
        self.asked = Measures(world, people_trust, strict)
        self._strict = strict
        self._leaves = 0
        self.people_needed = 0

    def condition(self, node: Node, positive: bool = True, depth: int = expr.MAX_DEPTH) -> list[Any]:
        """The wire form, with every `not` moved to its comparison (exact in three-valued logic): what remains of it there
        is `not` of eq, between and in. `positive` is false inside an odd number of `not`."""
        if node.value is True:
            self.asked.node(node)
            if not positive:
                raise node.wrong("not true: it could never grant; leave it out")
            return [expr.ALWAYS]
        if not depth:
            raise node.wrong(f"nested more than {expr.MAX_DEPTH} deep: write it flatter")
        name, inner = node.only()
        if name == "not":
            return self.condition(inner, not positive, depth)
        self.asked.node(node)
        if name in ("all", "any"):
            parts = [self.condition(part, positive, depth - 1) for part in inner.items(1, 24)]
            return [expr.ALL if (name == "all") == positive else expr.ANY, *parts]
        if name == "at_least":
            parts_of = inner.get("of").items(2, 24)
            count = inner.get("n").whole(1, len(parts_of))
            # Not n of k true is k − n + 1 of them false.
            least = count if positive else len(parts_of) - count + 1
            return [expr.AT_LEAST, least, *(self.condition(part, positive, depth - 1) for part in parts_of)]
        self._leaves += 1
        if self._leaves > MAX_LEAVES:
            raise node.wrong(f"more than {MAX_LEAVES} comparisons in one rule: write two rules")
        if name in ("seen", "latched"):
            return [expr.GE if positive else expr.LT, self.asked.value(node, YES, positive, depth), 1]
        entries = inner.items(2, 17)
        unit = self.asked.shared_unit(node, entries)
        if name in _OPS:
            return self._two(_OPS[name], entries, unit, positive, depth)
        return self._several(name, entries, unit, positive, depth)

    def _several(self, name: str, entries: list[Node], unit: str, positive: bool, depth: int) -> list[Any]:
        code = self.asked.value(entries[0], unit, None, depth)
        if isinstance(code, int):
            raise entries[0].wrong("expected something that can change, with numbers after it")
        rest = [self.asked.value(entry, unit, None, depth) for entry in entries[1:]]
        found = [expr.BETWEEN if name == "between" else expr.IN, code, *rest]
        if name == "in":
            for entry, one in zip(entries[1:], rest, strict=True):
                if not isinstance(one, int):
                    raise entry.wrong(
                        '"in" takes numbers and names; write "any" with "eq" for what can change'
                    )
        elif isinstance(rest[0], int) and isinstance(rest[1], int) and rest[0] > rest[1]:
            raise entries[1].wrong("the low end is above the high one: exchange them")
        return found if positive else [expr.NOT, found]

    def _two(self, op: int, entries: list[Node], unit: str, positive: bool, depth: int) -> list[Any]:
        if op == expr.EQ:
            sides = [self.asked.value(node, unit, None, depth) for node in entries]
        else:
            if not positive:
                op = {expr.GT: expr.LE, expr.GE: expr.LT, expr.LT: expr.GE, expr.LE: expr.GT}[op]
            rising = op in (expr.GT, expr.GE)
            sides = [
                self.asked.value(entries[0], unit, rising, depth),
                self.asked.value(entries[1], unit, not rising, depth),
            ]
        if isinstance(sides[0], int) and isinstance(sides[1], int):
            raise entries[0].wrong("compares two numbers: one side has to be something that can change")
        if op in (expr.LT, expr.LE) and _counts(sides[1]):
            # The wire has counts of the whole kit on the left, where more can only make it true.
            op, sides = (expr.GT if op == expr.LT else expr.GE), sides[::-1]
        if not self._strict and (_counts(sides[1]) or _taken_off(sides[0])):
            # Right as this one may be, bricks take such counts only where it is plain that more can only confirm.
            at = entries[0].pointer.rpartition("/")[0]
            self.asked.seen.append(Seen("refused", at, REFUSED))
            raise entries[0].wrong(f"{REFUSED}. Write the count alone on one side")
        if isinstance(sides[0], list) and sides[0][0] == expr.PEOPLE:
            self.people_needed = max(self.people_needed, _least(op, sides[1]))
        found = [op, *sides]
        return [expr.NOT, found] if op == expr.EQ and not positive else found


def _counts(code: Any) -> bool:
    """Whether a count of the whole kit is in a value."""
    if not isinstance(code, list):
        return False
    parts = cast("list[Any]", code)
    if parts[0] in (expr.PEOPLE, expr.EVENTS):
        return parts[3] == 0
    return any(_counts(part) for part in parts[1:])


def _taken_off(code: Any) -> bool:
    """Whether a count of the whole kit is taken off something in a value."""
    if not isinstance(code, list):
        return False
    parts = cast("list[Any]", code)
    return (parts[0] == expr.SUB and _counts(parts[2])) or any(_taken_off(part) for part in parts[1:])


def _least(op: int, number: Any) -> int:
    """How many people a comparison waits for."""
    if not isinstance(number, int) or op not in (expr.GT, expr.GE):
        return 0
    return number + (op == expr.GT)
