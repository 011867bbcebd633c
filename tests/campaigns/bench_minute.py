"""`python -m tests.campaigns.bench_minute [--chip ESP32] [--fast]`: one board from bare to brick, at the pace of wire and flash.

The image is made up, of the size of a published one (1.7 MB). `--fast` takes no time and prints what the model adds up.
"""

import argparse
import tempfile
import time
from pathlib import Path

from virtualkit.bootrom_board import made_up_image
from workbench import application, flash

from tests.brick.benchkit import BenchWorld

PROMISE_S = 120


def main():
    """Prints the seconds of every step; exit code 1 above two minutes."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.bench_minute", description=__doc__)
    parser.add_argument("--chip", choices=("ESP32", "ESP32-S3"), default="ESP32-S3")
    parser.add_argument("--fast", action="store_true")
    chosen = parser.parse_args()
    megabytes = 8 if chosen.chip == "ESP32-S3" else 4
    with tempfile.TemporaryDirectory() as name:
        world = BenchWorld(Path(name), chosen.chip, megabytes, paced=not chosen.fast)
        try:
            world.give_image(made_up_image(world.chip))
            begun = time.monotonic()
            programs = application.build()
            made = flash.flash_board(
                world.port, world.job, world.book, world.settings, programs, lambda *_: None, "minute"
            )
            taken = time.monotonic() - begun
        finally:
            world.close()
        meter = world.board.meter
        for step, seconds in made.seconds.items():
            print(f"{step:<18} {seconds:6.1f} s")
        print(
            f"{'all':<18} {taken:6.1f} s on this machine, {'without pace' if chosen.fast else 'at real pace'}"
        )
        modes = ", ".join(f"{mode} {seconds:.1f} s" for mode, seconds in meter.by_mode.items())
        print(
            f"the model's own sum: {meter.seconds:.1f} s if nothing overlapped ({modes}; {meter.turns} turns of the line)"
        )
        return 0 if max(taken, meter.seconds) < PROMISE_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
