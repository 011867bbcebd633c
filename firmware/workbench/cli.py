"""`stallmark brick`: flash, test, log, info and pin, for one board or dozens in a row; ending bricks is in cli_end."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from workbench import application, batch, cli_end, esptool, flash, job, label, ports, register, selftest
from workbench import image as image_table
from workbench.batch import FAILED, Book
from workbench.cli_end import BenchOption, PortOption, ResetOption, plain, warn
from workbench.errors import BenchError, HasKeys, ToolMissing
from workbench.listen import hear, watch_log
from workbench.provision import Bench

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The technician's bench: flash, test, look at and erase bricks.",
)
cli_end.add(app)

JobOption = Annotated[
    Path, typer.Option("--job", help="The bench's file for one kit, from `stallmark fleet bench`.")
]
PartsOption = Annotated[str, typer.Option("--parts", help="What is wired to the board: nfc, qr, or nfc,qr.")]
_POLL_SECONDS = 0.2
_SAME_FAILURES = 3


@app.command("flash")
def flash_command(
    job_file: JobOption,
    image: Annotated[
        Path | None, typer.Option("--image", help="MicroPython's image for this chip, as a file.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", help="Instead: the folder of images whose table (`brick pin`) says file and digest."
        ),
    ] = None,
    image_name: Annotated[
        str | None,
        typer.Option("--image-name", help="With --images: which one; else the one of the pin map."),
    ] = None,
    port: PortOption = None,
    folder: BenchOption = Path("bench"),
    sha256: Annotated[
        str | None,
        typer.Option(
            "--sha256",
            help="The digest that the image must have; else a file IMAGE.sha256 beside it says it.",
        ),
    ] = None,
    board: Annotated[str | None, typer.Option("--board", help="The pin map; else the one that fits.")] = None,
    parts: PartsOption = "nfc",
    name: Annotated[
        str | None,
        typer.Option(
            "--batch", help="A batch of this name: one board after another until Ctrl-C, or --count."
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", help="With --batch: how many boards it has.", min=1)
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Also boards that are bricks already: their old identity is revoked."),
    ] = False,
    look: Annotated[
        bool, typer.Option("--look/--no-look", help="Ask whether light and sound were seen and heard.")
    ] = True,
    baud: Annotated[int, typer.Option("--baud", help="Speed of writing.")] = esptool.BAUD,
    reset: ResetOption = "default",
    link_port: Annotated[
        str | None,
        typer.Option("--link-port", help="The link's own port, for boards whose USB is not the link (XIAO)."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Every word of esptool and mpremote.")] = False,
) -> None:
    """Make a brick of a board: interpreter, programs, self-test, keys, registration, label. Under two minutes."""
    console = Console()
    chosen = tuple(part.strip() for part in parts.split(",") if part.strip())
    if (image is None) == (images is None) or (images is None and image_name is not None):
        raise typer.BadParameter(
            "name the interpreter with --image FILE, or with --images FOLDER and its table"
        )
    settings = flash.Settings(
        image or images or Path(), sha256, board, chosen, baud, replace=replace, link_port=link_port
    )
    settings.image_name = None if images is None else image_name or ""
    if reset == "manual":
        settings.before, settings.after = "no-reset", "no-reset"
    if verbose:
        settings.transcript = lambda text: console.print(text, end="", markup=False, highlight=False)
    with plain():
        book = Book(folder).open()
        task = job.load(job_file)
        label.ready()
        application.tool("esptool")
        application.tool("mpremote")
        warn(console, task)
        programs = application.build()
        if task.development:
            console.print("These bricks trust DEVELOPMENT keys: for a desk, not for a market.")
        if name is None:
            _one(console, ports.choose(port), task, book, settings, programs, "", look)
            return
        _batch(console, port, task, book, settings, programs, name, count, look)


def _batch(
    console: Console,
    port: str | None,
    task: job.Job,
    book: Book,
    settings: flash.Settings,
    programs: application.Application,
    name: str,
    count: int | None,
    look: bool,
) -> None:
    """One board after another. What was done under this name before counts, so it goes on where it was stopped."""
    done = book.done(name)
    if done:
        console.print(f"batch {name}: {len(done)} boards were finished before")
    failures = 0
    try:
        while count is None or len(done) < count:
            console.print(f"\nboard {len(done) + 1}{'' if count is None else f' of {count}'}: plug it in …")
            here = _wait_for_board(console, port)
            try:
                _one(console, here, task, book, settings, programs, name, look)
                failures = 0
            except ToolMissing:
                raise
            except BenchError as error:
                failures += 1
                console.print(f"[bold red]not done[/]: {error}", highlight=False)
                if failures == _SAME_FAILURES:
                    console.print(
                        f"{failures} boards in a row were not done: look at cable, image and fixture before the next one"
                    )
            done = book.done(name)
            if count is not None and len(done) >= count:
                break
            console.print("unplug it")
            _wait_until_gone(here)
    except KeyboardInterrupt:
        console.print(f"\nstopped; `--batch {name}` goes on from here")
    console.print(
        f"batch {name}: {len(done)} boards finished, {len(book.waiting())} requests wait for the controller"
    )


def _one(
    console: Console,
    port: str,
    task: job.Job,
    book: Book,
    settings: flash.Settings,
    programs: application.Application,
    batch_name: str,
    look: bool,
) -> None:
    begun = time.monotonic()
    with Progress(
        TextColumn("{task.description:<44}"),
        BarColumn(30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as bar:
        row = bar.add_task("looking at the board", total=1)

        def told(what: str, done: int, of: int) -> None:
            bar.update(row, description=what, completed=done, total=max(1, of))

        def asked(question: str) -> bool:
            bar.stop()
            answer = typer.confirm(question, default=None)  # Enter alone is no answer
            bar.start()
            return answer

        def said(words: str) -> None:
            bar.console.print(f"[bold]{words}[/]", highlight=False)

        settings.say = said
        settings.look = asked if look else None
        try:
            made = flash.flash_board(port, task, book, settings, programs, told, batch_name)
        except BenchError as error:
            book.note(outcome=FAILED, batch=batch_name, port=port, kind=error.kind, words=str(error))
            raise
    seconds = time.monotonic() - begun
    for result in made.tests:
        console.print(f"  {result.part:<8} {result.outcome}: {result.words}", highlight=False)
    where = (
        "registered at the controller"
        if made.registered
        else f"not registered yet: {made.words or 'the controller is away'}. Later: `stallmark brick sync`"
    )
    console.print(f"[bold green]brick {made.code}[/] in {seconds:.0f} s, {where}", highlight=False)
    console.print(f"  label {book.folder / 'labels' / made.code}.png", highlight=False)


@app.command()
def test(
    port: PortOption = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Number in hex of the reference tag.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Text of the reference code.")] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long to wait for tag and code.", min=0)
    ] = 0.0,
    look: Annotated[bool, typer.Option("--look/--no-look", help="Ask about light and sound.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Self-test of a brick without keys: flash, light, sound, reader, scanner, battery, link. It stays as it was."""
    console = Console(stderr=as_json)
    with plain():
        fixture = selftest.Fixture(_tag(tag), code, seconds)
        bench = Bench(ports.choose(port))
        try:
            who = selftest.identity(bench)
            results = selftest.run(
                bench, fixture, (lambda words: typer.confirm(words, default=None)) if look else None
            )
        except HasKeys as error:
            raise HasKeys(
                "this brick has keys and takes no orders from a bench: its host shows reader, scanner, battery and flash. "
                "For a full test flash it again with --replace"
            ) from error
        finally:
            bench.close()
        if as_json:
            typer.echo(
                json.dumps(
                    {"hardware": who["hardware"], "parts": {r.part: [r.outcome, r.words] for r in results}}
                )
            )
        else:
            console.print(f"{who['hardware']}, firmware {who['firmware_digest'].hex()[:16]}")
            for result in results:
                console.print(f"  {result.part:<8} {result.outcome}: {result.words}", highlight=False)
        selftest.judge(results)


