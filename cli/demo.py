"""`stallmark demo`: what `make run` starts; `--once` for one audited market hour."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from stallmark.errors import StallmarkError
from virtualkit.brick_process import BrickCrashed
from virtualkit.interpreter import InterpreterMissing

if TYPE_CHECKING:
    from virtualkit.demo.once import Hour

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    state: Annotated[
        Path | None, typer.Option(help="The kit's folder. Default: ./state, with --once a temporary one.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="A market hour as fast as it can, audited, then the end.")
    ] = False,
    taps: Annotated[
        int, typer.Option(help="With --once: how many customers hold something to a brick.", min=1)
    ] = 200,
    seed: Annotated[
        int | None, typer.Option(help="Who comes when, what is killed when: the same seed, the same crowd.")
    ] = None,
    kill: Annotated[
        str | None,
        typer.Option(help="With --once: host, brick, fleet or all are killed and restarted at random."),
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            help="With --once: reader, scanner, cable, air, packs (several with commas) or all misbehave at random."
        ),
    ] = None,
    timing: Annotated[
        str, typer.Option(help="real: radio, UARTs and flash take their time; fast: they take none.")
    ] = "real",
    pause: Annotated[
        float, typer.Option(help="Live: seconds between two customers, on average.", min=0.1)
    ] = 2.5,
    links: Annotated[
        str,
        typer.Option(
            help="serial, ble, or ble,serial: by what the host reaches the bricks of a new kit. Radios start two seconds later."
        ),
    ] = "serial",
    slots: Annotated[
        bool,
        typer.Option(
            "--slots",
            help="Live: bricks run from slots of their flash, from now on: applications can come to them (docs/slots.md).",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --once: one JSON object on standard output.")
    ] = False,
) -> None:
    """A whole market stall: controller, host, three bricks running the real firmware, and customers."""
    if timing not in ("real", "fast"):
        raise typer.BadParameter("timing is real or fast")
    kinds = tuple(links.split(","))
    if not set(kinds) <= {"serial", "ble"}:
        raise typer.BadParameter("links are serial, ble, or both with a comma between")
    console = Console(stderr=as_json)
    # Late: controller, host and parts take a second to load, also for whoever only asks for help.
    from virtualkit.demo.live import LiveStall
    from virtualkit.demo.once import Hour

    try:
        if once:
            raise typer.Exit(
                _once(
                    console,
                    state,
                    Hour(
                        taps,
                        1 if seed is None else seed,
                        _targets(kill),
                        timing,
                        faults=_parts(faults),
                        links=kinds,
                    ),
                    as_json,
                )
            )
        asyncio.run(LiveStall(state or Path("state"), console, timing, int(pause * 1000), seed, kinds, slots).run())
    except (StallmarkError, BrickCrashed, InterpreterMissing) as failed:
        typer.echo(f"stallmark demo: {failed}", err=True)
        raise typer.Exit(1) from failed


def _targets(kill: str | None) -> tuple[str, ...]:
    from virtualkit.demo.chaos import TARGETS

    if kill is None:
        return ()
    if kill == "all":
        return TARGETS
    if kill not in TARGETS:
        raise typer.BadParameter(f"kill is one of {', '.join(TARGETS)} or all, not {kill}")
    return (kill,)


def _parts(faults: str | None) -> tuple[str, ...]:
    from virtualkit.demo.trouble import PARTS

    if faults == "all":
        return PARTS
    wanted = tuple(dict.fromkeys(faults.split(","))) if faults else ()
    for one in wanted:
        if one not in PARTS:
            raise typer.BadParameter(f"faults are {', '.join(PARTS)} or all, not {one}")
    return wanted


def _once(console: Console, state: Path | None, hour: "Hour", as_json: bool) -> int:
    """Runs the hour; a folder that nobody asked for is kept only if something was wrong."""
    from virtualkit.demo.once import MarketHour, in_words, to_json

    folder = state or Path(tempfile.mkdtemp(prefix="stallmark-once-")) / "kit"
    console.print(
        f"market hour: {hour.taps} taps, seed {hour.seed}, kill {', '.join(hour.kill) or 'nothing'}"
    )
    with console.status("starting …") as status:
        result = asyncio.run(MarketHour(folder, hour, lambda text: status.update(f"{text} …")).run())
    failed = bool(result["violations"])
    if as_json:
        typer.echo(to_json(result))
    else:
        console.print(in_words(result))
    if failed:
        console.print(f"what was left behind lies in {folder}")
    elif state is None:
        shutil.rmtree(folder.parent, ignore_errors=True)
    return 1 if failed else 0
