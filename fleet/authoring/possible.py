"""Whether a condition can be true at all: intervals of what each value may be. May err to yes, never to no."""

from __future__ import annotations

from typing import Any

from fleet.authoring import opcodes as op
from fleet.authoring import wire

_FAR = 1 << 62
Box = dict[str, tuple[int, int]]
_SAID = {
    op.GT: "more than", op.GE: "at least", op.LT: "less than", op.LE: "at most",
}  # fmt: skip


def can_be_true(when: Any, longest_ms: int, trust: int, events: list[int]) -> bool:
    """For a rule whose longest slot lasts `longest_ms`, for tokens of at least `trust`, on `events`."""
    box: Box = {
        str([op.SINCE]): (-_FAR, longest_ms - 1),  # below 0 in early access
        str([op.TRUST]): (trust, 7),
        str([op.EVENT_TYPE]): (min(events), max(events)),
    }
    return _possible(when, box)


def always_true(when: Any) -> list[str]:
    """Comparisons that no event can fail, in words."""
    out: list[str] = []
    for leaf in wire.comparisons(when):
        found = _narrow(leaf)
        if found is None:
            continue
        low, high = found[1]
        least, most = _natural(leaf)
        if low <= least and most <= high and leaf[0] in _SAID:
            out.append(f"“{_SAID[wire.sides(leaf)[0]]} {wire.sides(leaf)[2]}”")
    return out


def _natural(leaf: list[Any]) -> tuple[int, int]:
    """What a value may be by itself."""
    name = wire.sides(leaf)[1][0]
    if name in (op.SEEN, op.LATCHED):
        return 0, 1
    if name == op.RISK:
        return 0, 255
    if name == op.TRUST:
        return 0, 7
    if name in (op.SIGNAL, op.SINCE) or name >= op.OPEN:
        return -_FAR, _FAR
    return 0, _FAR


def _possible(node: Any, box: Box) -> bool:
    kind = node[0]
    if kind == op.ALL:
        flat = _flat(node)
        inner = dict(box)
        for leaf in flat:
            if leaf[0] >= op.GT and not _intersect(leaf, inner):
                return False
        return all(_possible(part, inner) for part in flat if part[0] < op.GT)
    if kind == op.ANY:
        return any(_possible(part, box) for part in node[1:])
    if kind == op.AT_LEAST:
        return sum(_possible(part, box) for part in node[2:]) >= node[1]
    return kind < op.GT or _intersect(node, dict(box))


def _flat(node: Any) -> list[Any]:
    """The parts of nested `all`."""
    return [leaf for part in node[1:] for leaf in (_flat(part) if part[0] == op.ALL else [part])]


def _intersect(leaf: list[Any], box: Box) -> bool:
    """Narrows the box by a comparison; False where nothing is left."""
    found = _narrow(leaf)
    if found is None:
        return True
    key, (low, high) = found
    least, most = box.get(key, _natural(leaf))
    box[key] = (max(low, least), min(high, most))
    return box[key][0] <= box[key][1]


def _narrow(leaf: list[Any]) -> tuple[str, tuple[int, int]] | None:
    """(value, the interval that a comparison leaves it), None where that is not a matter of numbers."""
    kind, value, number = wire.sides(leaf)
    if isinstance(value, int):
        return None
    key = str(value)
    if kind in (op.BETWEEN, op.IN):
        rest = [part for part in leaf[2:] if isinstance(part, int)]
        return (key, (min(rest), max(rest))) if len(rest) == len(leaf) - 2 else None
    if not isinstance(number, int):
        return None
    if kind == op.EQ:
        return key, (number, number)
    if kind == op.GT:
        return key, (number + 1, _FAR)
    if kind == op.GE:
        return key, (number, _FAR)
    return key, (-_FAR, number - 1 if kind == op.LT else number)
