"""Words for what rulesets of version 2 hold: numbers with their unit, values, conditions, grants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.authoring import opcodes as op
from fleet.authoring.conditions import span
from fleet.authoring.engine import money, reg, word
from fleet.authoring.given import Given
from fleet.authoring.wire import sides

__all__ = ["Phrases", "span"]

_SIZES: dict[int, str] = {
    op.GT: "more than", op.GE: "at least", op.LT: "less than", op.LE: "at most", op.EQ: "exactly",
}  # fmt: skip
_MONEY, _TIME = (op.BASKET, op.TIP), (op.SINCE,)
_VALUES: dict[int, str] = {
    op.VISITS: "visits of this person in the slot", op.BASKET: "the basket", op.TIP: "the tip",
    op.SINCE: "the time since the slot began", op.ITEMS: "items in the basket",
    op.ATTENDED: "slots that this person attended, this one included", op.BALANCE: "this person's tokens",
    op.BALANCE_AGE: "the age of this person's balance", op.RISK: "the risk", op.TRUST: "the trust of the token",
    op.EVENT_TYPE: "the event",
}  # fmt: skip
_JOINED = {op.ADD: "plus", op.SUB: "less"}


class Phrases:
    """Words for one ruleset, whose fields are `found`. Names of arms and groups come from the authoring form, where it
    is at hand: bytes hold their numbers only."""

    def __init__(
        self, found: dict[int, Any], arms: Mapping[str, list[str]] | None = None, groups: Sequence[str] = ()
    ) -> None:
        self._found = found
        self._currency: str = found[3]
        self._arms = arms or {}
        self._groups = list(groups)

    def arm(self, experiment: int, arm: int) -> str:
        """The name of an arm, or its number."""
        names = self._arms.get(str(self._found[10][experiment][0]))
        return names[arm] if names else f"{arm}"

    def groups(self) -> list[str]:
        """Names of groups, or their numbers."""
        return self._groups or [str(at) for at in range(len(self._found[12]))]

    # --- numbers

    def number(self, value: Any, unit: int) -> str:
        """Of an open value's unit: 1 bps, 2 minor, 3 pieces, 4 ms."""
        if unit == 1:
            return str(money.percent(value))
        if unit == 2:
            return str(money.text(value, self._currency))
        return str(value) if unit == 3 else span(value)

    def _open(self, value: Any, unit: int) -> str:
        if isinstance(value, int):
            return self.number(value, unit)
        _, lowest, highest, default, name = self._found[14][value[1]]
        low, high, now = (self.number(number, unit) for number in (lowest, highest, default))
        return f"{now} (“{name}”, {low} to {high} as the operator sets it)"

    def grants(self, grants: list[list[Any]], given: Sequence[Given]) -> str:
        """What a rule gives."""
        said = [self._grant(grant, one.of) for grant, one in zip(grants, given, strict=True)]
        return " and ".join(said)

    def _grant(self, grant: list[Any], of: str | None) -> str:
        kind, size, minor = grant[:3]
        last: Any = grant[3] if len(grant) > 3 else None
        cap = f", at most {self._open(minor, 2)}" if minor else ""
        days = f"for {last} day{'s' if last != 1 else ''}"
        if kind == reg.GRANT_PERCENT_NOW:
            return f"{self._open(size, 1)} off this purchase{cap or ', at most the voucher’s value'}"
        if kind == reg.GRANT_FIXED_NOW:
            return (
                f"{self._open(minor, 2)} off this purchase"
                if minor
                else "the voucher's value off this purchase"
            )
        if kind == reg.GRANT_PERCENT_NEXT:
            return f"{self._open(size, 1)} off the next visit{cap}, {days}"
        if kind == reg.GRANT_FIXED_NEXT:
            return f"{self._open(minor, 2)} off the next visit, {days}"
        if kind == reg.GRANT_SAMPLE:
            what = f" of {of}" if of else ""
            return f"a sample{what}" if size == 1 else f"{self._open(size, 3)} samples{what}"
        if kind == reg.GRANT_UPGRADE:
            return f"an upgrade to {last}"
        if kind == reg.GRANT_TIP_MATCH:
            return f"{self._open(size, 1)} of the tip on top{cap}, to {last}"
        if kind == reg.GRANT_TOKENS:
            return f"{self._open(size, 3)} loyalty token{'s' if size != 1 else ''}, {days}"
        if kind == reg.GRANT_VOUCHER:
            return f"a voucher of {self._open(minor, 2)} (series {size}), {days}"
        if kind == reg.GRANT_UNLOCK:
            return f"access to {last}"
        share = f"{self._open(size, 1)} of the basket{cap}"
        return f"{share}, given to {last}" if kind == reg.GRANT_DONATION else f"{last} a part of {share}"

    # --- conditions

    def whole(self, when: Any) -> str:
        """A rule's condition, without the brackets around it."""
        text = self.condition(when)
        return text[1:-1] if when[0] in (op.ALL, op.ANY) and text.startswith("(") else text

    def condition(self, when: Any) -> str:
        """A condition in plain words."""
        kind = when[0]
        if kind == op.ALWAYS:
            return "always"
        if kind == op.NOT:
            return f"not ({self.condition(when[1])})"
        if kind in (op.ALL, op.ANY):
            joint = " and " if kind == op.ALL else " or "
            parts = [self.condition(part) for part in when[1:]]
            return parts[0] if len(parts) == 1 else f"({joint.join(parts)})"
        if kind == op.AT_LEAST:
            parts = "; ".join(self.condition(part) for part in when[2:])
            return f"at least {when[1]} of these hold: [{parts}]"
        return self._comparison(when)

    def _comparison(self, leaf: list[Any]) -> str:
        kind, value, other = sides(leaf)
        name = value[0]
        if kind == op.IN:
            return f"{self._value(value)} is one of {', '.join(self._size(part, value) for part in leaf[2:])}"
        if kind == op.BETWEEN:
            low, high = (self._size(part, value) for part in leaf[2:])
            return f"{self._value(value)} is from {low} to {high}"
        if name in (op.SEEN, op.LATCHED):
            return self._yes(value, kind in (op.GE, op.GT, op.EQ))
        size = f"{_SIZES[kind]} {self._size(other, value)}"
        if name == op.PEOPLE:
            return f"{size} different people came {self._window(value)}"
        if name == op.EVENTS:
            what = "events" if not value[4] else f"{word(reg.EVENT_NAMES, value[4])} events"
            return f"{size} {what} came {self._window(value)}"
        if name in (op.TRUST, op.EVENT_TYPE, op.ARM):
            return f"{self._value(value)} is {size.removeprefix('exactly ')}"
        return f"{self._value(value)} {'are' if name in (op.VISITS, op.ITEMS, op.ATTENDED, op.BALANCE) else 'is'} {size}"

    def _yes(self, value: list[Any], holds: bool) -> str:
        no = "" if holds else "no "
        if value[0] == op.LATCHED:
            return f"the rule {self._found[5][value[1]][0]} {'has opened' if holds else 'has not opened yet'}"
        return f"this person had {no or 'a '}{word(reg.EVENT_NAMES, value[1])} in the last {span(value[2])}"

    def _window(self, value: list[Any]) -> str:
        where = "" if value[3] == 0 else " to this brick"
        if value[1] == 0:
            first = "the first hour" if value[2] == 3_600_000 else f"the first {span(value[2])}"
            return f"in {first} of the slot{where}"
        if value[1] == 1:
            return f"in the last {span(value[2])}{where}"
        return f"in this step of {span(value[2])}{where}"

    def _value(self, value: Any) -> str:
        if isinstance(value, int):
            return str(value)
        name = value[0]
        if name in _VALUES:
            return _VALUES[name]
        if name == op.PEOPLE:
            return f"the people who came {self._window(value)}"
        if name == op.EVENTS:
            return f"the events that came {self._window(value)}"
        if name == op.ITEM:
            return f"pieces of item {value[1]} in the basket"
        if name == op.SIGNAL:
            return f"the signal “{self._found[13][value[1]][0]}”"
        if name == op.ARM:
            return f"this person's arm of {self._found[10][value[1]][0]}"
        if name == op.OPEN:
            return f"“{self._found[14][value[1]][4]}”"
        if name in _JOINED:
            return f"({self._size(value[1], value[2])} {_JOINED[name]} {self._size(value[2], value[1])})"
        if name == op.SHARE:
            return f"{money.percent(value[2])} of {self._value(value[1])}"
        if name == op.DOWN_TO:
            return f"{self._value(value[1])} in whole steps of {self._size(value[2], value[1])}"
        which = "smaller" if name == op.MIN else "larger"
        return f"the {which} of {self._size(value[1], value[2])} and {self._size(value[2], value[1])}"

    def _size(self, number: Any, beside: Any) -> str:
        """A number in the unit of the value beside it."""
        if not isinstance(number, int):
            if number[0] == op.OPEN:
                return self._open(number, self._found[14][number[1]][0])
            return self._value(number)
        name = _atom(beside)
        if name in _MONEY:
            return str(money.text(number, self._currency))
        if name in _TIME:
            return span(number)
        if name == op.BALANCE_AGE:
            return span(number * 1000)
        if name == op.TRUST:
            return word(reg.TRUST_NAMES, number)
        if name == op.EVENT_TYPE:
            return word(reg.EVENT_NAMES, number)
        if name == op.ARM:
            return self.arm(beside[1], number)
        if name == op.OPEN:
            return self.number(number, self._found[14][beside[1]][0])
        return str(number)


def _atom(value: Any) -> int:
    """What a value measures: of arithmetic its first part that measures anything."""
    if isinstance(value, int):
        return -1
    if value[0] < op.ADD:
        return value[0]
    return next((name for name in map(_atom, value[1:]) if name >= 0), -1)
