"""`stallmark kit`: make a virtual kit, run it, tap tags and scan codes on it."""

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from stallmark.errors import StallmarkError
from workbench import deskcli

from virtualkit.brick_process import BrickCrashed
from virtualkit.interpreter import InterpreterMissing

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Make and run a virtual kit; tap and scan on it."
)
console = Console(stderr=True)
Folder = Annotated[Path, typer.Option("--state", help="The kit's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]
Brick = Annotated[str | None, typer.Option("--brick", help="Which brick; else the first that can.")]
Hold = Annotated[
    int | None, typer.Option("--hold", help="Milliseconds to hold it there; else until the light answers.")
]
DEFAULT = Path("state")


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make; must not exist or be empty.")],
    name: Annotated[str, typer.Option(help="The kit's name.")] = "demo-kit",
    fleet_port: Annotated[int, typer.Option(help="The controller's port.")] = 8780,
    host_port: Annotated[int, typer.Option(help="The host's port.")] = 8781,
    links: Annotated[
        str, typer.Option(help="serial, ble, or ble,serial: by what the host reaches the bricks.")
    ] = "serial",
    nfc_bus: Annotated[str, typer.Option(help="How readers for tags are wired: hsu (UART) or spi.")] = "hsu",
) -> None:
    """A new kit: development keys, three bricks provisioned over their links, a signed campaign, cards to try."""
    # Late, as in all commands: controller, host and parts take a second to load.
    from virtualkit import newkit
    from virtualkit.kitplan import KitPlan, with_links

    try:
        bricks = with_links(links.split(","))
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from wrong
    if nfc_bus not in ("hsu", "spi"):
        raise typer.BadParameter(f"--nfc-bus is hsu or spi, not {nfc_bus}")
    now = time.time_ns() // 1_000_000
    plan = KitPlan(name, bricks, 1, "EUR", fleet_port, host_port, now, nfc_bus=nfc_bus)
    try:
        with console.status("making the kit …") as status:
            made = newkit.new_kit(folder, plan, lambda text: status.update(f"{text} …"))
    except (StallmarkError, BrickCrashed, InterpreterMissing) as failed:
        _fail(str(failed))
    kit = made.folder.load()
    typer.echo(
        f"kit {kit['name']} in {folder}: {', '.join(brick['name'] for brick in kit['bricks'])}. DEVELOPMENT KEYS."
    )
    typer.echo(f"Start it with: stallmark demo --state {folder}")


@app.command()
def run(
    folder: Folder = DEFAULT, timing: Annotated[str, typer.Option(help="real or fast parts.")] = "real"
) -> None:
    """Only the bricks of a kit, with their parts and cables; host and controller are started apart. Ctrl-C ends it."""
    try:
        asyncio.run(_run(folder, timing))
    except FileNotFoundError:
        _fail(f"there is no kit in {folder}: make one with `stallmark kit new {folder}`")
    except (StallmarkError, BrickCrashed, InterpreterMissing) as failed:
        _fail(str(failed))


async def _run(folder: Path, timing: str) -> None:
    from virtualkit.kit import VirtualKit

    kit = VirtualKit(folder, timing=timing)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, over.set)
    await kit.start()
    try:
        if kit.airfield is not None:
            typer.echo(f"the host reaches radios with DBUS_SYSTEM_BUS_ADDRESS={kit.airfield.address}")
        for brick in kit.bricks:
            typer.echo(f"{brick.name}: link at {brick.link}, log at {brick.process.log}")
        typer.echo("Ctrl-C switches them off.")
        while not over.is_set():
            for brick in kit.bricks:
                brick.process.check()
            try:
                async with asyncio.timeout(0.5):
                    await over.wait()
            except TimeoutError:
                continue
    finally:
        await kit.stop()


