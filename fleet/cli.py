"""`stallmark fleet`: make the ledger once, run the controller, ask how it is."""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from cli import lazy
from fleet.config import Config, load
from fleet.errors import ConfigError, FleetError, LedgerConflict

# What stands beside its part; loaded when it is called: name → (module, attribute, one line).
PARTS: dict[str, tuple[str, str, str]] = {
    "kits": ("fleet.desiredcli", "kits", "Every kit: its state, since when its host was not heard, and the first reason."),
    "why": ("fleet.desiredcli", "why", "Why a kit runs what it runs: reasons in the order of their weight, with their age."),
    "stop": ("fleet.desiredcli", "stop", "Stop a campaign on every kit that has it, or one kit, at once."),
    "host-release": ("fleet.desiredcli", "host_release", "Order a release of the host agent for one kit or all."),
    "exposed": ("fleet.desiredcli", "exposed", "What kits can still spend at most of slices given out, and until when."),
    "alerts": ("fleet.alerts.cli", "alerts", "What somebody must look at, the most pressing first, with whose work it is."),
    "take-alert": ("fleet.alerts.cli", "take", "Take an alert over: the others see that somebody has it."),
    "people": ("fleet.people.cli", "app", "Who may do what here: accounts, roles, tokens."),
    "audit": ("fleet.people.auditcli", "app", "The log of everything that people changed."),
    "enrol": ("fleet.enrolment.cli", "app", "Bricks and hosts that wait to be accepted, replaced or ended."),
    "keys": ("fleet.trust.cli", "app", "Whom the fleet trusts: root, authors, director and online keys."),
    "release": ("fleet.trust.cli_release", "app", "Bundles that may be passed on: a list that the authors sign."),
    "rentals": ("fleet.rentals.cli", "app", "Kits that are rented out: booked, packed, handed over, taken back."),
    "rollout": ("fleet.rollouts.cli", "app", "Releases that go out in waves and stop by themselves."),
    "simulate": ("fleet.simulate.cli", "simulate", "Play a rollout to virtual kits, or with --live to real hosts."),
    "hosts": ("fleet.hostos.cli", "app", "The operating systems of hosts: list, tag, pin, restart, blink, logs."),
}

app = typer.Typer(cls=lazy.group(PARTS), no_args_is_help=True, help="The fleet controller: ledger, receipts in public.")
bricks = typer.Typer(no_args_is_help=True, help="The bricks of a fleet.")
app.add_typer(bricks, name="bricks")

ConfigPath = Annotated[Path, typer.Option("--config", help="The controller's config.json.")]
STATUS_TIMEOUT_S = 5.0


@app.command()
def init(config: ConfigPath) -> None:
    """Make the ledger. Once: where there is one already, nothing is changed."""
    from fleet.clock import open_clock
    from fleet.controller import initialise

    try:
        read = load(config)
        initialise(read, open_clock(read.clock_file))
    except FleetError as error:
        raise _stop(str(error)) from None
    typer.echo(f"The ledger {read.origin} begins, empty and signed, in {read.ledger}.")


@app.command()
def run(
    config: ConfigPath,
    make: Annotated[
        bool, typer.Option("--init", help="Make the ledger first where neither database nor ledger is there.")
    ] = False,
) -> None:
    """Run the controller until Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        read = load(config)
        _serve(read, make)
    except FleetError as error:
        raise _stop(str(error)) from None


@app.command()
def status(
    config: ConfigPath,
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer, for programs.")] = False,
) -> None:
    """How a running controller is. Exit code 1 where it does not publish, 2 where nobody answers."""
    try:
        read = load(config)
        found = _ask(f"http://{read.address}:{read.port}/healthz")
    except ConfigError as error:
        raise _stop(str(error)) from None
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        Console().print(_table(found))
    if found["status"] != "ok":
        raise typer.Exit(1)


@app.command()
def rights(
    config: ConfigPath,
    kit: Annotated[str | None, typer.Option("--kit", help="One kit: its name or its id in hex.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures, for programs.")] = False,
) -> None:
    """Budgets of every kit and rule: kept, minted, spent, stranded, returned. The controller may be running."""
    from fleet.rights import as_json as for_programs
    from fleet.rightstable import look, table

    try:
        read = load(config)
        found = look(read, kit)
    except FleetError as error:
        raise _stop(str(error)) from None
    if as_json:
        typer.echo(json.dumps({"rights": for_programs(found)}, indent=1))
    elif not found:
        typer.echo("No budgets: config.json has no `rights`, and none were ever minted.")
    else:
        Console().print(table(read, found))


@app.command("export-events")
def export_events(
    config: ConfigPath,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")],
) -> None:
    """Write the events behind every kit's decisions for `stallmark rules replay --events FILE`.

    One line for each event; works beside a running controller. Private parts are opened with the keys that hosts posted:
    people stand in the file by their pseudonyms, with their baskets, so it is for its owner alone. What records do not hold
    is not in it: signals, references, vouchers' serials, quantities of single items, risk, balances, open values,
    operators' answers. Receipts with findings are left out."""
    from rich.progress import Progress
    from sqlalchemy.exc import SQLAlchemyError

    from fleet import eventexport

    try:
        read = load(config)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("reading records", total=None)
            found = eventexport.write(read, out, lambda done, of: bar.update(task, completed=done, total=of))
    except FleetError as error:
        raise _stop(str(error)) from None
    except SQLAlchemyError as error:
        raise _stop(f"the database cannot be read: {error}") from None
    except OSError as error:
        raise _stop(f"{out} cannot be written: {error.strerror}") from None
    typer.echo(f"{found.events} events of {found.records} records in {out}")
    if found.training:
        typer.echo(f"  {found.training} of training are left out")
    if found.unopened:
        typer.echo(
            f"  {found.unopened} stand without person and basket: there is no key for their private part"
        )
    typer.echo("  Campaigns need --start for a replay: the stream does not say when a market began.")


