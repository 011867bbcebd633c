"""The till's call, arrival to answer: one in flight against the disk, 20 in flight against a bare endpoint that commits a row."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import Figure, say
from tests.bench.bench_host import _flush

ROOT = Path(__file__).parents[2]
IN_FLIGHT = 20
SPARE_S = 0.005
# What one call's commit writes to the log: a few pages.
WRITE_BYTES = 16_384


def run(quick: bool = False) -> list[Figure]:
    """Client and servers are processes of their own; both servers run the same uvicorn on the same disk."""
    alone, crowd = (200, 1000) if quick else (1000, 4000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say("fsyncs")
        sync = statistics.median(_flush(folder, 400, WRITE_BYTES))
        say("the till's call")
        host_alone, host_crowd = _serve("host", folder, alone, crowd)
        say("a bare endpoint")
        _, bare_crowd = _serve("bare", folder, 50, crowd)
    bound = 2 * sync + SPARE_S
    one, many, bare = (_percentile(times, 99) for times in (host_alone, host_crowd, bare_crowd))
    return [
        Figure(
            "till call, one in flight, 99th percentile", one * 1000, "ms",
            f"two fsyncs and 5 ms: {bound * 1000:.1f} ms", one / bound, 1.0, True,
        ),
        Figure(
            f"till call, {IN_FLIGHT} in flight, 99th percentile", many * 1000, "ms",
            f"bare FastAPI that commits a row: {bare * 1000:.1f} ms", many / bare, 2.0, True,
        ),
        Figure(
            f"till calls in a second, {IN_FLIGHT} in flight", len(host_crowd) / sum(host_crowd) * IN_FLIGHT, "1/s",
            f"bare FastAPI: {len(bare_crowd) / sum(bare_crowd) * IN_FLIGHT:.0f} 1/s",
            sum(bare_crowd) / sum(host_crowd),
        ),
    ]  # fmt: skip


def _percentile(times: list[float], percent: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def _serve(which: str, folder: Path, alone: int, crowd: int) -> tuple[list[float], list[float]]:
    """Times of calls one by one, and with 20 in flight, after a warm-up."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "firmware"), str(ROOT / "tests/host"))),
    }
    command = [sys.executable, "-m", "tests.bench.till_servers", which, str(folder / which)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        try:
            assert server.stdout is not None
            port, path, token = server.stdout.readline().split()
            return asyncio.run(_calls(int(port), path, token, alone, crowd))
        finally:
            assert server.stdin is not None
            server.stdin.close()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


async def _calls(port: int, path: str, token: str, alone: int, crowd: int) -> tuple[list[float], list[float]]:
    counter = iter(range(10**9))
    lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(IN_FLIGHT)]

    async def one(line: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> float:
        number = next(counter)
        body = json.dumps(
            {"type": "till sale", "basket": "16.00", "currency": "EUR", "reference": f"n-{number}"}
        ).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: k-{number}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = line
        started = time.perf_counter()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(row.split(b":")[1])
            for row in answer.lower().split(b"\r\n")
            if row.startswith(b"content-length")
        )
        data = await reader.readexactly(length)
        took = time.perf_counter() - started
        assert answer.startswith(b"HTTP/1.1 200"), data
        return took

    async def worker(line: tuple[asyncio.StreamReader, asyncio.StreamWriter], count: int) -> list[float]:
        return [await one(line) for _ in range(count)]

    await worker(lines[0], 50)
    single = await worker(lines[0], alone)
    await asyncio.gather(*(worker(line, 5) for line in lines))
    found = await asyncio.gather(*(worker(line, crowd // IN_FLIGHT) for line in lines))
    for _, writer in lines:
        writer.close()
    return single, [took for times in found for took in times]
