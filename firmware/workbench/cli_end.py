"""`stallmark brick erase` and `revoke`: a brick's end, at its controller first; and how every command says what went wrong."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from workbench import esptool, flash, job, ports, register
from workbench.batch import DONE, ERASED, Book
from workbench.errors import BenchError, ToolMissing

PortOption = Annotated[
    str | None,
    typer.Option("--port", help="The board's serial port; without it, the only board that is plugged in."),
]
BenchOption = Annotated[Path, typer.Option("--bench", help="The bench's folder: log, queue, labels.")]
ResetOption = Annotated[
    str,
    typer.Option("--reset", help="default: through the port's lines; manual: you hold BOOT and press RESET."),
]


def add(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(erase)
    app.command()(revoke)


def erase(
    port: PortOption = None,
    job_file: Annotated[
        Path | None, typer.Option("--job", help="The bench's file: the brick is revoked at its controller.")
    ] = None,
    brick: Annotated[
        str | None, typer.Option("--brick", help="Its id in hex, where neither log nor controller knows it.")
    ] = None,
    folder: BenchOption = Path("bench"),
    reset: ResetOption = "default",
    unrevoked: Annotated[
        bool,
        typer.Option(
            "--unrevoked", help="Erase keys that no controller ends: of a kit for tests, or ended already."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a board's whole flash, keys and records included, and revoke its identity first."""
    console = Console()
    with plain():
        task = None if job_file is None else job.load(job_file)
        manual = reset == "manual"
        tool = esptool.Esptool(
            ports.choose(port),
            before="no-reset" if manual else "default-reset",
            after="no-reset" if manual else "hard-reset",
        )
        found = tool.identify()
        book = Book(folder).open()
        known = [] if unrevoked else identities(book, task, found.mac, brick)
        size = flash.table_size(found)
        with tempfile.TemporaryDirectory(prefix="stallmark-bench-") as name:
            keys = size is not None and flash.has_keys(tool, Path(name), size)
        if keys and not known and not unrevoked:
            raise BenchError(
                "this board is a brick with keys, and neither this bench's log nor a controller says which: name the "
                "controller with --job, or the brick with --brick (`stallmark brick info`); nothing was erased"
            )
        if known and task is None:
            raise BenchError(
                f"say with --job which controller is to revoke brick {known[0]}; nothing was erased"
            )
        words = f"brick {', '.join(known)}" if known else "with keys, not revoked" if keys else "without keys"
        if not yes and not typer.confirm(
            f"{found.chip} {found.mac} ({words}): records that no host has fetched are lost. Erase it?",
            default=False,
        ):
            raise typer.Exit(1)
        for identity in known:
            assert task is not None
            # Confirmed, or on disk, before the keys are gone; a refusal ends this command.
            told = flash.revoke(task, book, identity, "erased")
            console.print(
                f"brick {identity} "
                + (
                    "is revoked at the controller"
                    if told
                    else "will be revoked: the controller is away, it is queued"
                ),
                highlight=False,
            )
        tool.erase(lambda *_: None)
        book.note(outcome=ERASED, board=found.mac, brick=known[0] if known else None)
        console.print("erased")


def revoke(
    brick: Annotated[str, typer.Argument(help="Its id in hex.")],
    job_file: Annotated[Path, typer.Option("--job", help="The bench's file of its kit.")],
    folder: BenchOption = Path("bench"),
    reason: Annotated[str, typer.Option("--reason", help="Shown beside it.")] = "lost",
) -> None:
    """End the identity of a brick that is not at hand: lost, stolen, or broken."""
    with plain():
        told = flash.revoke(job.load(job_file), Book(folder).open(), brick, reason)
        typer.echo(
            "revoked at the controller" if told else "the controller is away: queued, `stallmark brick sync`"
        )


def identities(book: Book, task: job.Job | None, board: str, brick: str | None) -> list[str]:
    """The living bricks that a board is: the one that was named, or what log and controller know. Raises Away, Refused
    where the controller was to be asked, the log knows nothing and there is no answer."""
    if brick is not None:
        return [brick.lower()]
    line = book.unfinished(board) or book.board(board) or {}
    mine = {line["brick"]} if line.get("brick") and line["outcome"] != ERASED else set[str]()
    if line.get("outcome") not in (None, DONE, ERASED) and task is not None:
        mine.clear()  # never finished: only the controller says whether it was registered
    if task is None:
        return sorted(mine)
    try:
        found = register.of_board(task, board)
    except BenchError:
        if not mine:
            raise
        return sorted(mine)
    ended = {str(one["brick"]) for one in found if one.get("revoked_ms")}
    return sorted((mine | {str(one["brick"]) for one in found}) - ended)


def warn(console: Console, task: job.Job) -> None:
    """Says once where secrets go unprotected."""
    words = register.unprotected(task)
    if words:
        console.print(words, highlight=False)


@contextmanager
def plain() -> Generator[None]:
    """Errors of the bench and of the disk in one sentence, exit code 1; a missing program or package 2."""
    try:
        yield
    except BenchError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, ToolMissing) else 1) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"{where}{error.strerror or error}; put that right and repeat", err=True)
        raise typer.Exit(1) from error