@app.command("tag-keys")
def tag_keys(
    config: ConfigPath,
    file: Annotated[
        Path | None,
        typer.Argument(help="What `stallmark kit tag-keys` wrote at the desk; without it: a list."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Take the tag keys of an event from the hub's desk, or list which are here. The controller may be running.

    Hosts fetch them, sealed for each brick, and their bricks then know tags that prove themselves. Without a file it also
    says the key that the desk seals for (--sealing)."""
    from fleet import tagkeys

    try:
        read = load(config)
        if file is None:
            _list_tag_keys(read, as_json)
            return
        event, version, fresh = tagkeys.take(read, file)
    except FleetError as error:
        raise _stop(str(error)) from None
    if as_json:
        typer.echo(json.dumps({"event": event.hex(), "version": version, "new": fresh}))
        return
    what = "taken" if fresh else "the same as here already"
    typer.echo(f"Tag keys of event {event.hex()}: {what}, version {version}. Hosts fetch them by themselves.")


def _list_tag_keys(read: Config, as_json: bool) -> None:
    from fleet import enrolled, tagkeys

    found = tagkeys.listed(read)
    sealing = bytes(enrolled.sealing_key(read.secrets.seal_key).public_key).hex()
    if as_json:
        typer.echo(json.dumps({"sealing": sealing, "events": found}, indent=1))
        return
    for one in found:
        typer.echo(f"event {one['event']}  version {one['version']}")
    if not found:
        typer.echo("No tag keys are here.")
    typer.echo(f"At the desk: stallmark kit tag-keys --sealing {sealing} --out FILE")


@bricks.command()
def rekey(
    config: ConfigPath,
    brick: Annotated[list[str] | None, typer.Argument(help="Bricks by their ids in hex.")] = None,
    kit: Annotated[
        str | None, typer.Option("--kit", help="All bricks of a kit: its name or its id in hex.")
    ] = None,
) -> None:
    """Order new link keys, after a host was restored from a copy, lost its store, or was copied by somebody.

    The kit's host fetches them and its bricks take them with their next link; older keys open nothing after that. Where a
    host was copied, give the kit's host another token in config.json first, or the copy fetches them, too. The controller
    may be running."""
    from fleet import rekeys

    try:
        read = load(config)
        made = rekeys.order(read, kit, brick or [])
    except FleetError as error:
        raise _stop(str(error)) from None
    for one in made:
        typer.echo(f"brick {one.brick.hex()}: link key {one.number}, from epoch {one.epoch} on")
    typer.echo(f"{len(made)} ordered. Bricks take them as soon as their host has asked this controller.")


@bricks.command("list")
def list_bricks(
    config: ConfigPath,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
) -> None:
    """Bricks that benches registered: board, label, kit, and whether they are revoked. The controller may be running."""
    from fleet import enrolling

    try:
        found = enrolling.look(load(config))
    except FleetError as error:
        raise _stop(str(error)) from None
    if as_json:
        typer.echo(json.dumps({"bricks": found}, indent=1))
    elif not found:
        typer.echo("No bench has registered a brick here. `stallmark fleet bench` makes a bench's file.")
    else:
        Console().print(enrolling.table(found))


@bricks.command("revoke")
def revoke_brick(
    config: ConfigPath,
    brick: Annotated[str, typer.Argument(help="Its id in hex.")],
    reason: Annotated[str, typer.Option("--reason", help="Shown beside it.")] = "revoked",
) -> None:
    """End a brick that a bench registered, of whatever kit and rental. The controller may be running."""
    from fleet import enrolling

    try:
        facts = enrolling.revoke(load(config), brick, reason)
    except FleetError as error:
        raise _stop(str(error)) from None
    typer.echo(
        f"brick {brick} is revoked: {facts['reason']}. A running controller knows it within ten seconds."
    )


@app.command()
def benches(
    config: ConfigPath,
    end: Annotated[
        str | None, typer.Option("--end", help="Number of the one whose file is to be worth nothing.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """The technicians' files that were written, and whether they are good still. The controller may be running."""
    from fleet import enrolling

    try:
        read = load(config)
        if end is not None:
            enrolling.end_bench(read, end)
        found = enrolling.benches(read)
    except FleetError as error:
        raise _stop(str(error)) from None
    if as_json:
        typer.echo(json.dumps({"benches": found}, indent=1))
        return
    for one in found:
        typer.echo(
            f"{one['number']}  {one['name']}  kit {one['kit']}  rental {one['rental']}  {one['state']}"
        )
    if not found:
        typer.echo("No bench's file was written here: `stallmark fleet bench` writes one.")


@app.command()
def bench(
    config: ConfigPath,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write, mode 0600.")],
    kit: Annotated[
        str, typer.Option("--kit", help="The kit whose bricks are made: its name or its id in hex.")
    ],
    hub: Annotated[str, typer.Option("--hub", help="The hub that owns the kit: its id in hex.")],
    currency: Annotated[str, typer.Option("--currency", help="Three letters.")] = "EUR",
    name: Annotated[str, typer.Option("--name", help="Which bench: shown beside its bricks.")] = "bench",
    tag: Annotated[
        str | None, typer.Option("--tag", help="Number in hex of the reference tag on the bench.")
    ] = None,
    code: Annotated[
        str | None, typer.Option("--code", help="Text of the reference code on the bench.")
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", help="How long the self-test waits for tag and code; 0: no fixture.", min=0
        ),
    ] = 0.0,
) -> None:
    """Write a technician's file for `stallmark brick flash`: whom the bricks of a kit trust, and a credential for one rental.

    It holds the event key: give it to the technician alone, and delete it when the rental ends. Works beside a running
    controller."""
    from fleet import enrolling

    try:
        enrolling.write_job(load(config), out, kit, hub, currency, name, tag, code, seconds)
    except FleetError as error:
        raise _stop(str(error)) from None
    except OSError as error:
        raise _stop(f"{out} cannot be written: {error.strerror}") from None
    typer.echo(f"{out}: for the bricks of kit {kit}. Next: stallmark brick flash --job {out} --image IMAGE")


def _serve(config: Config, make: bool) -> None:
    from fleet.app import create
    from fleet.clock import open_clock
    from fleet.controller import initialise
    from fleet.server import Server

    clock = open_clock(config.clock_file)
    if make and not _begun(config):
        initialise(config, clock)
    server = Server(create(config, clock), config.address, config.port, proxies=config.people.proxies)
    with suppress(KeyboardInterrupt):  # raised again once everything is closed: Ctrl-C is how it ends
        server.run()


def _begun(config: Config) -> bool:
    """Whether there is a ledger or what is left of one. One half without the other is for people to look
    at."""
    if not isinstance(config.database, Path):
        raise LedgerConflict("--init is for an SQLite file; for another database use `stallmark fleet init`")
    database, ledger = config.database.exists(), config.ledger.exists()
    if database != ledger:
        there, gone = (config.database, config.ledger) if database else (config.ledger, config.database)
        raise LedgerConflict(f"{there} is there, {gone} is not: restore what is missing, nothing was made")
    return database


def _ask(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=STATUS_TIMEOUT_S) as answer:  # noqa: S310 (http of our own)
            data = answer.read()
    except urllib.error.HTTPError as error:
        data = error.read()
    except OSError as error:
        typer.echo(f"No controller answers at {url}: {error}. Start it with `stallmark fleet run`.", err=True)
        raise typer.Exit(2) from None
    return cast("dict[str, Any]", json.loads(data))


def _table(found: dict[str, Any]) -> Table:
    table = Table(title=f"Ledger {found['origin']}" + (" (development)" if found["development"] else ""))
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("status", found["status"] + (f": {found['reason']}" if found["reason"] else ""))
    trust = found.get("trust", {})
    table.add_row("signed lists", "; ".join([trust.get("profile", "?"), *trust.get("trouble", [])]))
    table.add_row("hosts that wait for a directive", str(found.get("hosts_waiting", "?")))
    table.add_row("leaves, published", f"{found['ledger_size']}, {found['published_size']}")
    for word, n in found["leaves"].items():
        table.add_row(f"  {word}", str(n))
    for word, n in found["kinds"].items():
        table.add_row(f"receipts: {word}", str(n))
    since = found["since_start"]
    for name in ("batches", "repeats", "checkpoints", "publish_failures"):
        table.add_row(f"since start: {name.replace('_', ' ')}", str(since[name]))
    for code, n in since["refused"].items():
        table.add_row(f"since start: refused {code}", str(n))
    return table


def _stop(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)
