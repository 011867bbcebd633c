"""Heap of a brick on 32 bits: MicroPython's WebAssembly build, from npm, where Node is present; ports in memory.

Native memory of a radio's stack is not in it, and was not measured anywhere.
"""

import base64
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from stallmark import bundle

from tests.bench import Figure, engine_rules, say, upy_path

PACKAGE, VERSION = "@micropython/micropython-webassembly-pyscript", "1.27.0"
HERE = Path(__file__).parent
RULES = 100
LIVE, LARGEST = 60_000, 4_096
TRIED = 60_000  # of another brick's worth of rules and people, for as long as they are tried
# Bytes before everything else. The collector takes any word that looks like an address for one, and keeps what lies there: up to
# 19 kB of code that was forgotten, in one layout of the heap and not in the next. The run with the least is nearest to the truth.
PADS = (0, 20_000, 1_008, 5_008)


def run(quick: bool = False) -> list[Figure]:
    """Bytes that live after a start, and when every table is full, of a brick with a reader and of one with a scanner, each with
    100 rules. No figures, and a line that says why, without Node or npm's package. Raises CalledProcessError where the brick
    does not start there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        say("heap32: left out, Node and npm are not installed")
        return []
    out: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        say(f"npm install {PACKAGE}@{VERSION}")
        got = subprocess.run(
            [
                npm,
                "install",
                "--silent",
                "--no-fund",
                "--no-audit",
                "--ignore-scripts",
                f"{PACKAGE}@{VERSION}",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        module = Path(folder) / "node_modules" / PACKAGE / "micropython.mjs"
        if got.returncode or not module.exists():
            say(f"heap32: left out, npm could not fetch {PACKAGE}@{VERSION}")
            return []
        files = Path(folder) / "files.json"
        files.write_text(json.dumps(_files()))
        for part, name in (("nfc", "reader"), ("qr", "scanner")):
            script = Path(folder) / f"{part}.py"
            source = (HERE / "upy_heap32.py").read_text().replace('"PART"', f'"{part}"')
            runs: list[dict[str, Any]] = []
            for pad in PADS[:1] if quick else PADS:
                script.write_text(f"PAD = bytearray({pad})\n{source}")
                done = subprocess.run(
                    [node, HERE / "heap32.mjs", module, files, script],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                runs.append(json.loads(done.stdout.splitlines()[-1]))
            found = min(runs, key=lambda run: run["full"])
            beside = min(runs, key=lambda run: run["tried"])
            assert found["maxsize"] < 1 << 32, "that was not a 32-bit interpreter"
            what = f"brick with a {name}, {RULES} rules: objects alive after start, 32 bits"
            out += [
                _within(what, found["with rules"], LIVE),
                _within("the same with 500 people, as many as these rules remember", found["people"], LIVE),
                _within("the same with 512 slices, all that are remembered in a rental", found["full"], LIVE),
                Figure("the same at its start without rules", found["objects"], "B"),
                _within("its largest buffer after start", found["largest"], LARGEST),
                _within("its largest buffer with 500 people and 512 slices", found["largest full"], LARGEST),
                Figure("its code, as source, were it not frozen", found["code"], "B"),
                _within("other 100 rules tried beside, with the same 500 people: their objects", beside["tried"], TRIED),
                Figure("of these the rules themselves", beside["tried rules"], "B"),
                Figure("and the code of the trial, as source", beside["tried code"], "B"),
            ]
    return out


def _within(name: str, value: int, most: int) -> Figure:
    return Figure(name, value, "B", f"{most:,} B", value / most, 1, True)


def _files() -> dict[str, str]:
    root = Path(upy_path())
    found = {
        f"/lib/{path.relative_to(root)}": base64.b64encode(path.read_bytes()).decode()
        for package in ("stallmark", "brick", "boards")
        for path in (root / package).rglob("*.py")
    }
    rules = engine_rules.ruleset(RULES)
    envelope = bundle.envelope(bundle.TYPE, bundle.manifest(rules, 2), [(bytes(8), bytes(64))])
    return found | {"/rules.smbundle": base64.b64encode(bundle.join(envelope, rules)).decode()}
