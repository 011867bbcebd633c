"""A plan's host release: read from its bundle, held against the kits that are tied to a host OS service, with its way back."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from sqlalchemy import Connection

from fleet import packs
from fleet.core import FormatError, bundle, reg
from fleet.desired import folder, rows
from fleet.desired.report import Report
from fleet.hostos import ties
from fleet.rollouts.plan import PlanError
from fleet.rollouts.planning import Fleet, read_bundle

NAMED = 4  # kits that a message names
HALTED = "On a halt those that have not begun stay as they are, and a release that does not work goes back by itself."
DIGEST = re.compile(r"[0-9a-f]{64}")


def read(path: Path) -> folder.Release:
    """A release of the host agent. Raises PlanError."""
    found = read_bundle(path)
    if found.kind != reg.ARTEFACT_HOST:
        raise PlanError(f"{path} is no release of a host: `stallmark fleet release host` makes one")
    try:
        packs.host_version(found.data)
    except FormatError as wrong:
        raise PlanError(f"{path}: {wrong}") from None
    return found


def alone(
    own: folder.Release, path: Path | None, service: str, service_before: str, before: Path | None, follows: bool
) -> tuple[Path, folder.Release]:
    """A plan for the host alone. Raises PlanError for what does not go with it."""
    assert path is not None
    if service or service_before:
        raise PlanError("--host goes with bricks: `stallmark fleet hosts pin` changes a host OS service's release alone")
    if before is not None:
        raise PlanError("name what hosts go back to with --back-to: there is nothing beside the host here")
    if follows:
        raise PlanError("--follow is about the rules folder: a release of the host alone goes without it")
    return path, own


def kits(connection: Connection, fleet: Fleet, alone: bool, service: str, notes: list[str]) -> Fleet:
    """The kits of a plan with such a release. Kits that are tied to a device of a host OS service get theirs there: beside
    bricks by `service`, and a rollout of the host alone leaves them out. Raises PlanError."""
    tied = {row["kit"].hex() for row in ties.every(connection)} & fleet.keys()
    if not tied:
        return fleet
    some = ", ".join(fleet[kit][0]["name"] for kit in sorted(tied)[:NAMED])
    some += ", …" if len(tied) > NAMED else ""
    many = f"{len(tied)} {'kit is' if len(tied) == 1 else 'kits are'} tied to a host OS service ({some})"
    if alone:
        notes.append(f"Left out: {many}. `stallmark fleet hosts pin` changes their release.")
        return {kit: about for kit, about in fleet.items() if kit not in tied}
    if not service:
        raise PlanError(f"{many}: name their release there with --host, too")
    return fleet


def before(
    connection: Connection, new: folder.Release, chosen: Path | None, alone: bool, notes: list[str]
) -> folder.Release | None:
    """What hosts go back to: a bundle that is named, or the release that most directives name or most hosts say that they run.
    Raises PlanError."""
    old = read(chosen) if chosen is not None else _running(connection, new.digest)
    if old is not None and old.digest == new.digest:
        raise PlanError(f"{chosen} is the release itself: name what hosts go back to")
    if old is None:
        notes.append(
            f"No way back for hosts: nobody knows an earlier release of theirs. {HALTED} "
            f"Name its bundle with {'--back-to' if alone else '--host-release-before'}."
        )
        return None
    if old.artefact in new.fallback or old.artefact == new.artefact or old.rev > new.rev:
        return old
    notes.append(
        f"No way back for hosts: the authors of {new.name} (revision {new.rev}) did not sign {old.name} (revision {old.rev})"
        f" as its fallback: hosts would refuse it as older. {HALTED} `stallmark fleet release host --fallback` names it."
    )
    return None


def _running(connection: Connection, new: bytes) -> folder.Release | None:
    """The earlier release of most kits, as far as its bundle is here."""
    found: Counter[str] = Counter()
    for head in rows.heads(connection):
        found.update(filter(None, [head.order.host_release]))
    said: Counter[str] = Counter()
    for row in rows.reports(connection).values():
        host = Report.model_validate_json(row.body).host
        if host is not None and host.release is not None and host.phase != "trial":
            said[host.release] += 1
    for digest, _ in (*found.most_common(), *said.most_common()):
        if not DIGEST.fullmatch(digest) or bytes.fromhex(digest) == new:
            continue
        envelope = rows.target(connection, bytes.fromhex(digest))
        try:
            data = None if envelope is None else rows.target(connection, bundle.parse(envelope).fields[2])
            if envelope is not None and data is not None:
                return folder.read(bundle.join(envelope, data))
        except FormatError:
            continue
    return None
