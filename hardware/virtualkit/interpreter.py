"""Finds a MicroPython (unix port) fit for the firmware: on the PATH, else the wheel's beside this Python."""

import functools
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# What the firmware and the kit need of the unix port; Debian's own package has it all, old builds do not.
PROBE = "import asyncio, vfs, cryptolib, termios; vfs.VfsLfs2; cryptolib.aes; print('stallmark')"
PROBE_SECONDS = 20


class InterpreterMissing(RuntimeError):
    """There is no MicroPython here that passes the probe; the message says what to do."""


@functools.cache
def find() -> Path:
    """
    The program to run firmware with. Raises InterpreterMissing with a plain sentence.

    A `micropython` on the PATH comes first, then the one that the extra [kit] puts beside this Python.
    """
    refused: list[str] = []
    for candidate in _candidates():
        reason = _refusal(candidate)
        if reason is None:
            return candidate
        refused.append(f"{candidate} ({reason})")
    seen = "; ".join(refused) if refused else "none on the PATH or beside this Python"
    raise InterpreterMissing(
        f"No MicroPython with asyncio, vfs.VfsLfs2, cryptolib and termios found: {seen}. "
        "Run `make setup`, or put MicroPython 1.27 or newer (unix port) on the PATH."
    )


def _candidates() -> Iterator[Path]:
    beside = [Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))]
    known: set[Path] = set()
    for found in [shutil.which("micropython"), *(str(folder / "micropython") for folder in beside)]:
        if found is not None and Path(found).exists() and Path(found) not in known:
            known.add(Path(found))
            yield Path(found)


def _refusal(program: Path) -> str | None:
    try:
        probe = subprocess.run(
            [program, "-c", PROBE], capture_output=True, timeout=PROBE_SECONDS, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run: {error}"
    if probe.returncode == 0 and probe.stdout.strip() == "stallmark":
        return None
    last = (probe.stderr + probe.stdout).strip().splitlines()
    return last[-1] if last else f"exit code {probe.returncode}"
