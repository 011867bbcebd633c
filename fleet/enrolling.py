"""`stallmark fleet bench` and `stallmark fleet bricks list`: a technician's file, and what the benches made of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from rich.table import Table
from sqlalchemy.exc import DBAPIError

from fleet import enrolled
from fleet.config import Config, Kit
from fleet.db.engine import beside, read_only
from fleet.errors import ConfigError
from fleet.keys import Seal

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
        "rental": found.rental,
        "currency": currency,
        "fixture": {"tag": tag, "code": code, "seconds": seconds},
    }
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(job, file, indent=1)
        file.write("\n")


def look(config: Config) -> list[dict[str, Any]]:
    """What is known of every brick that a bench registered, newest last. Raises ConfigError."""
    if not isinstance(config.database, Path):
        raise ConfigError("this looks into an SQLite file; for another database ask the running controller")
    if not config.database.exists():
        raise ConfigError(f"there is no database {config.database}: `stallmark fleet init` makes it")
    engine = read_only(config.database)
    try:
        with engine.connect() as connection:
            found = enrolled.every(connection)
    finally:
        engine.dispose()
    rows = [{"brick": brick.hex(), **facts} for brick, facts in found.items()]
    return sorted(rows, key=lambda row: int(row["registered_ms"]))


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
    if not isinstance(config.database, Path) or not config.database.exists():
        raise ConfigError(f"there is no SQLite database {config.database}: `stallmark fleet init` makes it")
    engine = beside(config.database)
    try:
        with engine.begin() as connection:
            return enrolled.issue(connection, kit.kit, kit.rental, name, time.time_ns() // 1_000_000)
    except DBAPIError as failed:
        raise ConfigError(f"the database {config.database} cannot be written: {failed.orig}") from failed
    finally:
        engine.dispose()


def _hex(text: str, what: str, size: int) -> None:
    try:
        good = len(bytes.fromhex(text)) == size and size > 0
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"{what}: expected {size or 'some'} bytes as hex characters, found {text!r}")
