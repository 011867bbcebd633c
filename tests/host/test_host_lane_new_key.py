"""A host that is given another lane key keeps its store: what is taken back is the sale that was meant, and once."""

import json

import apsw
import pytest
from lanekit import LaneWorld, play, post
from stallmark import cbor
from test_host_tokens import TOKENS, sale

from hostagent.store import database, open_store, reversals
from hostagent.store.schema import REMADE

REFUND = {"type": "refund"}
# The two tables as they were before they said of which lane.
BEFORE = """
CREATE TABLE taken_back (
    seq INTEGER PRIMARY KEY, brick BLOB NOT NULL, grant_seq INTEGER NOT NULL, grants BLOB NOT NULL, basket INTEGER
);
CREATE INDEX taken_back_of ON taken_back (brick, grant_seq);
CREATE TABLE till_sales (
    till TEXT NOT NULL, reference TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    PRIMARY KEY (till, reference, first_seq)
) WITHOUT ROWID;
"""


def older(sql) -> None:
    """Puts a store back to before."""
    sales = sql.execute("SELECT till, reference, first_seq, last_seq FROM till_sales").fetchall()
    back = sql.execute("SELECT seq, brick, grant_seq, grants, basket FROM taken_back").fetchall()
    sql.execute("DROP TABLE till_sales; DROP TABLE taken_back").fetchall()
    sql.execute(BEFORE).fetchall()
    sql.executemany("INSERT INTO till_sales VALUES (?, ?, ?, ?)", sales)
    sql.executemany("INSERT INTO taken_back VALUES (?, ?, ?, ?, ?)", back)


def another_lane(folder) -> None:
    """As a person does who gives the host a new lane key."""
    config = json.loads((folder / "config.json").read_text())
    keys = json.loads((folder / "keys.json").read_text())
    config["lane"]["brick"] = keys["lane"]["brick"] = "77" * 8
    keys["lane"]["root"] = "78" * 32
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "keys.json").write_text(json.dumps(keys))


def test_after_a_new_lane_key_a_refund_takes_back_the_sale_that_was_meant_and_once(tmp_path):
    async def refund(till, key, number):
        return (await post(till, key, {**REFUND, "reference": f"T-{number}"})).json()

    async def scenario():
        kit = LaneWorld(774, tmp_path, data=cbor.encode(TOKENS))
        async with kit.up() as agent, kit.client(agent) as till:
            old = agent.lane.brick8
            for number in (1, 2):
                assert (await post(till, f"k-{number}", sale(kit, number, number))).json()[
                    "outcome"
                ] == "granted"
            assert (await refund(till, "r-1", 1))["outcome"] == "reversed"
            end = agent.lane.brick.next_seq
        another_lane(tmp_path / "host")
        async with kit.up() as agent, kit.client(agent) as till:
            lane = agent.lane
            assert lane.brick8 != old
            number = 10
            # Until the record that takes back has the number that the old lane's had.
            while lane.brick.next_seq < end - 1:
                assert (await post(till, f"k-{number}", sale(kit, number, 3))).json()["outcome"] == "granted"
                number += 1
            assert lane.brick.next_seq == end - 1
            assert (await refund(till, "n-1", number - 1))["outcome"] == "reversed"
            lane.given.clear()  # as after many more grants, or a start
            assert (await refund(till, "n-2", number - 1))["outcome"] == "nothing this time", "once"
            first = {key: given.brick for key, given in lane.given.items()}
            assert (await refund(till, "n-3", 2))["outcome"] == "reversed"
            assert next(key for key in lane.given if key not in first)[0] == old, (
                "the old lane's sale, nobody else's"
            )
            lane.given.clear()
            assert (await refund(till, "n-4", 2))["outcome"] == "nothing this time"
            assert (await refund(till, "n-5", 1))["outcome"] == "nothing this time", (
                "taken back by the old lane"
            )
        await kit.controller.stop()

    play(scenario())


