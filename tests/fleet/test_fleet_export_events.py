"""Events out of a controller's database: people where their keys are, nobody where not; a stream that replays."""

import json

from stallmark import registry as reg
from typer.testing import CliRunner

from fleet import enrolled
from fleet.authoring import recorded
from fleet.cli import app
from fleet.db import tables
from fleet.privatekeys import PrivateKey
from tests.stall import Stall

RUN = CliRunner()
FLAGS = (0, 0, reg.FLAG_GATEWAY)


def test_events_of_every_brick_with_the_people_whose_keys_are_here(tmp_path):
    stall = Stall(tmp_path, seed=7310)
    world = stall.world
    kept, gone = b"person-1", b"person-2"
    for turn in range(4):
        records = [
            world.record(reg.KIND_DENY, brick, subject=kept if (turn + at) % 2 else gone, f0=FLAGS[at])
            for at, brick in enumerate(world.bricks)
        ]
        records += [world.record(reg.KIND_LATCH, world.bricks[0], f9=0, f24=[1])]
        receipts = [world.receipt(item) for item in records]
        private = [world.private_entry(item) for item in records]
        stall.take(world.batch(receipts, private=private))
    number, key = world.host.private_keys[kept]
    keys = [PrivateKey(number, world.event, kept, key)]
    stall.controller.private_keys.add(world.host.host8, keys, world.now_ms)
    out = tmp_path / "events.jsonl"
    said = RUN.invoke(app, ["export-events", "--config", str(tmp_path / "config.json"), "--out", str(out)])
    assert said.exit_code == 0, said.output
    assert "12 events of " in said.output
    assert "6 stand without person" in said.output
    assert out.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(text) for text in out.read_text().splitlines()]
    assert [one["brick"] for one in lines[1:4]] == [
        *(brick.brick8.hex() for brick in world.bricks[:2]), "lane"
    ]  # fmt: skip
    assert sorted(one.get("subject", "") for one in lines[1:]) == [""] * 6 + [kept.hex()] * 6
    assert "nonce" not in lines[1] and "boot" not in lines[1]
    assert recorded.index(out).count == 12
    stall.close()


def test_a_brick_that_a_bench_registered_has_its_events_in_the_stream_too(tmp_path):
    stall = Stall(tmp_path, seed=7311)
    world = stall.world
    brick = world.bricks[1].brick8
    keys = json.loads((tmp_path / "keys.json").read_text())
    keys["bricks"] = [one for one in keys["bricks"] if one["brick"] != brick.hex()]
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    known = {"kit": stall.config.kits[0].kit.hex(), "board": "7cdfa1654321"}
    with stall.controller.database.write() as connection:
        row = {"name": enrolled.BRICK + brick.hex(), "value": json.dumps(known)}
        connection.execute(tables.meta.insert().values(**row))
    records = [world.record(reg.KIND_DENY, one) for one in world.bricks[:2]]
    private = [world.private_entry(item) for item in records]
    stall.take(world.batch([world.receipt(item) for item in records], private=private))
    out = tmp_path / "events.jsonl"
    said = RUN.invoke(app, ["export-events", "--config", str(tmp_path / "config.json"), "--out", str(out)])
    assert said.exit_code == 0, said.output
    lines = [json.loads(text) for text in out.read_text().splitlines()]
    assert sorted(one["brick"] for one in lines[1:]) == sorted(one.brick8.hex() for one in world.bricks[:2])
    stall.close()


def test_without_a_controller_it_says_so(tmp_path):
    said = RUN.invoke(
        app, ["export-events", "--config", str(tmp_path / "config.json"), "--out", str(tmp_path / "out")]
    )
    assert said.exit_code == 1
    assert not (tmp_path / "out").exists()
