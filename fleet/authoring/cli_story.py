"""`stallmark rules test`: a campaign on a story, event by event; what was expected and what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from fleet.authoring import stories, story_vectors
from fleet.authoring.candidates import CandidateError, instant, read_candidate
from fleet.authoring.engine import explain, money, reg, word
from fleet.authoring.place import Written
from fleet.authoring.stories import Row, Run, StoryError
from fleet.authoring.unprintable import Console, echo_json

GOOD, WRONG, USAGE = 0, 1, 2
WIDE = 150  # of the table where no terminal says otherwise
_BELOW = ("stale", "have", "need", "near")  # of an expectation: compared, shown only where they differ


def test_rules(
    campaign: Annotated[Path, typer.Argument(metavar="CAMPAIGN", help="A campaign, a ruleset or a bundle.")],
    events: Annotated[
        Path | None,
        typer.Argument(
            metavar="EVENTS", help="A story (docs/rule-library.md); by default CAMPAIGN.story.json."
        ),
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="The market's start, not the story's own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for programs.")] = False,
    vector: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the run as a conformance vector as well.")
    ] = None,
) -> None:
    """Run a campaign on a story and hold every decision against what the story expects.

    The exit code is 0 where everything came out as expected, 1 where something did not, 2 where a file cannot be read."""
    if events is None:
        events = campaign.with_name(campaign.name.removesuffix(".json") + ".story.json")
    try:
        story = stories.load(events)
        start_ms = instant(start or story.start)
        candidate = read_candidate(campaign, start_ms)
        run = stories.run(story, candidate.data, start_ms)
    except (CandidateError, StoryError) as error:
        _stop(str(error))
    if as_json:
        echo_json(_as_json(run))
    else:
        out = Console()
        _show(out if out.is_terminal else Console(width=WIDE), run)
    if vector is not None:
        try:
            vector.write_text(
                json.dumps(story_vectors.vector(run, candidate.data), ensure_ascii=False) + "\n", "utf-8"
            )
        except OSError as error:
            _stop(f"{vector} cannot be written: {error.strerror}")
    raise typer.Exit(WRONG if run.failed else GOOD)


def _show(console: Console, run: Run) -> None:
    console.print(Text(run.story.title, "bold"))
    console.print(Text(run.story.story))
    table = Table(show_lines=True)
    for column in ("event", "decision", "why", "expected", ""):
        table.add_column(column, overflow="fold")
    for row in run.rows:
        table.add_row(*_cells(run, row))
    console.print(table)
    for row in run.failed:
        for what in row.wrong:
            console.print(
                Text(f"✘ {_when(row.at_ms)} {row.person or 'nobody known'} at {row.brick}: {what}", "red")
            )
    passed = len(run.rows) - len(run.failed)
    console.print(
        Text(f"{passed} of {len(run.rows)} events came out as expected.", "red" if run.failed else "green")
    )


def _cells(run: Run, row: Row) -> list[Text]:
    e = row.event
    what = [f"{_when(row.at_ms)}  {row.brick}  {row.person or 'nobody known'}", word(reg.EVENT_NAMES, e.type)]
    if e.basket_minor is not None:
        what.append(f"basket {money.text(e.basket_minor, run.ruleset.currency)}")
    if e.tip_minor is not None:
        what.append(f"tip {money.text(e.tip_minor, run.ruleset.currency)}")
    found = [stories.found(run.ruleset, one.fields) for one in row.records]
    expected = [one.model_dump(exclude_none=True, exclude={"sentence", *_BELOW}) for one in row.expected]
    good = not row.wrong
    return [
        Text("\n".join(what)),
        Text("\n".join(_decision(one) for one in found)),
        Text("\n".join(_why(run, one, said) for one, said in zip(row.records, row.sentences, strict=True))),
        Text("\n".join(_decision(one) for one in expected)),
        Text("✔ pass" if good else "✘ fail", "green" if good else "red"),
    ]


def _why(run: Run, written: Written, said: str) -> str:
    """What the customer is told; below it the reason, where the author's own words do not say it."""
    if written.fields[10] not in (reg.KIND_DENY, reg.KIND_UNCERTAIN):
        return said
    reason: str = explain.reason(written.fields, run.ruleset)
    return said if reason in said else f"{said}\n({reason})"


def _decision(one: dict[str, Any]) -> str:
    gives = ", ".join(_given(given) for given in one.get("gives") or ())
    head = f"{one['outcome']} · {one['because']}" if one["because"] != "granted" else one["outcome"]
    arm = f" [{one['arm']}]" if one.get("arm") else ""
    return f"{head} · {one['rule']}{arm}{': ' if gives else ''}{gives}" if one.get("rule") else f"{head}{arm}"


def _given(one: dict[str, Any]) -> str:
    parts = [one["what"]]
    if "money" in one:
        parts.append(one["money"])
    elif one.get("size", 1) != 1:
        parts.append(f"× {one['size']}")
    return " ".join(parts)


def _when(ms: int) -> str:
    days, rest = divmod(ms // 1000, 86_400)
    clock = f"+{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"day {days + 1} {clock}" if days else clock


def _as_json(run: Run) -> dict[str, Any]:
    return {
        "story": run.story.id,
        "events": len(run.rows),
        "failed": len(run.failed),
        "rows": [
            {
                "at_ms": row.at_ms,
                "brick": row.brick,
                "person": row.person,
                "found": [stories.found(run.ruleset, one.fields) for one in row.records],
                "sentences": row.sentences,
                "expected": [one.model_dump(exclude_none=True) for one in row.expected],
                "wrong": row.wrong,
            }
            for row in run.rows
        ],
    }


def _stop(text: str) -> NoReturn:
    Console(stderr=True).print(Text(text), soft_wrap=True)
    raise typer.Exit(USAGE)
