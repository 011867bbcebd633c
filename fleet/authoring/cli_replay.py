"""`stallmark rules replay` and `events`: rules on recorded streams, and streams made up for it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from fleet.authoring import recorded, replay, synthetic
from fleet.authoring.candidates import CandidateError, instant, read_candidate
from fleet.authoring.cli_story import WIDE, test_rules
from fleet.authoring.recorded import StreamError
from fleet.authoring.unprintable import Console, echo_json, shown

SAME, DIFFERS, USAGE = 0, 1, 2

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object for programs.")]
Rules = "A campaign in JSON, a compiled ruleset, or a bundle."


def add(app: typer.Typer) -> None:
    """Puts these commands beside check, explain and compile."""
    app.command("test")(test_rules)
    app.command("replay")(replay_rules)
    app.command("events")(make_events)


def replay_rules(
    old: Annotated[Path, typer.Argument(metavar="OLD", help=Rules)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help=Rules)],
    events: Annotated[
        Path | None,
        typer.Option("--events", metavar="FILE", help="A recorded stream (docs/rule-library.md)."),
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", metavar="DIR", help="A ledger folder: public parts only.")
    ] = None,
    as_json: JsonOption = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as one page.")
    ] = None,
    hubs: Annotated[bool, typer.Option("--hubs", help="Tables by hub and by kit.")] = False,
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When the market began; by default what the stream says."),
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="Bricks do not hear of each other.")] = False,
    budget: Annotated[
        str, typer.Option(help="shared: minted rights are one budget; each: every kit has them; endless.")
    ] = "shared",
    processes: Annotated[int, typer.Option(min=0, max=256, help="0: one for each core.")] = 0,
) -> None:
    """Decide the same recorded events by two rulesets, and say what comes out differently and what it costs.

    The exit code is 0 where every decision is the same, 1 where some are flipped or money differs, 2 where a
    file cannot be read."""
    console = Console(stderr=True)
    if budget not in (replay.SHARED, replay.EACH, replay.ENDLESS):
        _stop(f"--budget {budget}: expected shared, each or endless")
    if (events is None) == (ledger is None):
        _stop("name one thing to replay: a recorded stream with --events, or a ledger folder with --ledger")
    if events is None:
        _ledger(console, old, new, ledger or Path(), start, as_json, html, hubs)
    try:
        with _bar(console, "reading the stream", 0) as show:
            found = recorded.index(events, show)
        start_ms = instant(start) if start else found.start_ms
        plan = replay.Plan(
            read_candidate(old, start_ms), read_candidate(new, start_ms), found, not alone, budget, processes
        )
        with _bar(console, "replaying", found.count) as show:
            result = replay.run(plan, lambda done: show(done, found.count))
    except (CandidateError, StreamError) as error:
        _stop(str(error))
    _report(plan, result, as_json, html, hubs)
    raise typer.Exit(DIFFERS if result.tally.flipped or result.tally.money_changed else SAME)


def _ledger(
    console: Console,
    old: Path,
    new: Path,
    folder: Path,
    start: str | None,
    as_json: bool,
    html: Path | None,
    hubs: bool,
) -> NoReturn:
    from fleet.authoring import ledger_report, replay_ledger, replay_report

    try:
        start_ms = instant(start) if start else None
        before, after = read_candidate(old, start_ms), read_candidate(new, start_ms)
        with _bar(console, "reading the ledger", 0) as show:
            result = replay_ledger.run(folder, before, after, show)
    except (CandidateError, StreamError) as error:
        _stop(str(error))
    words = replay_report.Words(replay.currency_of(after))
    if as_json:
        echo_json(result.as_json())
    else:
        out = Console()
        ledger_report.show(out if out.is_terminal else Console(width=WIDE), result, words, hubs)
    if html is not None:
        _write(html, ledger_report.page(before, after, result, words))
    raise typer.Exit(DIFFERS if result.differs else SAME)


def _report(plan: replay.Plan, result: replay.Result, as_json: bool, html: Path | None, hubs: bool) -> None:
    from fleet.authoring import replay_report

    words = replay_report.Words(replay.currency_of(plan.new))
    if as_json:
        echo_json(replay_report.as_json(plan, result, words.currency))
    else:
        out = Console()
        replay_report.show(out if out.is_terminal else Console(width=WIDE), plan, result, words, hubs)
    if html is not None:
        from fleet.authoring import replay_page  # matplotlib takes a second to load

        _write(html, replay_page.page(plan, result, words))
        if not as_json:
            Console().print(Text(f"The page is in {html}."))


def make_events(
    count: Annotated[int, typer.Option(min=1, max=100_000_000, help="How many events.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    seed: Annotated[int, typer.Option(help="The same seed, the same stream.")] = 1,
    start: Annotated[
        str, typer.Option(metavar="TIME", help="When the market begins.")
    ] = "2026-10-03T09:00:00+02:00",
    compact: Annotated[
        bool | None,
        typer.Option("--compact/--lines", help="CBOR, or JSON Lines; by default by the file's name."),
    ] = None,
) -> None:
    """Write a made-up recorded stream: hubs, kits, bricks and a crowd over two market days."""
    try:
        start_ms = instant(start)
    except CandidateError as error:
        _stop(str(error))
    if compact is None:
        compact = out.suffix == ".cbor"
    with _bar(Console(stderr=True), "writing", count) as show:
        places = synthetic.sources(count)
        made = synthetic.events(count, seed, start_ms, lambda done: show(done, count))
        try:
            written = recorded.write(out, start_ms, places, made, compact)
        except OSError as error:
            _stop(f"{out} cannot be written: {error.strerror}")
    kits = len({place.kit for place in places})
    form = "CBOR" if compact else "JSON Lines"
    many = f"{kits:,} {'kit' if kits == 1 else 'kits'}"
    typer.echo(shown(f"{out}: {written:,} events of {many}, {form}, {out.stat().st_size:,} bytes, seed {seed}."))


@contextmanager
def _bar(console: Console, words: str, total: int) -> Generator[Callable[[int, int], Any]]:
    """A bar where somebody watches; in a file of a log only what came out counts."""
    columns = (
        TextColumn(words),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total or None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        _stop(f"{path} cannot be written: {error.strerror}")


def _stop(text: str) -> NoReturn:
    Console(stderr=True).print(Text(text), soft_wrap=True)
    raise typer.Exit(USAGE)
