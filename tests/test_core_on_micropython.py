"""Every test of the core once more under MicroPython: a process for each file, with a capped heap."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from virtualkit import interpreter

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "tests" / "core"
FILES = sorted(path.name for path in CORE.glob("test_*.py"))
HEAP = "2M"  # of a 64-bit build; a file that loads large vectors says `# heap: 8M`
SECONDS = 300


@pytest.mark.parametrize("name", FILES)
def test_core_under_micropython(name: str) -> None:
    wanted = re.search(r"^# heap: (\d+M)$", (CORE / name).read_text(), re.MULTILINE)
    run = subprocess.run(
        [interpreter.find(), "-X", f"heapsize={wanted[1] if wanted else HEAP}", CORE / "run.py", CORE / name],
        env={**os.environ, "MICROPYPATH": f"{ROOT}/firmware:{CORE}:.frozen"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    lines = run.stdout.splitlines()
    total = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", lines[-1]) if lines else None
    assert run.returncode == 0 and total is not None, f"{name} under MicroPython:\n{run.stdout}{run.stderr}"
    assert int(total[1]) + int(total[3]) > 0, f"{name} holds no test"
    if int(total[1]) == 0:
        pytest.skip(next(line for line in lines if line.startswith("skip")))
