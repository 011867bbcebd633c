"""A host that updates itself, over real processes: `python -m tests.campaigns.hostrelease`.

Controller, host under its launcher, one virtual brick. One release of this tree is tried and stays; one that ends at its start
goes back by itself, and `fleet why` says so. With `--rollout` both go out as rollouts: the first is complete by the host's own
word, the second halts and is rolled back to the first. Exit code 1 where it came otherwise."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from virtualkit.demo.children import Child
from virtualkit.demo.stall import Stall

from hostagent.release import state
from tests.campaigns.applications import Town

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300.0


async def release(town: Town, source: Path, version: str, rollout: bool) -> Path:
    """A release of this tree, signed by two authors and ordered for the kit, or brought out by a rollout of its name."""
    keys = [word for path in sorted(town.folder.authors.glob("author-*.json"))[:2] for word in ("--key", path)]
    said = await town.cli("release", "host", "--version", version, "--source", source, *keys)
    path = next(Path(word.rstrip(",")) for word in said.split() if word.endswith(".smbundle,"))
    if rollout:
        print((await town.cli("rollout", "plan", version, "--host-release", path, "--waves", "1", "--soak", "0s")).strip())
        await town.cli("rollout", "start", version)
    else:
        print((await town.cli("host-release", path)).strip())
    return path


async def until(town: Town, releases: Path, what: str, rollout: str = "") -> None:
    """Until the kit's `why`, or that of a rollout, says it; prints what is new on the way."""
    end, last = time.monotonic() + PATIENCE_S, ""
    while time.monotonic() < end:
        if rollout:
            said = " ".join((await town.cli("rollout", "why", rollout)).split())
            said += "\n" + await town.cli("rollout", "why", rollout, town.folder.load()["name"])
        else:
            said = await town.cli("why", town.folder.load()["name"])
        lines = [line for line in said.splitlines() if line.lstrip().startswith("1. ")][-1:]
        if lines and lines[0].split(" (for")[0] != last:
            last = lines[0].split(" (for")[0]
            print(f"  {last.strip()}; {state.load(releases).phase}, {state.load(releases).starts} starts", flush=True)
        if what in said:
            return
        await asyncio.sleep(1)
    raise SystemExit(f"after {PATIENCE_S:.0f} s: {last}")


async def run(town: Town, rollout: bool) -> None:
    """The story."""
    town.stall = stall = Stall(town.folder, "fast", 1)
    releases = town.at / "releases"
    stall.host = Child(
        "host",
        ["host", "run", "--config", str(town.folder.host / "config.json"), "--releases", str(releases)],
        town.folder.run / "host.log",
        f"{stall.host_url}/v1/status",
    )
    try:
        await stall.start()
        await stall.armed(lambda text: None)
        began = time.monotonic()
        await release(town, ROOT, "good", rollout)
        if rollout:
            await until(town, releases, "1. all waves are through", "good")
        else:
            await until(town, releases, "  1. every brick runs")
        good = state.load(releases).current
        print(f"release good stays after {time.monotonic() - began:.0f} s")
        broken = town.at / "broken"
        for name in ("cli", "hostagent", "firmware/stallmark", "firmware/brick"):
            shutil.copytree(ROOT / name, broken / name, ignore=shutil.ignore_patterns("__pycache__"))
        (broken / "hostagent" / "agent.py").write_text("raise RuntimeError('not today')\n")
        began = time.monotonic()
        await release(town, broken, "bad", rollout)
        await until(town, releases, "went back: 3 starts failed", "bad" if rollout else "")
        if rollout:
            await until(town, releases, "1. the rollout went back", "bad")
        print(f"release bad went back after {time.monotonic() - began:.0f} s")
        if state.load(releases).current != good:
            raise SystemExit("the host does not run the good release")
        await stall.armed(lambda text: None)
    finally:
        await stall.stop()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rollout", action="store_true", help="bring the releases out by rollouts")
    rollout = parser.parse_args().rollout
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder), 1)
        try:
            asyncio.run(run(town, rollout))
        except SystemExit:
            print((town.folder.run / "host.log").read_text()[-3000:], file=sys.stderr)
            raise


if __name__ == "__main__":
    main()
