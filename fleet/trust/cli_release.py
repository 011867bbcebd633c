"""`stallmark fleet release`: the signed list of bundles that may be passed on; and a copy of it on a stick."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fleet.errors import FleetError
from fleet.trust import ceremony, files, metadata, stick
from fleet.trust.acts import opened, pass_on
from fleet.trust.cli import ConfigPath, Files, PassphraseFile, echo, publish, sign, stop
from fleet.trust.cli_application import application, host
from fleet.trust.repository import MAX_BUNDLE

app = typer.Typer(no_args_is_help=True, help="Bundles that may be passed on: a list that the authors sign.")
app.command("sign")(sign)
app.command("publish")(publish)
app.command("application")(application)
app.command("host")(host)

Days = Annotated[int, typer.Option("--days", help="How long the list is good.", min=1, max=3650)]
Why = Annotated[str, typer.Option("--why", help="The reason, shown to everybody who signs.")]


@app.command()
def add(
    bundles: Annotated[
        list[Path], typer.Argument(metavar="BUNDLE …", help="Bundles that the authors signed.")
    ],
    config: ConfigPath,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="A release that goes: the start of its digest.")
    ] = None,
    days: Days = ceremony.RELEASE_DAYS,
    why: Why = "",
    key: Files = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Put bundles on the list. It waits as a draft until enough authors have signed it."""
    _change(config, bundles, remove or [], days, why, key, passphrase_file)


@app.command()
def remove(
    digests: Annotated[
        list[str], typer.Argument(metavar="DIGEST …", help="At least its first 8 characters.")
    ],
    config: ConfigPath,
    days: Days = ceremony.RELEASE_DAYS,
    why: Why = "",
    key: Files = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Take releases off the list: hosts pass them on no more, once they have the new list."""
    _change(config, [], digests, days, why, key, passphrase_file)


@app.command()
def renew(
    config: ConfigPath,
    days: Days = ceremony.RELEASE_DAYS,
    why: Why = "a new term",
    key: Files = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """The same list for a new term, or signed anew after an author's key ended."""
    _change(config, [], [], days, why, key, passphrase_file)


@app.command("list")
def show(
    config: ConfigPath,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What is on the list, the highest rev first."""
    try:
        _, repository, _ = opened(config)
        found = ceremony.facts_of(repository.listed())
    except (FleetError, OSError) as error:
        raise stop(error) from None
    if as_json:
        typer.echo(json.dumps({"releases": found}, indent=1))
        return
    for one in found:
        typer.echo(
            f"{str(one['sha256'])[:16]}  rev {one.get('rev')}  {one['length']} bytes  {one.get('name')}"
        )
    if not found:
        typer.echo("The list is empty: `stallmark fleet release add BUNDLE` puts one on it.")


@app.command("export")
def to_stick(
    config: ConfigPath,
    to: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="The stick; what is there already stays.")
    ],
    days: Annotated[
        int, typer.Option("--days", help="How long the copy is good.", min=1, max=stick.MOST_DAYS)
    ] = 3,
) -> None:
    """Copy list and bundles to a stick, for a kit without network: `stallmark host update --from FOLDER` there."""
    try:
        _, repository, now_ms = opened(config)
        count = stick.write(repository, to, now_ms, days)
    except (FleetError, OSError) as error:
        raise stop(error) from None
    typer.echo(
        f"{count} releases in {to}, good for {days} days. At the kit: stallmark host update --from {to}"
    )


def _change(
    config: Path,
    bundles: list[Path],
    remove: list[str],
    days: int,
    why: str,
    key: list[Path] | None,
    passphrase_file: Path | None,
) -> None:
    try:
        _, repository, now_ms = opened(config)
        entries = [repository.take(files.read(path, MAX_BUNDLE)) for path in bundles]
        added = ", ".join(str(one["name"]) for one in ceremony.facts_of({one.path: one for one in entries}))
        reason = why or (f"adds {added}" if added else "")
        made = ceremony.next_release(repository, entries, remove, now_ms, days, reason)
        said = pass_on(repository, made, key, passphrase_file, config, now_ms)
        if repository.keys().development:
            said.insert(0, metadata.INSECURE)
    except (FleetError, OSError) as error:
        raise stop(error) from None
    echo(said)
