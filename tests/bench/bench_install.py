"""A brick verifies root, directive and an 8 kB ruleset and activates it: milliseconds and peak heap on MicroPython."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import virtualkit
from nacl.signing import SigningKey
from stallmark import bundle, directive, rootmeta, rules
from stallmark import event as events
from stallmark.crypt import sha256
from stallmark.golden import Trial
from virtualkit import interpreter
from workbench.application import compile_firmware

from tests.bench import Figure, engine_rules, say

SCRIPT = Path(__file__).with_name("upy_install.py")
BYTES = 8 * 1024
FLASH = 8192 + 2 * 65536
KIT, BRICK = b"kit-0001", b"brick-01"
T0 = engine_rules.START
YEAR = 365 * 86_400_000
KIB = 1024
LEAST, MOST = 64 * KIB, 2048 * KIB
ROOMY = 512 * KIB  # for the times: what is collected every 32 KiB takes as long as the heap is large
SLOWEST = 45  # of 25 to 45 times: perf_bench and pystone of an ESP32 against a machine of this kind, published figures


def _keys(mark: int, count: int) -> list[SigningKey]:
    return [SigningKey(bytes([mark + n]) * 32) for n in range(count)]  # development keys


ROOTS, DIRECTORS, AUTHORS = _keys(1, 3), _keys(11, 1), _keys(21, 3)


def _sealed(kind: str, payload: bytes, signers: list[SigningKey]) -> bytes:
    message = bundle.pae(kind, payload)
    pairs = [(sha256(one.verify_key.encode())[:8], one.sign(message).signature) for one in signers]
    return bytes(bundle.envelope(kind, payload, pairs))


def _public(signers: list[SigningKey]) -> list[bytes]:
    return [one.verify_key.encode() for one in signers]


def _ruleset() -> bytes:
    """The largest of the engine's rulesets that is not over 8 KiB."""
    count = 1
    while len(engine_rules.ruleset(count + 1)) <= BYTES:
        count += 1
    return bytes(engine_rules.ruleset(count))


def _golden(data: bytes) -> list[Any]:
    trial = Trial(rules.Ruleset(data))
    out: list[Any] = []
    for event in engine_rules.events(8):
        decision = trial.decide(event)
        out.append([events.to_fields(event), decision.kind, decision.rule, decision.why[0]])
    return out


def _given() -> dict[str, Any]:
    """What the script is given, in hex."""
    payload = rootmeta.payload(1, T0, T0 + YEAR, _public(ROOTS), 2, _public(DIRECTORS), 1, _public(AUTHORS), 2)
    root = _sealed(rootmeta.TYPE, payload, ROOTS[:2])
    ruleset = _ruleset()
    made = bundle.manifest(ruleset, 1, golden=_golden(ruleset), engine=(rules.ENGINE, rules.ENGINE), since_ms=T0)
    envelope = _sealed(bundle.TYPE, made, AUTHORS[:2])
    named = (1, sha256(ruleset), len(ruleset), 1, "", sha256(envelope))
    items = [(brick, *named) for brick in (BRICK, b"brick-02", b"brick-03", b"brick-04")]
    order = _sealed(directive.TYPE, directive.payload(KIT, 1, T0, T0 + YEAR, items, rental=1), DIRECTORS)
    found = {"root": root, "order": order, "data": bundle.join(envelope, ruleset), "kit": KIT, "brick": BRICK}
    found |= {"root8": sha256(root)[:8], "order8": sha256(order)[:8], "data8": sha256(envelope)[:8]}
    given: dict[str, Any] = {name: value.hex() for name, value in found.items()}
    given["first_root"] = sha256(payload).hex()
    given["authors"] = [[sha256(public)[:8].hex(), public.hex()] for public in _public(AUTHORS)]
    return given


def _run(folder: Path, heap: int) -> dict[str, Any] | None:
    """What the script says; None where the heap is too small. Raises CalledProcessError."""
    flash = folder / "flash.bin"
    flash.write_bytes(b"\xff" * FLASH)
    done = subprocess.run(
        [interpreter.find(), "-X", f"heapsize={heap // KIB}K", SCRIPT, flash, folder / "given.json"],
        env={**os.environ, "MICROPYPATH": f"{folder / 'mpy'}:{Path(virtualkit.__file__).with_name('upy')}:.frozen"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    said = done.stdout + done.stderr
    # An install that finds no memory is refused as too large (6): the assertion says so.
    if "MemoryError" in said or "memory" in said or "AssertionError" in said:
        return None
    raise subprocess.CalledProcessError(done.returncode, SCRIPT.name, said)


def _smallest(folder: Path, step: int) -> int:
    low, high = LEAST, MOST
    while high - low > step:
        middle = (low + high) // 2 // KIB * KIB
        say(f"smallest heap between {low // KIB} and {high // KIB} KiB")
        if _run(folder, middle) is None:
            low = middle
        else:
            high = middle
    return high


def run(quick: bool = False) -> list[Figure]:
    """Times and peak heap; the ratios are within this run."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        given = _given()
        (folder / "given.json").write_text(json.dumps(given))
        say("mpy-cross compiles the firmware")
        compile_firmware(folder / "mpy", "x64")
        say("root, directive and ruleset")
        runs = [found for _ in range(1 if quick else 5) if (found := _run(folder, ROOMY)) is not None]
        step = (16 if quick else 4) * KIB
        whole = _smallest(folder, step)

    def least(take: Any) -> float:
        return min(take(one) for one in runs) / 1000

    checks = least(lambda one: one["install"][0])
    verify = least(lambda one: one["root"] + one["directive"] + one["install"][0])
    switch = least(lambda one: one["install"][2] + one["install"][3])
    size = len(given["data"]) // 2
    return [
        Figure("root checked and kept, two signatures", least(lambda one: one["root"]), "ms"),
        Figure("directive of four bricks checked and kept", least(lambda one: one["directive"]), "ms"),
        Figure(f"envelope of a bundle of {size:,} bytes checked, two signatures", checks, "ms"),
        Figure("its bytes written and read back", least(lambda one: one["install"][1]), "ms"),
        Figure("artefact, golden vectors, switch", least(lambda one: one["install"][2]), "ms"),
        Figure("rules in use: a new state", least(lambda one: one["install"][3]), "ms"),
        Figure("all checks and activation, without the transfer", verify + switch, "ms"),
        Figure("longest piece of it without a pause", least(lambda one: one["longest"]), "ms"),
        Figure("the same on an ESP32, est.", SLOWEST * least(lambda one: one["longest"]), "ms", f"{SLOWEST} times this"),
        Figure("peak heap above what the parts hold", (whole - runs[0]["setup"]) / KIB, "KiB", "64-bit: up to twice an ESP32's"),
        Figure("of that it keeps: rules, state, trust", (runs[0]["after"] - runs[0]["setup"]) / KIB, "KiB"),
    ]
