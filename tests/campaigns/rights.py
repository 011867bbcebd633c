"""Rights under random partitions, cuts, crashes and lost stores: `python -m tests.campaigns.rights --schedules 50000`.

Two kits with bricks, hosts, lanes and people: slips, answers, voids, practice, another rental; every fifth schedule has a
kit that cheats (tests.campaigns.rogue).

Each schedule has a seed of its own; one that breaks a property is printed and runs again alone with `--only SEED -v`.
"""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.campaigns.schedule import Broken, World

STEPS = (40, 60, 95)
CHUNK = 50


def one(seed, say=None, copies=False):
    """Runs one schedule; what happened in it. Raises Broken. `copies`: a kit cheats, and pays by copies of bricks."""
    return World(seed, say, rogue=copies or None, copies=copies).run(STEPS[seed % 3]).told


def many(first, count, copies=False):
    """([what broke], what happened) of so many seeds in a row."""
    broken, told = [], Counter()
    for seed in range(first, first + count):
        try:
            told += one(seed, copies=copies)
        except Broken as failed:
            broken.append(str(failed))
        except Exception as failed:  # noqa: BLE001 - a crash is a finding, too, and its seed is wanted
            broken.append(f"seed {seed}: {type(failed).__name__}: {failed}")
    return broken, told


def campaign(schedules, seed, jobs, progress=None, copies=False):
    """The same on several cores."""
    broken, told, done = [], Counter(), 0
    with ProcessPoolExecutor(jobs) as pool:
        starts = range(seed, seed + schedules, CHUNK)
        waiting = [pool.submit(many, first, min(CHUNK, seed + schedules - first), copies) for first in starts]
        for ready in as_completed(waiting):
            more, happened = ready.result()
            broken += more
            told += happened
            done += CHUNK
            if progress:
                progress(min(done, schedules), broken)
    return broken, told


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schedules", type=int, default=2000)
    parser.add_argument(
        "--seed", type=int, default=None, help="of the first schedule; the others count on from it"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", type=int, help="one schedule alone")
    parser.add_argument("-v", action="store_true", help="with --only: every step")
    parser.add_argument(
        "--copies", action="store_true", help="in every one a kit cheats and pays by copies of its bricks"
    )
    given = parser.parse_args()
    if given.only is not None:
        print(dict(one(given.only, print if given.v else None, given.copies)))
        return 0
    seed = int(time.time()) % 1_000_000 * 1000 if given.seed is None else given.seed
    began = time.monotonic()

    def progress(done, broken):
        spent = time.monotonic() - began
        line = f"\r{done}/{given.schedules} schedules, {len(broken)} broken, {done / spent:.0f} a second"
        print(line, end="", flush=True)

    broken, told = campaign(given.schedules, seed, given.jobs, progress, given.copies)
    print(f"\nseeds {seed} to {seed + given.schedules - 1}, {time.monotonic() - began:.0f} s")
    for name, count in sorted(told.items()):
        print(f"  {name}: {count:,}")
    for line in broken[:20]:
        print(line)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
