"""`stallmark fleet rentals …`: the desk's commands. Beside the controller, which may be running."""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fleet.errors import FleetError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fleet.config import Config
    from fleet.rentals.custody import Seen

app = typer.Typer(
    no_args_is_help=True, help="Kits that are rented out: booked, packed, handed over, taken back."
)

ConfigPath = Annotated[Path, typer.Option("--config", help="The controller's config.json.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Id = Annotated[str, typer.Argument(metavar="BOOKING", help="As `rentals list` shows it.")]
Zone = Annotated[str, typer.Option("--zone", help="Of times that name none, such as Europe/Berlin.")]
Reason = Annotated[str, typer.Option("--reason", help="Stands in the log.")]
Items = Annotated[
    list[str] | None,
    typer.Option(
        "--item",
        help="ITEM=GRADE[,found|damaged|missing][,seal=…][,photo=SHA256][,note=…]; ITEM: kit, brick:NAME …",
    ),
]
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Desk:
    """One transaction beside the controller."""

    connection: Connection
    config: Config
    now_ms: int
    wall_ms: int
    names: dict[str, str]

    def echo(self, text: str) -> None:
        """A line for people: bricks and hosts have their names."""
        from fleet.rentals.called import told

        typer.echo(told(text, self.names))

    def say(self, made: dict[str, Any], as_json: bool, words: str) -> None:
        """An answer, for programs or for people."""
        typer.echo(json.dumps(made, indent=1)) if as_json else self.echo(words)

    def item(self, id: str, text: str) -> str:
        """An item of a booking, typed by number or by name. Raises Refused 404."""
        from fleet.rentals import called, rows

        return called.number(text, rows.booking(self.connection, id).kit, self.connection, self.config)


@app.command()
def book(
    config: ConfigPath,
    kit: Annotated[str, typer.Argument(help="Its name or its id in hex.")],
    begin: Annotated[str, typer.Option("--from", help="Such as 2026-05-01T08:00Z.")],
    end: Annotated[str, typer.Option("--to", help="The first instant that is not booked.")],
    renter: Annotated[str, typer.Option("--renter", help="The hub's own reference, not a person's name.")],
    zone: Zone = "",
    buffer_h: Annotated[float, typer.Option("--buffer", help="Hours for what comes after.", min=0)] = 2.0,
    key: Annotated[str, typer.Option("--key", help="Asking again with the same one books once.")] = "",
    draft: Annotated[bool, typer.Option("--draft", help="Holds no time yet.")] = False,
    as_json: AsJson = False,
) -> None:
    """Book a kit. Refused where somebody has it then, with who and until when."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import bookings, rows
    from fleet.rentals.words import read_instant, when

    with desk_of(config) as at:
        wanted = bookings.Wanted(
            rows.kit_of(at.config, kit).kit, read_instant(begin, zone), read_instant(end, zone), renter,
            key or secrets.token_hex(16), round(buffer_h * HOUR_MS), draft,
        )  # fmt: skip
        made = bookings.book(at.connection, at.config, COMMAND, wanted, at.now_ms, at.wall_ms)
    again = ", as it was before" if made["again"] else ""
    at.say(
        made,
        as_json,
        f"{made['booking']}: {made['state']}{again}, {when(made['from_ms'])} to {when(made['to_ms'])}",
    )


@app.command("list")
def listed(
    config: ConfigPath,
    kit: Annotated[str | None, typer.Option("--kit", help="One kit: its name or its id in hex.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bookings by their beginning. Exit code 1 where one is overdue or threatened."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import bookings, rows
    from fleet.rentals.overdue import sweep
    from fleet.rentals.words import ago, when

    with desk_of(config) as at:
        sweep(at.connection, at.now_ms)
        wanted = None if kit is None else rows.kit_of(at.config, kit).kit
        found = bookings.listed(at.connection, COMMAND, at.now_ms, wanted, every)
        names = {one.kit.hex(): one.name or one.kit.hex() for one in at.config.kits}
        kits = {name: rows.state_of(at.connection, bytes.fromhex(name)) for name in names}
    if as_json:
        typer.echo(json.dumps({"bookings": found}, indent=1))
    elif not found:
        typer.echo("No bookings. `stallmark fleet rentals book KIT --from … --to … --renter …` makes one.")
    else:
        table = Table(title="Bookings")
        for column in ("booking", "kit", "kit is", "renter", "from", "to", "state", "trouble"):
            table.add_column(column, overflow="fold")
        for one in found:
            row = kits.get(one["kit"])
            state = "IN_STOCK" if row is None else f"{row.state} {ago(row.since_ms, at.now_ms)}"
            table.add_row(
                one["booking"], names.get(one["kit"], one["kit"]), state, one["renter"], when(one["from_ms"]),
                when(one["to_ms"]), f"{one['state']} {ago(one['since_ms'], at.now_ms)}", one["flag"],
            )  # fmt: skip
        Console().print(table)
    if any(one["state"] == "OVERDUE" or one["flag"] for one in found):
        raise typer.Exit(1)


@app.command()
def reserve(config: ConfigPath, id: Id, as_json: AsJson = False) -> None:
    """A draft holds its time from now on."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import bookings

    with desk_of(config) as at:
        made = bookings.reserve(at.connection, at.config, COMMAND, id, at.now_ms, at.wall_ms)
    at.say(made, as_json, f"{id}: {made['state']}")


@app.command()
def pack(config: ConfigPath, id: Id, item: Items = None, as_json: AsJson = False) -> None:
    """Pack the kit for a booking: its bricks and hosts are bound to it."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import handing

    with desk_of(config) as at:
        made = handing.pack(at.connection, at.config, COMMAND, id, _items(at, id, item), at.now_ms, at.wall_ms)
    at.say(made, as_json, f"{id}: packed, {len(made['items'])} items: {', '.join(made['items'])}")


@app.command()
def unpack(config: ConfigPath, id: Id, as_json: AsJson = False) -> None:
    """Take packing back."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import handing

    with desk_of(config) as at:
        made = handing.unpack(at.connection, at.config, COMMAND, id, at.now_ms, at.wall_ms)
    at.say(made, as_json, f"{id}: unpacked")


@app.command()
def swap(
    config: ConfigPath,
    id: Id,
    out: Annotated[str, typer.Option("--out", help="What goes, such as brick:brick-2.")],
    into: Annotated[str, typer.Option("--in", help="What comes, as an --item.")],
    as_json: AsJson = False,
) -> None:
    """Another brick or host of the kit in the place of one that was packed."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import handing

    with desk_of(config) as at:
        new = _items(at, id, [into])[0]
        made = handing.swap(at.connection, at.config, COMMAND, id, at.item(id, out), new, at.now_ms, at.wall_ms)
    at.say(made, as_json, f"{id}: {made['in']} for {made['out']}")


@app.command("hand-over")
def hand_over(
    config: ConfigPath,
    id: Id,
    holder: Annotated[str, typer.Option("--to", help="Who takes it: the hub's own reference.")],
    host: Annotated[
        list[str] | None, typer.Option("--host", help="Host to accept for the new rental; again for more.")
    ] = None,
    force: Annotated[
        str,
        typer.Option("--force", metavar="REASON", help="Although a brick has not stepped since the kit came back."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """The kit leaves the hub: a new rental number, credentials of the one before open nothing within a second, bricks step to it
    as soon as they are connected."""
    from fleet.enrolled import brick_of
    from fleet.errors import ConfigError
    from fleet.people.actors import COMMAND
    from fleet.rentals import handing
    from fleet.rentals.words import when

    with desk_of(config) as at:
        hosts = [brick_of(one) for one in host or []]
        if None in hosts:
            raise ConfigError("--host: an id of 16 hex characters")
        given = [one for one in hosts if one is not None]
        made = handing.hand_over(
            at.connection, at.config, COMMAND, id, holder, given, at.now_ms, at.wall_ms, force
        )
    at.say(made, as_json, f"{id}: OUT, rental {made['rental']}, due {when(made['to_ms'])}")
    if not as_json:
        for one in made["credentials_ended"]:
            again = (
                "given anew"
                if one in made["credentials_given"]
                else "ended: `stallmark fleet enrol accept` gives a new one"
            )
            at.echo(f"  host {one}: credential {again}")
        for one in made["hosts_of_keys_json"]:
            at.echo(f"  host {one}: its token stands in keys.json and goes on")
        for one in made["steps"]:
            at.echo(f"  {one['text']}")
        for text in made["notes"]:
            at.echo(f"  note: {text}")


@app.command("take-back")
def take_back(
    config: ConfigPath,
    id: Id,
    item: Items = None,
    force: Annotated[
        str, typer.Option("--force", metavar="REASON", help="Close although something is undrained.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """The kit is back. Closes once all that is known of has arrived: exit code 1 until then; run it again."""
    from fleet.amounts import amount
    from fleet.campaigns import Campaigns
    from fleet.people.actors import COMMAND
    from fleet.rentals import returning
    from fleet.rentals.words import ago

    with desk_of(config) as at:
        made = returning.take_back(
            at.connection, at.config, COMMAND, id, _items(at, id, item), force, at.now_ms, at.wall_ms
        )
    at.say(
        made,
        as_json,
        f"{id}: {made['state']}" + ("" if made["closed"] else ", not closed: something is undrained"),
    )
    if not as_json:
        for one in made["undrained"]:
            age = "" if one["since_ms"] is None else f" ({ago(one['since_ms'], at.now_ms)})"
            at.echo(f"  {one['text']}{age}: {one['do']}")
        if made["borne"]:
            currency = Campaigns(at.config.rules).currency()
            at.echo(f"  borne by {made['borne']['by']}:")
            for one in made["borne"]["most"]:
                at.echo(f"    {one['rule']}: at most {amount(one['unit'], one['most'], currency)}")
    if not made["closed"]:
        raise typer.Exit(1)


@app.command()
def wipe(
    config: ConfigPath,
    id: Id,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="By hand: id in hex of a key that is gone; again for more.")
    ] = None,
    read: Annotated[str, typer.Option("--read", help="By hand: what reading it afterwards gave.")] = "",
    what: Annotated[str, typer.Option("--what", help="What was wiped.")] = "host store",
    as_json: AsJson = False,
) -> None:
    """Order the kit's host to wipe what its renter left, after the booking was closed; it does so once it is connected, and signs
    a proof. Bricks have done it with their step. Again: who has. With --key and --read: note what somebody wiped by hand."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import handback, returning

    with desk_of(config) as at:
        if key or read:
            made = returning.wipe(at.connection, COMMAND, id, what, key or [], read, at.now_ms, at.wall_ms)
            words = f"{id}: {what} is wiped, {len(key or [])} keys, as said by whoever runs this command"
        else:
            made = handback.order(at.connection, at.config, COMMAND, id, at.now_ms, at.wall_ms)
            words = f"{id}: wiped" if not made["waits"] else f"{id}: ordered; no proof yet of {', '.join(made['waits'])}"
    at.say(made, as_json, words)


@app.command()
def inspect(
    config: ConfigPath,
    id: Id,
    grade: Annotated[str, typer.Option("--grade", help="A (as new) to D (broken).")],
    service: Annotated[
        str, typer.Option("--service", metavar="REASON", help="To service, not into stock.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """After closing: into stock, or to service."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import returning

    with desk_of(config) as at:
        made = returning.inspect(at.connection, at.config, COMMAND, id, grade, service, at.now_ms, at.wall_ms)
    at.say(made, as_json, f"{id}: inspected, grade {grade}; the kit is {made['state']}")


@app.command()
def cancel(config: ConfigPath, id: Id, reason: Reason, as_json: AsJson = False) -> None:
    """Give the time back."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import bookings

    with desk_of(config) as at:
        made = bookings.cancel(at.connection, at.config, COMMAND, id, reason, at.now_ms, at.wall_ms)
    at.say(made, as_json, f"{id}: {made['state']}")


@app.command()
def extend(
    config: ConfigPath,
    id: Id,
    end: Annotated[str, typer.Option("--to", help="The new end, later or earlier.")],
    zone: Zone = "",
    as_json: AsJson = False,
) -> None:
    """Another end. Refused where somebody has the kit then."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import bookings
    from fleet.rentals.words import read_instant, when

    with desk_of(config) as at:
        made = bookings.extend(
            at.connection, at.config, COMMAND, id, read_instant(end, zone), at.now_ms, at.wall_ms
        )
    at.say(made, as_json, f"{id}: {made['state']}, until {when(made['to_ms'])}")


@app.command()
def kit(
    config: ConfigPath,
    kit: Annotated[str, typer.Argument(help="Its name or its id in hex.")],
    verb: Annotated[str, typer.Argument(help="stock, service, retire or lose.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Move a kit by hand. A lost kit ends its booking, its hosts and its bricks."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import returning, rows

    with desk_of(config) as at:
        id = rows.kit_of(at.config, kit).kit
        made = returning.move(at.connection, at.config, COMMAND, id, verb, reason, at.now_ms, at.wall_ms)
    at.say(made, as_json, f"{kit}: {made['state']}")


@app.command()
def why(config: ConfigPath, id: Id, as_json: AsJson = False) -> None:
    """Why a booking stands as it does: reasons in the order of their weight, with ages; then its custody and proofs."""
    from fleet.people.actors import COMMAND
    from fleet.rentals import desk
    from fleet.rentals.overdue import sweep
    from fleet.rentals.words import ago, when

    with desk_of(config) as at:
        sweep(at.connection, at.now_ms)
        found = desk.whole(at.connection, at.config, COMMAND, id, at.now_ms)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for number, one in enumerate(found["why"], 1):
        age = "" if one["since_ms"] is None else f" ({ago(one['since_ms'], at.now_ms)})"
        at.echo(f"{number}. {one['text']}{age}" + (f". {one['do']}" if one["do"] else ""))
    for one in found["custody"]:
        at.echo(
            f"  {when(one['at_ms'])}  {one['item']}  {one['what']}  {one['grade']}  {one['by']}  {one['note']}"
        )
    for one in found["wipes"]:
        proof = "proven" if one["proven"] else f"said by {one['by']}"
        at.echo(
            f"  {when(one['at_ms'])}  wiped: {one['what']} ({', '.join(one['keys'])}), {proof}: {one['read']}"
        )


def _items(at: Desk, id: str, texts: list[str] | None) -> tuple[Seen, ...]:
    from fleet.errors import Refused
    from fleet.rentals import custody

    found: list[Seen] = []
    for text in texts or []:
        item, _, rest = text.partition("=")
        told: dict[str, Any] = {"photos": [], "seals": [], "what": custody.FOUND, "grade": "", "note": ""}
        for word in filter(None, rest.split(",")):
            name, mark, value = word.partition("=")
            if mark and name in ("seal", "photo"):
                told[f"{name}s"].append(value)
            elif mark and name == "note":
                told["note"] = value
            elif not mark and word in (custody.FOUND, custody.DAMAGED, custody.MISSING):
                told["what"] = word
            elif not mark and word in custody.GRADES:
                told["grade"] = word
            else:
                raise Refused(
                    422, f"--item {text}: {word!r} is no grade, no state, no seal=, photo= or note="
                )
        found.append(
            custody.Seen(
                at.item(id, item), told["grade"], tuple(told["photos"]), tuple(told["seals"]), told["note"], told["what"]
            )
        )
    custody.check(tuple(found))
    return tuple(found)


@contextmanager
def desk_of(config: Path) -> Generator[Desk]:
    """One transaction beside the controller; what is refused ends the command with one line and exit code 1."""
    from fleet import enrolled
    from fleet.clock import open_clock
    from fleet.config import load
    from fleet.people import commands
    from fleet.rentals.called import called

    try:
        read = load(config)
        with commands.beside(read) as connection:
            merged = enrolled.merged(connection, read)
            clock = open_clock(read.clock_file)
            yield Desk(connection, merged, clock.now_ms(), commands.now_ms(), called(connection, merged))
    except FleetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


from fleet.rentals.cli_show import show  # noqa: E402 - more commands of the same app

__all__ = ["app", "show"]
