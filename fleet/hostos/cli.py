"""`stallmark fleet hosts`: the operating systems of hosts. Beside the controller, which may be running."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fleet.config import Config, load
from fleet.errors import ConfigError, FleetError
from fleet.hostos import acts, settings, ties
from fleet.hostos.model import DEVICE, Device
from fleet.hostos.provider import HostOsProvider, open_provider

app = typer.Typer(
    no_args_is_help=True, help="The operating systems of hosts: list, tag, pin, restart, blink, logs."
)

ConfigPath = Annotated[Path, typer.Option("--config", help="The controller's config.json.")]
Which = Annotated[str, typer.Argument(help="A kit's name or id, a device's name or its number in full.")]
Api = Annotated[
    str | None, typer.Option("--api", help="Another address of the service than config.json has.")
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="Another file with the API key (mode 0600).")
]
Application = Annotated[
    str | None, typer.Option("--application", help="Another application: org/fleet or its number.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def listed(
    config: ConfigPath,
    api: Api = None,
    token_file: TokenFile = None,
    application: Application = None,
    as_json: AsJson = False,
) -> None:
    """Every device of the application: whose host it is, whether it is there, what it runs and is held at."""
    with _at_work(config, api, token_file, application) as (read, provider):
        found = provider.devices()
        with _beside(read) as connection:
            tied = {row["device"]: row["kit"] for row in ties.every(connection)}
    names = {one.kit: one.name or one.kit.hex() for one in read.kits}
    if as_json:
        rows = [
            {**one.as_json(), "kit": tied[one.device].hex() if one.device in tied else None} for one in found
        ]
        typer.echo(json.dumps({"provider": provider.name, "devices": rows}, indent=1))
        return
    table = Table(title=f"Hosts of {read.host_os.application}")
    for name in ("kit", "device", "state", "runs", "held at", "OS", "tags"):
        table.add_column(name, overflow="fold")
    for one in found:
        table.add_row(
            names.get(tied[one.device], tied[one.device].hex()) if one.device in tied else "none",
            f"{one.name}\n{one.device}",
            ("online" if one.online else "offline") + (f", {one.status}" if one.status else ""),
            (one.running or "nothing")[:12],
            (one.pinned or "follows")[:12],
            one.os,
            ", ".join(f"{key}={value}" for key, value in one.tags),
        )
    Console().print(table)
    if not found:
        typer.echo("No devices there yet: add one to the application as docs/balena.md says.")


@app.command()
def tag(
    config: ConfigPath,
    which: Which,
    key: Annotated[str, typer.Argument(help="Up to 64 letters, digits, . _ : -")],
    value: Annotated[str | None, typer.Argument(help="Without it the tag is taken away.")] = None,
    api: Api = None,
    token_file: TokenFile = None,
    application: Application = None,
) -> None:
    """Set a tag of a device, or take it away."""
    with _at_work(config, api, token_file, application) as (read, provider):
        device = _device(read, provider, which)
        acts.tag(provider, _record(read), device, key, value)
    typer.echo(f"{device}: {key} is gone" if value is None else f"{device}: {key}={value}")


@app.command()
def pin(
    config: ConfigPath,
    which: Which,
    release: Annotated[
        str,
        typer.Argument(
            help="A release's commit in full, id:NUMBER, or 'follow' for what the application gives out."
        ),
    ],
    api: Api = None,
    token_file: TokenFile = None,
    application: Application = None,
) -> None:
    """Hold a device at a release of its application. It takes it up when it is there, and not while it holds its update lock.

    For a kit's device the running controller sees to it that the service keeps it."""
    with _at_work(config, api, token_file, application) as (read, provider):
        device = _device(read, provider, which)
        wanted = None if release == "follow" else release
        acts.pin(provider, _record(read), device, wanted)
        with _beside(read) as connection:
            row = ties.of_device(connection, device)
            if row is not None:
                ties.want(connection, row["kit"], wanted or ties.FOLLOW, "command line", _now_ms(read))
    typer.echo(f"{device}: " + ("follows its application" if wanted is None else f"held at {wanted}"))


@app.command()
def restart(
    config: ConfigPath,
    which: Which,
    api: Api = None,
    token_file: TokenFile = None,
    application: Application = None,
) -> None:
    """Restart the containers of a device: refused while its host agent writes to a brick."""
    with _at_work(config, api, token_file, application) as (read, provider):
        device = _device(read, provider, which)
        acts.restart(provider, _record(read), device)
    typer.echo(f"{device}: restarts")


