"""`stallmark fleet enrol …`: devices that wait, and what becomes of them. Beside the controller, which may be running."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fleet.errors import ConfigError, FleetError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fleet.config import Config

app = typer.Typer(no_args_is_help=True, help="Bricks and hosts that wait to be accepted, replaced or ended.")

ConfigPath = Annotated[Path, typer.Option("--config", help="The controller's config.json.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Device = Annotated[str, typer.Argument(help="Its id in hex, as `enrol list` shows it.")]
KitOption = Annotated[str, typer.Option("--kit", help="The kit: its name or its id in hex.")]
DAY_MS = 86_400_000
RUNNING = "A running controller carries it out within a second."


@app.command("list")
def listed(
    config: ConfigPath,
    every: Annotated[bool, typer.Option("--all", help="Also what was decided.")] = False,
    as_json: Json = False,
) -> None:
    """Who waits: first and last time, how often, where; and every host with its kind of credential."""
    from fleet.enrolment import codes, decide, pending
    from fleet.people.commands import now_ms

    with _beside(config) as (connection, read):
        devices = pending.every(connection, None if every else pending.PENDING)
        ends = decide.ends(connection)
        labels = codes.every(connection)
        kits = {one.kit.hex(): one.name for one in read.kits if one.name}
        hosts: list[dict[str, Any]] = [
            {
                "host": one.host.hex(),
                "name": one.name,
                "kit": one.kit.hex(),
                "rental": one.rental,
                "revoked": ends.get(one.host),
            }
            for one in read.hosts
        ]
    if as_json:
        typer.echo(json.dumps({"devices": devices, "hosts": hosts, "codes": labels}, indent=1))
        return
    table = Table(title="Devices that nobody made known")
    for column in ("kind", "id", "kit", "times", "last", "says", "state"):
        table.add_column(column)
    for row in devices:
        state = row["state"] + (f": {row['reason']}" if row["reason"] else "")
        table.add_row(
            row["kind"],
            row["device"],
            kits.get(row["kit"] or "", row["kit"] or "?"),
            str(row["count"]),
            _age(now_ms() - int(row["last_ms"])),
            ", ".join(f"{name} {value}" for name, value in row["said"].items() if value)
            or (f"seen by host {row['seen_by']}" if row["seen_by"] else ""),
            state if row["proven"] else f"{state} (not proven)",
        )
    console = Console(markup=False, emoji=False)  # devices say what they like
    console.print(table if devices else "Nobody waits.")
    for one in hosts:
        how = "bearer token of keys.json" if one["rental"] is None else f"signs, rental {one['rental']}"
        end = one["revoked"]
        console.print(
            f"{one['name']} (host {one['host']}) of kit {kits.get(one['kit'], one['kit'])}: {how}"
            + (f"; revoked: {end['reason']}" if end else "")
        )


@app.command()
def accept(
    config: ConfigPath,
    device: Device,
    kit: Annotated[
        str | None, typer.Option("--kit", help="For a host: the kit that it is to belong to.")
    ] = None,
) -> None:
    """Accept a host for one kit in its rental of today, or a brick that a bench registered."""
    from fleet.enrolment import decide
    from fleet.people.actors import COMMAND
    from fleet.people.cli import kit_of
    from fleet.people.commands import now_ms

    with _beside(config) as (connection, read):
        if kit is None:
            done = decide.accept_brick(connection, read, COMMAND, _id(device), now_ms())
            typer.echo(f"brick {done['brick']} belongs to kit {done['kit']}.")
        else:
            done = decide.accept_host(connection, read, COMMAND, _id(device), kit_of(read, kit), now_ms())
            typer.echo(f"host {done['host']} is of kit {done['kit']} in rental {done['rental']}. {RUNNING}")


@app.command()
def reject(
    config: ConfigPath,
    kind: Annotated[str, typer.Argument(help="host or brick")],
    device: Device,
    reason: Annotated[str, typer.Option("--reason", help="The device is told so.")],
) -> None:
    """Say no to a device that waits."""
    from fleet.enrolment import decide
    from fleet.people.actors import COMMAND
    from fleet.people.commands import now_ms

    with _beside(config) as (connection, _):
        decide.reject(connection, COMMAND, _kind(kind), _id(device), reason, now_ms())
    typer.echo(f"{kind} {device} is rejected.")


@app.command()
def code(
    config: ConfigPath,
    kind: Annotated[str, typer.Argument(help="host or brick")],
    device: Device,
    days: Annotated[int, typer.Option("--days", min=1, max=400)] = 180,
    label: Annotated[
        Path | None,
        typer.Option("--label", metavar="FILE", help="Draw the spare's label too: QR and code, a PNG."),
    ] = None,
) -> None:
    """Make the one-time code for the label of a spare. Shown once; an earlier one of the same device ends."""
    from fleet.enrolment import decide, spare
    from fleet.people.actors import COMMAND
    from fleet.people.commands import now_ms

    at_ms = now_ms()
    with _beside(config) as (connection, read):
        if label is not None:
            spare.ready(label)
        which = _id(device)
        made = decide.code(connection, read, COMMAND, _kind(kind), which, at_ms, days * DAY_MS)
        if label is not None:
            kit = spare.kit_name(connection, read, kind, which)
            try:
                spare.write(label, made, kind, which, kit, at_ms + days * DAY_MS)
            except OSError as failed:  # the earlier code still counts then
                raise ConfigError(f"--label {label} cannot be written: {failed.strerror}") from None
    typer.echo(made)
    where = f"Print {label} (62 × 29 mm) and put it on" if label is not None else "Write it on the label of"
    typer.echo(
        f"{where} {kind} {device}: it is shown once, counts once and ends in {days} days.",
        err=True,
    )


@app.command()
def replace(
    config: ConfigPath,
    kit: KitOption,
    old: Annotated[str, typer.Option("--old", help="Id in hex of what is replaced: it is revoked.")],
    label: Annotated[str, typer.Option("--code", help="The code on the spare's label.")],
) -> None:
    """Put a spare in a device's place."""
    from fleet.enrolment import decide
    from fleet.people.actors import COMMAND
    from fleet.people.cli import kit_of
    from fleet.people.commands import now_ms

    with _beside(config) as (connection, read):
        done = decide.replace(connection, read, COMMAND, kit_of(read, kit), _id(old), label, now_ms())
    typer.echo(f"{done['kind']} {done['new']} takes the place of {done['old']}, which is revoked. {RUNNING}")


