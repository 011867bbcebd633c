"""`stallmark fleet simulate`: a rollout played to many kits, on a virtual clock or, with --live, to real hosts in real time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fleet.errors import FleetError

LIVE_KITS, LIVE_BRICKS = 2_000, 2
VIRTUAL_KITS, VIRTUAL_BRICKS = 10_000, 4
LIVE_SOAK, SOAK = "5s", "1h"
MAX_LIVE_BRICKS = 8


def simulate(
    kits: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="10,000 by default; with --live 2,000.")
    ] = None,
    bricks: Annotated[
        int | None, typer.Option(min=1, max=8, help="Of each kit: 4 by default; with --live 2.")
    ] = None,
    faults: Annotated[
        str,
        typer.Option(
            help="none, market, bad, uncertain, flapping; or percentages such as away=30,fail=2,slow=5."
        ),
    ] = "market",
    seed: Annotated[
        int, typer.Option(help="The same seed, the same story; with --live the same chances.")
    ] = 1,
    waves: Annotated[
        str, typer.Option(help="How many kits are in, one size after the other.")
    ] = "10,1%,10%,50%,100%",
    soak: Annotated[
        str | None, typer.Option(help="How long a wave is watched: 1h by default; with --live 5s.")
    ] = None,
    in_flight: Annotated[int, typer.Option("--in-flight", min=1, help="Kits at it at a time.")] = 200,
    failures: Annotated[int, typer.Option(min=1, help="So many bad kits halt it.")] = 200,
    failure_percent: Annotated[int, typer.Option("--failure-percent", min=0, max=100)] = 10,
    gates: Annotated[
        bool, typer.Option("--gates/--no-gates", help="With a gate on uncertain decisions; not with --live.")
    ] = True,
    days: Annotated[float, typer.Option(min=0.01, max=365, help="Virtual days at most.")] = 14.0,
    live: Annotated[
        bool, typer.Option("--live", help="Real HTTP hosts at a real controller process, in real time.")
    ] = False,
    speed: Annotated[
        float,
        typer.Option(
            min=1, max=100_000, help="With --live: installations and absences are so many times shorter."
        ),
    ] = 60.0,
    minutes: Annotated[
        float, typer.Option(min=0.1, max=1_440, help="With --live: a rollout lasts so long at most.")
    ] = 15.0,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Write a picture: .png or .svg.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Play a rollout to virtual kits on a virtual clock, by the controller's own engine; with --live to real HTTP hosts that wait
    at one real controller on this machine.

    Exit code 1 where the release did not go through, or an invariant broke."""
    from fleet.rollouts import simulation_report
    from fleet.rollouts.simulate import Simulation, Story
    from fleet.rollouts.virtualfleet import read_faults
    from fleet.simulate.play import Wanted, play

    console = Console(stderr=True)
    many = kits or (LIVE_KITS if live else VIRTUAL_KITS)
    each = bricks or (LIVE_BRICKS if live else VIRTUAL_BRICKS)
    try:
        chances = read_faults(faults)
        plan = simulation_report.plan(
            many,
            waves,
            soak or (LIVE_SOAK if live else SOAK),
            in_flight,
            failures,
            failure_percent,
            gates and not live,
        )
        with console.status("simulating …") as spinner:
            story: Story
            if live:
                story = play(
                    Wanted(plan, many, each, chances, seed, speed, minutes),
                    lambda text: spinner.update(f"{text} …"),
                )
            else:
                story = Simulation(plan, many, each, chances, seed).run(
                    days,
                    lambda state: spinner.update(
                        f"{state.phase}, wave {state.wave + 1}, {state.count('ok')} good …"
                    ),
                )
    except (FleetError, OSError) as error:
        raise _stop(str(error)) from None
    if as_json:
        typer.echo(json.dumps(story.as_json(), indent=1))
    else:
        for line in simulation_report.words(story):
            typer.echo(line)
    if picture is not None:
        try:
            simulation_report.draw(story, picture)
        except (OSError, ValueError) as error:
            raise _stop(f"{picture} cannot be written: {error}") from None
    if story.phase != "complete" or story.late:
        raise typer.Exit(1)


def _stop(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)
