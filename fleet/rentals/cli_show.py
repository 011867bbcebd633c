"""`stallmark fleet rentals show`: a booking, its bricks and which rental each of them is in."""

from __future__ import annotations

import json
from typing import Any

import typer

from fleet.rentals.cli import AsJson, ConfigPath, Id, app, desk_of


@app.command()
def show(config: ConfigPath, id: Id, as_json: AsJson = False) -> None:
    """A booking: whose it is, until when, which bricks have stepped to the kit's rental and which have not, since when; what was
    wiped. Exit code 1 where a brick has not stepped."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import desk
    from fleet.rentals.words import when

    with desk_of(config) as at:
        found = desk.whole(at.connection, at.config, COMMAND, id, at.now_ms)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        at.echo(
            f"{id}: {found['state']}, {found['renter']}, kit {found['kit']}, rental {found['rental']}, "
            f"until {when(found['to_ms'])}"
        )
        for one in found["bricks"]:
            at.echo(f"  {brick_words(one)}")
        for one in found["wipes"]:
            proof = "proven" if one["proven"] else f"said by {one['by']}"
            at.echo(f"  wiped {when(one['at_ms'])}: {one['what']}, {proof}: {one['read']}")
    if any(not one["stepped"] for one in found["bricks"]):
        raise typer.Exit(1)


def brick_words(one: dict[str, Any]) -> str:
    """A line of `bricks`."""
    if one["open"] is not None:
        return str(one["open"]["text"])
    return f"{'the host itself' if one['lane'] else 'brick'} {one['brick']}: in rental {one['rental']}"
