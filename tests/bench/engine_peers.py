"""The conditions of a compiled ruleset in the words of other engines, events as contexts; rules as authors write them."""

from typing import Any, NamedTuple

from stallmark import expr, exprtree, rules
from stallmark.values import View

from tests.bench import engine_rules

_OPS = {expr.GT: ">", expr.GE: ">=", expr.LT: "<", expr.LE: "<=", expr.EQ: "=="}
_TEXT = {expr.ADD: "+", expr.SUB: "-", expr.SHARE: "*"}
_NEVER = -1  # what a context holds for a value that is not known
_ALWAYS_MORE = 1 << 40  # … and that some rule wants to be low


class Condition(NamedTuple):
    """All that a rule asks of an event: its type, trust, slots and condition."""

    events: tuple[int, ...]
    trust: int
    slots: tuple[tuple[int, int], ...]
    tree: Any
    names: dict[Any, str]

    def json_logic(self) -> Any:
        """As JsonLogic."""
        wall = {"var": "wall"}
        slots: list[Any] = [{"<=": [start, wall, end - 1]} for start, end in self.slots]
        return {
            "and": [
                {"in": [{"var": "kind"}, list(self.events)]},
                {">=": [{"var": "trust"}, self.trust]},
                slots[0] if len(slots) == 1 else {"or": slots},
                *self._all(self._logic(self.tree)),
            ]
        }

    @staticmethod
    def _all(logic: Any) -> list[Any]:
        """The parts of an `and`, so that nobody has one within another; nothing of `true`."""
        return [] if logic is True else logic.get("and", [logic])

    def _logic(self, node: Any) -> Any:
        op = node[0]
        if op == expr.ALWAYS:
            return True
        if op in (expr.ALL, expr.ANY):
            return {"and" if op == expr.ALL else "or": [self._logic(child) for child in node[1]]}
        if op == expr.NOT:
            return {"!": [self._logic(node[1])]}
        if op == expr.AT_LEAST:
            return {">=": [{"+": [{"if": [self._logic(child), 1, 0]} for child in node[1]]}, node[2]]}
        left = self._logic_value(node[1])
        if op == expr.IN:
            return {"in": [left, list(node[2])]}
        if op == expr.BETWEEN:
            return {"<=": [self._logic_value(node[2][0]), left, self._logic_value(node[2][1])]}
        return {_OPS[op]: [left, self._logic_value(node[2])]}

    def _logic_value(self, value: Any) -> Any:
        if isinstance(value, int):
            return value
        if value[0] not in _TEXT:
            return {"var": self.names[value]}
        left, right = self._logic_value(value[1]), self._logic_value(value[2])
        if value[0] == expr.SHARE:
            return {"/": [{"*": [left, right]}, 10000]}
        return {_TEXT[value[0]]: [left, right]}

    def expression(self, also: str = "and", either: str = "or", no: str = "not ") -> str:
        """As an expression of zen-engine."""
        slots = f" {either} ".join(f"(wall >= {start} {also} wall < {end})" for start, end in self.slots)
        parts = [
            f"kind in {list(self.events)}",
            f"trust >= {self.trust}",
            f"({slots})",
            *([] if self.tree[0] == expr.ALWAYS else [self._text(self.tree, also, either, no)]),
        ]
        return "(" + f" {also} ".join(parts) + ")"

    def cel(self) -> str:
        """As an expression of CEL."""
        return self.expression("&&", "||", "!")

    def _text(self, node: Any, also: str, either: str, no: str) -> str:
        op = node[0]
        if op in (expr.ALL, expr.ANY):
            joint = f" {also if op == expr.ALL else either} "
            return "(" + joint.join(self._text(child, also, either, no) for child in node[1]) + ")"
        if op == expr.NOT:
            return f"{no}({self._text(node[1], also, either, no)})"
        if op == expr.AT_LEAST:
            each = [f"({self._text(child, also, either, no)} ? 1 : 0)" for child in node[1]]
            return f"({' + '.join(each)} >= {node[2]})"
        left = self._value(node[1])
        if op == expr.IN:
            return f"({left} in {list(node[2])})"
        if op == expr.BETWEEN:
            return f"({left} >= {self._value(node[2][0])} {also} {left} <= {self._value(node[2][1])})"
        return f"{left} {_OPS[op]} {self._value(node[2])}"

    def _value(self, value: Any) -> str:
        if isinstance(value, int):
            return str(value)
        if value[0] not in _TEXT:
            return self.names[value]
        found = f"{self._value(value[1])} {_TEXT[value[0]]} {self._value(value[2])}"
        return f"({found} / 10000)" if value[0] == expr.SHARE else f"({found})"

    def truth(self, context: dict[str, int]) -> bool:
        """What every engine should say."""
        inside = any(start <= context["wall"] < end for start, end in self.slots)
        return (
            context["kind"] in self.events
            and context["trust"] >= self.trust
            and inside
            and self._truth(self.tree, context)
        )

    def _truth(self, node: Any, context: dict[str, int]) -> bool:
        op = node[0]
        if op == expr.ALWAYS:
            return True
        if op in (expr.ALL, expr.ANY):
            return (all if op == expr.ALL else any)(self._truth(child, context) for child in node[1])
        if op == expr.NOT:
            return not self._truth(node[1], context)
        if op == expr.AT_LEAST:
            return sum(self._truth(child, context) for child in node[1]) >= node[2]
        left = self._number(node[1], context)
        if op == expr.IN:
            return left in node[2]
        if op == expr.BETWEEN:
            return self._number(node[2][0], context) <= left <= self._number(node[2][1], context)
        right = self._number(node[2], context)
        return {
            expr.GT: left > right,
            expr.GE: left >= right,
            expr.LT: left < right,
            expr.LE: left <= right,
            expr.EQ: left == right,
        }[op]

    def _number(self, value: Any, context: dict[str, int]) -> float:
        if isinstance(value, int):
            return value
        if value[0] not in _TEXT:
            return context[self.names[value]]
        left, right = self._number(value[1], context), self._number(value[2], context)
        if value[0] == expr.SHARE:
            return left * right / 10000  # the amounts of the bench divide without a rest
        return left + right if value[0] == expr.ADD else left - right