def test_a_store_of_before_the_tables_said_of_which_lane_keeps_what_they_hold(tmp_path):
    async def scenario():
        kit = LaneWorld(775, tmp_path, data=cbor.encode(TOKENS))
        async with kit.up() as agent, kit.client(agent) as till:
            for number in (1, 2, 3):
                await post(till, f"k-{number}", sale(kit, number, number))
            await post(till, "r-1", {**REFUND, "reference": "T-1"})
            agent.store.write(older).result()
        async with kit.up() as agent, kit.client(agent) as till:
            agent.lane.given.clear()
            again = await post(till, "r-2", {**REFUND, "reference": "T-1"})
            assert again.json()["outcome"] == "nothing this time"
            assert (await post(till, "r-3", {**REFUND, "reference": "T-2"})).json()["outcome"] == "reversed"
            rows = agent.store.read(
                lambda sql: sql.execute("SELECT lane FROM taken_back").fetchall()
            ).result()
            assert rows == [(agent.lane.brick8,)] * 2, "none twice"
            agent.store.write(older).result()
        another_lane(tmp_path / "host")
        async with kit.up() as agent, kit.client(agent) as till:
            while agent.lane.brick.next_seq < 12:
                seq = agent.lane.brick.next_seq
                await post(till, f"n-{seq}", sale(kit, 100 + seq, 4))
            # Which lane's it was nobody can say any more: then nobody's sale is taken back.
            assert (await post(till, "r-4", {**REFUND, "reference": "T-3"})).status_code == 404
        await kit.controller.stop()

    play(scenario())


def test_what_was_taken_back_is_noted_once_for_each_lane_and_number(tmp_path):
    store = open_store(tmp_path / "host.db", bytes(32)).store
    try:
        one = {1: b"lane---a", 10: 8, 12: [[8, 2, 0]], 24: [b"lane---a", 3, None, "", None]}
        other = {**one, 1: b"lane---b", 24: [b"lane---b", 3, None, "", None]}
        kind = reversals.KINDS[0]
        records = [(7, {**fields, 10: kind}) for fields in (one, other)]
        for seq, fields in records:
            for statement, bindings in reversals.statements(seq, fields):
                store.write(lambda sql, s=statement, b=bindings: sql.execute(s, b).fetchall()).result()
        reversals.keep(store, records).result()
        for lane in (b"lane---a", b"lane---b"):
            assert reversals.of(store, lane, 3).result() == [([[8, 2, 0]], None)]
    finally:
        store.close()


def test_tables_are_made_anew_once_and_wholly_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "host.db"
    open_store(path, bytes(32)).store.close()
    sql = database.connect(path, bytes(32))
    with sql:
        older(sql)
        sql.execute("INSERT INTO till_sales VALUES ('till-1', 'T-1', 4, 6)").fetchall()
        sql.execute("INSERT INTO taken_back VALUES (7, x'01', 5, x'80', NULL)").fetchall()
    for _ in range(2):
        database.prepare(sql)
        assert sql.execute("SELECT * FROM till_sales").fetchall() == [("till-1", "T-1", b"", 4, 6)]
        assert sql.execute("SELECT * FROM taken_back").fetchall() == [(b"", 7, b"\x01", 5, b"\x80", None)]
        names = {row[0] for row in sql.execute("SELECT name FROM sqlite_schema")}
        assert "taken_back_of" in names and not {"taken_back_1", "till_sales_1"} & names
    with sql:
        older(sql)
    with monkeypatch.context() as patched:
        broken = ("till_sales", REMADE[1][1], "INSERT INTO nowhere VALUES (1)")
        patched.setattr(database, "REMADE", (REMADE[0], broken))
        with pytest.raises(apsw.SQLError):
            database.prepare(sql)
    assert sql.execute("SELECT * FROM till_sales").fetchall() == [("till-1", "T-1", 4, 6)]
    assert sql.execute("SELECT * FROM taken_back").fetchall() == [(7, b"\x01", 5, b"\x80", None)]
    sql.close()
