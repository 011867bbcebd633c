"""What the host says of itself: over HTTP, in plain words, with the age of what it knows."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import apsw
import httpx
import pytest
from diskkit import FailingVFS
from hostkit import OnDemand, PtyBrick, host_folder, quick_backoff, running, until
from stallmark import base32, receipt
from stallmark import registry as reg

from hostagent import config as configuration
from hostagent.agent import Agent
from tests.world import World

ROOT = Path(__file__).parents[2]


def api(agent):
    """A client of a running agent's status API."""
    host, port = agent.address
    return httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False, timeout=60)


def test_status_links_and_page_of_a_stall_at_work(tmp_path):
    async def scenario():
        world = World(91)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent, api(agent) as client:
            answer = (await client.get("/v1/status")).json()
            assert any(words.startswith("brick-1: no link (") for words in answer["words"])
            brick.plug()
            brick.decide(2)
            brick.decide(1, kind=reg.KIND_DENY)
            await until(lambda: brick.ledger_seq == 3)
            answer = (await client.get("/v1/status")).json()
            assert answer["store"]["receipts"] == 3 and answer["outbox"]["receipts"] == 0
            (line,) = answer["bricks"]
            assert line["link"]["up"] and line["records"] == {
                "durable_seq": 3,
                "ledger_seq": 3,
                "waiting_on_brick": 0,
            }
            assert line["status"]["reader"] == "good" and line["status"]["age_s"] < 10
            assert not [words for words in answer["words"] if "brick-1" in words]
            links = (await client.get("/v1/links", params={"limit": 2})).json()["links"]
            assert [link["seq"] for link in links] == [3, 2]
            mine = (await client.get("/v1/links", params={"limit": 1, "brick": line["brick"]})).json()["links"]
            assert mine == links[:1], "of this brick alone"
            nobodys = await client.get("/v1/links", params={"brick": "00" * 8})
            assert nobodys.json()["links"] == []
            assert (await client.get("/v1/links", params={"brick": "' OR 1=1 --"})).status_code == 422
            made = brick.journal[3]
            assert links[0]["link"] == receipt.link_text("http://stall.test", world.handle(made))
            assert links[0]["sentence"].startswith("Nothing this time")
            assert links[0]["outcome"] == "nothing this time" and links[1]["outcome"] == "granted"
            assert all(link["in_ledger"] for link in links)
            page = await client.get("/")
            assert page.headers["content-type"].startswith("text/html") and "/v1/status" in page.text
            assert "default-src 'none'" in page.headers["content-security-policy"]
            text = json.dumps(answer) + json.dumps(links)
            for secret in (world.host.seed, world.host.handle_key, brick.key):
                assert secret.hex() not in text
            assert world.host.token not in text
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize(("listen", "private"), [("0.0.0.0", False), ("127.0.0.2", True), (None, True)])
def test_look_up_links_are_for_those_who_sit_at_this_machine(tmp_path, listen, private):
    async def scenario():
        world = World(95)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address, listen=listen)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            brick.decide(1)
            await until(lambda: brick.ledger_seq == 1)
            host, port = agent.address
            address = "127.0.0.1" if host == "0.0.0.0" else host
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = (await client.get(f"http://{address}:{port}/v1/links")).json()
                status = (await client.get(f"http://{address}:{port}/v1/status")).text
        (link,) = answer["links"]
        assert link["seq"] == 1 and link["sentence"] and link["in_ledger"]
        assert ("handle" in link) is ("link" in link) is private and (answer["note"] is None) is private
        handle = base32.encode(world.handle(brick.journal[1]))
        assert (handle in json.dumps(answer)) is private and handle not in status
        assert private or answer["note"].startswith("Look-up links are left out: ")
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_brick_that_was_away_when_the_day_was_closed_is_asked_until_its_close_record_is_here(tmp_path):
    async def scenario():
        world = World(93)
        world.brick()
        folder = tmp_path / "host"
        path = host_folder(world, folder)
        brick = PtyBrick(world, 0, folder)

        def asked():
            said = [value for kind, value in brick.got if kind == reg.MSG_CLOSE]
            assert not any("Ana" in value[0] for value in said), "no name reaches a record"
            return len(said)

        async with running(path) as agent, api(agent) as client:
            answer = await client.post("/v1/close", json={"who": "Ana"})
            assert answer.json() == {"asked": [], "not_connected": ["brick-1"]}
            brick.plug()
            await until(lambda: asked() == 1)
            brick.power_on()  # before it could write the record
            await until(lambda: asked() == 2)
            brick.decide(kind=reg.KIND_CLOSE)
            await until(lambda: agent.bricks[world.bricks[0].brick8].durable_seq == brick.head)
            brick.power_on()
            await until(lambda: agent.lines[0].brick is not None and brick.link.up)
            brick.decide()
            await until(lambda: agent.bricks[world.bricks[0].brick8].durable_seq == brick.head)
            assert asked() == 2
        brick.unplug()

    asyncio.run(scenario())


