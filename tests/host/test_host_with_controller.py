"""The host agent and the real controller: receipts in the ledger, marks and slices on the brick."""

import asyncio
import base64
import json
import signal
import socket
import sys
from pathlib import Path

import httpx
from hostkit import PtyBrick, host_folder, running, until
from lanekit import FIFTEEN, LaneWorld, post, ruleset
from nacl.bindings import crypto_sign_seed_keypair
from stallmark import registry as reg
from stallmark import rights
from test_host_updater import as_config
from typer.testing import CliRunner

from fleet.authoring.signing import make_bundle
from fleet.verify.cli import app as verifier
from tests.world import World

ROOT = Path(__file__).parents[2]


async def fleet(path, port):
    """The real controller as a process of its own, answering."""
    with (path.parent / "log.txt").open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cli.main",
            "fleet",
            "run",
            "--init",
            "--config",
            str(path),
            cwd=ROOT,
            stdout=out,
            stderr=out,
        )
    async with httpx.AsyncClient(trust_env=False) as client:
        healthy = False
        while not healthy:
            assert process.returncode is None, (path.parent / "log.txt").read_text()
            try:
                healthy = (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
            except httpx.TransportError:
                await asyncio.sleep(0.02)
    return process


def test_a_market_with_the_real_controller_that_is_killed_in_between(tmp_path):
    async def scenario():
        world = World(111)
        for _ in range(2):
            world.brick()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        controller = world.controller(tmp_path / "fleet", port=port)
        process = await fleet(controller, port)
        director = base64.b64encode(crypto_sign_seed_keypair(world.director_seed)[0]).decode()
        path = host_folder(world, tmp_path / "host", f"http://127.0.0.1:{port}", director=director)
        bricks = [PtyBrick(world, n, tmp_path / "host") for n in range(2)]
        async with running(path) as agent:
            for brick in bricks:
                brick.plug()
                brick.decide(30)
            await until(lambda: all(brick.ledger_seq == 30 for brick in bricks), "both in the ledger")
            slices = {
                rights.decode_slice(value[0]).id
                for brick in bricks
                for kind, value in brick.got
                if kind == reg.MSG_SLICE
            }
            assert slices and not agent.budgets.refused, "the director's own signature is good here"
            process.send_signal(signal.SIGKILL)
            await process.wait()
            for brick in bricks:
                brick.decide(20)
            await until(lambda: all(brick.host_seq == 50 for brick in bricks), "taken without a controller")
            process = await fleet(controller, port)
            await until(lambda: all(brick.ledger_seq == 50 for brick in bricks), "caught up")
            host, own = agent.address
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                answer = await client.get(f"http://{host}:{own}/v1/links", params={"limit": 100})
                links = answer.json()["links"]
                assert len(links) == 100 and all(link["in_ledger"] for link in links)
                for link in (links[0], links[99]):
                    found = await client.get(f"http://127.0.0.1:{port}/v1/receipts/{link['handle']}")
                    assert found.status_code == 200, found.text
                health = (await client.get(f"http://127.0.0.1:{port}/healthz")).json()
            assert health["leaves"]["receipt"] == 100, json.dumps(health)
            assert "finding" not in health["leaves"]
        process.terminate()
        await process.wait()
        for brick in bricks:
            brick.unplug()

    asyncio.run(scenario())


def test_a_tills_sale_reaches_the_ledger_and_a_stranger_checks_it(tmp_path):
    """The lane at the real controller: rules from there, rights from there, MAC good once the day is closed."""

    async def scenario():
        kit = LaneWorld(112, tmp_path)
        world = kit.world
        bundle = make_bundle(ruleset(FIFTEEN), 1, world.author_seeds[:2], "till-hour")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        base = f"http://127.0.0.1:{port}"
        budget = {"rule": "fifteen", "unit": 1, "slice": 500, "count": 4}
        config = world.controller(tmp_path / "fleet", port=port, rights=[budget], public_url=base)
        (tmp_path / "fleet" / "rules").mkdir()
        (tmp_path / "fleet" / "rules" / "active.smbundle").write_bytes(bundle)
        process = await fleet(config, port)
        director = crypto_sign_seed_keypair(world.director_seed)[0].hex()
        path = host_folder(
            world, tmp_path / "host", base, authors=as_config(world), director=director, public_url=base
        )
        files = {"receipt": ".cose", "proof": ".tlog-proof"}
        async with (
            running(path) as agent,
            kit.client(agent) as till,
            httpx.AsyncClient(trust_env=False) as web,
        ):
            lane = agent.lane
            await until(
                lambda: lane.ruleset is not None and lane.state.slices_left(), "rules and rights are here"
            )
            sold = (
                await post(till, "s-1", {"type": "till sale", "basket": "16.00", "currency": "EUR"})
            ).json()
            assert (sold["outcome"], sold["credit"]["minor"]) == ("granted", 240), sold
            await lane.closing("Ana")
            await until(
                lambda: lane.brick.ledger_seq == lane.brick.next_seq - 1, "the controller's mark is good"
            )
            handle = sold["receipt"]["link"].rsplit("/", 1)[-1]
            health: dict = {"leaves": {}}
            while "disclosure" not in health["leaves"] or not health["leaves"].get("receipt"):
                await asyncio.sleep(0.05)
                health = (await web.get(f"{base}/healthz")).json()
            found = await web.get(f"{base}/r/{handle}.tlog-proof")
            while found.status_code == 404:
                await asyncio.sleep(0.05)
                found = await web.get(f"{base}/r/{handle}.tlog-proof")
            for name, suffix in files.items():
                answer = await web.get(f"{base}/r/{handle}{suffix}")
                assert answer.status_code == 200, answer.text
                (tmp_path / name).write_bytes(answer.content)
            (tmp_path / "keys").write_bytes((await web.get(f"{base}/keys.json")).content)
            # Every MAC was checked by the key that is public now; a wrong one would be a finding.
            assert "finding" not in health["leaves"], json.dumps(health)
        process.terminate()
        await process.wait()
        checked = CliRunner().invoke(
            verifier,
            [str(tmp_path / "receipt"), "--keys", str(tmp_path / "keys"), "--proof", str(tmp_path / "proof")],
        )
        assert checked.exit_code == 0, checked.output
        assert "Decided by the host itself, not by a brick" in " ".join(checked.output.split())

    asyncio.run(asyncio.wait_for(scenario(), 300))
