"""Applications by rollout over real processes: `python -m tests.campaigns.applications`.

Controller, host and virtual bricks that run from their slots. One application is good and stays; one ends at its start, goes
back by itself, and halts its rollout. Says how long each part took. Exit code 1 where it came otherwise."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from virtualkit.demo.stall import Stall
from virtualkit.folder import write_json
from virtualkit.kitplan import BrickPlan, KitPlan
from virtualkit.newkit import free_ports, new_kit
from workbench import application

TIMES = {"calm_ms": 1_000, "trial_ms": [3_000, 20_000]}
PATIENCE_S = 240.0


class Town:
    """One kit and its commands."""

    def __init__(self, folder: Path, bricks: int) -> None:
        ports = free_ports()
        plans = tuple(BrickPlan(f"brick-{number}", ("nfc",)) for number in range(1, bricks + 1))
        plan = KitPlan(fleet_port=ports[0], host_port=ports[1], bricks=plans, start_ms=time.time_ns() // 1_000_000)
        self.folder = new_kit(folder / "kit", plan, lambda text: None).folder
        write_json(self.folder.kit_json, self.folder.load() | {"slots": TIMES})
        self.stall: Stall
        self.programs = dict(application.build().files)
        self.at = folder

    async def cli(self, *words: object, code: int = 0) -> str:
        """A command of the fleet, as people type it."""
        config = ("--config", str(self.folder.controller / "config.json"))
        done = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", "fleet", *map(str, words), *config,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = (await done.communicate())[0].decode()
        if code != done.returncode:
            raise SystemExit(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{said}")
        return said

    async def release(self, name: str, files: dict[str, bytes], *more: object) -> Path:
        """An application signed by two authors, on their list."""
        pack = self.at / f"{name}.pack"
        pack.write_bytes(application.packed(files))
        keys = [word for path in sorted(self.folder.authors.glob("author-*.json"))[:2] for word in ("--key", path)]
        said = await self.cli("release", "application", "--pack", pack, "--name", name, *keys, *more)
        return next(Path(word.rstrip(",")) for word in said.split() if word.endswith(".smbundle,"))

    async def rollout(self, name: str, path: Path, *more: object) -> dict[str, Any]:
        """Brings it out and waits until it is over; its last status."""
        await self.cli("rollout", "plan", name, "--application", path, "--waves", "100%", "--soak", "1s", *more)
        await self.cli("rollout", "start", name)
        end, last = time.monotonic() + PATIENCE_S, ""
        while time.monotonic() < end:
            self.stall.check()
            said = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "cli.main", "fleet", "rollout", "status", name, "--json",
                "--config", str(self.folder.controller / "config.json"), stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            (found,) = json.loads((await said.communicate())[0])["rollouts"]
            if found["phase"] in ("complete", "rolled back", "paused", "halted"):
                return found
            (why, *_) = [line for line in (await self.cli("why", self.folder.load()["name"])).splitlines() if "  1. " in line]
            if why != last:
                print(f"  {name}, {found['phase']}:{why}", file=sys.stderr)
            last = why
            await asyncio.sleep(1)
        raise SystemExit(f"rollout {name} is not over after {PATIENCE_S:.0f} s; {last}")


async def run(town: Town, bricks: int) -> int:
    """The story; 0 where it came as it should."""
    wrong = 0
    try:
        began = time.monotonic()
        await town.stall.start()
        await town.stall.armed(lambda text: None)
        print(f"controller, host and {bricks} bricks from their slots: {time.monotonic() - began:.1f} s")
        first = await town.release("first", town.programs)
        good = await town.release("good", town.programs | {"/edition.txt": b"2"}, "--fallback", first)
        bad = await town.release(
            "bad", town.programs | {"/brick/appliance.py": b"raise ValueError('not today')\n"}, "--fallback", good
        )
        for name, path, back, phase in (("good", good, first, "complete"), ("bad", bad, good, "rolled back")):
            began = time.monotonic()
            found = await town.rollout(name, path, "--back-to", back)
            print(f"{name}: {found['phase']} after {time.monotonic() - began:.1f} s: {found.get('reason', '')}")
            wrong += found["phase"] != phase
        print(await town.cli("why", town.folder.load()["name"]))
        said = json.loads(await town.cli("why", town.folder.load()["name"], "--json"))
        proven = {row["proven"] for row in said["bricks"] if row["kind"] == 2}
        ours = application.packed(town.programs | {"/edition.txt": b"2"})[16:48].hex()
        wrong += proven != {ours}
    finally:
        await town.stall.stop()
    return int(bool(wrong))


def play(folder: Path, bricks: int) -> int:
    """A kit in this folder, and the story."""
    town = Town(folder, bricks)

    async def inside() -> int:
        town.stall = Stall(town.folder, "fast", 1)  # in its event loop
        return await run(town, bricks)

    return asyncio.run(inside())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bricks", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="Kept; by default a temporary one.")
    chosen = parser.parse_args()
    if chosen.folder is not None:
        raise SystemExit(play(chosen.folder, chosen.bricks))
    with tempfile.TemporaryDirectory() as folder:
        raise SystemExit(play(Path(folder), chosen.bricks))


if __name__ == "__main__":
    main()
