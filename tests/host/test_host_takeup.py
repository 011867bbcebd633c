"""Pairing and swapping while the host runs: the changed list is taken up, the old brick refused, the controller told."""

import asyncio
import json

import pytest
from hostkit import PtyBrick, host_folder, running, until
from sqlalchemy import select
from stallmark import keys
from typer.testing import CliRunner

from fleet import enrolled
from fleet.db import tables
from hostagent.bricks_cli import MEANWHILE
from hostagent.cli import app
from tests.fleet.serving import served
from tests.stall import Stall
from tests.world import World


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("hostagent.lines.LOOK_S", 0.02)


def key_file(folder, brick):
    """The bench's hand-over of a world's brick."""
    path = folder / f"{brick.brick8.hex()}.json"
    path.write_text(
        json.dumps({"brick": brick.brick8.hex(), "epoch": 0, "key": keys.link_key0(brick.root).hex()})
    )
    return path


def alone(path, *names):
    """Leaves only these bricks in a host's configuration, and their keys."""
    told = json.loads(path.read_text())
    told["bricks"] = [one for one in told["bricks"] if one["name"] in names]
    path.write_text(json.dumps(told))
    secret = json.loads((path.parent / "keys.json").read_text())
    left = [one["brick"] for one in told["bricks"]]
    secret["links"] = [one for one in secret["links"] if one["brick"] in left]
    (path.parent / "keys.json").write_text(json.dumps(secret))


async def command(path, *words):
    """`stallmark host bricks …` beside the running host."""

    def run():
        return CliRunner().invoke(app, ["bricks", *words, "--config", str(path)])

    made = await asyncio.to_thread(run)
    assert made.exit_code == 0, made.output
    return made.stdout


def listening(path, agent):
    """The port is the system's choice in tests: the command reads it from the file."""
    told = json.loads(path.read_text())
    told["port"] = agent.address[1]
    path.write_text(json.dumps(told))


def test_a_brick_is_paired_and_one_is_swapped_while_the_host_runs(tmp_path):
    stall = Stall(tmp_path / "fleet", bricks=2)
    world = stall.world

    async def scenario(running_fleet):
        path = host_folder(world, tmp_path / "host", running_fleet.url)
        first, second = PtyBrick(world, 0, path.parent), PtyBrick(world, 1, path.parent)
        alone(path, "brick-1")
        old, new = first.brick.brick8.hex(), second.brick.brick8.hex()
        async with running(path) as agent:
            listening(path, agent)
            first.plug()
            first.decide(3)
            await until(lambda: first.ledger_seq == 3, "in the ledger")
            second.path = first.path.with_name("brick-2")
            second.plug()
            key = key_file(tmp_path, second.brick)
            said = await command(
                path, "pair", new, "--name", "door", "--port", str(second.path), "--key", str(key)
            )
            assert "The host has taken it up." in said and not key.exists()
            await until(lambda: second.link.up, "a link without a restart")
            assert json.loads((path.parent / "keys.json").read_text())["links"] == [], "the store has the key"
            second.decide(2)
            await until(lambda: second.host_seq == 2, "its records are durable")
            assert first.link.up, "the other line was not touched"

            # The first one is replaced by a third: here it is the second, moved over.
            told = json.loads(path.read_text())
            told["bricks"] = told["bricks"][:1]
            path.write_text(json.dumps(told))
            await until(lambda: len(agent.lines) == 1, "its place is gone")
            second.unplug()
            said = await command(path, "swap", "brick-1", new)
            assert f"in the place of {old}, whose identity ends" in said and "taken it up" in said
            link = agent.lines[0].session.link
            first.power_on()
            await until(lambda: link.refusal is not None, "refused")
            assert "was replaced by another" in link.refusal and not first.link.up
            await until(lambda: agent.ended.report()[0]["controller"] == "knows", "the controller knows")
            first.unplug()
            second.path = first.path
            second.plug()
            second.decide(1)
            await until(lambda: second.host_seq == 3, "the new one works in its place")
            report = agent.ended.report()[0]
            assert report["last_seq"] == 3 + MEANWHILE and not report["read_out"], (
                "it was asked how far it is"
            )
        with running_fleet.controller.database.read() as connection:
            facts = enrolled.one(connection, first.brick.brick8)
        assert (
            facts["revoked_ms"] and facts["reason"] == f"replaced by {new}" and facts["head"] == 3 + MEANWHILE
        )
        second.unplug()

    with served(stall) as running_fleet:
        asyncio.run(scenario(running_fleet))


