"""What the commands beside the controller do with people: one transaction on its database, whether it runs or not.

The person at this keyboard has the controller's files: they act as "command line", and every change stands in the log so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fleet.config import Config
from fleet.db import tables
from fleet.db.engine import outside
from fleet.errors import ConfigError, Refused
from fleet.people import accounts, audit
from fleet.people.actors import ANYTHING, COMMAND, refusal
from fleet.people.passwords import Passwords

now_ms = audit.wall_ms  # the machine's clock


@contextmanager
def beside(config: Config) -> Generator[Connection]:
    """One transaction beside the controller. Raises ConfigError, also for what is refused: the message says why."""
    engine = outside(config.database)
    try:
        with engine.begin() as connection:
            demand_tables(connection)
            yield connection
    except Refused as refused:
        raise ConfigError(refused.reason) from None
    except DBAPIError as failed:
        raise ConfigError(f"the database {config.database} cannot be used: {failed.orig}") from failed
    finally:
        engine.dispose()


def record(connection: Connection, verb: str, thing: str, after: object) -> None:
    """A line of the audit log, in the transaction that makes the change durable."""
    demand_tables(connection)
    audit.record(connection, COMMAND, verb, thing, None, after, now_ms())


def proven(connection: Connection, name: str, password: str, permission: str) -> str:
    """The account of somebody who has its password and this permission for kits of every hub. Raises ConfigError."""
    demand_tables(connection)
    account, stored = accounts.find(connection, name), accounts.password_of(connection, name.lower())
    good = Passwords().good(stored, password)
    if not good or account is None or account.disabled_ms is not None:
        raise ConfigError("name or password is wrong, or this account is disabled")
    why = refusal(account.actor(), permission, ANYTHING)
    if why is not None or account.hubs or account.tags:
        raise ConfigError(why or "this is about kits of every hub: it needs an account without hubs and tags")
    return account.name


def demand_tables(connection: Connection) -> None:
    """Makes the tables that a database of an earlier version has not met yet."""
    tables.metadata.create_all(connection)
