"""`stallmark fleet keys`: make keys, make and sign roots, rotate, revoke, and say how the trust stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fleet.errors import FleetError
from fleet.trust import ceremony, clockguard, draft, files, keyfile, status
from fleet.trust.acts import begin_development, opened, pass_on, put_out, sign_with
from fleet.trust.errors import TrustError
from fleet.trust.keyset import Holder
from fleet.trust.passphrase import ask

app = typer.Typer(
    no_args_is_help=True, help="Whom the fleet trusts: root, authors, director and online keys."
)

ConfigPath = Annotated[Path, typer.Option("--config", help="The controller's config.json.")]
Files = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="FILE", help="Sign at once with this key file; several may be given."),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="Its first line is the passphrase; else STALLMARK_PASSPHRASE, else it is asked for."),
]
Days = Annotated[int, typer.Option("--days", help="How long this root is good.", min=1, max=3650)]
Why = Annotated[str, typer.Option("--why", help="The reason, shown to everybody who signs.")]


@app.command("new")
def new_key(
    name: Annotated[str, typer.Argument(help="Who holds it, as lists will show.")],
    role: Annotated[str, typer.Option("--role", help="root or author.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The sealed key file; FILE.pub beside it.")
    ],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a holder's key on the holder's own machine. FILE.pub goes to the fleet's admin; FILE never does."""
    try:
        if out.exists():
            raise TrustError(f"{out} exists: a key file is never overwritten")
        key = keyfile.new(role, name)
        sealed = keyfile.seal(key, ask(str(out), passphrase_file, new=True))
        files.write(out, sealed, secret=True)
        files.write(out.with_name(out.name + ".pub"), keyfile.public_file(key.holder, role))
    except (FleetError, OSError) as error:
        raise stop(error) from None
    typer.echo(f"{role} key {key.holder.kid.hex()} of {name} in {out}, sealed.")
    typer.echo(f"Hand over {out}.pub; keep {out} and its passphrase apart, and a copy of both elsewhere.")


