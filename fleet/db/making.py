"""Makes the tables that a database has not got. For SQLite by one look and statements compiled once, not table by table."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, create_mock_engine, inspect

from fleet.db import tables


def make_missing(connection: Connection) -> None:
    """All tables of this program are there afterwards, those that were missing empty, in the caller's transaction."""
    if connection.dialect.name != "sqlite":
        tables.metadata.create_all(connection)
        return
    there = set(inspect(connection).get_table_names())
    for table in tables.metadata.sorted_tables:
        if table.name not in there:
            for statement in _statements(table.name):
                connection.exec_driver_sql(statement)


@cache
def _statements(name: str) -> tuple[str, ...]:
    """What makes a table, its indexes and its triggers, in order."""
    said: list[str] = []

    def say(statement: Any, *_more: Any, **_words: Any) -> None:
        said.append(str(statement.compile(dialect=mock.dialect)))

    mock: Any = create_mock_engine("sqlite://", say)
    tables.metadata.tables[name].create(mock, checkfirst=False)
    return tuple(said)
