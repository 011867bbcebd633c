"""Tables are made as SQLAlchemy itself would make them, and only those that are missing."""

from sqlalchemy import create_engine, inspect

from fleet.db import tables
from fleet.db.making import make_missing

SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"


def schema(connection):
    return [tuple(row) for row in connection.exec_driver_sql(SCHEMA)]


def test_a_new_database_is_the_one_that_the_library_makes():
    ours, theirs = create_engine("sqlite://"), create_engine("sqlite://")
    with ours.begin() as one, theirs.begin() as other:
        make_missing(one)
        tables.metadata.create_all(other)
        assert schema(one) == schema(other)
        assert {row[0] for row in schema(one)} == {"table", "index", "trigger"}


def test_what_is_there_stays_and_what_is_missing_comes():
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        make_missing(connection)
        connection.execute(tables.meta.insert().values(name="schema", value="4"))
        gone = next(table for table in tables.metadata.sorted_tables if table.indexes)
        connection.exec_driver_sql(f"DROP TABLE {gone.name}")
        make_missing(connection)
        assert inspect(connection).has_table(gone.name) and inspect(connection).get_indexes(gone.name)
        assert connection.execute(tables.meta.select()).all() == [("schema", "4")]