@app.command()
def tap(
    uid: Annotated[
        str | None, typer.Option(help="A tag's number in hex: 7 bytes, or 4 bytes (08… is a phone).")
    ] = None,
    dump: Annotated[Path | None, typer.Option(help="A tag's memory as .bin or .mfd.")] = None,
    brick: Brick = None,
    hold: Hold = None,
    folder: Folder = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Holds a tag to a brick's reader and tells what the light said."""
    if (uid is None) == (dump is None):
        raise typer.BadParameter("give either --uid or --dump")
    thing = {"uid": uid} if uid is not None else {"dump": str(dump)}
    _ask({"op": "tap", "brick": brick, "hold_ms": hold, **thing}, folder, as_json)


@app.command()
def enroll(
    device: deskcli.Device,
    label: deskcli.Label = "",
    count: deskcli.Count = 1,
    wait: deskcli.Wait = 30.0,
    folder: Folder = DEFAULT,
    key_file: deskcli.KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """A desk reader tells by which name the event's bricks know a tag; nothing is written to it."""
    deskcli.enroll(device, label, count, wait, key_file or folder / "desk" / "tags.json", as_json)


@app.command()
def write_tag(
    device: deskcli.Device,
    again: deskcli.Again = False,
    count: deskcli.Count = 1,
    wait: deskcli.Wait = 30.0,
    folder: Folder = DEFAULT,
    key_file: deskcli.KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """A desk reader makes tags the event's: NTAG21x with record and password, NTAG 424 DNA with keys and link."""
    deskcli.write_tag(device, again, count, wait, key_file or folder / "desk" / "tags.json", as_json)


@app.command()
def tag_keys(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write, mode 0600.")],
    sealing: Annotated[
        str | None,
        typer.Option(
            help="The controller's key, 64 hex characters: `stallmark fleet tag-keys` shows it. Else as the desk's file says."
        ),
    ] = None,
    folder: Folder = DEFAULT,
    key_file: deskcli.KeyFile = None,
) -> None:
    """What a controller needs so that bricks know the event's tags, sealed for it. The desk's master stays here."""
    deskcli.tag_keys(sealing, out, key_file or folder / "desk" / "tags.json")


@app.command()
def scan(
    code: Annotated[str, typer.Argument(help="A picture with a QR code, or the text of one.")],
    brick: Brick = None,
    hold: Hold = None,
    folder: Folder = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Shows a QR code to a brick's scanner and tells what the light said."""
    picture = Path(code)
    thing = {"image": str(picture.resolve())} if len(code) < 4096 and picture.is_file() else {"text": code}
    _ask({"op": "scan", "brick": brick, "hold_ms": hold, **thing}, folder, as_json)


@app.command()
def status(folder: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """The bricks of a running kit."""
    answer = _request({"op": "status"}, folder)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for brick in answer["bricks"]:
        power = "on" if brick["power"] else "off"
        typer.echo(
            f"{brick['name']}: {', '.join(brick['parts'])}; power {power}; {brick['taps']} taps; link {brick['link']}"
        )


@app.command()
def power(
    state: Annotated[str, typer.Argument(help="on, off, or cut (in the middle of a write).")],
    brick: Brick = None,
    folder: Folder = DEFAULT,
) -> None:
    """Switches a brick on or off, or cuts its power in the middle of a flash operation."""
    answer = _request({"op": "power", "brick": brick, "state": state}, folder)
    torn = f", a {answer['torn']} was torn" if answer["torn"] else ""
    typer.echo(f"{answer['brick']}: power {'on' if answer['power'] else 'off'}{torn}")


def _request(message: dict[str, Any], folder: Path) -> dict[str, Any]:
    from virtualkit import control

    try:
        answer = control.request(
            folder / "run" / "kit.sock", {k: v for k, v in message.items() if v is not None}
        )
    except (control.KitNotRunning, TimeoutError) as failed:
        _fail(str(failed))
    if not answer["ok"]:
        _fail(str(answer["error"]))
    return answer


def _ask(message: dict[str, Any], folder: Path, as_json: bool) -> None:
    answer = _request(message, folder)
    if as_json:
        typer.echo(json.dumps(answer))
    elif answer["outcome"] is None:
        typer.echo(
            f"{answer['brick']}: no light. The brick saw nothing that it can read, or has seen the same just now."
        )
    else:
        typer.echo(f"{answer['brick']}: {answer['outcome']}, {answer['ms']:.0f} ms from card to light")


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)
