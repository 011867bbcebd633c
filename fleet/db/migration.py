"""A database of an earlier schema is taken over in place, in the one transaction that opens it: all of it or nothing."""

from __future__ import annotations

from sqlalchemy import Connection, update

from fleet.db import tables
from fleet.db.making import make_missing
from fleet.errors import ConfigError


def take_over(connection: Connection, found: str | None) -> None:
    """Brings a database of schema `found` to this program's. Raises ConfigError where that is not possible."""
    if found == str(tables.SCHEMA):
        # Tables of parts that this database has not met yet begin empty.
        make_missing(connection)
        return
    if found not in ("1", "2", "3"):
        written = "is of no schema that can be read" if found is None else f"was written as schema {found}"
        raise ConfigError(
            f"the controller's database {written}, this program knows 1 to {tables.SCHEMA}: install the version that "
            "wrote it, or begin anew in another folder (the demo: remove the kit's folder or choose another --state)"
        )
    if found == "1":
        _from_1(connection)
    # Since 3 payments that were set aside wait for a winner, since 4 there is what moves intent: rollouts, directives,
    # people. Before, none of it was remembered: those tables begin empty.
    make_missing(connection)
    known = update(tables.meta).where(tables.meta.c.name == "schema")
    connection.execute(known.values(value=str(tables.SCHEMA)))


def _from_1(connection: Connection) -> None:
    # What was minted is now read from the slices themselves. Nothing had come back to a budget, there were no
    # reserves and no vouchers; when a slice was minted nobody had noted.
    big, octets = "BIGINT", "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    connection.exec_driver_sql(f"ALTER TABLE slices ADD COLUMN returned {big} NOT NULL DEFAULT 0")
    connection.exec_driver_sql(f"ALTER TABLE slices ADD COLUMN minted_ms {big} NOT NULL DEFAULT 0")
    connection.exec_driver_sql(f"ALTER TABLE slices ADD COLUMN thought_for {octets}")
    connection.exec_driver_sql("DROP TABLE mints")
