"""Somebody active in the middle of the link: `python -m tests.campaigns.middle --walks 20000`; a seed alone with `--only`."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))

import test_link_middle as middle


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walks", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=middle.SEED)
    parser.add_argument("--only", type=int, help="one walk alone")
    given = parser.parse_args()
    what = {"kills": 0, "longest ms": 0, "delivered": 0, "handshakes": 0, "orders": 0}
    seeds = [given.only] if given.only is not None else range(given.seed, given.seed + given.walks)
    broken, began = 0, time.monotonic()
    for seed in seeds:
        try:
            middle.walk(seed, what)
        except AssertionError as failed:
            broken += 1
            print(f"seed {seed}: {failed}")
    print(
        f"{len(seeds)} walks from seed {seeds[0]}, {broken} broken, {time.monotonic() - began:.0f} s: {what}"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
