"""`stallmark brick`: flash, test, log, info and erase, for one board or dozens in a row."""

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from workbench import application, batch, esptool, flash, job, ports, register, selftest
from workbench.batch import ERASED, FAILED, Book
from workbench.errors import BenchError, HasKeys, NoPort, ToolMissing
from workbench.listen import hear, watch_log
from workbench.provision import Bench

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The technician's bench: flash, test, look at and erase bricks.",
)

PortOption = Annotated[
    str | None,
    typer.Option("--port", help="The board's serial port; without it, the only board that is plugged in."),
]
BenchOption = Annotated[Path, typer.Option("--bench", help="The bench's folder: log, queue, labels.")]
JobOption = Annotated[
    Path, typer.Option("--job", help="The bench's file for one kit, from `stallmark fleet bench`.")
]
PartsOption = Annotated[str, typer.Option("--parts", help="What is wired to the board: nfc or qr.")]
ResetOption = Annotated[
    str,
    typer.Option("--reset", help="default: through the port's lines; manual: you hold BOOT and press RESET."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_POLL_SECONDS = 0.2
_SAME_FAILURES = 3


@app.command("flash")
def flash_command(
    image: Annotated[Path, typer.Option("--image", help="MicroPython's image for this chip, as a file.")],
    job_file: JobOption,
    port: PortOption = None,
    folder: BenchOption = Path("bench"),
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", help="The image's digest; else a file IMAGE.sha256 beside it is taken."),
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
    settings = flash.Settings(image, sha256, board, chosen, baud, replace=replace, link_port=link_port)
    if reset == "manual":
        settings.before, settings.after = "no-reset", "no-reset"
    if verbose:
        settings.transcript = lambda text: console.print(text, end="", markup=False, highlight=False)
    book = Book(folder).open()
    with _plain(console):
        task = job.load(job_file)
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
            here = _wait_for_board(port)
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
            answer = typer.confirm(question, default=True)
            bar.start()
            return answer

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
        else "the controller is away: queued, `stallmark brick sync`"
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
    with _plain(console):
        fixture = selftest.Fixture(None if tag is None else bytes.fromhex(tag), code, seconds)
        bench = Bench(ports.choose(port))
        try:
            who = selftest.identity(bench)
            results = selftest.run(
                bench, fixture, (lambda words: typer.confirm(words, default=True)) if look else None
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
    with _plain(console):
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
    console = Console()
    with _plain(console):
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


@app.command()
def erase(
    port: PortOption = None,
    job_file: Annotated[
        Path | None, typer.Option("--job", help="The bench's file: the brick is revoked at its controller.")
    ] = None,
    brick: Annotated[
        str | None, typer.Option("--brick", help="Its id in hex, where this bench's log does not know it.")
    ] = None,
    folder: BenchOption = Path("bench"),
    reset: ResetOption = "default",
    yes: Yes = False,
) -> None:
    """Erase a board's whole flash, keys and records included, and revoke its identity."""
    console = Console()
    with _plain(console):
        here = ports.choose(port)
        manual = reset == "manual"
        tool = esptool.Esptool(
            here,
            before="no-reset" if manual else "default-reset",
            after="no-reset" if manual else "hard-reset",
        )
        found = tool.identify()
        book = Book(folder).open()
        known = book.board(found.mac) or {}
        identity = brick or (known.get("brick") if known.get("outcome") == batch.DONE else None)
        words = f"brick {identity}" if identity else "no brick of this bench"
        if not yes and not typer.confirm(
            f"{found.chip} {found.mac} ({words}): records that no host has fetched are lost. Erase it?",
            default=False,
        ):
            raise typer.Exit(1)
        if identity and job_file is None:
            raise BenchError(
                f"say with --job which controller is to revoke brick {identity}; nothing was erased"
            )
        if identity and job_file is not None:
            # The request is on disk before the keys are gone.
            told = flash.revoke(job.load(job_file), book, identity, "erased")
            console.print(
                "revoked at the controller" if told else "the controller is away: its end is queued"
            )
        tool.erase(lambda *_: None)
        book.note(outcome=ERASED, board=found.mac, brick=identity)
        console.print("erased")


@app.command()
def sync(job_file: JobOption, folder: BenchOption = Path("bench")) -> None:
    """Tell the controller what it could not be told when the boards were made."""
    console = Console()
    with _plain(console):
        confirmed, waiting = register.reconcile(Book(folder).open(), job.load(job_file))
        console.print(f"{confirmed} confirmed, {waiting} still wait")
        if waiting:
            raise typer.Exit(1)


@app.command("ports")
def ports_command() -> None:
    """The serial ports of this computer, likely boards first."""
    for one in ports.candidates():
        typer.echo(f"{one.port}  {one.words}{'' if one.likely else '  (no known board)'}")


def _wait_for_board(port: str | None) -> str:
    while True:
        if port is not None and os.path.exists(port):
            return port
        if port is None:
            try:
                return ports.choose(None)
            except NoPort:
                pass
        time.sleep(_POLL_SECONDS)


def _wait_until_gone(port: str) -> None:
    while os.path.exists(port):
        time.sleep(_POLL_SECONDS)


class _plain:
    """Errors of the bench in one sentence, exit code 1; a missing program or package 2."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, BenchError):
            typer.echo(str(error), err=True)
            raise typer.Exit(2 if isinstance(error, ToolMissing) else 1) from error
