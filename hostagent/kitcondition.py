"""A rule's condition as the host sees it: what counts the whole kit is looked at again before a strict rule's yes.

A brick has told what it counted and what it was told; others may have counted more since. That only matters where
more people can make a condition false, which rules may say in strict mode alone.
"""

from collections import OrderedDict
from typing import Any, NamedTuple

from hostagent.core import expr, values

# How long a yes counts without its record: a brick that asked has written it long before.
STANDS_MS = 10_000
MOST = 1_024
KIT = 0  # scope of a count


class _Yes(NamedTuple):
    at_ms: int
    event: Any


class Expected:
    """Events that were said yes to and whose record is not here yet: they count already."""

    def __init__(self) -> None:
        self._said: OrderedDict[bytes, _Yes] = OrderedDict()

    def said_yes(self, asked: Any, now_ms: int) -> None:
        """A yes to this event is on its way."""
        self._said[asked.nonce] = _Yes(now_ms, asked)
        while len(self._said) > MOST:
            self._said.popitem(last=False)

    def recorded(self, nonce: bytes | None) -> None:
        """A record that counts somebody is here."""
        if nonce is not None:
            self._said.pop(nonce, None)

    def others(self, asked: Any, now_ms: int) -> list[Any]:
        """The events but this one."""
        while self._said and now_ms - next(iter(self._said.values())).at_ms > STANDS_MS:
            self._said.popitem(last=False)
        return [said.event for nonce, said in self._said.items() if nonce != asked.nonce]


class _KitView(values.View):
    """A View that counts what is expected, too; for one question."""

    expected: list[Any]

    def hide(self, at: int) -> None:
        """The value at this place is not known here."""
        self._cache[at] = values.NOBODY

    def _people(self, counter: int) -> Any:
        _, window, ms, _, _, trust = self.ruleset.counters[counter]
        more: set[bytes] = set()
        for other in self.expected:
            if other.subject is None or other.subject == self.event.subject or other.trust < trust:
                continue
            place = self.state.person(self.slot, other.subject)
            if place < 0 or not self.state.counts(place, counter, self.slot, self.wall):
                more.add(other.subject)
        base: Any = super()
        return _plus(base._people(counter), len(more) if self._inside(window, ms) else 0)

    def _events(self, counter: int) -> Any:
        _, window, ms, _, kind, trust = self.ruleset.counters[counter]
        more = [other for other in self.expected if (not kind or kind == other.type) and other.trust >= trust]
        base: Any = super()
        return _plus(base._events(counter), len(more) if self._inside(window, ms) else 0)


def _plus(count: Any, more: int) -> Any:
    return count + more if type(count) is int else tuple(n + more for n in count)


def truth(ruleset: Any, state: Any, asked: Any, index: int, expected: list[Any]) -> int:
    """expr.TRUE, FALSE or UNKNOWN of what in a rule's condition must be looked at here.

    A part of the outermost `all` that counts nobody kit-wide, or only asks for *more* than a number, stays as the
    brick found it: it knows itself, and more people only make that truer. Every other part must be true here; in such
    a part what only a brick knows (its own counts, a latch, the risk) is unknown."""
    rule = ruleset.rules[index]
    when = rule.when
    parts = when[1:] if when[0] == expr.ALL else (when,)
    asking = [part for part in parts if _falls(ruleset, part)]
    if not asking:
        return expr.TRUE
    view = _KitView(ruleset, state, asked)
    view.expected = expected
    if view.wall is None or view.enter(index, rule) < 0:
        return expr.UNKNOWN
    if rule.latch and state.latched(index, ruleset.slots[view.slot][1]):
        return expr.TRUE
    for at, value in enumerate(ruleset.values):
        if value[0] in (expr.LATCHED, expr.RISK) or _counts(ruleset, value, own=True):
            view.hide(at)
    return min(view.leaf(part) if type(part) is int else expr.truth(part, view) for part in asking)


def _falls(ruleset: Any, part: Any) -> bool:
    """Whether more people elsewhere could make a part of a condition false."""
    ops, lefts, rights, _ = ruleset.leaves
    if type(part) is not int:
        return part[0] != expr.ALWAYS and any(_kit_leaf(ruleset, leaf) for leaf in _leaves(part))
    if not _kit_leaf(ruleset, part):
        return False
    left = ruleset.values[lefts[part]]
    simple = left[0] in (expr.PEOPLE, expr.EVENTS)
    return not (simple and ops[part] in (expr.GT, expr.GE) and type(rights[part]) is int)


def _leaves(node: Any) -> list[int]:
    found: list[int] = []
    for part in expr.parts(node):
        found += [part] if type(part) is int else _leaves(part)
    return found


def _kit_leaf(ruleset: Any, leaf: int) -> bool:
    ops, lefts, rights, _ = ruleset.leaves
    sides = [lefts[leaf]]
    if ops[leaf] >= expr.BOTH:
        right = rights[leaf]
        sides += [right] if type(right) is int else list(right)
    return any(_counts(ruleset, ruleset.values[side]) for side in sides)


def _counts(ruleset: Any, value: Any, own: bool = False) -> bool:
    """Whether a value counts people or events of the whole kit, or with `own` of one brick."""
    if value[0] >= expr.ADD:
        return any(_counts(ruleset, ruleset.values[side], own) for side in value[1:])
    if value[0] not in (expr.PEOPLE, expr.EVENTS):
        return False
    return (ruleset.counters[value[1]][3] != KIT) == own
