"""A virtual brick with a few lines of MicroPython as its firmware: power, pins, taps, cuts, crashes."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import serial
from virtualkit import brick_process, tags
from virtualkit.brick import BrickOff, BrickSpec, VirtualBrick
from virtualkit.brick_process import BrickCrashed
from virtualkit.clockfile import MarketClock
from virtualkit.kit import new_flash

ENTRY = Path(__file__).with_name("smokebrick.py")
UID = bytes.fromhex("04a1b2c3d4e580")
FLASH = 128 * 1024
SEED = 77


Scene = Callable[[VirtualBrick], Awaitable[None]]


def on_a_brick(folder: Path, scene: Scene, parts: tuple[str, ...] = ("nfc",), **more: Any) -> None:
    """Plays a scene on one brick that has been started."""

    async def play() -> None:
        flash = folder / "flash.bin"
        if not flash.exists():
            new_flash(flash, FLASH)
        brick = VirtualBrick(BrickSpec("b", parts, flash, entry=ENTRY, timing="fast", **more), folder / "run")
        try:
            await up(brick)
            await scene(brick)
        finally:
            await brick.close()

    asyncio.run(play())


async def up(brick: VirtualBrick, cut: tuple[int, int] | None = None) -> None:
    """Power on, and wait until the few lines listen: what comes before is lost, as on any UART."""
    edges = brick.light.count
    await brick.start(cut=cut)
    await until(lambda: brick.light.count > edges)


async def say(brick: VirtualBrick, text: str) -> str:
    """A line to the brick over its link, as a host would, and the answer."""

    def exchange() -> str:
        with serial.Serial(str(brick.link), 115200, timeout=60) as port:
            port.write(text.encode() + b"\n")
            return port.readline().decode().strip() if text.startswith(("echo", "time")) else ""

    return await asyncio.to_thread(exchange)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_tap_shows_in_the_light_and_stands_in_the_flash(tmp_path: Path) -> None:
    async def scene(brick: VirtualBrick) -> None:
        edges: list[tuple[int, int, int]] = []
        brick.light.listeners.append(lambda edge: edges.append(edge.colour))
        shown = await brick.tap(tags.ntag215(UID))
        assert shown.outcome == "granted"
        assert shown.ms is not None
        assert 0 < shown.ms < 2000
        await until(lambda: len(edges) == 2)
        assert edges == [(0, 1, 0), (0, 0, 0)]
        assert (tmp_path / "flash.bin").read_bytes()[4096:4107] == b"page 000000"
        assert brick.nfc is not None
        assert brick.nfc.field.cards == []
        assert (await brick.tap(tags.ntag215(UID), hold_ms=100)).outcome == "granted"

    on_a_brick(tmp_path, scene)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["b.control", "b.json", "b.log"]


def test_a_scan_shows_in_the_light(tmp_path: Path) -> None:
    async def scene(brick: VirtualBrick) -> None:
        await brick.ready()
        assert (await brick.scan(b"SM1.ABC")).outcome == "nothing this time"
        with pytest.raises(BrickOff, match="no NFC reader"):
            await brick.tap(tags.ntag215(UID))

    on_a_brick(tmp_path, scene, parts=("qr",))


def test_the_wrong_baud_rate_is_garbage_both_ways(tmp_path: Path) -> None:
    async def scene(brick: VirtualBrick) -> None:
        assert brick.scanner is not None
        brick.scanner.faults.stuck_baud = 57600
        shown = await brick.scan(b"SM1.ABC", seconds=0.5)
        assert shown.outcome is None
        assert brick.scanner.outputs

    on_a_brick(tmp_path, scene, parts=("qr",))


def test_link_clock_and_randomness_reach_the_firmware(tmp_path: Path) -> None:
    clock = MarketClock(tmp_path / "clock", 1_700_000_000_000)

    async def scene(brick: VirtualBrick) -> None:
        assert await say(brick, "echo hello") == "hello"
        clock.advance(3_600_000)
        assert await say(brick, "time") == "3600000 None 8"

    on_a_brick(tmp_path, scene, clock=clock.path)
    clock.close()


def test_the_reset_pin_wakes_a_chip_that_hangs(tmp_path: Path) -> None:
    async def scene(brick: VirtualBrick) -> None:
        assert brick.nfc is not None
        brick.nfc.hung = True
        await say(brick, "reset")
        await until(lambda: brick.nfc is not None and not brick.nfc.hung)

    on_a_brick(tmp_path, scene)


@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
def test_a_power_cut_tears_the_operation_under_way(tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}")

    async def scene(brick: VirtualBrick) -> None:
        await say(brick, "flash")
        await until(lambda: (tmp_path / "flash.bin").read_bytes()[4096 + 256] == ord("p"))
        cut = await brick.power_cut(seed)
        assert cut.operation in ("program", "erase")
        assert 4096 <= cut.offset < 17 * 4096
        assert 0 <= cut.done <= 4096
        flash = (tmp_path / "flash.bin").read_bytes()
        if cut.operation == "program":
            done = flash[cut.offset : cut.offset + cut.done]
            assert done.startswith(b"page "[: cut.done])
        else:
            assert flash[cut.offset : cut.offset + cut.done] == b"\xff" * cut.done
        assert not brick.powered
        assert not brick.process.running
        brick.process.check()  # a cut is no crash
        with pytest.raises(BrickOff, match="switched off"):
            await brick.tap(tags.ntag215(UID))
        await up(brick)
        assert await say(brick, "echo back") == "back"

    on_a_brick(tmp_path, scene)


def test_an_idle_brick_is_cut_within_the_grace(tmp_path: Path) -> None:
    async def scene(brick: VirtualBrick) -> None:
        cut = await brick.power_cut(SEED)
        assert cut.operation is None
        assert not brick.process.running

    on_a_brick(tmp_path, scene)


def test_a_cut_can_be_planned_for_the_nth_operation(tmp_path: Path) -> None:
    async def scene(brick: VirtualBrick) -> None:
        await brick.stop()
        await up(brick, cut=(3, random.Random(SEED).getrandbits(60)))
        await say(brick, "flash")
        await until(lambda: not brick.process.running)
        await until(lambda: not brick.powered)
        assert (brick.process.last_cut.operation, brick.process.last_cut.offset) == ("program", 4096 + 256)
        brick.process.check()

    on_a_brick(tmp_path, scene)


def test_a_tap_during_a_power_cut_ends_without_light(tmp_path: Path) -> None:
    async def scene(brick: VirtualBrick) -> None:
        assert brick.nfc is not None
        brick.nfc.faults.silent = True
        tap = asyncio.create_task(brick.tap(tags.ntag215(UID), seconds=20))
        await until(lambda: brick.taps == 1)
        await brick.power_cut(SEED)
        assert (await tap).outcome is None

    on_a_brick(tmp_path, scene)


def test_a_traceback_fails_fast(tmp_path: Path) -> None:
    async def scene(brick: VirtualBrick) -> None:
        await say(brick, "crash")
        await until(lambda: brick.process.crash is not None)
        with pytest.raises(BrickCrashed, match="ValueError: as ordered"):
            await brick.tap(tags.ntag215(UID))
        await until(lambda: not brick.powered)

    on_a_brick(tmp_path, scene)


def test_a_brick_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(BrickCrashed, match="OSError"):
        on_a_brick(tmp_path, lambda brick: asyncio.sleep(0), extra={"flash": str(tmp_path / "missing")})


def test_a_loop_that_stands_still_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brick_process, "WATCHDOG_SECONDS", 1.0)

    async def scene(brick: VirtualBrick) -> None:
        await say(brick, "hang")
        await until(lambda: brick.process.crash is not None)
        with pytest.raises(BrickCrashed, match="watchdog"):
            brick.process.check()

    on_a_brick(tmp_path, scene)


def test_the_heap_is_capped(tmp_path: Path) -> None:
    with pytest.raises(BrickCrashed, match="MemoryError"):
        on_a_brick(tmp_path, lambda brick: asyncio.sleep(0), heap=16 * 1024)


def test_the_configuration_names_firmware_and_board(tmp_path: Path) -> None:
    on_a_brick(tmp_path, lambda brick: asyncio.sleep(0))
    config = json.loads((tmp_path / "run" / "b.json").read_text())
    assert len(config["firmware"]) == 64
    assert config["flash_bytes"] == FLASH
    assert config["reset_reason"] == 1


def test_a_bench_reaches_the_event_port(tmp_path: Path) -> None:
    async def scene(brick: VirtualBrick) -> None:
        def exchange() -> bytes:
            with serial.Serial(str(brick.events), 115200, timeout=60) as port:
                port.write(b"event")
                return port.read(5)

        assert await asyncio.to_thread(exchange) == b"event"

    on_a_brick(tmp_path, scene, parts=("events",))


ORPHAN = """
import asyncio, sys
from pathlib import Path
from virtualkit.brick import BrickSpec, VirtualBrick
async def main():
    spec = BrickSpec("b", ("nfc",), Path(sys.argv[1]), entry=Path(sys.argv[2]))
    brick = VirtualBrick(spec, Path(sys.argv[3]))
    await brick.start()
    print(brick.process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_no_brick_outlives_its_kit(tmp_path: Path) -> None:
    new_flash(tmp_path / "flash.bin", FLASH)
    command = [sys.executable, "-c", ORPHAN, tmp_path / "flash.bin", ENTRY, tmp_path / "run"]
    kit = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert kit.stdout
    brick = int(kit.stdout.readline())
    kit.kill()
    kit.communicate()

    def gone() -> bool:
        try:
            os.kill(brick, 0)
        except ProcessLookupError:
            return True
        # Where nobody collects orphans, what has ended stays as a name only.
        state = Path(f"/proc/{brick}/stat")
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"

    asyncio.run(until(gone))


def test_a_flash_image_is_never_overwritten(tmp_path: Path) -> None:
    new_flash(tmp_path / "flash.bin", FLASH)
    assert (tmp_path / "flash.bin").read_bytes() == b"\xff" * FLASH
    with pytest.raises(FileExistsError):
        new_flash(tmp_path / "flash.bin", FLASH)
    with pytest.raises(ValueError, match="64 KiB"):
        new_flash(tmp_path / "odd.bin", 1000)