@app.command()
def identify(
    config: ConfigPath,
    which: Which,
    api: Api = None,
    token_file: TokenFile = None,
    application: Application = None,
) -> None:
    """Let a device blink: which of those on the table is it?"""
    with _at_work(config, api, token_file, application) as (read, provider):
        device = _device(read, provider, which)
        acts.identify(provider, _record(read), device)
    typer.echo(f"{device}: blinks")


@app.command()
def logs(
    config: ConfigPath,
    which: Which,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="How many lines.")] = 100,
    api: Api = None,
    token_file: TokenFile = None,
    application: Application = None,
    as_json: AsJson = False,
) -> None:
    """The newest lines of a device's log."""
    with _at_work(config, api, token_file, application) as (read, provider):
        found = provider.logs(_device(read, provider, which), count)
    if as_json:
        typer.echo(json.dumps({"lines": [one.as_json() for one in found]}, indent=1))
        return
    for one in found:
        at = (
            datetime.fromtimestamp(one.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
            if one.at_ms
            else "no time"
        )
        typer.echo(f"{at} UTC  {'[supervisor] ' if one.system else ''}{one.text}")
    if not found:
        typer.echo("Its log is empty: the service keeps the newest lines only.", err=True)


@app.command()
def tie(
    config: ConfigPath,
    kit: Annotated[str, typer.Argument(help="The kit: its name or id in hex.")],
    device: Annotated[
        str | None, typer.Argument(help="The number of its host's device in full; without it: untie.")
    ] = None,
) -> None:
    """Say which device is a kit's host. A host that is accepted and knows its device is tied by that."""
    from fleet.people.actors import COMMAND

    try:
        read = load(config)
        found = next((one.kit for one in read.kits if kit in (one.name, one.kit.hex())), None)
        if found is None:
            raise ConfigError(f"no kit {kit!r} in this configuration")
        with _beside(read) as connection:
            if device is None:
                ties.untie(connection, COMMAND, found, _now_ms(read))
            else:
                ties.tie(connection, COMMAND, found, device, _now_ms(read))
    except FleetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{kit}: no device" if device is None else f"{kit}: its host is device {device}")


@contextmanager
def _at_work(
    path: Path, api: str | None, token_file: Path | None, application: str | None
) -> Generator[tuple[Config, HostOsProvider]]:
    """The configuration with what the command line says instead, and the service. Errors end the command with their words."""
    provider: HostOsProvider | None = None
    try:
        read = load(path)
        own = read.host_os
        if api is not None or token_file is not None or application is not None:
            own = settings.made(
                "command line",
                settings.BALENA,
                api or own.api,
                token_file or own.token_file,
                application or own.application,
                own.deadline_s,
            )
            read = replace(read, host_os=own)
        provider = open_provider(own)
        yield read, provider
    except FleetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    finally:
        if provider is not None:
            provider.close()


def _device(read: Config, provider: HostOsProvider, which: str) -> str:
    """The number in full of what a person named. Raises ConfigError, HostOsError."""
    if DEVICE.fullmatch(which):
        return which
    kit = next((one.kit for one in read.kits if which in (one.name, one.kit.hex())), None)
    if kit is not None:
        with _beside(read) as connection:
            row = ties.of_kit(connection, kit)
        if row is not None:
            return str(row["device"])
    found: list[Device] = [one for one in provider.devices() if one.name == which]
    if len(found) == 1:
        return found[0].device
    if found:
        raise ConfigError(f"{len(found)} devices are named {which!r}: give the number of one in full")
    more = "; no device is tied to this kit: `hosts tie`" if kit is not None else ""
    raise ConfigError(f"no kit with a device and no device is named {which!r}{more}")


def _record(read: Config) -> acts.Record:
    from fleet.people import audit, commands
    from fleet.people.actors import COMMAND

    def record(verb: str, thing: str, before: object, after: object) -> None:
        with _beside(read) as connection:
            audit.record(connection, COMMAND, verb, thing, before, after, commands.now_ms())

    return record


def _beside(read: Config) -> Any:
    from fleet.people import commands

    return commands.beside(read)


def _now_ms(read: Config) -> int:
    from fleet.clock import open_clock

    return open_clock(read.clock_file).now_ms()
