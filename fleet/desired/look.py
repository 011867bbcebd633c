"""Desired state for commands beside a running controller: read, and stop. What it writes a running controller sees at once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError

from fleet import enrolled
from fleet.campaigns import Campaigns
from fleet.clock import open_clock
from fleet.config import Config
from fleet.core import reg
from fleet.db.engine import outside, read_only
from fleet.desired import rows, stops
from fleet.desired.desired import Desired
from fleet.desired.facts import Facts
from fleet.desired.knowing import known
from fleet.errors import ConfigError
from fleet.people import commands


def facts(config: Config, kit: str | None = None) -> list[Facts]:
    """Of one kit (its name or id in hex) or of all. Raises ConfigError."""
    with _reading(config) as connection:
        merged = enrolled.merged(connection, config)
        wanted = [_kit(merged, kit)] if kit is not None else [one.kit for one in merged.kits]
        heads = {one.kit: one for one in rows.heads(connection)}
        now_ms = open_clock(config.clock_file).now_ms()
        return known(connection, merged, now_ms, wanted, heads, {}, wanted if kit is not None else None)


def signed_ms(config: Config) -> int:
    """The newest instant that a directive has from here; 0 without one. Raises ConfigError."""
    with _reading(config) as connection:
        return rows.newest_ms(connection)


def exposed(config: Config, kits: list[bytes]) -> list[stops.Exposed]:
    """What these kits can still spend. Raises ConfigError."""
    with _reading(config) as connection:
        return stops.exposed(connection, open_clock(config.clock_file).now_ms(), kits)


def stop(config: Config, campaign: str | None, kit: str | None, reason: str, lift: bool) -> list[bytes]:
    """Stops, or takes it back; the kits that were meant. Durable on return. Raises ConfigError, DesiredError."""
    with _writing(config) as (connection, merged, desired):
        wanted = stops.chosen(desired, merged, campaign, kit)
        after = {"kits": [one.hex() for one in wanted], "reason": reason}

        def noted(within: Connection) -> None:
            commands.record(within, "kits.lift" if lift else "kits.stop", campaign or kit or "", after)

        if lift:
            stops.lift(desired, connection, wanted, noted)
        else:
            stops.stop(desired, wanted, reason, noted)
        return wanted


def host_release(config: Config, data: bytes | None, kit: str | None, reason: str) -> tuple[str, list[bytes]]:
    """Orders a release of the host agent, or with None none, for one kit or for all that have a directive: its digest, the
    kits. Durable on return. Raises ConfigError, DesiredError, FormatError."""
    from fleet.desired.wishes import DesiredError, Wish

    with _writing(config) as (_, merged, desired):
        digest = ""
        if data is not None:
            release = desired.add(data)
            if release.kind != reg.ARTEFACT_HOST:
                raise DesiredError("this is no release of a host: `stallmark fleet release host` makes one")
            digest = release.digest.hex()
        kits = [_kit(merged, kit)] if kit is not None else [one.kit for one in merged.kits]
        heads = [head for one in kits if (head := desired.head(one)) is not None]
        if not heads:
            raise DesiredError("no kit has a directive yet: order rules first, or put a bundle into the rules folder")
        wishes = [
            Wish(
                head.kit, head.order.items, reason, head.order.expires_ms if head.origin == rows.SET else None,
                head.order.flags, head.origin, instead_of=head.number, host=digest,
            )
            for head in heads
        ]  # fmt: skip
        after = {"kits": [one.kit.hex() for one in heads], "release": digest, "reason": reason}
        given = desired.set_all(wishes, lambda within: commands.record(within, "kits.host-release", kit or "", after))
        return digest, list(given)


@contextmanager
def _writing(config: Config) -> Generator[tuple[Connection, Config, Desired]]:
    engine = outside(config.database)
    try:
        with engine.connect() as connection:
            merged = enrolled.merged(connection, config)
            connection.rollback()
            desired = Desired(
                _Beside(connection), lambda: merged, open_clock(config.clock_file), Campaigns(config.rules)
            )
            yield connection, merged, desired
    except DBAPIError as failed:
        raise ConfigError(
            f"the database {config.database} cannot be written: {failed.orig}. `stallmark fleet init` makes it"
        ) from failed
    finally:
        engine.dispose()


class _Beside:
    """One connection of a command, as fleet.db.engine.Database has two."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A transaction."""
        if self._connection.in_transaction():
            self._connection.rollback()  # nothing but reading was in it
        with self._connection.begin():
            yield self._connection

    @contextmanager
    def read(self) -> Generator[Connection]:
        """What is committed."""
        yield self._connection


@contextmanager
def _reading(config: Config) -> Generator[Connection]:
    path = config.database
    engine = create_engine(path) if isinstance(path, str) else read_only(path)
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as failed:
        raise ConfigError(
            f"the database {path} cannot be read: {failed.orig}. `stallmark fleet init` makes it; one of an earlier version "
            "is brought up to date by starting the controller"
        ) from failed
    finally:
        engine.dispose()


def _kit(config: Config, wanted: str) -> bytes:
    for one in config.kits:
        if wanted in (one.name, one.kit.hex()):
            return one.kit
    names = ", ".join(f"{one.name} ({one.kit.hex()})" for one in config.kits)
    raise ConfigError(f"no kit {wanted!r} in this configuration; there are: {names}")


__all__ = ["exposed", "facts", "host_release", "signed_ms", "stop"]
