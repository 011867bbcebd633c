"""Small files on the file system of a board's own MicroPython, on the same flash: tests.campaigns.upy_vfs, in its interpreter."""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

from virtualkit import interpreter

SCRIPT = Path(__file__).with_name("upy_vfs.py")
CORE = Path(__file__).parents[1] / "core"


def cuts(seed: int, stride: int, erase_stride: int) -> Counter:
    """A file replaced by rename, and one that records are appended to, cut inside every operation of the chip."""
    done = subprocess.run(
        [interpreter.find(), "-X", "heapsize=8M", SCRIPT, str(seed), str(stride), str(erase_stride)],
        env={**os.environ, "MICROPYPATH": f"{CORE}:.frozen"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Counter(json.loads(done.stdout))
