"""The host relays the controller's order to another rental: bricks and its own lane step, and nobody is served from before."""

import asyncio
import base64
import datetime
import json
import socket

from hostkit import PtyBrick, host_folder, running, until
from nacl.bindings import crypto_sign_seed_keypair
from stallmark import keys, rental
from stallmark import registry as reg
from test_host_with_controller import fleet
from typer.testing import CliRunner

from cli.main import app
from fleet import rekeys
from hostagent.handback import TABLES
from tests.world import World


class SteppingBrick(PtyBrick):
    """Follows an order as firmware/brick/stepping does, and starts anew."""

    def _message(self, kind: int, value: dict) -> None:
        if kind != reg.MSG_STEP:
            super()._message(kind, value)
            return
        self.got.append((kind, value))
        brick = self.brick
        result, following, epoch = rental.judge(
            value, brick.control_key, brick.brick8, brick.rental, self.epoch
        )
        if result == 0:
            self.add(self.world.record(reg.KIND_RENTAL, brick, f24=[following, epoch]))
            self.epoch, self.key = epoch, keys.link_key0(brick.root)
            asyncio.get_running_loop().call_soon(self.power_on)
            return
        self.send(
            reg.MSG_STEPPED,
            rental.answer(
                brick.control_key, brick.brick8, result, following, brick.rental, brick.epoch, self.epoch
            ),
        )


def desk(config, verb, *words, code=0):
    """`stallmark fleet rentals`, beside the running controller."""
    made = CliRunner().invoke(
        app, ["fleet", "rentals", verb, "--config", str(config), *words], env={"COLUMNS": "300"}
    )
    assert made.exit_code == code, made.output
    return made.output


def booked(config):
    """A booking that began an hour ago, by the controller's own clock."""
    now = datetime.datetime.now(datetime.UTC)
    begin, end = [(now + datetime.timedelta(hours=h)).strftime("%Y-%m-%dT%H:%MZ") for h in (-1, 24)]
    made = desk(config, "book", "kit-1", "--from", begin, "--to", end, "--renter", "ref 7", "--json")
    return json.loads(made)["booking"]


def test_a_kit_that_changes_hands_steps_while_it_is_connected_and_its_records_are_proven(tmp_path):
    async def scenario():
        world = World(411)
        world.brick()
        world.new_lane()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = world.controller(tmp_path / "fleet", port=port)
        process = await fleet(config, port)
        director = base64.b64encode(crypto_sign_seed_keypair(world.director_seed)[0]).decode()
        folder = tmp_path / "host"
        path = host_folder(world, folder, f"http://127.0.0.1:{port}", director=director)
        brick = SteppingBrick(world, 0, folder)
        name, lane = brick.brick.brick8.hex(), world.lane.brick8.hex()
        try:
            async with running(path) as agent:
                brick.plug()
                brick.decide(3)
                await until(lambda: brick.ledger_seq == 3, "in the ledger")
                id = await asyncio.to_thread(booked, config)
                await asyncio.to_thread(desk, config, "pack", id)
                out = await asyncio.to_thread(desk, config, "hand-over", id, "--to", "ref 7")
                assert f"brick {name} has not stepped to rental 2" in out and lane in out
                await until(lambda: brick.brick.rental == 2 and brick.link.up, "the brick's step")
                assert brick.epoch == rekeys.STEP + 1, "under the link key that came with the order"
                await until(lambda: agent.steps.rental == 2 and not agent.steps.report(), "all of them")
                brick.decide(2)
                await until(
                    lambda: brick.ledger_seq == brick.head, "in the ledger, acknowledged under the key of now"
                )
                shown = json.loads(await asyncio.to_thread(desk, config, "show", id, "--json"))
                assert {(one["brick"], one["rental"], one["stepped"]) for one in shown["bricks"]} == {
                    (name, 2, True),
                    (lane, 2, True),
                }
                assert agent.lane is not None and agent.lane.book.rental == 2
                assert agent.budgets._rental == 2
                # Back at the hub: closed, stepped once more, wiped with the host's own signature.
                closing = ["take-back", id, "--force", "nothing else was sold"]
                assert "CLOSED" in await asyncio.to_thread(desk, config, *closing)
                assert "ordered" in await asyncio.to_thread(desk, config, "wipe", id)
                await until(
                    lambda: brick.brick.rental == 3 and agent.steps.rental == 3, "the step at the end"
                )
                await until(lambda: not agent.steps.report() and agent.steps.wipe is None, "orders followed")
                left = await asyncio.wrap_future(
                    agent.store.read(
                        lambda sql: [sql.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES]
                    )
                )
                kept = await asyncio.wrap_future(agent.receipts.counts())
                assert left == [0] * len(TABLES) and kept["receipts"] >= brick.head, "receipts stay"
                proven: set[str] = set()
                async with asyncio.timeout(60):
                    while proven != {"host store", "keys"}:  # a brick's is noted once its record has arrived
                        shown = json.loads(await asyncio.to_thread(desk, config, "show", id, "--json"))
                        proven = {one["what"].split(",")[0] for one in shown["wipes"] if one["proven"]}
                assert "IN_STOCK" in await asyncio.to_thread(desk, config, "inspect", id, "--grade", "A")
                brick.unplug()
            # Started anew, host and lane are in the same rental still.
            async with running(path) as agent:
                await until(lambda: agent.lane.trouble is None, "the lane")
                assert agent.steps.rental == 3 and agent.lane.book.rental == 3
        finally:
            process.terminate()
            await process.wait()

    asyncio.run(scenario())
