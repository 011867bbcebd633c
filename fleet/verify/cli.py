"""`stallmark verify`: is this receipt true? Offline, with public keys alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from fleet.verify import check
from fleet.verify.describe import Description, describe
from fleet.verify.folder import FolderError, read_history, stated_size
from fleet.verify.history import History, target_of
from fleet.verify.keys import KeysError, PublicKeys, parse_keys
from fleet.verify.source import SourceError, read_source

app = typer.Typer(add_completion=False, rich_markup_mode=None)

NOTHING_FAILED, FAILED, USAGE = 0, 1, 2
SLOW = 20_000  # entries from which reading a ledger takes long enough for a progress bar
MAX_PROOF = 65_536
TITLES = {
    "signed": "Signed",
    "handle": "Your link",
    "mac": "Made by the brick",
    "ledger": "In the ledger",
    "reversed": "Not reversed",
}
LOOK = {"ok": ("✔ yes", "green"), "failed": ("✘ NO", "bold red"), "unknown": ("? unknown", "yellow")}


@app.command()
def verify(
    receipt: Annotated[
        str, typer.Argument(help="A .cose file, a text file in hex or base64, or a link with #r=.")
    ],
    keys: Annotated[Path, typer.Option(help="The public keys file, keys.json.")],
    proof: Annotated[Path | None, typer.Option(help="The receipt's .tlog-proof file.")] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="A whole ledger: a folder of `stallmark ledger export`.")
    ] = None,
    record_key: Annotated[
        Path | None, typer.Option(help="The published record key, from the receipt's page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for programs.")] = False,
) -> None:
    """Check a receipt with public keys alone, offline.

    Answers four questions apart: is it signed, did the brick make it, is it in the ledger, was it taken back.
    The exit code is 0 where nothing failed, 1 where something did, 2 where the question could not be asked.
    """
    errors = Console(stderr=True)
    try:
        public = parse_keys(_read(keys, "the keys file"))
        source = read_source(receipt)
        proof_bytes = None if proof is None else _read(proof, "the proof file")
        key_bytes = None if record_key is None else _read(record_key, "the record key")
        history = None
        if ledger is not None:
            history = _history(ledger, public, source.cose, proof_bytes, errors)
    except (KeysError, SourceError, FolderError) as error:
        errors.print(Text(f"stallmark verify: {error}"), soft_wrap=True)
        raise typer.Exit(USAGE) from None
    report = check.verify(
        source.cose, public, handle=source.handle, proof=proof_bytes, record_key=key_bytes, history=history
    )
    said = describe(report.fields, report.record) if report.fields and report.record else None
    if as_json:
        print(json.dumps(as_value(report, said, public, history)))
    else:
        show(Console(), report, said, public)
    raise typer.Exit(FAILED if report.failed else NOTHING_FAILED)


def _read(path: Path, what: str) -> bytes:
    try:
        if path.stat().st_size > 256 * MAX_PROOF:
            raise SourceError(f"{what} {path} is too large to be one")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{what} {path} cannot be read: {error.strerror}") from None


def _history(folder: Path, keys: PublicKeys, cose: bytes, proof: bytes | None, console: Console) -> History:
    size = None if proof is None else check.proof_size(proof)
    with reading(stated_size(folder), console) as progress:
        return read_history(folder, keys, target_of(cose), size, progress)


def reading(total: int, console: Console) -> AbstractContextManager[Callable[[int], None]]:
    """A progress bar over `total` entries where that takes a while and is watched; else a silent one."""
    if total < SLOW or not console.is_terminal:
        return nullcontext(lambda done: None)
    return _bar(total, console)


@contextmanager
def _bar(total: int, console: Console) -> Generator[Callable[[int], None]]:
    columns = (TextColumn("reading the ledger"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


def as_value(
    report: check.Report, said: Description | None, keys: PublicKeys, history: History | None
) -> dict[str, Any]:
    """The answer for programs."""
    return {
        "verdict": "failed" if report.failed else "ok",
        "receipt": report.short.hex(),
        "checks": [dataclasses.asdict(one) for one in report.checks],
        "says": dataclasses.asdict(said) if said else None,
        "place": dataclasses.asdict(report.place) if report.place else None,
        "ledger_size": history.size if history and not history.trouble else None,
        "log": keys.origin,
        "development": keys.development,
    }


def show(console: Console, report: check.Report, said: Description | None, keys: PublicKeys) -> None:
    """The answer for people."""
    if keys.development:
        warning = "Development keys: nothing here is worth money or proves anything in earnest."
        console.print(Text(warning, "yellow"))
        console.print()
    if said:
        if report.checks[0].verdict != "ok":
            console.print(Text("What these bytes claim; the host did not sign it so:", "bold red"))
        console.print(Text(said.headline, "bold"))
        if said.why:
            console.print(Text(said.why))
        for note in said.notes:
            console.print(Text(note, "yellow"))
        console.print(_facts(report, said))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for one in report.checks:
        word, style = LOOK[one.verdict]
        table.add_row(Text(TITLES[one.check], "bold"), Text(word, style, no_wrap=True), Text(one.say))
    console.print(table)
    console.print()
    failed = sum(one.verdict == "failed" for one in report.checks)
    if failed:
        say = f"Do not rely on this receipt: {failed} of {len(report.checks)} checks failed."
        console.print(Text(say, "bold red"))
    else:
        console.print(Text("Nothing failed.", "bold green"))


def _facts(report: check.Report, said: Description) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    rows = (
        ("when", f"{instant(said.at_ms)}, {said.basis}; clock {said.clock}"),
        ("how", f"{said.event}, {said.trust}" if said.event else None),
        ("worth", f"at most {said.money}" if said.money else None),
        ("terms", said.terms or "none named"),
        ("brick", f"{said.brick}, record {said.seq}, key epoch {said.epoch}"),
        ("host", f"{said.host}, receipt {said.host_seq}"),
        ("receipt", report.short.hex()),
    )
    for name, value in rows:
        if value:
            table.add_row(Text(name, "dim"), Text(value))
    table.add_row("")
    return table


def instant(ms: int) -> str:
    """An instant in this machine's zone and in UTC."""
    moment = datetime.fromtimestamp(min(ms, 253_402_214_400_000) / 1000, UTC)
    here, there = f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}", f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return there if here == there else f"{here} ({there})"
