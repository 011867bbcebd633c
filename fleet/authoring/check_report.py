"""What `stallmark rules check` shows: what to mend, what to think over, and each rule with class, reason and cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.authoring.engine import money
from fleet.authoring.reader import Problem
from fleet.authoring.report import NEEDS_HOST, NEEDS_RIGHTS, OWN_VALUE, REFUSED, SAFE, Report, RuleReport
from fleet.authoring.sizes import PAGE

_COLOURS = {SAFE: "green", NEEDS_RIGHTS: "cyan", NEEDS_HOST: "yellow"}


def show(report: Report, console: Console) -> None:
    """The report in the terminal."""
    for problem in report.errors:
        console.print(Text(f"✘ {problem}", "red"))
    for problem in report.notes:
        kind = f"{problem.code}: " if problem.code else ""
        console.print(Text(f"• {problem.pointer or '/'}: {kind}{problem.text}", "yellow"))
    if report.errors:
        for rule in report.rules:
            if rule.offline == REFUSED:
                console.print(Text(f"✘ {rule.id}: {rule.offline} offline, by {_places(rule)}", "red"))
        count = len(report.errors)
        console.print(Text(f"{count} thing{'s' if count != 1 else ''} to mend; nothing was compiled."))
        return
    console.print(_table(report))
    size = f"{len(report.ruleset):,} bytes of at most {_most(report):,}"
    golden = f"{len(report.golden)} golden events come out as expected"
    console.print(
        Text(
            f"{report.id} revision {report.rev}: never more than {worst(report, report.minor, report.pieces)}"
            + (f"; {OWN_VALUE}" if report.own_value else "")
        )
    )
    console.print(Text(f"{size}; {golden}; {len(report.notes)} note{'s' if len(report.notes) != 1 else ''}"))
    if report.authoring_hash is not None:
        console.print(Text(f"authoring hash (SHA-256 of RFC 8785): {report.authoring_hash.hex()}", "dim"))


def worst(report: Report, minor: int, pieces: int) -> str:
    """An amount and pieces in words."""
    parts = [money.text(minor, report.currency)] if minor or not pieces else []
    return " and ".join([*parts, *(["1 piece" if pieces == 1 else f"{pieces} pieces"] if pieces else [])])


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs."""

    def problems(found: list[Problem]) -> list[dict[str, str]]:
        return [
            {name: text for name, text in asdict(one).items() if text or name in ("pointer", "text")}
            for one in found
        ]

    out: dict[str, Any] = {
        "good": not report.errors,
        "schema": report.schema,
        "errors": problems(report.errors),
        "notes": problems(report.notes),
        "id": report.id,
        "rev": report.rev,
        "currency": report.currency,
        "rules": [asdict(rule) for rule in report.rules],
        "rights": [right.as_config() for right in report.rights],
        "liability": {"minor": report.minor, "pieces": report.pieces},
        "golden": len(report.golden),
        "bytes": len(report.ruleset),
    }
    if report.authoring_hash is not None:
        out |= {
            "authoring_hash": report.authoring_hash.hex(),
            "open_values": [asdict(value) for value in report.open_values],
            "experiments": report.arms,
            "groups": report.groups,
            "notices": [asdict(notice) for notice in report.notices],
            "kpi": report.kpi,
        }
    return out


def _most(report: Report) -> int:
    return 16_384 if report.schema.endswith("/1") else 49_152


def _table(report: Report) -> Table:
    table = Table(title=None, show_lines=True, expand=False)
    table.add_column("rule", no_wrap=True)
    table.add_column("offline", no_wrap=True)
    table.add_column("because", overflow="fold")
    table.add_column("never more than")
    table.add_column("record", justify="right", no_wrap=True)
    for rule in report.rules:
        pages = -(-rule.record_bytes // PAGE)
        table.add_row(
            Text(rule.id),
            Text(rule.offline, _COLOURS.get(rule.offline, "red")),
            Text(_why(rule)),
            Text(_cost(rule, report)),
            f"{rule.record_bytes} B\n{pages} page{'s' if pages > 1 else ''}",
        )
    return table


def _places(rule: RuleReport) -> str:
    return ", ".join(cause.pointer for cause in rule.causes if cause.offline == rule.offline)


def _why(rule: RuleReport) -> str:
    mine = [cause for cause in rule.causes if cause.offline == rule.offline]
    return (
        "\n".join(f"{cause.pointer}: {cause.text}" for cause in mine)
        or "nothing in it can run out or be believed wrongly"
    )


def _cost(rule: RuleReport, report: Report) -> str:
    if not rule.minor and not rule.pieces:
        out = OWN_VALUE if rule.own_value else "no money, no stock"
    else:
        out = worst(report, rule.minor, rule.pieces) + (
            f"\n({rule.bound})" if rule.bound and rule.minor else ""
        )
        out += f"\n{OWN_VALUE}" if rule.own_value else ""
    if rule.people:
        out += f"\nthe first {rule.people}"
    return out + (f"\n{rule.tokens} token{'s' if rule.tokens > 1 else ''} each" if rule.tokens else "")