@app.command()
def init(
    config: ConfigPath,
    root: Annotated[
        list[Path] | None, typer.Option("--root", help="A root holder's .pub file; three.")
    ] = None,
    author: Annotated[list[Path] | None, typer.Option("--author", help="An author's .pub file.")] = None,
    root_threshold: Annotated[int, typer.Option(help="Root holders who must sign.", min=1)] = 2,
    author_threshold: Annotated[int, typer.Option(help="Authors who must sign.", min=1)] = 2,
    days: Days = ceremony.ROOT_DAYS,
    development: Annotated[
        bool, typer.Option("--development", help="INSECURE: one root key, in the open, in the trust folder.")
    ] = False,
    key: Files = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Begin: root 1, from the holders' public files. It waits as a draft until enough holders have signed it."""
    try:
        if development:
            said = begin_development(config, days)
        else:
            read, repository, now_ms = opened(config)
            made = ceremony.first_root(
                repository,
                _holders(root, "root"),
                _holders(author, "author"),
                (root_threshold, author_threshold),
                read.secrets.director_public,
                now_ms,
                days,
            )
            said = pass_on(repository, made, key, passphrase_file, config, now_ms)
    except (FleetError, OSError) as error:
        raise stop(error) from None
    echo(said)


@app.command()
def rotate(
    config: ConfigPath,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="director, snapshot or timestamp: a fresh key.")
    ] = None,
    add_root: Annotated[list[Path] | None, typer.Option(help="A further root holder's .pub file.")] = None,
    add_author: Annotated[list[Path] | None, typer.Option(help="A further author's .pub file.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="kid of a key that ends, in hex.")] = None,
    root_threshold: Annotated[
        int | None, typer.Option(help="Root holders who must sign from now on.")
    ] = None,
    author_threshold: Annotated[int | None, typer.Option(help="Authors who must sign from now on.")] = None,
    days: Days = ceremony.ROOT_DAYS,
    why: Why = "",
    key: Files = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """The next root: a new term for the same keys, or with other ones. Holders of the old and of the new root sign."""
    try:
        _, repository, now_ms = opened(config)
        for one in role or []:
            if one not in ceremony.ONLINE_ROLES:
                raise TrustError(f"--role {one}: expected {', '.join(ceremony.ONLINE_ROLES)}")
        change = ceremony.Change(
            _holders(add_root, "root"),
            _holders(add_author, "author"),
            tuple(_kid(text) for text in remove or []),
            tuple(role or []),
            root_threshold,
            author_threshold,
        )
        made = ceremony.next_root(repository, change, now_ms, days, why or "a new term")
        said = pass_on(repository, made, key, passphrase_file, config, now_ms)
    except (FleetError, OSError) as error:
        raise stop(error) from None
    echo(said)


@app.command()
def revoke(
    config: ConfigPath,
    kid: Annotated[
        str, typer.Argument(help="The key that was lost or stolen, in hex, as `keys status` lists it.")
    ],
    replace: Annotated[
        Path | None,
        typer.Option("--replace", help="Its holder's new .pub file; online keys are replaced anyway."),
    ] = None,
    why: Why = "",
    days: Days = ceremony.ROOT_DAYS,
    key: Files = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """End one key of whatever role: the next root is without it. Hosts and bricks believe it until they have that root."""
    try:
        _, repository, now_ms = opened(config)
        ended = _kid(kid)
        came: tuple[Holder, ...] = ()
        if replace is not None:
            came = (keyfile.read_public(replace)[1],)
        is_root = any(one.kid == ended for one in repository.keys().root)
        change = ceremony.Change(came if is_root else (), () if is_root else came, (ended,))
        made = ceremony.next_root(repository, change, now_ms, days, why or f"{kid} is revoked")
        said = pass_on(repository, made, key, passphrase_file, config, now_ms)
        if any(one.kid == ended for one in repository.keys().authors):
            said.append(
                "After it is published: `stallmark fleet release renew`, signed by the authors that remain."
            )
    except (FleetError, OSError) as error:
        raise stop(error) from None
    echo(said)


@app.command()
def sign(
    path: Annotated[Path, typer.Argument(metavar="DRAFT", help="The draft file, of a root or of releases.")],
    key: Annotated[list[Path], typer.Option("--key", metavar="FILE", help="Your key file.")],
    passphrase_file: PassphraseFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: the draft was read elsewhere.")] = False,
) -> None:
    """Sign a draft where your key is: no controller and no network is needed. It says what is signed, and asks."""
    try:
        made = draft.load(path)
        echo(made.summary())
        if not yes:
            typer.confirm("Sign this?", abort=True)
        for one in key:
            sign_with(made, one, passphrase_file)
        draft.save(made, path)
    except (FleetError, OSError) as error:
        raise stop(error) from None
    echo([one.words() for one in made.waiting()])
    if draft.complete(made):
        typer.echo(f"Enough have signed: `stallmark fleet keys publish {path} --config …` at the controller.")


@app.command()
def publish(
    path: Annotated[Path, typer.Argument(metavar="DRAFT", help="A draft that enough have signed.")],
    config: ConfigPath,
) -> None:
    """Publish a signed draft, of a root or of releases: hosts fetch it from the controller from then on."""
    try:
        _, repository, now_ms = opened(config)
        said = put_out(repository, draft.load(path), config, now_ms)
    except (FleetError, OSError) as error:
        raise stop(error) from None
    echo(said)


@app.command("status")
def show(
    config: ConfigPath,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
) -> None:
    """Roles, thresholds, keys, ages, what runs out first. Exit code 1 where something is to be done."""
    try:
        read, repository, now_ms = opened(config)
        director = read.secrets.director_public
        found = status.facts(repository, now_ms, director)
        lines = status.words(repository, now_ms, director)
    except (FleetError, OSError) as error:
        raise stop(error) from None
    echo([json.dumps(found, indent=1)] if as_json else lines)
    if found["trouble"]:
        raise typer.Exit(1)


@app.command()
def renew(
    config: ConfigPath,
    above: Annotated[
        int,
        typer.Option("--above", help="Go on above this number: after the folder came from a copy.", min=0),
    ] = 0,
) -> None:
    """Sign snapshot and timestamp anew, where that is due. A running controller does so by itself."""
    try:
        _, repository, now_ms = opened(config)
        done = repository.renew(now_ms, above)
    except (FleetError, OSError) as error:
        raise stop(error) from None
    typer.echo(f"signed: {', '.join(done)}" if done else "Nothing was due.")


@app.command()
def clock(
    config: ConfigPath,
    today: Annotated[
        str, typer.Option("--today", help="The day that it is, YYYY-MM-DD: the clock is right.")
    ] = "",
) -> None:
    """Whether the controller's clock is believed: more than 30 days after all that was signed here, it is not. A person who
    knows what day it is says so with --today. Exit code 1 where it is not believed."""
    try:
        read, repository, now_ms = opened(config)
        if today:
            typer.echo(clockguard.say(repository, now_ms, today))
            return
        from fleet.desired import look

        why = clockguard.doubt(repository, now_ms, [look.signed_ms(read)])
    except (FleetError, OSError) as error:
        raise stop(error) from None
    typer.echo(why or "The clock is believed.")
    if why:
        raise typer.Exit(1)


@app.command("root")
def export_root(
    config: ConfigPath,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="For a host's config.json, `trust.root`.")
    ],
    version: Annotated[int, typer.Option("--version", help="0: the newest.", min=0)] = 0,
) -> None:
    """Write a root as hosts are provisioned with it: what they believe before they have heard anything."""
    try:
        _, repository, _ = opened(config)
        found = repository.root(version or None)
        data = repository.file(f"{found.signed.version}.root.json")
        files.write(out, data or b"")
    except (FleetError, OSError) as error:
        raise stop(error) from None
    typer.echo(f"root {found.signed.version} in {out}")


def echo(lines: Sequence[str]) -> None:
    """One line each."""
    for line in lines:
        typer.echo(line)


def stop(error: Exception) -> typer.Exit:
    """One line of what is wrong, and exit code 1."""
    typer.echo(str(error), err=True)
    return typer.Exit(1)


def _holders(paths: Sequence[Path] | None, role: str) -> tuple[Holder, ...]:
    found: list[Holder] = []
    for path in paths or []:
        stated, one = keyfile.read_public(path)
        if stated not in ("", role):
            raise TrustError(f"{path} is a key for the role {stated}, not for {role}")
        found.append(one)
    return tuple(found)


def _kid(text: str) -> bytes:
    try:
        kid = bytes.fromhex(text)
    except ValueError:
        kid = b""
    if len(kid) != 8:
        raise TrustError(f"{text}: a kid is 16 hex characters, as `stallmark fleet keys status` lists it")
    return kid
