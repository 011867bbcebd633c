"""The bricks' part of a status report: what this host knows of each, in the form of docs/desired-state.md."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from hostagent.bricks import Brick
from hostagent.clock import Clock, monotonic_ms
from hostagent.core import reg
from hostagent.slots import TRIAL, Slots
from hostagent.updater import RESULT_WORDS, Updater

MAX_BRICKS = 64
MAX_SLICES = 64


def describe(
    bricks: dict[bytes, Brick], updater: Updater, clock: Clock, connected: Callable[[bytes], bool]
) -> dict[str, Any]:
    """`{"release", "bricks": [...]}`; ages become market time by this host's clock."""
    now_ms, now = clock.now_ms(), monotonic_ms()
    return {
        "release": f"stallmark {version('stallmark')}",
        "bricks": [
            _brick(brick, updater, now_ms, now, connected(brick.brick))
            for brick in list(bricks.values())[:MAX_BRICKS]
        ],
    }


def _application(brick: Brick, updater: Updater, now_ms: int, now: int) -> dict[str, Any]:
    """What is known of its programs, where they lie in slots or an application was offered; else empty."""
    found: dict[str, Any] = {}
    slots: Slots | None = brick.slots
    if slots is not None:
        found["state"] = "trial" if slots.state == TRIAL else "steady"
        found["ms"] = max(0, now_ms - (now - brick.slots_ms))
        if slots.coming is not None:
            found |= {"there": slots.coming[1], "whole": slots.coming[2], "waits": slots.waits, "waits_ms": found["ms"]}
    result = updater.result_of(brick.brick, reg.ARTEFACT_APPLICATION)
    if result is not None:
        words = RESULT_WORDS.get(result[0], "")
        if result[0] == reg.INSTALL_RETURNED and slots is not None and slots.returned is not None:
            words = slots.why_returned
        found |= {"result": result[0], "bundle": result[1].hex()[:16], "text": words}
        if found.get("state") != "trial":
            found["ms"] = max(0, now_ms - (now - result[2]))
    return found


def _brick(brick: Brick, updater: Updater, now_ms: int, now: int, connected: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"brick": brick.brick.hex(), "name": brick.name[:64], "connected": connected}
    status = brick.status
    # How far it wrote: its own word, or what is on this disk. A kit that comes back is not taken off a renter before it is here.
    found["last_seq"] = max(brick.durable_seq, 0 if status is None else status.next_seq - 1)
    if status is not None:
        found["heard_ms"] = max(0, now_ms - (now - status.at_ms))
        if status.ruleset is not None:
            found["ruleset"] = status.ruleset.hex()
        if status.firmware is not None:
            found["program"] = status.firmware.hex()
        found["left"] = [[number, left] for number, left in status.slices.items() if left > 0][:MAX_SLICES]
    power: dict[str, Any] = (brick.diagnostics or {}).get("power") or {}
    if power.get("believable") and type(power.get("percent")) is int and 0 <= power["percent"] <= 100:
        found["battery"] = power["percent"]
    said: dict[str, Any] = brick.diagnostics or {}
    speed: dict[str, Any] | None = said.get("speed")
    if speed is not None and speed["ruleset"] is not None:
        memory = {"free": said.get("heap_free"), "block": said.get("largest_block")}
        found["figures"] = speed | {name: n for name, n in memory.items() if type(n) is int and n >= 0}
    if brick.shadow is not None:
        found["shadow"] = {"summary": brick.shadow[0].hex(), "tag": brick.shadow[1].hex()}
    result = updater.result_of(brick.brick)
    if result is not None:
        found["result"] = result[0]
        found["result_bundle"] = result[1].hex()[:16]
        found["result_text"] = RESULT_WORDS.get(result[0], "")
        found["result_ms"] = max(0, now_ms - (now - result[2]))
    application = _application(brick, updater, now_ms, now)
    if application:
        found["application"] = application
    return found
