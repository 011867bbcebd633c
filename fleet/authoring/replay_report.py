"""A replay's result in words for a terminal and as JSON for programs; the page with plots is replay_page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fleet.authoring.engine import money, reg, word
from fleet.authoring.replay import Plan, Result
from fleet.authoring.tally import Example, Outcome, Row, Side, Tally

KINDS = ("grant", "redeem", "ghost", "deny", "uncertain")
SHOWN = 8  # examples in the terminal
ASSUMED = (
    "Each ruleset lives its own day: what it grants changes its own counts, limits and rights, not the other's.",
    "People are taken to come and buy exactly as recorded: whether another bonus would have brought others is not known.",
)


class Words:
    """Amounts and instants of one report. `currency`: of the new ruleset."""

    def __init__(self, currency: str) -> None:
        self.currency = currency

    def amount(self, minor: int) -> str:
        """Minor units with the currency."""
        found: str = money.text(minor, self.currency)
        return found

    def change(self, minor: int) -> str:
        """A difference, with its sign."""
        return ("+" if minor > 0 else "") + self.amount(minor)

    def at(self, ms: int) -> str:
        """An instant in UTC."""
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if ms else "no clock"

    def given(self, found: Outcome) -> str:
        """What an outcome gave: rule and money, or the reason."""
        if found.rules:
            amount = f", {self.amount(found.minor)}" if found.minor else ""
            return f"{found.kind}: {' and '.join(found.rules)}{amount}"
        return f"{found.kind} ({word(reg.REASON_NAMES, found.reason)})"


def headline(tally: Tally, words: Words) -> list[str]:
    """What a reader must know first, in sentences."""
    if not tally.events:
        return ["No event was replayed: the stream is empty."]
    share = 100 * tally.flipped / tally.events
    out = [
        f"{tally.flipped:,} of {tally.events:,} decisions are flipped ({share:.2g} %).",
        f"Money: {words.amount(tally.old.minor)} before, {words.amount(tally.new.minor)} after "
        f"({words.change(tally.new.minor - tally.old.minor)}); it differs on {tally.money_changed:,} events.",
    ]
    if tally.old.pieces or tally.new.pieces:
        out.append(f"Pieces: {tally.old.pieces:,} before, {tally.new.pieces:,} after.")
    if tally.old.tokens or tally.new.tokens:
        out.append(f"Loyalty tokens: {tally.old.tokens:,} before, {tally.new.tokens:,} after.")
    return out


def assumptions(plan: Plan) -> list[str]:
    """What the replay takes for granted."""
    link = (
        "Bricks of a kit hear of each other at once."
        if plan.exchange
        else "Every brick is alone: none hears of another."
    )
    budget = {
        "shared": "The minted rights are one budget for all kits of the stream, each its part by its events.",
        "each": "Every kit has the whole of the minted rights.",
        "endless": "Rights never run out.",
    }[plan.budget]
    return [*ASSUMED, link, budget, "A host that is asked says yes."]


def show(console: Console, plan: Plan, result: Result, words: Words, hubs: bool) -> None:
    """The whole report in a terminal."""
    tally = result.tally
    for line in headline(tally, words):
        console.print(Text(line, "bold"))
    console.print(Group(*_tables(tally, words, hubs)))
    for line in assumptions(plan):
        console.print(Text(f"• {line}", "dim"))
    console.print(Text(took(result)))


def took(result: Result) -> str:
    """Seconds and events per second."""
    many = "process" if result.workers == 1 else "processes"
    kits = "1 kit" if result.kits == 1 else f"{result.kits:,} kits"
    return (
        f"{result.tally.events:,} events of {kits} through two rulesets in {result.seconds:.1f} s: "
        f"{result.rate:,.0f} events/s with {result.workers} {many}."
    )


def _tables(tally: Tally, words: Words, hubs: bool) -> list[RenderableType]:
    out: list[RenderableType] = [_kinds(tally), _flips(tally), _rules(tally, words)]
    out.append(_rows("by kind of event", "event", tally.by_event, words))
    if hubs:
        out.append(_rows("by hub", "hub", tally.by_hub, words))
        out.append(
            _rows("by kit: the largest changes", "kit", dict(list(tally.by_kit.items())[:SHOWN]), words)
        )
    if tally.worst:
        out.append(_examples(tally.worst[:SHOWN], words))
    return out


def _table(title: str, *columns: str, left: int = 1) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right")
    return table


def _kinds(tally: Tally) -> Table:
    table = _table("decisions", "decision", "before", "after", "change")
    for kind in KINDS:
        old, new = tally.old.kinds[kind], tally.new.kinds[kind]
        if old or new:
            table.add_row(kind, f"{old:,}", f"{new:,}", f"{new - old:+,}")
    return table


def _flips(tally: Tally) -> Table:
    table = _table("flipped", "before", "after", "events", left=2)
    for (old, new), count in sorted(tally.flips.items(), key=lambda one: (-one[1], one[0])):
        table.add_row(old, new if new != old else f"{new}, by another rule", f"{count:,}")
    return table


def _rules(tally: Tally, words: Words) -> Table:
    table = _table("by rule", "rule", "grants before", "after", "money before", "after")
    for rule in sorted({*tally.old.rules, *tally.new.rules}):
        row = [f"{side.rules[rule]:,}" for side in (tally.old, tally.new)]
        row += [words.amount(side.rule_minor[rule]) for side in (tally.old, tally.new)]
        table.add_row(rule, *row)
    return table


def _rows(title: str, what: str, rows: dict[str, Row], words: Words) -> Table:
    table = _table(
        title, what, "events", "flipped", "grants before", "after", "money before", "after", "change"
    )
    for name, row in ranked(rows):
        table.add_row(
            name,
            f"{row.events:,}",
            f"{row.flipped:,}",
            f"{row.old_grants:,}",
            f"{row.new_grants:,}",
            words.amount(row.old_minor),
            words.amount(row.new_minor),
            words.change(row.new_minor - row.old_minor),
        )
    return table


def ranked(rows: dict[str, Row]) -> list[tuple[str, Row]]:
    """Rows by how much their money changed, then by name."""
    return sorted(rows.items(), key=lambda one: (-abs(one[1].new_minor - one[1].old_minor), one[0]))


def _examples(examples: list[Example], words: Words) -> Table:
    table = _table("the worst examples", "when and where", "event", "before", "after", left=4)
    for one in examples:
        basket = "" if one.basket is None else f", basket {words.amount(one.basket)}"
        table.add_row(
            f"{words.at(one.at_ms)}\n{one.hub} {one.kit} {one.brick}",
            f"{one.event}{basket}",
            f"{words.given(one.old)}\n{one.old.sentence}",
            f"{words.given(one.new)}\n{one.new.sentence}",
        )
    return table


# --- for programs


def as_json(plan: Plan, result: Result, currency: str) -> dict[str, Any]:
    """The report as one JSON object; money in minor units of `currency`."""
    tally = result.tally
    return {
        "old": plan.old.name,
        "new": plan.new.name,
        "currency": currency,
        "events": tally.events,
        "flipped": tally.flipped,
        "money_changed": tally.money_changed,
        "before": _side(tally.old),
        "after": _side(tally.new),
        "flips": [
            {"before": old, "after": new, "events": count}
            for (old, new), count in sorted(tally.flips.items())
        ],
        "by_event": {name: _row(row) for name, row in ranked(tally.by_event)},
        "by_hub": {name: _row(row) for name, row in ranked(tally.by_hub)},
        "by_kit": {name: _row(row) for name, row in ranked(tally.by_kit)},
        "over_time": [[at, old, new] for at, (old, new) in sorted(tally.over_time.items())],
        "first_ms": tally.first_ms,
        "last_ms": tally.last_ms,
        "examples": [_example(one) for one in tally.worst],
        "assumptions": assumptions(plan),
        "seconds": round(result.seconds, 3),
        "events_per_second": round(result.rate),
        "processes": result.workers,
        "kits": result.kits,
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "kinds": dict(sorted(side.kinds.items())),
        "reasons": {word(reg.REASON_NAMES, code): n for code, n in sorted(side.reasons.items())},
        "rules": dict(sorted(side.rules.items())),
        "rule_minor": dict(sorted(side.rule_minor.items())),
        "minor": side.minor,
        "pieces": side.pieces,
        "tokens": side.tokens,
    }


def _row(row: Row) -> dict[str, int]:
    return {name: getattr(row, name) for name in Row.__slots__}


def _example(one: Example) -> dict[str, Any]:
    out = {name: getattr(one, name) for name in ("at_ms", "hub", "kit", "brick", "event", "basket")}
    return out | {"before": one.old._asdict(), "after": one.new._asdict()}
