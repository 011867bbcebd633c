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
    except FleetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps({"alerts": [one.as_json(now_ms) for one in found]}, indent=1))
    elif not found:
        typer.echo("Nothing needs anybody.")
    else:
        table = Table(title="Alerts")
        for column in ("when", "what", "for", "whose", "what to do"):
            table.add_column(column, overflow="fold")
        for one in found:
            since = "" if one.since_ms is None else span(max(0, now_ms - one.since_ms))
            table.add_row(one.urgency, one.sentence, since, one.owner, one.remedy)
        Console(markup=False, emoji=False).print(table)  # reasons and names are other people's words
    if any(one.urgency == NOW for one in found):
        raise typer.Exit(1)