def test_a_replaced_brick_is_read_out_up_to_what_it_had_written_and_no_further(tmp_path):
    world = World(77)
    world.brick()
    world.brick()

    async def scenario():
        path = host_folder(world, tmp_path / "host")
        first = PtyBrick(world, 0, path.parent)
        told = json.loads(path.read_text())
        told["ended"] = [
            {
                "brick": first.brick.brick8.hex(),
                "name": "brick-2",
                "heir": world.bricks[1].brick8.hex(),
                "at_ms": 1_790_000_000_000,
                "last_seq": 2,
            }
        ]
        path.write_text(json.dumps(told))
        async with running(path) as agent:
            brick = agent.bricks[first.brick.brick8]
            first.plug()
            first.decide(4)
            await until(lambda: first.host_seq == 4, "all of it is here")
            assert agent.counts["receipts"] == 2 and brick.counters["quarantined"] == 2
            assert not agent.reach.connected(brick.brick) and agent.ended.report()[0]["read_out"]
            assert any("refused here" in word for word in agent.ended.words()), "the controller is away"
        first.unplug()

    asyncio.run(scenario())


def test_what_a_brick_decided_without_a_link_counts_after_it_was_swapped(tmp_path):
    stall = Stall(tmp_path / "fleet", bricks=2)
    world = stall.world

    async def scenario(running_fleet):
        path = host_folder(world, tmp_path / "host", running_fleet.url)
        first, second = PtyBrick(world, 0, path.parent), PtyBrick(world, 1, path.parent)
        key = key_file(tmp_path, second.brick)
        alone(path, "brick-1")
        old, new = first.brick.brick8.hex(), second.brick.brick8.hex()
        async with running(path) as agent:
            listening(path, agent)
            first.plug()
            await until(lambda: agent.bricks[first.brick.brick8].status is not None, "its status")
            first.decide(3)  # no status is sent with these
            await until(lambda: first.ledger_seq == 3, "in the ledger")
            first.unplug()
            await until(lambda: not agent.lines[0].port.is_open, "no link")
            first.decide(5)
            said = await command(path, "swap", "brick-1", new, "--key", str(key))
            assert "decided since. All of it is on the brick, and still counts" in said and old in said
            assert "was last heard" in said and "Do not erase it" in said
            assert agent.ended.report()[0]["last_seq"] is None, "nobody knows"
            await until(lambda: agent.ended.report()[0]["controller"] == "knows", "the controller knows")
            first.path = first.path.with_name("out")
            said = await command(path, "pair", old, "--name", "out", "--port", str(first.path))
            assert "only read out now" in said
            first.plug()
            await until(lambda: first.ledger_seq == 8, "every decision is in the ledger")
            assert agent.bricks[first.brick.brick8].counters["quarantined"] == 0
        with running_fleet.controller.database.read() as connection:
            rows = connection.execute(
                select(tables.receipts.c.seq, tables.receipts.c.findings).where(
                    tables.receipts.c.brick == first.brick.brick8
                )
            ).all()
        assert sorted(row.seq for row in rows) == list(range(1, 9))
        assert not any(row.findings for row in rows), "and nothing is said against it"
        first.unplug()

    with served(stall) as running_fleet:
        asyncio.run(scenario(running_fleet))


def test_a_file_that_is_not_good_changes_nothing_and_is_said(tmp_path, monkeypatch):
    world = World(78)
    world.brick()

    async def scenario():
        path = host_folder(world, tmp_path / "host")
        good = path.read_text()
        async with running(path) as agent:
            path.write_text("{")
            await until(lambda: agent.takeup.trouble is not None, "said")
            assert len(agent.lines) == 1
            told = json.loads(good)
            told["bricks"], told["name"] = [], "another"
            path.write_text(json.dumps(told))
            await until(lambda: agent.takeup.taken == 1, "taken up")
            assert agent.lines == [] and "name" in agent.takeup.trouble
            path.write_text(good)
            await until(lambda: agent.takeup.taken == 2 and len(agent.lines) == 1, "back again")
            assert agent.takeup.trouble is None
            secrets = path.parent / "keys.json"
            kept = secrets.read_text()
            secrets.write_text(json.dumps({**json.loads(kept), "voucher_seed": "5a" * 32}))
            await until(lambda: agent.takeup.trouble is not None, "said")
            assert "voucher_seed changed in keys.json too: start the host program again" in agent.takeup.trouble
            assert "5a5a" not in agent.takeup.trouble
            secrets.write_text(kept)
            await until(lambda: agent.takeup.trouble is None, "as it was")
            # A file never ends the host, whatever is in it.
            for bad, said in (("[" * 200_000, "brackets"), (" " * (1 << 20) + good, "larger than")):
                path.write_text(bad)
                await until(lambda said=said: said in str(agent.takeup.trouble), said)
                assert len(agent.lines) == 1
            with monkeypatch.context() as patched:
                patched.setattr("hostagent.config.load", lambda path: {}["a mistake of the program"])
                path.write_text(good + " ")
                await until(lambda: "KeyError" in str(agent.takeup.trouble), "told, and the host goes on")
            path.write_text(good)
            await until(lambda: agent.takeup.trouble is None, "back again")

    asyncio.run(scenario())
