"""Core CBOR and COBS in bytes per second on MicroPython, against the same files on CPython and cbor2."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cbor2
from virtualkit import interpreter

from tests.bench import Figure, upy_path
from tests.bench.upy_core import PUBLIC

SCRIPT = Path(__file__).with_name("upy_core.py")


def _run(command: list[str], env: dict[str, str], microseconds: int) -> dict[str, int]:
    done = subprocess.run(
        [*command, str(SCRIPT), str(microseconds)],
        env={**os.environ, **env},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def _cbor2_rate(seconds: float) -> float:
    """cbor2 decoding and canonically encoding the same record, bytes per second."""
    encoded = cbor2.dumps(PUBLIC, canonical=True)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for _ in range(100):
            cbor2.dumps(cbor2.loads(encoded), canonical=True)
        count += 100
    return len(encoded) * count / (time.perf_counter() - started)


def run(quick: bool = False) -> list[Figure]:
    """Four rates on MicroPython; ratio = MicroPython / CPython, the same source file."""
    microseconds = 200_000 if quick else 1_000_000
    small = _run([str(interpreter.find()), "-X", "heapsize=512k"], {"MICROPYPATH": upy_path()}, microseconds)
    large = _run([sys.executable], {"PYTHONPATH": upy_path()}, microseconds)
    figures = [
        Figure(
            f"{name} on MicroPython",
            small[name],
            "B/s",
            "the same file on CPython",
            small[name] / large[name],
        )
        for name in ("cbor encode", "cbor decode", "cobs encode", "cobs decode")
    ]
    both = 1 / (1 / large["cbor encode"] + 1 / large["cbor decode"])
    peer = _cbor2_rate(microseconds / 1e6)
    figures.append(Figure("cbor there and back on CPython", both, "B/s", "cbor2 (C)", both / peer))
    return figures
