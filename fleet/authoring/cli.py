"""`stallmark rules`: check, explain and compile campaigns; their schema."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.text import Text

from fleet.authoring import check_report, cli_replay, cli_risk, compile2, prose, published, words
from fleet.authoring.compile import check_campaign
from fleet.authoring.engine import FormatError, bundle
from fleet.authoring.intake import MAX_FILE, read_json
from fleet.authoring.report import Report
from fleet.authoring.signing import make_bundle
from fleet.authoring.unprintable import Console, echo_json

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

GOOD, WRONG, USAGE = 0, 1, 2
WIDE = 120

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A campaign in JSON (docs/campaign.md).")]
StartOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help='When the market begins: "2026-10-03T09:00:00+02:00"; by default now.'),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object for programs.")]


@app.callback()
def rules() -> None:
    """Campaigns: what they say, what they can cost, and what bricks decide by."""


@app.command()
def check(file: FileArgument, start: StartOption = None, as_json: JsonOption = False) -> None:
    """Say what is wrong with a campaign, and of each rule its class offline and the most that it can cost.

    The exit code is 0 where nothing is wrong, 1 where something is, 2 where the file cannot be read."""
    report = _report(file, start)
    if as_json:
        _print_json(check_report.as_json(report))
    else:
        check_report.show(report, _console())
    raise typer.Exit(WRONG if report.errors else GOOD)


@app.command()
def explain(file: FileArgument, start: StartOption = None, as_json: JsonOption = False) -> None:
    """Say in plain words what a campaign does, read back from the compiled rules.

    The exit code is 0, or 1 where something is wrong with the campaign, or 2 where the file cannot be
    read."""
    report = _report(file, start)
    _stop_if_wrong(report, as_json)
    written = prose if report.schema == compile2.SCHEMA else words
    paragraphs = written.ruleset(report.ruleset, report)
    if as_json:
        _print_json({**check_report.as_json(report), "words": paragraphs})
        return
    console = _console()
    for number, paragraph in enumerate(paragraphs):
        console.print(Text(paragraph if not number else f"\n{paragraph}"))


@app.command()
def schema() -> None:
    """Print the JSON Schema (2020-12) of campaigns."""
    typer.echo(published.text(), nl=False)


@app.command("compile")
def compile_file(
    file: FileArgument,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    start: StartOption = None,
    rev: Annotated[
        int | None, typer.Option(min=0, max=0xFFFF_FFFF, help="The revision, in place of the campaign's own.")
    ] = None,
    sign: Annotated[
        list[Path] | None,
        typer.Option(metavar="KEYFILE", help="An author's key file: a signed bundle is written."),
    ] = None,
    fallback: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="BUNDLE", help="With --sign: a bundle that bricks may go back to, without authors."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the compiled ruleset, or with --sign the bundle that bricks install.

    The exit code is 0, or 1 where something is wrong with the campaign or a key, or 2 where a file cannot be
    read or written."""
    report = _report(file, start, rev)
    _stop_if_wrong(report, as_json)
    data = report.ruleset
    if sign:
        seeds = [_seed(path) for path in sign]
        try:
            data = make_bundle(
                report.ruleset,
                report.rev,
                seeds,
                report.id,
                fallback=[_artefact(path) for path in fallback or []],
                golden=report.golden,
                terms16=report.terms16,
                authoring_hash=report.authoring_hash,
            )
        except FormatError as error:
            _fail(str(error), WRONG)
    try:
        out.write_bytes(data)
    except OSError as error:
        _fail(f"{out} cannot be written: {error.strerror}", USAGE)
    if as_json:
        _print_json(
            {
                **check_report.as_json(report),
                "out": str(out),
                "bytes": len(data),
                "signatures": len(sign or ()),
            }
        )
        return
    what = f"a bundle with {len(sign)} signatures" if sign else "the unsigned ruleset"
    Console().print(Text(f"{out}: {what}, {len(data)} bytes, {report.id} revision {report.rev}"))


def _report(file: Path, start: str | None, rev: int | None = None) -> Report:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_FILE + 1)  # of a larger file no more than says that it is
    except OSError as error:
        _fail(f"{file} cannot be read: {error.strerror}", USAGE)
    if len(data) > MAX_FILE:
        _fail(f"{file} has more than {MAX_FILE} bytes: no campaign is that large", USAGE)
    try:
        campaign = read_json(data)
    except ValueError as error:
        _fail(f"{file} is not JSON: {error}", USAGE)
    return check_campaign(campaign, _start_ms(start), rev)


def _start_ms(start: str | None) -> int:
    if start is None:
        return time.time_ns() // 60_000_000_000 * 60_000  # this minute
    try:
        found = datetime.fromisoformat(start)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        _fail(f'{start!r} is not a time with its offset from UTC, such as "2026-10-03T09:00:00+02:00"', USAGE)
    return int(found.timestamp()) * 1000


def _seed(path: Path) -> bytes:
    try:
        found: Any = json.loads(path.read_text())
        seed = bytes.fromhex(found["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        _fail(f"{path} is no author's key file: expected JSON with a seed of 64 hex digits", USAGE)
    if len(seed) != 32:
        _fail(f"{path}: a seed of {len(seed)} bytes, expected 32", USAGE)
    return seed


def _artefact(path: Path) -> bytes:
    """The digest of what a bundle carries."""
    try:
        digest: bytes = bundle.parse(bundle.split(path.read_bytes())[0]).fields[2]
    except (OSError, FormatError) as error:
        _fail(f"{path} is no bundle that bricks could go back to: {error}", USAGE)
    return digest


def _console() -> Console:
    """The terminal, or where there is none a width at which tables stay readable."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDE)


def _fail(text: str, code: int) -> NoReturn:
    Console(stderr=True).print(Text(text))
    raise typer.Exit(code)


def _stop_if_wrong(report: Report, as_json: bool) -> None:
    if not report.errors:
        return
    if as_json:
        _print_json(check_report.as_json(report))
    else:
        check_report.show(report, _console())
    raise typer.Exit(WRONG)


def _print_json(found: dict[str, Any]) -> None:
    echo_json(found)


cli_risk.add(app)
cli_replay.add(app)  # after the commands above: the order of --help
