"""A rule's `when` in JSON: compiled, and checked for what a lone brick may believe."""

from __future__ import annotations

from typing import Any, cast

from fleet.authoring import opcodes as expr
from fleet.authoring import wire
from fleet.authoring.engine import money
from fleet.authoring.reader import Node

_MAX_LIST = 16
_COMPARE: dict[str, int] = {"gt": expr.GT, "ge": expr.GE, "lt": expr.LT, "le": expr.LE, "eq": expr.EQ}
_WORDS: dict[str, int] = {
    "visits": expr.VISITS, "basket": expr.BASKET, "tip": expr.TIP, "since_start": expr.SINCE,
}  # fmt: skip
_RISING = (expr.GT, expr.GE)
_PHRASES: dict[int, str] = {
    expr.GT: "more than", expr.GE: "at least", expr.LT: "less than", expr.LE: "at most", expr.EQ: "exactly",
}  # fmt: skip
_SPANS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second"), (1, "ms"))

REFUSED = (
    "a brick sees only a part of the people, and more may come: what must not be exceeded, or met exactly, "
    "cannot be decided offline. Ask for more people than a number (gt, ge), or limit what is given by rights"
)


def condition(node: Node, currency: str, positive: bool = True, depth: int = expr.MAX_DEPTH) -> list[Any]:
    """The compiled expr of a condition. `positive` is false inside a `not`."""
    if node.value is True:
        return [expr.ALWAYS]
    if not depth:
        raise node.wrong(f"nested more than {expr.MAX_DEPTH} deep")
    name, inner = node.only()
    if name in ("all", "any"):
        op = expr.ALL if name == "all" else expr.ANY
        return [op, *(condition(part, currency, positive, depth - 1) for part in inner.items(1, _MAX_LIST))]
    if name == "not":
        return [expr.NOT, condition(inner, currency, not positive, depth - 1)]
    if name not in _COMPARE:
        raise node.wrong(f"expected true, all, any, not or one of {', '.join(_COMPARE)}")
    left, right = inner.items(2, 2)
    op = _COMPARE[name]
    compiled = [op, _value(left, currency), _value(right, currency)]
    for side, rising in ((compiled[1], op in _RISING), (compiled[2], expr.mirror(op) in _RISING)):
        people = isinstance(side, list) and cast("list[Any]", side)[0] == expr.PEOPLE
        if people and (op == expr.EQ or rising != positive):
            raise node.wrong(REFUSED)
    return compiled


def _value(node: Node, currency: str) -> Any:
    """A number of its own unit: people and visits counted, money in minor units, times in ms."""
    if type(node.value) is int:
        return node.whole(0, 1_000_000_000)
    if isinstance(node.value, str):
        return [node.choice(_WORDS)]
    name, inner = node.only()
    if name == "money":
        return inner.amount(currency)
    if name == "time":
        return inner.duration()
    if name == "people":
        inner.keys("first")
        first = inner.get("first")
        span = first.duration()
        if not 0 < span <= expr.MAX_SLOT_MS:
            raise first.wrong("expected more than nothing and at most 12 days")
        return [expr.PEOPLE, span]
    tables = '{"people": {"first": …}}, {"money": …} or {"time": …}'
    raise node.wrong(f"expected a number, {', '.join(_WORDS)}, {tables}")


def people_needed(when: Any) -> int:
    """The largest count of people that a compiled condition (wire form) waits for; 0 where it waits for none."""
    most = 0
    for comparison in wire.comparisons(when):
        op, value, number = wire.sides(comparison)
        if value[0] == expr.PEOPLE and op in _RISING and isinstance(number, int):
            most = max(most, number + (op == expr.GT))
    return most


def words(when: Any, currency: str) -> str:
    """A compiled condition (wire form) in plain words."""
    op = when[0]
    if op == expr.ALWAYS:
        return "always"
    if op == expr.NOT:
        return f"not ({words(when[1], currency)})"
    if op in (expr.ALL, expr.ANY):
        joint = " and " if op == expr.ALL else " or "
        parts = [words(part, currency) for part in when[1:]]
        return parts[0] if len(parts) == 1 else "(" + joint.join(parts) + ")"
    op, value, number = wire.sides(when)
    unit = value[0]
    size = f"{_PHRASES[op]} {_amount(number, unit, currency)}"
    if unit == expr.PEOPLE:
        return f"{size} different people came in {_first(value[1])} of the slot"
    if unit == expr.VISITS:
        return f"this person has made {size} visits to this brick"
    if unit == expr.SINCE:
        return f"the slot has lasted {size}"
    return f"the {'basket' if unit == expr.BASKET else 'tip'} is {size}"


def _amount(value: Any, unit: int, currency: str) -> str:
    if not isinstance(value, int):
        names = {number: name.replace("_", " ") for name, number in _WORDS.items()} | {expr.PEOPLE: "people"}
        return "the " + names[value[0]]
    if unit in (expr.BASKET, expr.TIP):
        text: str = money.text(value, currency)
        return text
    return span(value) if unit == expr.SINCE else str(value)


def _first(ms: int) -> str:
    return "the first hour" if ms == 3_600_000 else f"the first {span(ms)}"


def span(ms: int) -> str:
    """Exactly this long, unlike the rounded spans on screens."""
    parts: list[str] = []
    for size, name in _SPANS:
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 and name != 'ms' else ''}")
    return " ".join(parts) or "no time"
