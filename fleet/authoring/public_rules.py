"""What a ruleset would make of an event of which only the public record is known: yes, no, or cannot be known.

A ledger holds no subjects, baskets, tips, items or signals (docs/formats/receipt.md). So counts, limits, arms, balances and
baskets are unknown here, and the money of a percentage lies between nothing and its cap."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from fleet.authoring.engine import cbor, reg
from fleet.authoring.tally import MONEY

NO, MAYBE, YES = 0, 1, 2  # as the engine's truth values: `all` is the least, `any` the greatest
_SHARES = (reg.GRANT_PERCENT_NOW, reg.GRANT_PERCENT_NEXT, reg.GRANT_TIP_MATCH, reg.GRANT_DONATION)
_NOT_AT_LANE, _NOT_AT_BRICKS = 1, 2
_SINCE, _TRUST, _TYPE = 24, 35, 36


class Seen(NamedTuple):
    """What a public record says of its event. `wall_ms` None where the clock was not known well enough."""

    type: int
    trust: int
    wall_ms: int | None
    lane: bool


class Possible(NamedTuple):
    """Whether something is granted (NO, MAYBE, YES), and the least and most money, minor units."""

    granted: int
    low: int
    high: int


class PublicRules:
    """A ruleset for records without their private part. Rights are taken to be enough."""

    def __init__(self, data: bytes) -> None:
        found: dict[int, Any] = cbor.decode(data, 16, 1 << 16)
        self._fields = found
        self._rules: list[dict[int, Any]] = found[5]
        self._slots: list[list[int]] = found[4]
        self._old: bool = found[0] == 1

    def names(self) -> list[str]:
        """Ids of the rules, by index."""
        return [rule[0] for rule in self._rules]

    def like(self, other: PublicRules, seen: Seen) -> bool:
        """Whether both decide such an event by the same rules in the same order, in the same setting."""
        keys = [key for key in (3, 4, 10, 11, 12, 13, 14, 16) if key in self._fields]
        if any(self._fields[key] != other._fields.get(key) for key in keys) or self._old != other._old:
            return False
        return self._of(seen) == other._of(seen)

    def _of(self, seen: Seen) -> list[dict[int, Any]]:
        """Rules for such an event, without their words."""
        return [
            {key: value for key, value in rule.items() if key != 10}
            for rule in self._rules
            if self._at(rule, seen)
        ]

    def _at(self, rule: dict[int, Any], seen: Seen) -> bool:
        skip = _NOT_AT_LANE if seen.lane else _NOT_AT_BRICKS
        return seen.type in rule[1] and not rule.get(18, 0) & skip

    def possible(self, seen: Seen) -> Possible:
        """What may come of it."""
        plain = Possible(NO, 0, 0)  # of the rules without a group: the first that grants
        grouped = Possible(NO, 0, 0)
        for rule in self._rules:
            if not self._at(rule, seen):
                continue
            granted = self._judge(rule, seen)
            if granted == NO:
                continue
            low, high = self._money(rule)
            if rule.get(13) is not None:
                grouped = Possible(max(grouped.granted, granted), grouped.low, grouped.high + high)
            elif plain.granted != YES:
                least = low if plain.granted == NO else min(plain.low, low)
                plain = Possible(granted, least if granted == YES else 0, max(plain.high, high))
        high = plain.high + grouped.high
        cap = self._fields.get(16) or 0
        granted = max(plain.granted, grouped.granted)
        low = plain.low if plain.granted == YES else 0
        return Possible(granted, min(low, cap) if cap else low, min(high, cap) if cap else high)

    def _judge(self, rule: dict[int, Any], seen: Seen) -> int:
        if seen.trust < rule[2]:
            return NO
        if seen.wall_ms is None:
            return MAYBE
        starts: list[int] = [
            self._slots[s][0] for s in rule[3] if self._slots[s][0] <= seen.wall_ms < self._slots[s][1]
        ]
        if not starts:
            return MAYBE if self._early(rule, seen.wall_ms) else NO
        truth = self._truth(rule[4], seen, seen.wall_ms - starts[0])
        private = rule[8] or rule.get(14) or self._fields.get(11) or rule.get(20) is not None
        if truth == NO and rule[5]:
            truth = MAYBE  # it may have latched before
        return min(truth, MAYBE) if private else truth

    def _early(self, rule: dict[int, Any], wall: int) -> bool:
        leads: list[int] = [lead for _tokens, lead in rule.get(15) or ()]
        slots: list[int] = rule[3]
        return bool(leads) and any(0 < self._slots[slot][0] - wall <= max(leads) for slot in slots)

    def _truth(self, expr: list[Any], seen: Seen, since: int) -> int:
        op, parts = expr[0], expr[1:]
        if op == 0:
            return YES
        if op in (1, 2, 3, 4):
            if op == 4:
                ranked = sorted([self._truth(one, seen, since) for one in parts[1:]], reverse=True)
                n: int = parts[0]
                return ranked[n - 1]
            truths = [self._truth(one, seen, since) for one in parts]
            return min(truths) if op == 1 else max(truths) if op == 2 else YES - truths[0]
        values = [self._value(one, seen, since) for one in parts]
        if any(one is None for one in values):
            return MAYBE
        return YES if _compare(op, cast("list[int]", values)) else NO

    def _value(self, value: Any, seen: Seen, since: int) -> int | None:
        """A number that the public record settles; None for everything else."""
        if isinstance(value, int):
            return value
        known: dict[int, int] = {_SINCE: since, _TRUST: seen.trust, _TYPE: seen.type}
        name: int = value[0]
        return known.get(name)

    def _money(self, rule: dict[int, Any]) -> tuple[int, int]:
        low = high = 0
        for grant in rule[6]:
            if grant[0] not in MONEY:
                continue
            least, most = self._bounds(grant[2])
            high += most
            exact = grant[0] not in _SHARES or self._old
            low += least if exact else 0
        return low, high

    def _bounds(self, number: Any) -> tuple[int, int]:
        if not isinstance(number, int):
            one: list[int] = self._fields[14][number[1]]
            return one[1], one[2]
        return number, number


def _compare(op: int, values: list[int]) -> bool:
    first, rest = values[0], values[1:]
    if op == 15:
        return rest[0] <= first <= rest[1]
    if op == 16:
        return first in rest
    return {
        10: first > rest[0], 11: first >= rest[0], 12: first < rest[0], 13: first <= rest[0], 14: first == rest[0],
    }[op]  # fmt: skip
