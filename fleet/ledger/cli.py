"""`stallmark ledger`: take a whole ledger away, and check one in full. Needs no database and no server."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from fleet.errors import ConfigError, LedgerError, NoteError
from fleet.ledger import checkpoint as checkpoints
from fleet.ledger import export as exporting
from fleet.ledger import fsck as checking
from fleet.ledger import note
from fleet.ledger.tiles import all_tiles
from fleet.verify.keys import KeysError, PublicKeys, parse_keys

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

CLEAN, WRONG, USAGE = 0, 1, 2
SLOW_LEAVES = 5_000  # from here on a check takes over a second
SLOW_FILES = 2_000

KeysOption = Annotated[
    Path | None, typer.Option(help="The public keys file; by default the one beside the ledger.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object for programs.")]


@app.callback()
def ledger() -> None:
    """A whole ledger, away from its controller: export it, check it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a ledger lies, and the public keys file that goes with it."""

    ledger: Path
    keys: bytes


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="A ledger folder, a controller's folder, or a kit's.")],
    target: Annotated[
        Path, typer.Argument(help="The folder to write; an earlier export is brought up to date.")
    ],
    keys: KeysOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a ledger, with its public keys, into a folder that anybody can check offline."""
    errors = Console(stderr=True)
    found = find(source, keys)
    public = _public(found.keys)
    _signed_by(found.ledger, public)
    files = 0

    try:
        with _bar("copying tiles", _files_in(found.ledger), SLOW_FILES, errors) as show:

            def progress(done: int) -> None:
                nonlocal files
                files = done
                show(done)

            checkpoint = exporting.export(found.ledger, target, found.keys, progress)
    except LedgerError as error:
        _stop(str(error), WRONG)
    except OSError as error:
        _stop(f"{target} cannot be written: {error.strerror}", WRONG)
    if as_json:
        value = {"origin": checkpoint.origin, "size": checkpoint.size, "files": files, "folder": str(target)}
        print(json.dumps(value))
        return
    print(f"{checkpoint.size} entries of {checkpoint.origin} are in {target}, {files} files of them new.")
    print(f"Check them with: stallmark ledger fsck {target}")


@app.command()
def fsck(
    folder: Annotated[Path, typer.Argument(help="A ledger folder, as exported or as a controller keeps it.")],
    keys: KeysOption = None,
    signatures: Annotated[
        bool, typer.Option("--signatures/--no-signatures", help="Verify every receipt's too: slower.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Check a ledger in full: its signature, every hash, every entry, every receipt.

    The exit code is 0 where nothing is wrong, 1 where something is, 2 where there is nothing to check.
    """
    errors = Console(stderr=True)
    found = find(folder, keys)
    public = _public(found.keys)
    size = _stated_size(found.ledger)
    with _bar("reading the ledger", size, SLOW_LEAVES, errors) as show:
        report = checking.check(
            found.ledger, public.log, signatures=signatures, progress=lambda done, _: show(done)
        )
    if as_json:
        print(json.dumps(_value(report, public)))
    else:
        console = Console(highlight=False)
        for line in report.lines():
            console.print(Text(line), soft_wrap=True)
    raise typer.Exit(CLEAN if report.clean else WRONG)


def find(given: Path, keys: Path | None) -> Source:
    """The ledger and its public keys for what a person named. Ends the program where there are none.

    Looks for a ledger folder, then for a controller's config.json, then for a kit with a controller in it. A
    controller's own keys.json is secret: it has another form and is never taken for the public one.
    """
    ledger, config = _ledger_in(given)
    if keys is not None:
        try:
            return Source(ledger, keys.read_bytes())
        except OSError as error:
            _stop(f"the keys file {keys} cannot be read: {error.strerror}", USAGE)
    for folder in (ledger, ledger.parent / "public", ledger.parent.parent / "public"):
        try:
            data = (folder / "keys.json").read_bytes()
            parse_keys(data)
        except (OSError, KeysError):
            continue
        return Source(ledger, data)
    made = _keys_of(config) if config else None
    if made is None:
        _stop(f"no public keys file was found beside {ledger}: name it with --keys", USAGE)
    return Source(ledger, made)


def _ledger_in(given: Path) -> tuple[Path, Path | None]:
    """The ledger folder, and the controller's config.json where that led to it."""
    if (given / exporting.CHECKPOINT).is_file():
        return given, None
    for config in (given / "config.json", given / "controller" / "config.json"):
        try:
            named: Any = json.loads(config.read_bytes())
            ledger = config.parent / named["ledger"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if (ledger / exporting.CHECKPOINT).is_file():
            return ledger, config
    _stop(f"{given} is no ledger folder, and no controller's or kit's folder with a ledger in it", USAGE)


def _keys_of(config: Path) -> bytes | None:
    """The public keys file as the controller would serve it; None where its packages are not installed."""
    try:
        from fleet.config import load
        from fleet.publickeys import public_file
    except ModuleNotFoundError:
        return None
    try:
        read = load(config)
    except ConfigError as error:
        _stop(str(error), USAGE)
    log = note.Signer(read.origin, read.secrets.checkpoint_seed).verifier
    return json.dumps(public_file(read, log), indent=1).encode()


def _public(data: bytes) -> PublicKeys:
    try:
        return parse_keys(data)
    except KeysError as error:
        _stop(str(error), USAGE)


def _signed_by(ledger: Path, public: PublicKeys) -> None:
    """An export whose keys do not fit would help nobody."""
    try:
        checkpoints.open_checkpoint((ledger / exporting.CHECKPOINT).read_bytes(), [public.log], public.origin)
    except (OSError, NoteError) as error:
        _stop(f"the public keys file is not of this ledger: {error}", USAGE)


def _stated_size(ledger: Path) -> int:
    """What the checkpoint claims, unverified; 0 where it cannot be read."""
    try:
        return checkpoints.parse(note.split((ledger / exporting.CHECKPOINT).read_bytes())[0]).size
    except (OSError, NoteError):
        return 0


def _files_in(ledger: Path) -> int:
    return sum(1 for _ in all_tiles(_stated_size(ledger)))


def _value(report: checking.Report, public: PublicKeys) -> dict[str, Any]:
    checkpoint = report.checkpoint
    return {
        "clean": report.clean,
        "origin": checkpoint.origin if checkpoint else None,
        "size": checkpoint.size if checkpoint else None,
        "signature": report.signature,
        "leaves": report.leaves,
        "tiles": report.tiles,
        "types": dict(report.types),
        "signatures": report.signatures,
        "macs": report.macs,
        "problems": report.problems,
        "more_problems": report.more_problems,
        "development": public.development,
    }


@contextmanager
def _bar(words: str, total: int, slow: int, console: Console) -> Generator[Callable[[int], None]]:
    """A progress bar for what takes over a second where somebody watches; else nothing."""
    if total < slow or not console.is_terminal:
        yield lambda done: None
        return
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


def _stop(why: str, code: int) -> NoReturn:
    Console(stderr=True).print(Text(f"stallmark ledger: {why}"), soft_wrap=True)
    raise typer.Exit(code)
