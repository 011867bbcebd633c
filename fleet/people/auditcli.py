"""`stallmark fleet audit …`: the log of everything that people changed. Beside the controller, which may be running."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from fleet.errors import FleetError
from fleet.people.cli import ConfigPath, Json, load, stop

app = typer.Typer(no_args_is_help=True, help="The log of everything that people changed.")


@app.command()
def head(config: ConfigPath) -> None:
    """Print the newest head that the controller noted, signed, and the key of its signature: keep both somewhere else."""
    from fleet.people import heads

    read = load(config)
    path = heads.path_of(read)
    if not path.exists():
        raise stop("no head was noted yet: the running controller notes one within ten seconds")
    typer.echo(path.read_text(), nl=False)
    typer.echo(f"vkey {heads.signer(read).verifier.vkey}", err=True)


@app.command()
def export(
    config: ConfigPath,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write, mode 0600.")],
) -> None:
    """Write the whole log to a file, and print its head: keep that somewhere else."""
    from fleet.people import audit, commands

    try:
        with commands.beside(load(config)) as connection:
            handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                file.writelines(audit.export(connection))
            number, digest = audit.head(connection)
    except FleetError as error:
        raise stop(str(error)) from None
    except OSError as error:
        raise stop(f"{out} cannot be written: {error.strerror}") from None
    typer.echo(f"{number} lines in {out}")
    typer.echo(f"head {number}:{digest}")


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="An export; or --config for the log itself.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="The controller's config.json.")] = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="N:HASH", help="A head that was kept elsewhere.")
    ] = None,
    note: Annotated[
        Path | None, typer.Option("--note", help="A signed head that was kept elsewhere, with --vkey.")
    ] = None,
    vkey: Annotated[
        str | None, typer.Option("--vkey", help="The key of its signature; `audit head` prints it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that no line was changed, removed, inserted or moved. Exit code 1 where one was.

    With --config it is also held against the head that the controller noted beside the ledger. Without any head a cut end, and
    a log that was written anew as a whole, cannot be told."""
    from fleet.people import audit, commands, heads

    if (file is None) == (config is None) or (note is None) != (vkey is None):
        raise stop("name either a file or --config; --note comes with --vkey")
    marks = [one for one in (_head(head), _note(note, vkey)) if one is not None]
    try:
        read = None if config is None else load(config)
        own = None if read is None else heads.noted(read)
        marks += [] if own is None else [(own.number, own.hash)]
        count, last, faults = 0, "", list[str]()
        for mark in marks or [None]:
            if file is not None:
                with file.open(errors="replace") as lines:
                    count, last, found = audit.verify(lines, mark)
            else:
                assert read is not None
                with commands.beside(read) as connection:
                    count, last, found = audit.verify(audit.export(connection), mark)
            faults += [one for one in found if one not in faults]
        gone = 0 if read is None else heads.lost(read)
        if read is not None and gone:
            faults.append(
                f"{gone} heads that were noted are not in this log: {heads.lost_of(read)} has them. A database "
                "of an earlier day, or somebody's work; move the file away when it is explained"
            )
    except FleetError as error:
        raise stop(str(error)) from None
    except OSError as error:
        raise stop(f"{file} cannot be read: {error.strerror}") from None
    if as_json:
        typer.echo(json.dumps({"lines": count, "head": last, "faults": faults}, indent=1))
    else:
        for fault in faults:
            typer.echo(fault, err=True)
        typer.echo(f"{count} lines, head {count}:{last}" + ("" if faults else "; nothing was changed"))
    if faults:
        raise typer.Exit(1)


def _head(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise stop("a head is N:HASH, as `audit export` printed it")
    return int(number), digest.lower()


def _note(path: Path | None, vkey: str | None) -> tuple[int, str] | None:
    """A signed head that was kept. Raises typer.Exit."""
    from fleet.ledger.note import parse_vkey
    from fleet.people import heads

    if path is None or vkey is None:
        return None
    try:
        found = heads.opened(path.read_bytes(), parse_vkey(vkey))
    except (OSError, FleetError) as failed:
        raise stop(f"{path} is no head that was signed by this key: {failed}") from None
    return found.number, found.hash
