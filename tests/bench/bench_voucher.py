"""A voucher's check on MicroPython, SHA-512 included, against double-and-add and two-bit Straus in the same interpreter."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import virtualkit
from nacl.signing import SigningKey
from stallmark import voucher
from virtualkit import interpreter

from tests.bench import Figure, say, upy_path

SCRIPT = Path(__file__).with_name("upy_voucher.py")
ISSUER = SigningKey(bytes(31) + b"\x07")  # a development key
SLOWEST = 45  # of 25 to 45 times: perf_bench and pystone of an ESP32 against a machine of this kind, published figures


def _text() -> str:
    public = ISSUER.verify_key.encode()
    data = voucher.payload(
        voucher.kid4(public), b"serial-1", 7, 200, b"kit-0001", 2_000_000_000, 1_700_000_000
    )
    return voucher.text(data, ISSUER.sign(voucher.message(data)).signature)


def run(quick: bool = False) -> list[Figure]:
    """Times and garbage; the ratios are within this run."""
    say("a voucher in three ways")
    nor = Path(virtualkit.__file__).with_name("upy")
    with tempfile.TemporaryDirectory() as folder:
        flash = Path(folder) / "combs.bin"
        flash.write_bytes(b"\xff" * 0xC000)
        done = subprocess.run(
            [
                interpreter.find(),
                "-X",
                "heapsize=24M",
                SCRIPT,
                flash,
                ISSUER.verify_key.encode().hex(),
                _text(),
                "5" if quick else "40",
            ],
            env={**os.environ, "MICROPYPATH": f"{upy_path()}:{nor}:.frozen"},
            check=True,
            capture_output=True,
            text=True,
        )
    found: dict[str, list[int]] = json.loads(done.stdout)
    (mine, garbage), straus, plain = found["comb"], found["straus"], found["plain"]
    bytecode = found["tables, in Python"]
    return [
        Figure("voucher check", mine / 1000, "ms", "double and add", plain[0] / mine, 10),
        Figure("voucher check", mine / 1000, "ms", "Straus, two bits", straus[0] / mine, 2),
        Figure(
            "garbage of a check", garbage / 1000, "kB", "Straus, two bits", garbage / straus[1], 0.5, True
        ),
        Figure(
            "the same without machine code",
            bytecode[0] / 1000,
            "ms",
            "Straus, two bits",
            straus[0] / bytecode[0],
            2,
        ),
        Figure(
            "on an ESP32, estimated: 25 to 45 times this machine's",
            SLOWEST * mine / 1000,
            "ms",
            "white light at once; the answer after about this long",
        ),
        Figure("longest step of a check on an ESP32, est.", SLOWEST * found["longest step"][0] / 1000, "ms"),
        Figure("both tables made, once for each key", found["tables"][0] / 1000, "ms"),
        Figure(
            "longest step of making them on an ESP32, est.",
            SLOWEST * found["longest piece of making them"][0] / 1000,
            "ms",
        ),
    ]
