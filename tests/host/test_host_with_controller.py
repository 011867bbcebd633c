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
from nacl.bindings import crypto_sign_seed_keypair
from stallmark import registry as reg
from stallmark import rights

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
            async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
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