@app.command()
def revoke(
    config: ConfigPath,
    kind: Annotated[str, typer.Argument(help="host or brick")],
    device: Device,
    reason: Annotated[str, typer.Option("--reason", help="The device is told so.")],
) -> None:
    """End a host or a brick. What it delivered before counts."""
    from fleet.enrolment import decide
    from fleet.people.actors import COMMAND
    from fleet.people.commands import now_ms

    with _beside(config) as (connection, read):
        work = decide.revoke_host if _kind(kind) == "host" else decide.revoke_brick
        work(connection, read, COMMAND, _id(device), reason, now_ms())
    typer.echo(f"{kind} {device} is revoked. {RUNNING}" if kind == "host" else f"brick {device} is revoked.")


@contextmanager
def _beside(path: Path) -> Generator[tuple[Connection, Config]]:
    """A transaction, and the configuration with what was enrolled. Ends the command with the reason where that fails."""
    from fleet import enrolled
    from fleet.config import load
    from fleet.people import commands

    try:
        read = load(path)
        with commands.beside(read) as connection:
            yield connection, enrolled.merged(connection, read)
    except FleetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _id(text: str) -> bytes:
    from fleet.enrolled import brick_of

    found = brick_of(text)
    if found is None:
        raise ConfigError(f"a device's id is 16 hex characters, not {text!r}")
    return found


def _kind(text: str) -> str:
    if text not in ("host", "brick"):
        raise ConfigError(f"a device is a host or a brick, not {text!r}")
    return text


def _age(ms: Any) -> str:
    minutes = int(ms) // 60_000
    if minutes < 1:
        return "just now"
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"
