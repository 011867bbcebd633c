"""campaign/2, what conditions compare: units, numbers and names, compiled to the wire's values.

Units are checked here and nowhere else: bricks compare integers. docs/formats/ruleset.md has the wire form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet.authoring import opcodes as expr
from fleet.authoring.model_base import EVENTS, TRUSTS
from fleet.authoring.model_when import WORDS
from fleet.authoring.reader import Node
from fleet.authoring.schedule import duration

MAX_NODES, MAX_COUNTERS = 48, 12
COUNT, MONEY, TIME, SECONDS, RISK, TRUST, EVENT, YES, SIGNAL, BPS = (
    "count", "money", "time", "seconds", "risk", "trust", "event", "yes", "signal", "percent",
)  # fmt: skip
_SAID: dict[str, str] = {
    COUNT: "a whole number", MONEY: 'an amount, {"money": "5.00"}', TIME: 'a time, {"time": "PT10M"}',
    SECONDS: 'a time, {"time": "PT10M"}', RISK: "a risk of 0 to 255", TRUST: 'a trust class, such as "issued"',
    EVENT: 'an event type, such as "NFC tap"', YES: "0 or 1", SIGNAL: "a whole number", BPS: "an open percentage",
}  # fmt: skip
_WORD_UNITS: dict[str, tuple[int, str]] = {
    "visits": (expr.VISITS, COUNT), "attended": (expr.ATTENDED, COUNT), "basket": (expr.BASKET, MONEY),
    "basket_items": (expr.ITEMS, COUNT), "tip": (expr.TIP, MONEY), "since_start": (expr.SINCE, TIME),
    "tokens": (expr.BALANCE, COUNT), "token_age": (expr.BALANCE_AGE, SECONDS), "risk": (expr.RISK, RISK),
    "trust": (expr.TRUST, TRUST), "event": (expr.EVENT_TYPE, EVENT),
}  # fmt: skip
_OPEN_UNITS = {1: BPS, 2: MONEY, 3: COUNT, 4: TIME}
# docs/formats/ruleset.md
MIN_SLIDING_MS = 8_000
_WINDOWS: dict[str, int] = {"first": 0, "sliding": 1, "tumbling": 2}

REFUSED = (
    "a brick sees only a part of the kit's people and events, and more may come: what must not be exceeded, or met "
    "exactly, cannot be decided offline. Ask for more than a number (gt, ge), limit what is given by rights or "
    'first_n, or let the host decide: "offline": {"mode": "strict"}'
)


@dataclass
class World:
    """What names in conditions stand for."""

    currency: str
    signals: Mapping[str, int]
    experiments: Mapping[str, list[str]]  # name → arms; its place is its index
    open_values: Mapping[str, tuple[int, int]]  # name → (index, unit on the wire)
    latching: dict[str, int | None] = field(
        default_factory=dict[str, "int | None"]
    )  # earlier rules; None: no latch
    counters: set[tuple[int, ...]] = field(default_factory=set[tuple[int, ...]])


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing in a condition that decides where the rule may be decided."""

    what: str  # "refused", "host", "late", "snapshot", "arm"
    pointer: str
    text: str


