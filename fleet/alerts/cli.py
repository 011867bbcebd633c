"""`stallmark fleet alerts`: what somebody must look at. Beside the controller, which may be running."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fleet.errors import FleetError


def alerts(
    config: Annotated[Path, typer.Option("--config", help="The controller's config.json.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What somebody must look at, the most pressing first, with whose work it is and since when. Exit code 1 where something
    must be done now."""
    from fleet.alerts import telling
    from fleet.alerts.gather import gather
    from fleet.alerts.judge import NOW, judge, span
    from fleet.clock import open_clock
    from fleet.config import load
    from fleet.people import commands

    try:
        read = load(config)
        now_ms = open_clock(read.clock_file).now_ms()
        with commands.beside(read) as connection:
            found = judge(gather(connection, read, now_ms, commands.now_ms()), now_ms)
            owners = telling.owners(connection)
    except FleetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        by = {key: owner.by for key, owner in owners.items()}
        rows = [{**one.as_json(now_ms), "taken_by": by.get(one.key)} for one in found]
        typer.echo(json.dumps({"alerts": rows}, indent=1))
    elif not found:
        typer.echo("Nothing needs anybody.")
    else:
        table = Table(title="Alerts")
        for column in ("when", "what", "for", "whose", "what to do"):
            table.add_column(column, overflow="fold")
        for one in found:
            since = "" if one.since_ms is None else span(max(0, now_ms - one.since_ms))
            taken = owners.get(one.key)
            whose = one.owner if taken is None else f"{one.owner}: {taken.by} has it"
            table.add_row(one.urgency, one.sentence, since, whose, one.remedy)
        Console(markup=False, emoji=False).print(table)  # reasons and names are other people's words
    if any(one.urgency == NOW for one in found):
        raise typer.Exit(1)


def take(
    config: Annotated[Path, typer.Option("--config", help="The controller's config.json.")],
    key: Annotated[str, typer.Argument(help="As `alerts --json` shows it.")],
    quiet: Annotated[
        int, typer.Option("--quiet", help="Minutes in which nothing of it is sent.", min=0, max=10_080)
    ] = 0,
    note: Annotated[str, typer.Option("--note", help="For the others.")] = "",
) -> None:
    """Take an alert over: the others see that somebody has it. It ends with the alert."""
    import getpass

    from fleet.alerts import telling
    from fleet.alerts.gather import gather
    from fleet.alerts.judge import judge
    from fleet.clock import open_clock
    from fleet.config import load
    from fleet.errors import Refused
    from fleet.people import audit, commands
    from fleet.people.actors import COMMAND

    try:
        read = load(config)
        now_ms, at_ms = open_clock(read.clock_file).now_ms(), commands.now_ms()
        with commands.beside(read) as connection:
            if not any(one.key == key for one in judge(gather(connection, read, now_ms, at_ms), now_ms)):
                raise Refused(
                    404,
                    f"there is no alert {key[:64]!r} now: `stallmark fleet alerts --json` shows their keys",
                )
            owner = telling.Owner(
                getpass.getuser(), at_ms, at_ms + quiet * 60_000 if quiet else None, note[:200]
            )
            telling.take(connection, key, owner)
            after = {"by": owner.by, "quiet_ms": owner.quiet_ms, "note": owner.note}
            audit.record(connection, COMMAND, "alerts.take", key, None, after, at_ms)
    except FleetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{key}: {owner.by} has it")
