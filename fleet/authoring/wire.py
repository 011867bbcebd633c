"""Compiled rulesets read back as the integers that they are, for words, sizes and lints: no engine in between."""

from __future__ import annotations

from typing import Any, cast

from fleet.authoring import opcodes as expr
from fleet.authoring.engine import cbor


def read(data: bytes) -> dict[int, Any]:
    """The fields of a ruleset that the engine has taken."""
    found: dict[int, Any] = cbor.decode(data, 16, 16384)
    return found


def comparisons(when: Any) -> list[list[Any]]:
    """The comparisons of a condition, in order of their numbers (docs/formats/ruleset-1.md)."""
    op = when[0]
    if op >= expr.GT:
        return [when]
    parts = when[2:] if op == expr.AT_LEAST else when[1:]
    return [leaf for part in parts for leaf in comparisons(part)]


def sides(comparison: list[Any]) -> tuple[int, Any, Any]:
    """(operator, what can change, the other): a number on the left is exchanged, with the operator mirrored."""
    op, left, right = comparison[0], comparison[1], comparison[2]
    if isinstance(left, int) and op <= expr.EQ:
        return expr.mirror(op), right, left
    return op, left, right


def values(code: Any) -> list[list[Any]]:
    """Every value in a value or comparison, itself included, that is not a plain number."""
    if not isinstance(code, list) or not code:
        return []
    parts = cast("list[Any]", code)
    found = [parts] if isinstance(parts[0], int) and expr.PEOPLE <= parts[0] <= expr.DOWN_TO else []
    for part in parts[1:]:
        found += values(part)
    return found


def asks(when: Any, *names: int) -> bool:
    """Whether a condition looks at one of these values."""
    return any(value[0] in names for leaf in comparisons(when) for value in values(leaf))


def counted(when: Any) -> list[list[Any]]:
    """The counts of people and events that a condition looks at."""
    found = [value for leaf in comparisons(when) for value in values(leaf)]
    return [value for value in found if value[0] in (expr.PEOPLE, expr.EVENTS)]