def test_close_and_identify_reach_the_bricks_and_only_from_here(tmp_path):
    async def scenario():
        world = World(92)
        world.brick()
        world.brick()
        folder = tmp_path / "host"
        path = host_folder(world, folder)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent, api(agent) as client:
            brick.plug()
            await until(lambda: agent.lines[0].brick is not None)
            answer = await client.post("/v1/close", json={"who": "Ana"})
            assert answer.json() == {"asked": ["brick-1"], "not_connected": ["brick-2"]}
            await until(lambda: (reg.MSG_CLOSE, {0: agent.staff.label("Ana")}) in brick.got)
            assert (await client.post("/v1/close", json={"who": ""})).status_code == 422
            assert (await client.post("/v1/close", json={"who": "ü" * 13})).status_code == 422
            assert (await client.post("/v1/identify", json={"brick": "brick-1"})).status_code == 200
            await until(lambda: (reg.MSG_IDENTIFY, {}) in brick.got)
            assert (await client.post("/v1/identify", json={"brick": "brick-2"})).status_code == 409
            assert (await client.post("/v1/identify", json={"brick": "none"})).status_code == 404
            as_json = {"content-type": "application/json"}
            for headers in (
                {"origin": "http://elsewhere.example", **as_json},
                {"origin": "null", **as_json},
                {"content-type": "text/plain"},
                {"origin": "http://evil.example", "host": "evil.example", **as_json},
            ):
                refused = await client.post("/v1/close", content=b'{"who": "x"}', headers=headers)
                assert refused.status_code in (403, 421, 422), headers
            assert (await client.get("/v1/links", headers={"host": "evil.example"})).status_code == 421
            assert (await client.get("/v1/links", headers={"host": "localhost"})).status_code == 200
            assert [kind for kind, _ in brick.got].count(reg.MSG_CLOSE) == 1
        brick.unplug()

    asyncio.run(scenario())


def test_a_full_disk_is_shown_nothing_is_acknowledged_and_it_recovers_by_itself(tmp_path):
    async def scenario():
        world = World(93)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        vfs = FailingVFS("full-disk")
        agent = Agent(configuration.load(path), quick_backoff, vfs="full-disk")
        agent.forwarder.close_s = 0.1
        task = asyncio.create_task(agent.run())
        async with api(agent) as client:
            brick.plug()
            brick.decide(5)
            await until(lambda: brick.ledger_seq == 5)
            vfs.fail(1, apsw.FullError("no space"), lasting=True)
            brick.decide(2500)
            await until(lambda: agent.store.trouble is not None)
            await until(lambda: agent.intake.pending >= 2048, "as many wait as may", 60)
            answer = (await client.get("/v1/status")).json()
            assert answer["store"]["trouble"]["reason"] == "disk full"
            assert answer["words"][0].startswith("disk full for ")
            assert brick.host_seq == 5, "nothing is acknowledged that is not on the disk"
            vfs.heal()
            await until(lambda: brick.host_seq == 2505, "all of them once there is room", 60)
            await until(lambda: brick.ledger_seq == 2505, "and at the controller", 60)
            answer = (await client.get("/v1/status")).json()
            assert answer["store"]["trouble"] is None
        agent.stop()
        await task
        brick.unplug()
        await controller.stop()
        vfs.unregister()

    asyncio.run(scenario())


def test_a_damaged_store_is_replaced_and_the_chain_goes_on_where_the_controller_stands(tmp_path):
    async def scenario():
        world = World(94)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        brick.plug()
        async with running(path):
            brick.decide(400)
            await until(lambda: brick.ledger_seq == 400, seconds=60)
        data = bytearray((folder / "host.db").read_bytes())
        data[len(data) // 2] ^= 0x10
        (folder / "host.db").write_bytes(data)
        await controller.stop()
        async with running(path) as agent, api(agent) as client:
            brick.decide(5)
            answer = (await client.get("/v1/status")).json()
            assert answer["store"]["set_aside"] == "host.db.damaged-1"
            assert "set aside as host.db.damaged-1" in answer["words"][0]
            assert not answer["store"]["ready"]
            await controller.start()
            await until(lambda: agent.intake.ready)
            # The controller's marks are not known here any more: the brick sends what it still has.
            await until(lambda: brick.host_seq == 405, "records after the damage")
            await until(lambda: len(controller.receipts) >= 405)
        assert (folder / "host.db.damaged-1").exists()
        async with running(path):
            brick.decide(1)
            await until(lambda: brick.ledger_seq == 406)
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_the_command_line_says_how_it_is_and_takes_receipts_out(tmp_path):
    async def scenario():
        world = World(95)
        world.brick()
        controller = OnDemand(world)
        await controller.start()
        folder = tmp_path / "host"
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)

        async def command(*words):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "import sys; from hostagent.cli import app; app(sys.argv[1:])",
                *words,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            out, err = await process.communicate()
            return process.returncode, out.decode(), err.decode()

        async with running(path) as agent:
            brick.plug()
            brick.decide(4)
            await until(lambda: brick.ledger_seq == 4)
            told = json.loads(path.read_text())
            told["port"] = agent.address[1]
            path.write_text(json.dumps(told))
            code, out, err = await command("status", "--config", str(path), "--json")
            assert code == 0, err
            assert json.loads(out)["store"]["receipts"] == 4
            code, out, err = await command("status", "--config", str(path))
            assert code == 0 and "4 receipts" in out and "brick-1" in out
            code, out, err = await command("receipts", "export", "--config", str(path), str(tmp_path / "out"))
            assert code == 0, err
            exported = sorted((tmp_path / "out").iterdir())
            assert [receipt.parse(file.read_bytes()).fields[4] for file in exported] == [1, 2, 3, 4]
            # A second agent on the same folder is told what is in its way.
            code, out, err = await command("run", "--config", str(path))
            assert code == 1 and "cannot listen" in err and "Traceback" not in err
        code, out, err = await command("status", "--config", str(path))
        assert code == 1 and "no host agent answers" in err
        code, out, err = await command("run", "--config", str(tmp_path / "nothing.json"))
        assert code == 1 and "stallmark kit new" in err and "Traceback" not in err
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())
