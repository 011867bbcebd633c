"""Tap to light, light to host and light to ledger: a market hour with parts that take their real time."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from virtualkit.demo.once import Hour, MarketHour

from tests.bench import Figure, say

BLINK_MS = 200  # PRODUCT.md: a customer sees the light within this, at the 95th percentile


def run(quick: bool = False) -> list[Figure]:
    """Two hours of `stallmark demo --once`: parts that take their real time, then parts that take none."""
    taps = 40 if quick else 200
    real = _hour(Hour(taps, seed=1))
    tap, host, ledger = (real[f"{name}_ms"] for name in ("tap_to_light", "light_to_host", "light_to_ledger"))
    bare = _hour(Hour(taps // 2, seed=1, timing="fast"))["light_to_host_ms"]
    seen = "the commit, seen by a reader of the store"
    aim = {"against": f"PRODUCT.md: {BLINK_MS} ms", "ratio": tap["p95"] / BLINK_MS, "aim": 1, "at_most": True}
    return [
        Figure(f"tap → light, p50 of {taps} taps", tap["p50"], "ms"),
        Figure("tap → light, p95", tap["p95"], "ms", **aim),
        Figure("tap → light, p99", tap["p99"], "ms"),
        Figure("light → durable at host, p50", host["p50"], "ms", seen),
        Figure("light → durable at host, p95", host["p95"], "ms", seen),
        Figure("the same without line and flash time, p50", bare["p50"], "ms", "", bare["p50"] / host["p50"]),
        Figure("the same without line and flash time, p95", bare["p95"], "ms", "", bare["p95"] / host["p95"]),
        Figure("light → ledger, p50", ledger["p50"], "ms", "leaf in a signed checkpoint, heard by a client"),
        Figure("light → ledger, p95", ledger["p95"], "ms", "leaf in a signed checkpoint, heard by a client"),
    ]


def _hour(hour: Hour) -> dict[str, Any]:
    """One market hour from a blank kit to the audit. Raises RuntimeError where the audit found a violation."""
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(MarketHour(Path(folder) / "kit", hour, say).run())
    if result["violations"]:
        raise RuntimeError(f"the audit found violations: {result['violations']}")
    return result
