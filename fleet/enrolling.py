"""What a controller's people do about benches: write and end a technician's file, list and end what benches registered.

Every command works beside the running controller, which learns of it within ten seconds."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fleet import enrolled
from fleet.config import Config, Kit
from fleet.core import FormatError, bundle, rootmeta
from fleet.db.engine import outside
from fleet.errors import ConfigError, Refused
from fleet.keys import Seal
from fleet.people import commands

FORMAT = 1


def write_job(
    config: Config,
    out: Path,
    kit: str,
    hub: str,
    currency: str,
    name: str,
    tag: str | None,
    code: str | None,
    seconds: float,
) -> None:
    """Writes the file that workbench.job reads, with a fresh credential. Raises ConfigError, OSError."""
    found = _kit(config, kit)
    hosts = [host for host in config.hosts if host.kit == found.kit]
    if len(hosts) != 1:
        raise ConfigError(
            f"kit {found.name} has {len(hosts)} hosts in this configuration: a bench needs exactly one"
        )
    if len(config.secrets.event_keys) != 1:
        raise ConfigError(
            f"there are {len(config.secrets.event_keys)} event keys in keys.json: a bench needs exactly one"
        )
    ((event, sealed),) = config.secrets.event_keys.items()
    _hex(hub, "hub", 8)
    if tag is not None:
        _hex(tag, "tag", len(tag) // 2)
    job: dict[str, Any] = {
        "format": FORMAT,
        "development": config.development,
        "controller": config.public_url,
        "token": _credential(config, found, name),
        "sealing": bytes(enrolled.sealing_key(config.secrets.seal_key).public_key).hex(),
        "kit": found.kit.hex(),
        "kit_name": found.name,
        "hub": hub.lower(),
        "host": hosts[0].host.hex(),
        "event": event.hex(),
        "event_key": Seal(config.secrets.seal_key).open(sealed, "the event key").hex(),
        "authors": [[kid.hex(), public.hex()] for kid, public in config.authors.keys],
        "threshold": config.authors.threshold,
        "director": config.secrets.director_public.hex(),
        "first_root": _first_root(config),
        "rental": found.rental,
        "currency": currency,
        "fixture": {"tag": tag, "code": code, "seconds": seconds},
    }
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(job, file, indent=1)
        file.write("\n")


def _first_root(config: Config) -> str | None:
    """SHA-256 of the first compact root's payload, in hex: a brick that was promised it installs nothing before it has it. None
    without one. Raises ConfigError."""
    path = config.trust / "roots" / "1.cbor"
    try:
        return hashlib.sha256(bundle.opened(path.read_bytes(), rootmeta.TYPE)[0]).hexdigest()
    except FileNotFoundError:
        return None
    except (OSError, FormatError) as wrong:
        raise ConfigError(f"{path} is no root: restore it ({wrong})") from wrong


def look(config: Config) -> list[dict[str, Any]]:
    """What is known of every brick that a bench registered, newest last. Raises ConfigError."""
    with _database(config) as connection:
        found = enrolled.every(connection)
    rows = [{"brick": brick.hex(), **facts} for brick, facts in found.items()]
    return sorted(rows, key=lambda row: int(row["registered_ms"]))


def revoke(config: Config, brick: str, reason: str) -> dict[str, Any]:
    """Ends a brick of whatever kit and rental: a person's decision. Raises ConfigError."""
    brick8 = enrolled.brick_of(brick)
    if brick8 is None or not 0 < len(reason) <= enrolled.MAX_TEXT or not reason.isprintable():
        raise ConfigError(
            f"a brick's id is 16 hex characters, a reason has at most {enrolled.MAX_TEXT} characters"
        )
    try:
        with _database(config) as connection:
            facts = enrolled.end(connection, brick8, reason, time.time_ns() // 1_000_000)
            after = {"revoked_ms": facts["revoked_ms"], "reason": facts["reason"]}
            commands.record(connection, "enrol.revoke", f"brick {brick.lower()}", after)
            return facts
    except Refused:
        raise ConfigError(f"no bench registered brick {brick}: `stallmark fleet bricks list`") from None


def benches(config: Config) -> list[dict[str, Any]]:
    """Every credential of a bench, oldest first, by a number that opens nothing. Raises ConfigError."""
    current = {kit.kit.hex(): kit.rental for kit in config.kits}
    with _database(config) as connection:
        found = enrolled.benches(connection)
    rows: list[dict[str, Any]] = []
    for number, facts in found.items():
        over = current.get(facts["kit"]) != facts["rental"]
        state = "ended" if facts.get("ended_ms") else "its rental is over" if over else "good"
        rows.append({"number": number[:12], **facts, "state": state})
    return sorted(rows, key=lambda row: int(row["issued_ms"]))


def end_bench(config: Config, number: str) -> None:
    """Ends a credential: its file registers nothing more. Raises ConfigError."""
    if len(number) < 12:
        raise ConfigError("name the bench by its number of twelve characters: `stallmark fleet benches`")
    with _database(config) as connection:
        if not enrolled.end_bench(connection, number.lower(), time.time_ns() // 1_000_000):
            raise ConfigError(f"no bench {number} that is not ended already: `stallmark fleet benches`")
        commands.record(connection, "benches.end", f"bench {number.lower()}", {"ended": True})


def table(found: list[dict[str, Any]]) -> Table:
    """The same for a terminal."""
    shown = Table(title="Bricks that benches registered")
    for column in ("label", "brick", "board", "hardware", "kit", "bench", "state"):
        shown.add_column(column)
    for row in found:
        state = f"revoked: {row['reason']}" if row.get("revoked_ms") else "good"
        shown.add_row(
            *(str(row[name]) for name in ("label", "brick", "board", "hardware", "kit", "bench")), state
        )
    return shown


def _kit(config: Config, kit: str) -> Kit:
    for one in config.kits:
        if kit in (one.name, one.kit.hex()):
            return one
    names = ", ".join(f"{one.name} ({one.kit.hex()})" for one in config.kits)
    raise ConfigError(f"no kit {kit!r} in this configuration; there are: {names}")


def _credential(config: Config, kit: Kit, name: str) -> str:
    with _database(config) as connection:
        token = enrolled.issue(connection, kit.kit, kit.rental, name, time.time_ns() // 1_000_000)
        after = {"name": name, "rental": kit.rental}
        commands.record(connection, "benches.make", f"kit {kit.kit.hex()}", after)
        return token


@contextmanager
def _database(config: Config) -> Generator[Connection]:
    """One transaction beside the controller. Raises ConfigError where the database cannot be used."""
    engine = outside(config.database)
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as failed:
        raise ConfigError(f"the database {config.database} cannot be used: {failed.orig}") from failed
    finally:
        engine.dispose()


def _hex(text: str, what: str, size: int) -> None:
    try:
        good = len(bytes.fromhex(text)) == size and size > 0
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"{what}: expected {size or 'some'} bytes as hex characters, found {text!r}")
