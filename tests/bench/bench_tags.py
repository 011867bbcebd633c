"""A tag's proof on MicroPython: dynamic link and live authentication as computation alone, and what an ESP32 takes."""

import json
import os
import subprocess
from pathlib import Path

from virtualkit import interpreter

from tests.bench import Figure, upy_path

SCRIPT = Path(__file__).with_name("upy_tags.py")
VECTORS = Path(__file__).parents[1] / "vectors" / "tag.json"
# An ESP32 runs MicroPython so many times slower than this kind of machine: pystone, bm_chaos, misc_aes and bm_pidigits as
# published for it, against the unix port (docs/figures.md).
SLOWER = (25, 45)


def run(quick: bool = False) -> list[Figure]:
    """Times of the computation; the radio's part of a tap is in `brick` and `market`."""
    done = subprocess.run(
        [interpreter.find(), "-X", "heapsize=512k", SCRIPT, VECTORS, "20" if quick else "200"],
        env={**os.environ, "MICROPYPATH": upy_path()},
        check=True,
        capture_output=True,
        text=True,
    )
    measured: dict[str, list[float]] = json.loads(done.stdout)
    figures: list[Figure] = []
    for key, words in (("link", "dynamic link checked"), ("live", "live authentication and one sealed read")):
        micros, garbage = measured[key]
        low, high = (micros * times / 1000 for times in SLOWER)
        figures.append(
            Figure(
                f"{words}, MicroPython", micros / 1000, "ms", f"ESP32, estimated: {low:.1f} to {high:.1f} ms"
            )
        )
        figures.append(Figure(f"{words}, garbage", garbage, "B"))
    return figures
