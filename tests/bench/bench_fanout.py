"""Hosts that wait for a directive at one controller: from a change in the rules folder to the last of them, and memory for each.

Real HTTP on loopback; the controller is one process, all hosts are in this one. Both share the machine's cores."""

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stallmark import bundle
from stallmark.registry import ARTEFACT_APPLICATION

from tests.bench import Figure, say
from tests.world import World

CROWDS = (2_000, 5_000)
BRICKS = 3  # of each kit: items of its directive
PATIENCE_S = 120.0


def run(quick: bool = False) -> list[Figure]:
    """Two crowds; with `quick` one of 300."""
    figures: list[Figure] = []
    for crowd in (300,) if quick else CROWDS:
        figures += asyncio.run(_measure(crowd))
    return figures


class _Host(asyncio.Protocol):
    """One host's connection: asks, and notes when the whole answer was there."""

    def __init__(self, request: bytes, done: "asyncio.Queue[_Host]") -> None:
        self.request = request
        self._done = done
        self.data = b""
        self.at = 0.0

    def connection_made(self, transport) -> None:
        self.transport = transport

    def ask(self, have: str | None = None) -> None:
        """The first question, or one that waits."""
        self.data = b""
        query = "" if have is None else f"?wait=60&have={have.replace(chr(34), '%22')}"
        self.transport.write(self.request.replace(b"QUERY", query.encode()))

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) >= int(headers.get(b"content-length", b"0")):
            self.at = time.monotonic()
            self.status = int(head.split(b" ")[1])
            self.etag = headers.get(b"etag", b"").decode()
            self._done.put_nowait(self)


async def _measure(crowd: int) -> list[Figure]:
    say(f"{crowd} hosts: keys")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world, hosts = _fleet(folder, crowd)
        _rules(folder, world, 1)
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.fanout_server", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            port = int(server.stdout.readline())
            return await _crowd(folder, world, hosts, server, port)
        finally:
            server.stdin.close()
            server.wait(30)


async def _crowd(folder, world, hosts, server, port) -> list[Figure]:
    loop, done = asyncio.get_running_loop(), asyncio.Queue()
    say(f"{len(hosts)} hosts: they come")
    waiting = []
    for kit, token in hosts:
        request = (
            f"GET /v1/kits/{kit}/directiveQUERY HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        waiting.append((await loop.create_connection(lambda r=request: _Host(r, done), "127.0.0.1", port))[1])
    before = _memory(server)
    async with asyncio.timeout(PATIENCE_S):
        for host in waiting:
            host.ask()
            assert (await done.get()).status == 200
        for host in waiting:
            host.ask(host.etag)
        await asyncio.sleep(3.0)  # all are in
        assert done.empty()
        after = _memory(server)
        say(f"{len(hosts)} hosts: something changes")
        began = time.monotonic()
        _rules(folder, world, 2)
        got = [await done.get() for _ in waiting]
    assert all(host.status == 200 for host in got)
    times = sorted(host.at - began for host in got)
    for host in waiting:
        host.transport.close()
    many = f"{len(hosts):,} waiting hosts"
    return [
        Figure(
            f"change → delivered, p50, {many}",
            times[len(times) // 2] * 1000,
            "ms",
            "one worker, rules folder to host",
        ),
        Figure(
            f"change → delivered, p99, {many}",
            times[len(times) * 99 // 100] * 1000,
            "ms",
            "5 s",
            times[len(times) * 99 // 100] / 5,
            1.0,
            True,
        ),
        Figure(
            f"controller memory per waiting host, {many}",
            (after - before) / len(hosts) / 1024,
            "KiB",
            "connection open before",
        ),
    ]


def _memory(server) -> int:
    server.stdin.write("\n")
    server.stdin.flush()
    return int(server.stdout.readline())


def _fleet(folder: Path, crowd: int):
    """Configuration of a controller with so many kits; [(kit hex, token)]."""
    rng = random.Random(5)
    world = World(5)
    world.brick()
    path = world.controller(folder, rights=[])
    config, keys = json.loads(path.read_text()), json.loads((folder / "keys.json").read_text())
    hosts, entry = [], keys["bricks"][0]
    config["kits"], keys["hosts"], keys["bricks"] = [], [], []
    for n in range(crowd):
        kit, token, public = rng.randbytes(8).hex(), rng.randbytes(16).hex(), rng.randbytes(32)
        config["kits"].append({"kit": kit, "name": f"kit-{n}", "rental": 1})
        keys["hosts"].append(
            {
                "host": hashlib.sha256(public).digest()[:8].hex(), "public": public.hex(), "name": f"host-{n}",
                "token_sha256": hashlib.sha256(token.encode()).hexdigest(), "kit": kit,
            }
        )  # fmt: skip
        keys["bricks"] += [
            {**entry, "brick": rng.randbytes(8).hex(), "kit": kit, "rental": 1} for _ in range(BRICKS)
        ]
        hosts.append((kit, token))
    path.write_text(json.dumps(config))
    (folder / "keys.json").write_text(json.dumps(keys))
    (folder / "rules").mkdir(exist_ok=True)
    return world, hosts


def _rules(folder: Path, world: World, rev: int) -> None:
    """Another bundle in the folder, at once. Of a kind that the controller does not look into: any bytes will do."""
    artefact = random.Random(rev).randbytes(8000)
    payload = bundle.manifest(artefact, rev, ARTEFACT_APPLICATION, name="bench")
    data = bundle.join(bundle.envelope(bundle.TYPE, payload, [(bytes(8), bytes(64))]), artefact)
    fresh = folder / "rules" / "new"
    fresh.write_bytes(data)
    os.replace(fresh, folder / "rules" / "active.smbundle")