def _names(ruleset: rules.Ruleset) -> dict[Any, str]:
    """A variable for each value that conditions compare; none for arithmetic, which the others do themselves."""
    known = {expr.EVENT_TYPE: "kind", expr.TRUST: "trust"}
    return {
        exprtree.value(ruleset, at): known.get(value[0], f"v{at}")
        for at, value in enumerate(ruleset.values)
        if value[0] != expr.NUMBER and value[0] < expr.ADD
    }


def conditions(ruleset: rules.Ruleset) -> list[Condition]:
    """Of every rule. Of arithmetic there is add, sub and share; min, max and down to are in no rule of the bench."""
    names = _names(ruleset)
    return [
        Condition(
            rule.events,
            rule.trust,
            tuple(ruleset.slots[slot] for slot in rule.slots),
            ruleset.tree(index),
            names,
        )
        for index, rule in enumerate(ruleset.rules)
    ]


class Contexts:
    """What the others are given for an event: every value looked up in the same state.

    A value that is not known makes each comparison that has it on the left false, as nothing is granted for it."""

    def __init__(self, ruleset: rules.Ruleset, kept: Any) -> None:
        self._ruleset = ruleset
        self._kept = kept
        unknown = {name: _NEVER for name in _names(ruleset).values()}
        for op, left in zip(ruleset.leaves[0], ruleset.leaves[1], strict=True):
            if op in (expr.LT, expr.LE):
                unknown[f"v{left}"] = _ALWAYS_MORE
        self._wanted = [
            (at, f"v{at}", unknown[f"v{at}"]) for at in range(len(ruleset.values)) if f"v{at}" in unknown
        ]
        self._view: View | None = None

    def of(self, event: Any) -> dict[str, int]:
        """The context of one event."""
        if self._view is None:
            self._view = View(self._ruleset, self._kept, event)
        else:
            self._view.begin(event, None)
        view = self._view
        context = {"kind": event.type, "trust": event.trust, "wall": event.wall_ms}
        inside = False
        for index, rule in enumerate(self._ruleset.rules):
            inside = view.enter(index, rule) >= 0
            if inside:
                break
        for at, name, unknown in self._wanted:
            found: Any = view.value(at) if inside else ()
            context[name] = found if type(found) is int else found[0] if found else unknown
        return context


def authored(count: int) -> dict[str, Any]:
    """The same rules as an author's JSON says them (campaign/2)."""
    events = {1: "NFC tap", 2: "QR scan", 3: "till sale", 5: "geofence entry", 7: "social mention", 8: "share",
              12: "attendance scan", 14: "pre-order pickup", 15: "tip"}  # fmt: skip
    grants = (
        {"percent_now": "15", "at_most": "5.00"}, {"money_now": "2.00"}, {"sample": 1}, {"tokens": 2, "valid": "P30D"},
        {"percent_next": "10", "at_most": "3.00", "valid": "P30D"}, {"upgrade": "large"},
        {"tip_match": "100", "at_most": "2.00", "to": "creator"}, {"unlock": "community:chat"},
    )  # fmt: skip
    units = {1: "money", 2: "pieces"}
    found: list[Any] = []
    for n in range(count):
        rule = engine_rules.rule(n)
        people, since, basket, visits, items, trust = rule[4][1:]
        words = rule[10][0]
        found.append({
            "id": rule[0], "on": [events[kind] for kind in rule[1]], "minimum_trust": "issued", "slots": ["day"],
            "when": {"all": [
                {"gt": [{"people": {"first": "PT1H", "scope": "kit"}}, people[2]]},
                {"lt": ["since_start", f"PT{since[2] // 60000}M"]},
                {"ge": ["basket", f"{basket[2] / 100:.2f}"]}, {"gt": ["visits", visits[2]]}, {"ge": ["basket_items", items[2]]},
                {"ge": ["trust", trust[2]]},
            ]},
            "grants": [grants[n % len(grants)]], "rights": [units[unit] for unit in rule[7]],
            "limits": [{"per": "slot", "most": rule[8][0][1]}], "offline": {"if_unknown": "deny", "mode": "local"},
            "messages": {"en": {"granted": words[0], "denied": words[1], "near": words[2]}}, "intent": "loyalty",
        })  # fmt: skip
    return {
        "$schema": "stallmark-campaign/2", "id": "bench", "rev": 1, "market": "Bench market", "currency": "EUR",
        "timezone": "Europe/Berlin", "languages": ["en"], "people": 500,
        "slots": {"day": {"start": "2026-09-21T15:33:20+02:00", "duration": "PT6H"}}, "rules": found,
    }  # fmt: skip
