"""A controller's database of before: taken over in place, all or nothing; one of a later version is refused plainly."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select

from fleet import rights
from fleet.db import migration, tables
from fleet.db.engine import Database
from fleet.errors import ConfigError
from tests.stall import Stall

HOUR = 3_600_000
SCHEMA_1 = Path(__file__).with_name("schema1.sql").read_text()


def made_old(path):
    """Turns a controller's database into what the version before would have left."""
    now = path.rename(path.with_name("now.sqlite"))
    old = sqlite3.connect(path)
    old.executescript(SCHEMA_1)
    old.execute("ATTACH ? AS now", (str(now),))
    for (name,) in old.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
        if name not in ("mints", "meta"):
            columns = ", ".join(f'"{row[1]}"' for row in old.execute(f"PRAGMA main.table_info({name})"))
            old.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM now.{name}")
    old.execute("INSERT INTO mints SELECT kit, rental, rule, unit, count(*) FROM slices GROUP BY 1, 2, 3, 4")
    old.commit()
    old.close()
    now.unlink()


def tables_of(path):
    connection = sqlite3.connect(path)
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    (schema,) = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    columns = [row[1] for row in connection.execute("PRAGMA table_info(slices)")]
    connection.close()
    return found, schema, columns


def test_a_ledger_of_before_goes_on_with_its_budgets_and_nothing_is_minted_twice(tmp_path):
    stall = Stall(
        tmp_path, rights=[{"rule": "rule-1", "unit": 1, "slice": 100, "count": 10, "life_ms": HOUR}]
    )
    stall.deliver(12)
    stall.publish()
    before = rights.figures(stall.controller.database, stall.config, stall.world.now_ms)
    stall.controller.close()
    path = stall.config.database
    made_old(path)
    assert tables_of(path)[1] == "1"
    stall.controller = type(stall.controller)(stall.config, stall.clock)
    assert rights.figures(stall.controller.database, stall.config, stall.world.now_ms) == before
    assert before[0].minted == 1000
    stall.deliver(12)
    stall.publish()
    stall.fsck()
    stall.restart()
    with stall.controller.database.read() as connection:
        assert len(connection.execute(select(tables.slices)).all()) == 10
    stall.controller.close()
    found, schema, _ = tables_of(path)
    assert schema == str(tables.SCHEMA) and found == set(tables.metadata.tables)


def test_a_power_cut_while_it_is_taken_over_leaves_it_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "fleet.sqlite"
    old = sqlite3.connect(path)
    old.executescript(SCHEMA_1)
    old.close()
    before = tables_of(path)
    with monkeypatch.context() as patched:
        patched.setattr(migration, "update", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Database(path)
    assert tables_of(path) == before
    Database(path).close()
    assert tables_of(path)[1] == str(tables.SCHEMA)


def test_one_of_a_later_version_is_refused_and_says_what_to_do(tmp_path):
    path = tmp_path / "fleet.sqlite"
    Database(path).close()
    later = sqlite3.connect(path)
    later.execute("UPDATE meta SET value = '999' WHERE name = 'schema'")
    later.commit()
    later.close()
    with pytest.raises(ConfigError, match=rf"schema 999, .* 1 to {tables.SCHEMA}: install .* another --state\)"):
        Database(path)
    assert tables_of(path)[1] == "999"


def test_a_ledger_of_schema_2_gets_the_table_of_payments_that_were_set_aside(tmp_path):
    path = tmp_path / "fleet.sqlite"
    Database(path).close()
    old = sqlite3.connect(path)
    old.execute("DROP TABLE redemptions_aside")
    old.execute("UPDATE meta SET value = '2' WHERE name = 'schema'")
    old.commit()
    old.close()
    Database(path).close()
    found, schema, _ = tables_of(path)
    assert schema == str(tables.SCHEMA) and found == set(tables.metadata.tables)
