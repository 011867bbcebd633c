"""What a ledger's replay can say, in a terminal and as one page: bounds, and plainly what cannot be known."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.authoring.replay import Candidate
from fleet.authoring.replay_ledger import UNKNOWN, Bounds, PublicResult
from fleet.authoring.replay_report import Words

_PAGE = Path(__file__).parent / "templates" / "ledger.html"


def lines(result: PublicResult, words: Words) -> list[str]:
    """The report in sentences."""
    out = [
        f"{result.receipts:,} decisions by the old ruleset on {result.events:,} events were published; they gave "
        f"{words.amount(result.recorded)}.",
        f"By the new one: at least {words.amount(result.low)}, at most {words.amount(result.high)}.",
        f"{result.same_rules:,} events were decided by rules that are unchanged; "
        f"{result.certain_same:,} more certainly come out alike.",
        f"Certainly flipped, while there are rights: {result.certain_gained:,} gained, {result.certain_lost:,} lost.",
        f"{result.open:,} cannot be known from the ledger.",
    ]
    if result.other_ruleset:
        out.append(f"{result.other_ruleset:,} decisions by other rulesets are left out.")
    if result.merged_denials:
        out.append(f"{result.merged_denials:,} repeated denials are published as numbers only, and left out.")
    return out


def show(console: Console, result: PublicResult, words: Words, hubs: bool) -> None:
    """The report in a terminal."""
    for line in lines(result, words):
        console.print(Text(line, "bold"))
    for title, rows in tables(result, hubs):
        table = Table(title=title, title_justify="left")
        for number, column in enumerate(("", "events", "money recorded", "after, at least", "at most")):
            table.add_column(column, justify="right" if number else "left")
        for name, row in sorted(rows.items()):
            table.add_row(
                name, f"{row.events:,}", *(words.amount(n) for n in (row.recorded, row.low, row.high))
            )
        console.print(table)
    for one in result.examples:
        what = f"{words.at(one.at_ms)} {one.event} at {one.brick}: {one.before} → {one.after}"
        console.print(
            Text(
                f"  {what}, {words.amount(one.recorded)} → {words.amount(one.low)} to {words.amount(one.high)}"
            )
        )
    console.print(Text(f"• {UNKNOWN}", "dim"))
    console.print(Text(f"Read in {result.seconds:.1f} s."))


def tables(result: PublicResult, hubs: bool) -> list[tuple[str, dict[str, Bounds]]]:
    """Titles and rows."""
    found = [("by kind of event", result.by_event)]
    return [*found, ("by hub", result.by_hub)] if hubs else found


def page(old: Candidate, new: Candidate, result: PublicResult, words: Words) -> str:
    """The report as one self-contained page."""
    template = Environment(autoescape=True).from_string(_PAGE.read_text("utf-8"))
    return template.render(
        old=old,
        new=new,
        result=result,
        words=words,
        lines=lines(result, words),
        tables=tables(result, True),
        unknown=UNKNOWN,
        most=max(
            [
                1,
                *(row.high for row in result.by_hub.values()),
                *(row.recorded for row in result.by_hub.values()),
            ]
        ),
    )