@app.command()
def info(
    port: PortOption = None,
    folder: BenchOption = Path("bench"),
    job_file: Annotated[Path | None, typer.Option("--job", help="Also ask the controller.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What is on the port: a blank brick, or which brick; what this bench's log and the controller know of it."""
    console = Console(stderr=as_json)
    with plain():
        found = hear(ports.choose(port))
        if "brick" in found:
            mine = [line for line in Book(folder).lines() if line.get("brick") == found["brick"]]
            if mine:
                found["bench"] = mine[-1]
            if job_file is not None:
                found["controller"] = register.known(job.load(job_file), found["brick"])
        if as_json:
            typer.echo(json.dumps(found, indent=1))
            return
        for key, value in found.items():
            if isinstance(value, dict):
                console.print(f"{key}:", *(f"\n  {k}: {v}" for k, v in value.items()), highlight=False)
            else:
                console.print(f"{key}: {value}", highlight=False)


@app.command("log")
def log_command(
    port: PortOption = None,
    folder: BenchOption = Path("bench"),
    bench: Annotated[
        bool, typer.Option("--of-bench", help="The bench's own log instead: every board so far.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Lines for programs.")] = False,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="End after this time; else Ctrl-C.", min=0)
    ] = None,
) -> None:
    """What a brick says of itself, line by line, while it works. Nothing is sent to it."""
    with plain():
        if bench:
            for line in Book(folder).lines():
                typer.echo(json.dumps(line) if as_json else flash.summary(line))
            return
        for at, level, words in watch_log(ports.choose(port), seconds):
            typer.echo(
                json.dumps({"at": at, "level": level, "words": words})
                if as_json
                else f"{at}  {level:<7} {words}"
            )


@app.command("label")
def label_command(
    brick: Annotated[str, typer.Argument(help="Its id in hex.")], folder: BenchOption = Path("bench")
) -> None:
    """Draw the label of a brick of this bench once more."""
    with plain():
        book = Book(folder).open()
        done = [
            line
            for line in book.lines()
            if line.get("outcome") == batch.DONE and line.get("brick") == brick.lower()
        ]
        if not done:
            raise BenchError(f"this bench has made no brick {brick}: `stallmark brick log --of-bench`")
        kit = str(done[-1].get("kit_name") or done[-1]["kit"])
        typer.echo(flash.draw_label(book, bytes.fromhex(done[-1]["brick"]), kit, done[-1]["hardware"]))


@app.command()
def pin(
    file: Annotated[Path, typer.Argument(help="The image, in the folder that has the table.")],
    sha256: Annotated[str, typer.Option("--sha256", help="Its digest, from the place you trust.")],
    name: Annotated[
        str,
        typer.Option(
            "--name", help="What it is called: ESP32_GENERIC_S3-SPIRAM_OCT and the like, see docs/boards.md."
        ),
    ],
    version: Annotated[str, typer.Option("--version", help="Of MicroPython, as 1.27.0.")],
) -> None:
    """Note an image by name, version and digest: `brick flash --images FOLDER` takes no other file from then on."""
    with plain():
        image_table.pin(file.parent, name, version, file, sha256)
        typer.echo(f"{name} is {file.name} of version {version} now")


@app.command()
def sync(
    job_file: JobOption,
    folder: BenchOption = Path("bench"),
    refused: Annotated[
        bool,
        typer.Option("--refused", help="Also what was refused for good before: once the reason is gone."),
    ] = False,
) -> None:
    """Tell the controller what it could not be told when the boards were made."""
    console = Console()
    with plain():
        book, task = Book(folder).open(), job.load(job_file)
        warn(console, task)
        if refused:
            console.print(f"{book.put_back()} are tried again")
        said = register.reconcile(book, task)
        for name, words in said.refused.items():
            console.print(f"{name}: {words}", highlight=False)
        console.print(f"{len(said.answers)} confirmed, {said.waiting} still wait")
        if said.others:
            console.print(
                f"{said.others} are for another kit or controller: `sync` with the file of that one"
            )
        if said.waiting or said.refused:
            raise typer.Exit(1)


@app.command("ports")
def ports_command() -> None:
    """The serial ports of this computer, likely boards first."""
    for one in ports.candidates():
        typer.echo(f"{one.port}  {one.words}{'' if one.likely else '  (no known board)'}")


def _wait_for_board(console: Console, port: str | None) -> str:
    several = False
    while True:
        if port is not None and os.path.exists(port):
            return port
        if port is None:
            likely = [one for one in ports.candidates() if one.likely]
            if len(likely) == 1:
                return likely[0].port
            if len(likely) > 1 and not several:
                names = ", ".join(one.port for one in likely)
                console.print(
                    f"{len(likely)} boards are plugged in ({names}): leave one, or stop and say which with --port"
                )
            several = len(likely) > 1
        time.sleep(_POLL_SECONDS)


def _wait_until_gone(port: str) -> None:
    while os.path.exists(port):
        time.sleep(_POLL_SECONDS)


def _tag(text: str | None) -> bytes | None:
    try:
        return None if text is None else bytes.fromhex(text)
    except ValueError:
        raise BenchError(
            f"--tag {text}: a tag's number in hex characters was expected, as 04A1B2C3D4E5F6"
        ) from None
