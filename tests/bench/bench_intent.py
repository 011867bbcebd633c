"""A changed rule on a connected virtual kit: from the file in the rules folder to the proof that every brick runs it."""

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path

from stallmark import bundle, cbor
from virtualkit.demo.once import MARKET_OPENS_MS, KitPlan, free_ports, new_kit
from virtualkit.demo.stall import Stall

from fleet.authoring.signing import make_bundle
from fleet.config import load
from fleet.desired import look
from tests.bench import Figure, say

CHANGES = 20
PATIENCE_S = 60.0
AIM_S = 5.0  # notes on fleets: change to delivery, 99th percentile, online


def run(quick: bool = False) -> list[Figure]:
    """The real firmware on three virtual bricks, parts that take their real time."""
    with tempfile.TemporaryDirectory() as folder:
        said, proven = asyncio.run(_measure(Path(folder) / "kit", 5 if quick else CHANGES))
    how = f"{len(proven)} changes, three bricks and the lane"
    worst = proven[-1 - len(proven) // 100]
    return [
        Figure("change → the host says that all bricks run it, p50", said[len(said) // 2] * 1000, "ms", how),
        Figure(
            "change → active, proven by boot records in the ledger, p50",
            proven[len(proven) // 2] * 1000,
            "ms",
            how,
        ),
        Figure("change → active, proven, p99", worst * 1000, "ms", f"{AIM_S:g} s", worst / AIM_S, 1.0, True),
    ]


async def _measure(path: Path, changes: int) -> tuple[list[float], list[float]]:
    fleet_port, host_port = free_ports()
    plan = KitPlan(
        name="intent",
        start_ms=MARKET_OPENS_MS,
        market_clock=True,
        fleet_port=fleet_port,
        host_port=host_port,
        card_seed=1,
    )
    secret = await asyncio.to_thread(new_kit, path, plan, say)
    folder = secret.folder
    stall = Stall(folder, "real", 1)
    assert stall.clock is not None
    stall.clock.set(MARKET_OPENS_MS)
    config = load(folder.controller / "config.json")
    seeds = [
        bytes.fromhex(json.loads(one.read_text())["seed"])
        for one in sorted((path / "author").glob("*.json"))
        if one.name != "campaign.json"
    ][:2]
    active = folder.controller / "rules" / "active.smbundle"
    said: list[float] = []
    proven: list[float] = []
    try:
        await stall.start()
        await stall.armed(say)
        await _until(config, None)
        for number in range(changes):
            say(f"change {number + 1} of {changes}")
            data, digest = _next(active.read_bytes(), seeds)
            fresh = active.with_name("new")
            fresh.write_bytes(data)
            began = time.monotonic()
            os.replace(fresh, active)
            first, last = await _until(config, digest)
            said.append(first - began)
            proven.append(last - began)
    finally:
        await stall.stop()
    return sorted(said), sorted(proven)


async def _until(config, digest: bytes | None) -> tuple[float, float]:
    """When the host said that everybody runs it, and when that was proven."""
    said = None
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        (facts,) = await asyncio.to_thread(look.facts, config)
        there = digest is None or any(item.artefact == digest for item in facts.wanted())
        if there and said is None and facts.report is not None and facts.head is not None:
            said = time.monotonic() if facts.report.active == facts.head.etag else None
        if there and facts.active and said is not None:
            return said, time.monotonic()
        await asyncio.sleep(0.02)
    raise RuntimeError(f"not active after {PATIENCE_S:g} s: {facts.state}")


def _next(data: bytes, seeds: list[bytes]) -> tuple[bytes, bytes]:
    """The same rules under the next revision, by the kit's own authors."""
    envelope, artefact = bundle.split(data)
    fields = bundle.parse(envelope).fields
    rules = cbor.decode(artefact, 16, 1 << 16)
    rules[2] += 1
    made = make_bundle(
        cbor.encode(rules),
        rules[2],
        seeds,
        fields[10],
        terms16=fields[11],
        since_ms=fields[12],
        fallback=[fields[2]],
    )
    return made, bundle.parse(bundle.split(made)[0]).fields[2]
