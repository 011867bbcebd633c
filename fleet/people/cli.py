"""`stallmark fleet people …`. Beside the controller, which may be running."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fleet.errors import ConfigError, FleetError

if TYPE_CHECKING:
    from fleet.config import Config

app = typer.Typer(no_args_is_help=True, help="Who may do what here: accounts, roles, tokens.")

ConfigPath = Annotated[Path, typer.Option("--config", help="The controller's config.json.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Name = Annotated[str, typer.Argument(help="What they sign in with.")]
Roles = Annotated[list[str] | None, typer.Option("--role", help="Once for each role; `people roles` lists.")]
Hubs = Annotated[list[str] | None, typer.Option("--hub", help="Only things of this hub (hex).")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only kits with this tag.")]
DAY_MS = 86_400_000


@app.command()
def add(
    config: ConfigPath,
    name: Name,
    role: Roles = None,
    tenant: Annotated[str, typer.Option("--tenant", help="Whose they are; * sees every tenant.")] = "main",
    shown: Annotated[str, typer.Option("--shown", help="How they are shown.")] = "",
    hub: Hubs = None,
    tag: Tags = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For programs with tokens: nobody can sign in as this.")
    ] = False,
) -> None:
    """Make an account; asks for its password. The first one is made here, never over the network."""
    from fleet.people import accounts, commands
    from fleet.people.actors import COMMAND
    from fleet.people.passwords import Passwords

    read = load(config)
    try:
        stored = None if no_password else Passwords().make(ask_password(), name)
        with commands.beside(read) as connection:
            made = accounts.add(
                connection, COMMAND, name, role or [], commands.now_ms(), tenant, shown, hub or [], tag or []
            )
            if stored is not None:
                accounts.set_password(connection, COMMAND, name, stored, commands.now_ms())
    except FleetError as error:
        raise stop(str(error)) from None
    typer.echo(f"{made.name}: {', '.join(sorted(made.roles)) or 'no role yet'}")
    if not read.people.configured:
        typer.echo(
            'config.json has no "people": add "people": {} to it and start the controller again, so that the development '
            "token ends"
            if read.development
            else 'config.json has no "people" part: add "people": {} and start the controller again'
        )


@app.command("list")
def listed(config: ConfigPath, as_json: Json = False) -> None:
    """Accounts, their roles and what they see."""
    from fleet.people import accounts, commands
    from fleet.people.actors import COMMAND

    try:
        with commands.beside(load(config)) as connection:
            found = accounts.every(connection, COMMAND)
    except FleetError as error:
        raise stop(str(error)) from None
    if as_json:
        typer.echo(json.dumps({"people": [one.as_json() for one in found]}, indent=1))
        return
    table = Table(title="People")
    for column in ("name", "tenant", "roles", "hubs", "tags", "signs in by", "state"):
        table.add_column(column)
    for one in found:
        table.add_row(
            one.name,
            one.tenant,
            ", ".join(sorted(one.roles)),
            ", ".join(sorted(one.hubs)) or "all",
            ", ".join(sorted(one.tags)) or "any",
            "password or passkey" if one.has_password else "passkey or token",
            "disabled" if one.disabled_ms else "good",
        )
    Console(markup=False, emoji=False).print(
        table if found else "Nobody yet: `stallmark fleet people add NAME --role fleet-admin` makes the first"
    )


@app.command()
def role(
    config: ConfigPath,
    name: Name,
    role: Roles = None,
    hub: Hubs = None,
    tag: Tags = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="No hubs and tags any more.")] = False,
) -> None:
    """Say which roles an account has from now on, and for which hubs and tags; what is not named stays."""
    from fleet.people import accounts, commands
    from fleet.people.actors import COMMAND

    hubs, tags = ([], []) if everywhere else (hub, tag)
    try:
        with commands.beside(load(config)) as connection:
            after = accounts.change(connection, COMMAND, name, commands.now_ms(), role, hubs, tags)
    except FleetError as error:
        raise stop(str(error)) from None
    typer.echo(f"{after.name}: {', '.join(sorted(after.roles)) or 'no role'}")


@app.command()
def roles(as_json: Json = False) -> None:
    """What each role may do."""
    from fleet.people import roles as table_of

    if as_json:
        typer.echo(json.dumps({name: sorted(table_of.of_role(name)) for name in table_of.ROLES}, indent=1))
        return
    for name, what in table_of.ROLES.items():
        typer.echo(f"{name}: {what}")
        for permission in sorted(table_of.of_role(name)):
            typer.echo(f"  {permission:18} {table_of.PERMISSIONS[permission][0]}")


@app.command()
def disable(
    config: ConfigPath,
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help="Stands in the log.")] = "",
) -> None:
    """End an account: its sessions and tokens end at once."""
    from fleet.people import accounts, commands
    from fleet.people.actors import COMMAND

    try:
        with commands.beside(load(config)) as connection:
            accounts.disable(connection, COMMAND, name, commands.now_ms(), reason)
    except FleetError as error:
        raise stop(str(error)) from None
    typer.echo(f"{name} is disabled; sessions and tokens of {name} have ended.")


@app.command()
def password(config: ConfigPath, name: Name) -> None:
    """Give an account a new password; ends its sessions."""
    from fleet.people import accounts, commands
    from fleet.people.actors import COMMAND
    from fleet.people.passwords import Passwords

    read = load(config)
    try:
        stored = Passwords().make(ask_password(), name)
        with commands.beside(read) as connection:
            accounts.set_password(connection, COMMAND, name, stored, commands.now_ms())
    except FleetError as error:
        raise stop(str(error)) from None
    typer.echo(f"{name} has a new password; sessions of {name} have ended.")


@app.command()
def recover(
    config: ConfigPath,
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help="Stands in the log.")] = "",
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Nobody signs in as this until it gets one.")
    ] = False,
) -> None:
    """Bring an account back after somebody else had it: its passkeys, tokens and sessions end, it gets a new password.

    A disabled account counts again. Look in the log for what was done with it, approvals first."""
    from fleet.people import commands, recovery
    from fleet.people.actors import COMMAND
    from fleet.people.passwords import Passwords

    read = load(config)
    try:
        with commands.beside(read) as connection:
            had = recovery.access_of(connection, COMMAND, name)
        stored = None if no_password else Passwords().make(ask_password(), name)
        with commands.beside(read) as connection:
            recovery.recover(connection, COMMAND, name, commands.now_ms(), stored, reason)
    except FleetError as error:
        raise stop(str(error)) from None
    ended = f"{len(had['passkeys'])} passkeys, {len(had['tokens'])} tokens, {had['sessions']} sessions"
    typer.echo(f"{name} is back: {ended} have ended" + ("." if no_password else "; the new password counts."))


@app.command()
def place(
    config: ConfigPath,
    kit: Annotated[str, typer.Argument(help="A kit: its name or its id in hex.")],
    tenant: Annotated[str, typer.Option("--tenant")] = "main",
    hub: Annotated[str, typer.Option("--hub", help="Its hub in hex; none where absent.")] = "",
    tag: Tags = None,
) -> None:
    """Say where a kit belongs: who sees it follows from that."""
    from fleet.people import commands, places
    from fleet.people.actors import COMMAND

    read = load(config)
    try:
        with commands.beside(read) as connection:
            places.place(connection, COMMAND, kit_of(read, kit), tenant, hub, tag or [], commands.now_ms())
    except FleetError as error:
        raise stop(str(error)) from None
    typer.echo(f"kit {kit}: tenant {tenant}, {f'hub {hub}' if hub else 'no hub'}")


@app.command()
def token(
    config: ConfigPath,
    name: Annotated[str | None, typer.Argument(help="Whose; absent with --end.")] = None,
    what: Annotated[str, typer.Option("--what", help="What it is for.")] = "",
    scope: Annotated[list[str] | None, typer.Option("--scope", help="Once for each permission.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=400)] = 90,
    end: Annotated[str | None, typer.Option("--end", metavar="NUMBER", help="End this one.")] = None,
) -> None:
    """Make an API token (shown once), end one with --end, or list them all without arguments."""
    from fleet.people import commands, tokens
    from fleet.people.actors import COMMAND

    try:
        with commands.beside(load(config)) as connection:
            now_ms = commands.now_ms()
            if end is not None:
                tokens.end(connection, COMMAND, end, now_ms)
                typer.echo(f"{end} has ended.")
            elif name is None:
                for one in tokens.every(connection, COMMAND):
                    state = (
                        "ended"
                        if one["ended_ms"]
                        else "expired"
                        if one["expires_ms"] <= now_ms
                        else f"{(one['expires_ms'] - now_ms) // DAY_MS} days left"
                    )
                    typer.echo(
                        f"{one['number']}  {one['account']}  {one['what']}  {', '.join(one['scopes'])}  {state}"
                    )
            else:
                made = tokens.make(
                    connection,
                    COMMAND,
                    name,
                    what or "made on the command line",
                    scope or [],
                    days * DAY_MS,
                    now_ms,
                )
                typer.echo(made)
                typer.echo(
                    "This is shown once: keep it now. `--end` with its first 12 letters ends it.", err=True
                )
    except FleetError as error:
        raise stop(str(error)) from None


def kit_of(config: Config, kit: str) -> bytes:
    """A kit of the configuration by name or id. Raises ConfigError."""
    for one in config.kits:
        if kit.lower() in (one.name.lower(), one.kit.hex()):
            return one.kit
    names = ", ".join(f"{one.name} ({one.kit.hex()})" for one in config.kits)
    raise ConfigError(f"no kit {kit!r} in this configuration; there are: {names}")


def ask_password(confirm: bool = True) -> str:
    """From the person at the terminal, or a line of standard input: never an argument, others see those."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    found: Any = typer.prompt("Password", hide_input=True, confirmation_prompt=confirm)
    return str(found)


def load(path: Path) -> Config:
    from fleet.config import load

    try:
        return load(path)
    except FleetError as error:
        raise stop(str(error)) from None


def stop(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)
