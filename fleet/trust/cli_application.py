"""`stallmark fleet release application`: the brick's programs as a pack, in a bundle that the authors sign one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleet import packs
from fleet.core import FormatError, bundle, reg
from fleet.errors import FleetError
from fleet.trust import bundledraft, files, metadata
from fleet.trust.acts import opened, pass_on
from fleet.trust.cli import ConfigPath, Files, PassphraseFile, echo, stop
from fleet.trust.errors import DraftError, TrustError
from fleet.trust.repository import MAX_BUNDLE, Repository


def application(
    config: ConfigPath,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source", metavar="FOLDER", help="Where the packages brick, boards and stallmark lie."
        ),
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option("--pack", metavar="FILE", help="A pack that was built before, in place of that."),
    ] = None,
    rev: Annotated[
        int | None, typer.Option(min=1, max=0xFFFF_FFFF, help="By default one above the highest on the list.")
    ] = None,
    name: Annotated[str, typer.Option(help="As lists and rollouts show it.")] = "application",
    hardware: Annotated[
        list[str] | None, typer.Option("--hardware", help="A board that it is for; by default any.")
    ] = None,
    fallback: Annotated[
        list[Path] | None,
        typer.Option(
            "--fallback", metavar="BUNDLE", help="An application that bricks may go back to, without authors."
        ),
    ] = None,
    why: Annotated[str, typer.Option("--why", help="The reason, shown to everybody who signs.")] = "",
    key: Files = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Pack the brick's programs into an application that rollouts bring to bricks.

    It waits as a draft until enough authors have signed it (`keys sign`, `keys publish`); then it goes on the list of releases,
    which they sign, too. Signing twice: what runs on bricks, and that it may be passed on."""
    try:
        _, repository, now_ms = opened(config)
        data = _build(source) if pack is None else files.read(pack, bundledraft.MAX_PACK)
        back = tuple(_artefact(one) for one in fallback or ())
        payload = bundledraft.manifest(
            data, rev or _next(repository, reg.ARTEFACT_APPLICATION), name, tuple(hardware or ()), back
        )
        said = _begun(repository, payload, data, why, key, passphrase_file, config, now_ms)
    except (FleetError, OSError) as error:
        raise stop(error) from None
    echo(said)


def host(
    config: ConfigPath,
    version: Annotated[str, typer.Option("--version", help="What it calls itself: 1 to 48 characters.")],
    source: Annotated[
        Path | None, typer.Option("--source", metavar="FOLDER", help="The project's folder; by default this program's.")
    ] = None,
    rev: Annotated[
        int | None, typer.Option(min=1, max=0xFFFF_FFFF, help="By default one above the highest on the list.")
    ] = None,
    fallback: Annotated[
        list[Path] | None,
        typer.Option(
            "--fallback", metavar="BUNDLE", help="A release that hosts may go back to; by default the newest on the list."
        ),
    ] = None,
    no_fallback: Annotated[bool, typer.Option("--no-fallback", help="Hosts may not go back from it to any.")] = False,
    why: Annotated[str, typer.Option("--why", help="The reason, shown to everybody who signs.")] = "",
    key: Files = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Pack the host agent into a release that hosts with `host run --releases` install by themselves."""
    try:
        _, repository, now_ms = opened(config)
        data = packs.host_release(Path(__file__).resolve().parents[2] if source is None else source, version)
        number = rev or _next(repository, reg.ARTEFACT_HOST)
        if fallback and no_fallback:
            raise DraftError("--fallback and --no-fallback: say one of them")
        back = tuple(_artefact(one, reg.ARTEFACT_HOST) for one in fallback or ())
        if not back and not no_fallback:
            back = _newest(repository, reg.ARTEFACT_HOST, number)
        payload = bundledraft.manifest(data, number, f"host {version}"[:48], fallback=back, kind=reg.ARTEFACT_HOST)
        said = _begun(repository, payload, data, why, key, passphrase_file, config, now_ms)
    except (FleetError, FormatError, OSError) as error:
        raise stop(error) from None
    echo(said)


def _begun(
    repository: Repository,
    payload: bytes,
    data: bytes,
    why: str,
    key: list[Path] | None,
    passphrase_file: Path | None,
    config: Path,
    now_ms: int,
) -> list[str]:
    """The draft, signed with the keys at hand; what to say of it."""
    made = bundledraft.BundleDraft(payload, data, repository.root(), why)
    made.check()
    said = pass_on(repository, made, key, passphrase_file, config, now_ms)
    return [metadata.INSECURE, *said] if repository.keys().development else said


def _build(source: Path | None) -> bytes:
    """The pack of a source tree. Raises TrustError with the compiler's words."""
    from stallmark.errors import StallmarkError
    from workbench import application as programs

    try:
        return programs.build(programs.FIRMWARE if source is None else source).pack()
    except StallmarkError as failed:
        raise TrustError(str(failed)) from None


def _next(repository: Repository, kind: int) -> int:
    """One above the highest revision of this kind on the list."""
    revisions = [
        int(one.custom["rev"])
        for one in repository.listed().values()
        if one.custom is not None and one.custom.get("kind") == kind
    ]
    return max(revisions, default=0) + 1


def _newest(repository: Repository, kind: int, below: int, hardware: tuple[str, ...] = ()) -> tuple[bytes, ...]:
    """The artefact of the newest on the list of this kind and hardware, older than `below`; none where there is none."""
    found = [one.custom for one in repository.listed().values() if one.custom is not None and one.custom.get("kind") == kind]
    fit = [one for one in found if tuple(one["hardware"]) == hardware and int(one["rev"]) < below]
    fit.sort(key=lambda one: int(one["rev"]))
    return (bytes.fromhex(fit[-1]["artefact"]),) if fit else ()


def _artefact(path: Path, kind: int = reg.ARTEFACT_APPLICATION) -> bytes:
    """The digest of what a bundle of this kind carries."""
    who, what = ("hosts", "release of a host") if kind == reg.ARTEFACT_HOST else ("bricks", "application")
    try:
        f = bundle.parse(bundle.split(files.read(path, MAX_BUNDLE))[0]).fields
    except FormatError as error:
        raise DraftError(f"{path} is no bundle that {who} could go back to: {error}") from None
    if f[1] != kind:
        raise DraftError(f"{path} is no {what}: {who} could not go back to it")
    digest: bytes = f[2]
    return digest
