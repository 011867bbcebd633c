"""`stallmark kit enroll`, `write-tag` and `tag-keys`: tags at the hub's desk."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from stallmark.errors import StallmarkError

if TYPE_CHECKING:
    from workbench import desk

# So often a batch asks for its next tag, each time for the whole wait.
ASK_AGAIN = 20
console = Console(stderr=True)
Device = Annotated[str, typer.Option("--device", help="The reader's serial port, as /dev/ttyUSB0.")]
KeyFile = Annotated[
    Path | None, typer.Option("--keys", help="Keys of a desk; else the kit's desk/tags.json.")
]
Label = Annotated[str, typer.Option(help="What stands beside the tag in the desk's list; no person's name.")]
Again = Annotated[bool, typer.Option("--again", help="Also tags that are this event's already.")]
Count = Annotated[int, typer.Option(help="So many tags, one after the other.", min=1, max=10_000)]
Wait = Annotated[float, typer.Option(help="Seconds to wait for each tag.", min=1.0)]


def enroll(device: str, label: str, count: int, wait: float, key_file: Path, as_json: bool) -> None:
    """Says the name of each tag and notes it in enrolled.jsonl beside the keys: no tag number."""

    def one(tag: Any, held: desk.Keys, progress: desk.Progress) -> desk.Seen:
        from workbench import desk

        progress("looking at the tag")
        seen = desk.look(tag, held)
        note = {
            "at": int(time.time()),
            "subject": seen.subject,
            "trust": seen.trust,
            "kind": seen.kind,
            "label": label,
        }
        with (key_file.parent / "enrolled.jsonl").open("a") as out:
            out.write(json.dumps(note) + "\n")
        return seen

    _each(one, device, key_file, count, wait, as_json)


def write_tag(device: str, again: bool, count: int, wait: float, key_file: Path, as_json: bool) -> None:
    """Makes each tag the event's."""

    def one(tag: Any, held: desk.Keys, progress: desk.Progress) -> desk.Seen:
        from workbench import desk

        return desk.write(tag, held, again, progress)

    _each(one, device, key_file, count, wait, as_json)


def tag_keys(sealing: str | None, out: Path, key_file: Path) -> None:
    """Writes the file for the controller."""
    try:
        from workbench import desk, tagexport

        held = desk.load_keys(key_file)
        named = sealing or json.loads(key_file.read_text()).get("sealing")
        if named is None:
            _fail(
                "name the controller's key with --sealing: `stallmark fleet tag-keys` shows it there", False
            )
        tagexport.write(out, tagexport.export(held.tags, held.event, bytes.fromhex(named)))
    except ModuleNotFoundError as missing:
        _fail(f"the desk needs the package {missing.name!r}: pip install 'stallmark[bench]'", False)
    except (ValueError, TypeError) as wrong:
        _fail(f"--sealing is 64 hex characters, as `stallmark fleet tag-keys` shows them ({wrong})", False)
    except OSError as failed:
        _fail(f"{out} cannot be written: {failed.strerror}", False)
    except StallmarkError as failed:
        _fail(str(failed), False)
    typer.echo(
        f"{out}: tag keys of event {held.event.hex()}, sealed for the controller; the master is not in it."
    )
    typer.echo(f"There: stallmark fleet tag-keys {out.name} --config CONFIG")


def _each(
    work: Callable[[Any, desk.Keys, desk.Progress], desk.Seen],
    device: str,
    keys: Path,
    count: int,
    wait: float,
    as_json: bool,
) -> None:
    """One tag after the other; a tag that fails is said and the next one is awaited, a reader that fails is the end."""
    failures = 0
    try:
        from workbench import desk  # nfcpy comes with it: not every kit has a desk
    except ModuleNotFoundError as missing:
        _fail(f"a desk reader needs the package {missing.name!r}: pip install 'stallmark[bench]'", as_json)
    try:
        held = desk.load_keys(keys)
        with console.status(f"looking for a reader at {device} …") as status:
            frontend = desk.open_reader(device)
            try:
                for number in range(1, count + 1):
                    place = f"tag {number} of {count}" if count > 1 else "a tag"
                    status.update(f"put {place} on the reader …")
                    tag = _next(frontend, wait, number, status)
                    begun = time.monotonic()
                    try:
                        seen = work(tag, held, lambda text: status.update(f"{text} …"))
                    except desk.NoReader:
                        raise
                    except StallmarkError as failed:
                        failures += 1
                        _say_failed(str(failed), as_json)
                    else:
                        _say(seen, time.monotonic() - begun, as_json)
                    if number < count:
                        status.update("take the tag away …")
                        desk.wait_until_gone(frontend)
            finally:
                with contextlib.suppress(*desk.Unplugged):  # a reader that was pulled out cannot be closed
                    frontend.close()
    except StallmarkError as failed:
        _fail(str(failed), as_json)
    if failures:
        raise typer.Exit(1)


def _next(frontend: Any, wait: float, number: int, status: Any) -> Any:
    """The next tag. Within a batch people fetch another box: it is asked for again. Raises NoTag, NoReader."""
    from workbench import desk

    for asked in range(1, ASK_AGAIN + 1):
        try:
            return desk.wait_for_tag(frontend, wait)
        except desk.NoTag:
            if number == 1 or asked == ASK_AGAIN:
                raise
            status.update(f"still waiting for tag {number}: put one flat on the reader's middle …")


def _say(seen: desk.Seen, seconds: float, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"ok": True, **seen._asdict(), "ms": round(seconds * 1000)}))
        return
    typer.echo(seen.words)
    if seen.link is not None:
        typer.echo(f"  its link now: {seen.link}")
    if seen.warning is not None:
        typer.echo(f"  note: {seen.warning}")


def _say_failed(text: str, as_json: bool) -> None:
    typer.echo(json.dumps({"ok": False, "error": text}) if as_json else text, err=not as_json)


def _fail(text: str, as_json: bool) -> NoReturn:
    _say_failed(text, as_json)
    raise typer.Exit(1)
