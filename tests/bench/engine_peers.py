"""The conditions of a compiled ruleset in the words of other engines, events as contexts; rules as authors write them."""

from typing import Any, NamedTuple

from stallmark import expr, rules
from stallmark.values import View

from tests.bench import engine_rules

_OPS = {expr.GT: ">", expr.GE: ">=", expr.LT: "<", expr.LE: "<=", expr.EQ: "=="}
_NEVER = -1  # what a context holds for a value that is not known


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
        slots: list[Any] = [{"and": [{">=": [wall, start]}, {"<": [wall, end]}]} for start, end in self.slots]
        return {
            "and": [
                {"in": [{"var": "kind"}, list(self.events)]},
                {">=": [{"var": "trust"}, self.trust]},
                slots[0] if len(slots) == 1 else {"or": slots},
                self._logic(self.tree),
            ]
        }

    def _logic(self, node: Any) -> Any:
        op = node[0]
        if op == expr.ALWAYS:
            return True
        if op in (expr.ALL, expr.ANY):
            return {"and" if op == expr.ALL else "or": [self._logic(child) for child in node[1]]}
        if op == expr.NOT:
            return {"!": [self._logic(node[1])]}
        left = {"var": self.names[node[1]]}
        if op == expr.IN:
            return {"in": [left, list(node[2])]}
        if op == expr.BETWEEN:
            return {"and": [{">=": [left, node[2][0]]}, {"<=": [left, node[2][1]]}]}
        right = node[2] if isinstance(node[2], int) else {"var": self.names[node[2]]}
        return {_OPS[op]: [left, right]}

    def expression(self, also: str = "and", either: str = "or", no: str = "not ") -> str:
        """As an expression of zen-engine."""
        slots = f" {either} ".join(f"(wall >= {start} {also} wall < {end})" for start, end in self.slots)
        parts = [
            f"kind in {list(self.events)}",
            f"trust >= {self.trust}",
            f"({slots})",
            self._text(self.tree, also, either, no),
        ]
        return "(" + f" {also} ".join(parts) + ")"

    def cel(self) -> str:
        """As an expression of CEL."""
        return self.expression("&&", "||", "!")

    def _text(self, node: Any, also: str, either: str, no: str) -> str:
        op = node[0]
        if op == expr.ALWAYS:
            return "true"
        if op in (expr.ALL, expr.ANY):
            joint = f" {also if op == expr.ALL else either} "
            return "(" + joint.join(self._text(child, also, either, no) for child in node[1]) + ")"
        if op == expr.NOT:
            return f"{no}({self._text(node[1], also, either, no)})"
        left = self.names[node[1]]
        if op == expr.IN:
            return f"({left} in {list(node[2])})"
        if op == expr.BETWEEN:
            return f"({left} >= {node[2][0]} {also} {left} <= {node[2][1]})"
        right = node[2] if isinstance(node[2], int) else self.names[node[2]]
        return f"{left} {_OPS[op]} {right}"

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
        left = context[self.names[node[1]]]
        if op == expr.IN:
            return left in node[2]
        if op == expr.BETWEEN:
            return node[2][0] <= left <= node[2][1]
        right = node[2] if isinstance(node[2], int) else context[self.names[node[2]]]
        return {
            expr.GT: left > right,
            expr.GE: left >= right,
            expr.LT: left < right,
            expr.LE: left <= right,
            expr.EQ: left == right,
        }[op]


def _names(ruleset: rules.Ruleset) -> dict[Any, str]:
    """A variable for each value that conditions compare."""
    return {
        expr.value(ruleset, at): f"v{at}"
        for at, value in enumerate(ruleset.values)
        if value[0] != expr.NUMBER
    }


def conditions(ruleset: rules.Ruleset) -> list[Condition]:
    """Of every rule; at least-conditions are not in the other languages and not in the rules of the bench."""
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


def contexts(ruleset: rules.Ruleset, kept: Any, events: list[Any]) -> list[dict[str, int]]:
    """What the others are given: every value already looked up, which this engine does within its time."""
    out: list[dict[str, int]] = []
    for event in events:
        view = View(ruleset, kept, event)
        context = {"kind": event.type, "trust": event.trust, "wall": event.wall_ms}
        rule = next(
            (index for index in range(len(ruleset.rules)) if view.enter(index, ruleset.rules[index]) >= 0),
            None,
        )
        for at, value in enumerate(ruleset.values):
            if value[0] != expr.NUMBER:
                found: Any = view.value(at) if rule is not None else ()
                context[f"v{at}"] = found if isinstance(found, int) else found[0] if found else _NEVER
        out.append(context)
    return out


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


def library(count: int) -> bytes | None:
    """Sixteen rules of the library in one ruleset; None while there are none that the bench can use."""
    return None