class Measures:
    """The values of one rule's condition, and what was seen in them.

    `seen` decides the class offline; `arms` are pointers of comparisons by arm; `people_at` the first count,
    `counts_people` whether people are counted; `personal_at` the first value that is not the same for everyone."""

    def __init__(self, world: World, people_trust: int, strict: bool) -> None:
        self._world = world
        self._trust = people_trust
        self._strict = strict
        self._nodes = 0
        self.seen: list[Seen] = []
        self.arms: list[str] = []
        self.people_at: str | None = None
        self.counts_people = False
        self.personal_at: str | None = None

    def node(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise node.wrong(f"a condition of more than {MAX_NODES} parts: write two rules")

    # --- units

    def shared_unit(self, node: Node, entries: list[Node]) -> str:
        for entry in entries:
            unit = self._unit(entry)
            if unit is not None:
                return unit
        raise node.wrong('nothing here can change: compare something such as "basket" or {"people": …}')

    def _unit(self, node: Node) -> str | None:
        """The unit that a value brings along; None for a number or a name, which take the other side's."""
        if isinstance(node.value, int):
            return None
        if isinstance(node.value, str):
            return _WORD_UNITS[node.value][1] if node.value in WORDS else None
        name, inner = node.only()
        if name in ("add", "sub", "min", "max"):
            return next((unit for unit in map(self._unit, inner.items(2, 8)) if unit is not None), None)
        if name in ("share", "down_to"):
            return self._unit(inner.get("value"))
        if name == "open":
            return _OPEN_UNITS[self._named(inner, self._world.open_values, "open_values")[1]]
        if name == "arm":
            self._named(inner, self._world.experiments, "experiments")
            return f"arm:{inner.value}"
        return {
            "people": COUNT, "events": COUNT, "item": COUNT, "seen": YES, "latched": YES, "signal": SIGNAL,
            "money": MONEY, "time": TIME,
        }[name]  # fmt: skip

    def _named(self, node: Node, table: Mapping[str, Any], where: str) -> Any:
        if node.value not in table:
            known = ", ".join(table) or "nothing yet"
            raise node.wrong(f'found "{node.value}": expected a name of {where}, which has {known}')
        return table[str(node.value)]

    def _mismatch(self, node: Node, found: str, unit: str) -> Exception:
        said = _SAID.get(unit, f'an arm of "{unit[4:]}"')
        return node.wrong(f"found {_SAID.get(found, 'an arm')}: expected {said}, as on the other side")

    # --- values

    def value(self, node: Node, unit: str, up: bool | None, depth: int) -> Any:
        """The wire form. `up`: whether more of it can only make the rule grant; None where neither."""
        if isinstance(node.value, int):
            return self._number(node, unit)
        if isinstance(node.value, str) and (node.value not in WORDS or self._is_name(node.value, unit)):
            return self._name(node, unit)
        own = self._unit(node)
        if own is not None and own != unit and {own, unit} != {TIME, SECONDS}:
            raise self._mismatch(node, own, unit)
        if isinstance(node.value, str):
            self.node(node)
            return self._word(node, up)
        name, inner = node.only()
        if name == "money":
            return inner.amount(self._world.currency)
        if name == "time":
            found = duration(inner, 0)
            return found // 1000 if unit == SECONDS else found
        self.node(node)
        if name == "open":
            if own != unit:
                raise self._mismatch(node, str(own), unit)
            return [expr.OPEN, self._world.open_values[str(inner.value)][0]]
        if name in ("add", "sub", "min", "max", "share", "down_to"):
            return self._arithmetic(name, inner, unit, up, depth)
        return self._asked(node, name, inner, up)

    def _number(self, node: Node, unit: str) -> int:
        most = {RISK: 255, YES: 1}.get(unit, 1_000_000_000)
        if unit in (COUNT, RISK, YES):
            return node.whole(0, most)
        if unit == SIGNAL:
            return node.whole(-most, most)
        raise node.wrong(
            f"found the bare number {node.value}: expected {_SAID.get(unit, 'an arm by its name')}"
        )

    def _is_name(self, text: str, unit: str) -> bool:
        """A word that is a name too ("tip") is one beside what has such names."""
        names = {TRUST: TRUSTS, EVENT: EVENTS}.get(unit, {})
        return text in names or (unit.startswith("arm:") and text in self._world.experiments[unit[4:]])

    def _name(self, node: Node, unit: str) -> int:
        if unit.startswith("arm:"):
            arms = self._world.experiments[unit[4:]]
            return node.choice({arm: at for at, arm in enumerate(arms)})
        if unit in (TRUST, EVENT):
            return node.choice(TRUSTS if unit == TRUST else EVENTS)
        raise node.wrong(f'found "{node.value}": expected {_SAID[unit]} or one of {", ".join(WORDS)}')

    def _word(self, node: Node, up: bool | None) -> list[Any]:
        word = str(node.value)
        if word != "since_start":
            self.personal_at = self.personal_at or node.pointer
        code = _WORD_UNITS[word][0]
        if word in ("tokens", "token_age"):
            text = "balances are the host's last snapshot and what was given here since; without one it is not known"
            self.seen.append(Seen("snapshot", node.pointer, text))
        if word == "tokens" and up is not True:
            text = "tokens given elsewhere may not be known here yet: a low balance may be believed wrongly"
            self.seen.append(Seen("late", node.pointer, text))
        if word == "attended" and up is not True:
            text = "attendance at other bricks may not be known here yet: few visits may be believed wrongly"
            self.seen.append(Seen("late", node.pointer, text))
        return [code]

    def _arithmetic(self, name: str, inner: Node, unit: str, up: bool | None, depth: int) -> Any:
        if depth < 2:
            raise inner.wrong(f"nested more than {expr.MAX_DEPTH} deep: write it flatter")
        if name in ("share", "down_to"):
            value = self.value(inner.get("value"), unit, up, depth - 1)
            if isinstance(value, int):
                raise inner.get("value").wrong("expected something that can change: write the result instead")
            if name == "share":
                return [expr.SHARE, value, inner.get("percent").percent()]
            step = inner.get("step")
            size = (
                self._number(step, unit)
                if isinstance(step.value, int)
                else self.value(step, unit, None, depth)
            )
            if not size:
                raise step.wrong("expected a step of more than nothing")
            return [expr.DOWN_TO, value, size]
        code = {"add": expr.ADD, "sub": expr.SUB, "min": expr.MIN, "max": expr.MAX}[name]
        entries = inner.items(2, 2 if name == "sub" else 8)
        directions = [up] * len(entries)
        if name == "sub":
            directions[1] = None if up is None else not up
        parts = [
            self.value(entry, unit, way, depth - 1) for entry, way in zip(entries, directions, strict=True)
        ]
        if all(isinstance(part, int) for part in parts):
            raise inner.wrong("only numbers: write the result instead")
        found = parts[0]
        for part in parts[1:]:
            found = [code, found, part]
            self._nodes += 1
        self._nodes -= 1
        return found

    def _asked(self, node: Node, name: str, inner: Node, up: bool | None) -> list[Any]:
        if name in ("people", "events"):
            return self._counted(node, name, inner, up)
        if name in ("item", "seen", "arm"):
            self.personal_at = self.personal_at or node.pointer
        if name == "item":
            code = inner.value if isinstance(inner.value, int) else inner.text(32)
            return [expr.ITEM, code]
        if name == "seen":
            span = _sliding(inner.get("within"))
            kind = inner.get("of").choice(EVENTS)
            self._counter(node, (expr.SEEN, 1, span, 0, kind))
            if up is not True:
                text = "what was seen elsewhere may not be known here yet: that it was not may be believed wrongly"
                self.seen.append(Seen("late", node.pointer, text))
            return [expr.SEEN, kind, span]
        if name == "signal":
            index = self._named(inner, self._world.signals, "signals")
            text = "the value comes from the host; without it, or once it is too old, it is not known"
            self.seen.append(Seen("host", node.pointer, text))
            return [expr.SIGNAL, index]
        if name == "arm":
            self.arms.append(node.pointer)
            return [expr.ARM, list(self._world.experiments).index(str(inner.value))]
        index = self._named(inner, self._world.latching, "the rules before this one")
        if index is None:
            raise inner.wrong(f'rule "{inner.value}" does not latch: write "latch": true there')
        if up is not True:
            text = (
                "a latch of another brick may not be known here yet: that it is open may be believed wrongly"
            )
            self.seen.append(Seen("late", node.pointer, text))
        return [expr.LATCHED, index]

    def _counted(self, node: Node, name: str, inner: Node, up: bool | None) -> list[Any]:
        given = [window for window in _WINDOWS if inner.get(window).value is not None]
        if len(given) != 1:
            raise inner.wrong(
                'expected exactly one of "first", "sliding", "tumbling", such as {"first": "PT1H"}'
            )
        length = inner.get(given[0])
        span = _sliding(length) if given[0] == "sliding" else duration(length, most=expr.MAX_SLOT_MS)
        scope = 1 if inner.get("scope").value == "brick" else 0
        if not scope and up is not True:
            if not self._strict:
                self.seen.append(Seen("refused", node.pointer, REFUSED))
                raise node.wrong(REFUSED)
            self.seen.append(
                Seen("host", node.pointer, "a count that must not be exceeded: only the host knows it")
            )
        self.people_at = self.people_at or node.pointer
        what = expr.PEOPLE if name == "people" else expr.EVENTS
        self.counts_people = self.counts_people or name == "people"
        kind = 0
        if name == "events" and inner.get("of").value is not None:
            kind = inner.get("of").choice(EVENTS)
        code = [what, _WINDOWS[given[0]], span, scope]
        self._counter(node, (*code, kind))
        return [*code, kind] if name == "events" else code

    def _counter(self, node: Node, counter: tuple[int, ...]) -> None:
        """docs/formats/ruleset.md: at most 12 different counters in a ruleset."""
        self._world.counters.add((*counter, self._trust))
        if len(self._world.counters) > MAX_COUNTERS:
            raise node.wrong(
                f"more than {MAX_COUNTERS} different counts in a campaign: use the same windows in several rules"
            )


def _sliding(node: Node) -> int:
    """Milliseconds of a window that moves along: eight steps, none shorter than a second."""
    span = duration(node, most=expr.MAX_SLOT_MS)
    if span < MIN_SLIDING_MS:
        raise node.wrong(
            f'found "{node.value}": expected "PT8S" or longer, a window moves in eight steps of a second or more'
        )
    return span
