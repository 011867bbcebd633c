"""esptool as a subprocess: what it says turned into progress, and what it complains of into plain words.

Command names are those of esptool 5 (dashes). It is run, never imported: its licence is not ours, and a program that
hangs can be ended. Words that are looked for in its output are from version 5.6; the exit code decides, the words explain.
"""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench import errors
from workbench.application import Progress, tool

BAUD = 460800
_STALL_SECONDS = 150.0  # a whole chip may take 100 s to erase
_MAX_OUTPUT = 256 * 1024
_PROGRESS = re.compile(r"(Writing|Reading) at 0x([0-9a-f]+).*?([0-9.]+)%")
_LOADER_SECONDS = 15.0  # esptool itself waits for ever for a loader that does not start
_LOADER = "Running stub flasher..."
MISSING_PERMISSION = (
    "this user may not open {port}: run `sudo usermod -aG dialout $USER`, log out and in, and try once more"
)


@dataclass(frozen=True)
class Found:
    """What is on the port. `mac`: twelve hex characters, the chip's own number; `flash_bytes` as the flash chip says."""

    chip: str
    flash_bytes: int
    mac: str


Transcript = Callable[[str], None]


class Esptool:
    """esptool at one port. `before`, `after`: how the board is reset; `no-reset` where the port has no such lines."""

    def __init__(
        self,
        port: str,
        baud: int = BAUD,
        before: str = "default-reset",
        after: str = "hard-reset",
        transcript: Transcript = lambda _: None,
        stub: bool = True,
        attempts: int = 4,
    ) -> None:
        self._port = port
        self._baud = baud
        self._before = before
        self._after = after
        self._say = transcript
        self._stub = stub
        self._attempts = attempts

    def identify(self) -> Found:
        """Chip, flash size and MAC. Raises WrongBoard, Silent, NoPermission, Unplugged, ToolMissing."""
        said = self._run(["flash-id"], "looking at the board", lambda *_: None)
        chip = re.search(r"Chip type:\s+(\S+)", said)
        mac = re.search(r"MAC:\s+([0-9a-f:]{17})", said)
        size = re.search(r"Detected flash size:\s+(\d+)(MB|KB)", said)
        if chip is None or mac is None:
            raise errors.Silent(
                f"the board on {self._port} said nothing that can be understood: reset it and try again"
            )
        if size is None:
            raise errors.WrongBoard(
                f"the flash chip of the board on {self._port} does not answer: a bad board, or GPIO 12 held high at reset"
            )
        number = int(size[1]) << (20 if size[2] == "MB" else 10)
        return Found(chip[1], number, mac[1].replace(":", ""))

    def write(self, parts: Sequence[tuple[int, str]], flash_bytes: int, progress: Progress) -> None:
        """Writes files (offset, path) in one go and lets the chip check each by MD5. Raises as identify, and BadFlash."""
        command = ["write-flash", "--flash-size", f"{flash_bytes >> 20}MB"]
        for offset, path in parts:
            command += [hex(offset), path]
        self._run(command, "writing", progress)

    def read(self, offset: int, size: int, path: Path) -> bytes:
        """Reads a few bytes of flash."""
        self._run(["read-flash", hex(offset), str(size), str(path)], "reading", lambda *_: None)
        return path.read_bytes()

    def holds(self, offset: int, path: str) -> bool:
        """Whether the flash holds what the file holds; compared by MD5 in the chip, so that no key leaves it."""
        try:
            self._run(["verify-flash", hex(offset), path], "looking at the keys", lambda *_: None)
        except errors.BadFlash:
            return False
        return True

    def erase(self, progress: Progress) -> None:
        """Erases the whole chip, keys included."""
        self._run(["erase-flash"], "erasing", progress)

    def _run(self, command: list[str], what: str, progress: Progress) -> str:
        base = [tool("esptool"), "--port", self._port, "--baud", str(self._baud)]
        base += ["--before", self._before, "--after", self._after, "--connect-attempts", str(self._attempts)]
        if not self._stub:
            base.append("--no-stub")
        code, said = _spoken([*base, *command], self._say, what, progress)
        if code == 0:
            return said
        if self._stub and ("Failed to start stub" in said or said.rstrip().endswith(_LOADER)):
            self._say("the loader did not start on this chip: going on with its ROM alone, which is slower\n")
            self._stub = False
            self._baud = 115200
            return self._run(command, what, progress)
        raise self._translated(said, code)

    def _translated(self, said: str, code: int) -> errors.BenchError:
        port = self._port
        for words, error, message in _MEANINGS:
            if words in said:
                return error(message.format(port=port))
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "no word")
        return errors.BenchError(f"esptool ended with code {code}: {last.strip()}")


_SILENT = (
    "nothing answers on {port}: use a cable that carries data, plug it into the socket marked UART or USB, hold BOOT, "
    "press RESET, let go of BOOT, and try again"
)
_GONE = "the board on {port} went away in the middle: check cable and socket, plug it in again and repeat; nothing is lost"
# Words of esptool and of the operating system, in the order in which they are looked for.
_MEANINGS: tuple[tuple[str, type[errors.BenchError], str], ...] = (
    ("Permission denied", errors.NoPermission, MISSING_PERMISSION),
    ("Errno 13", errors.NoPermission, MISSING_PERMISSION),
    (
        "Could not exclusively lock",
        errors.PortBusy,
        "another program has {port} open: close it (a terminal, a second bench)",
    ),
    (
        "port is busy",
        errors.PortBusy,
        "{port} is busy or does not exist: close other programs, check the cable",
    ),
    (
        "No such file or directory: '{port}'",
        errors.NoPort,
        "there is no {port}: plug the board in, or name another port",
    ),
    ("No such file or directory", errors.Unplugged, _GONE),
    ("Verification failed", errors.BadFlash, "the flash holds something else"),
    ("verify failed", errors.BadFlash, "the flash holds something else"),
    (
        "MD5 of file does not match",
        errors.BadFlash,
        "the flash of this board does not keep what is written: put it aside",
    ),
    ("Input/output error", errors.Unplugged, _GONE),
    ("device disconnected", errors.Unplugged, _GONE),
    ("device reports readiness", errors.Unplugged, _GONE),
    ("Could not configure port", errors.Unplugged, _GONE),
    ("No serial data received", errors.Silent, _SILENT),
    ("Wrong boot mode detected", errors.Silent, _SILENT),
    ("Failed to connect", errors.Silent, _SILENT),
    ("stopped responding", errors.Unplugged, _GONE),
    ("No more data", errors.Unplugged, _GONE),
    ("Serial data stream stopped", errors.Unplugged, _GONE),
    ("Packet content transfer stopped", errors.Unplugged, _GONE),
    ("will not fit in", errors.WrongBoard, "the flash of this board is smaller than it says"),
)


def _spoken(command: list[str], say: Transcript, what: str, progress: Progress) -> tuple[int, str]:
    """Runs a program in a group of its own; its words so far, at most 256 KiB. Ended where it says nothing for long."""
    environment = os.environ | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        process_group=0,
    )
    assert process.stdout is not None
    said = bytearray()
    timer = threading.Timer(_STALL_SECONDS, _kill, (process.pid,))
    timer.start()
    try:
        while data := os.read(process.stdout.fileno(), 4096):
            timer.cancel()
            say(data.decode(errors="replace"))
            said = (said + data)[-_MAX_OUTPUT:]
            loading = said.rstrip().endswith(_LOADER.encode())
            timer = threading.Timer(_LOADER_SECONDS if loading else _STALL_SECONDS, _kill, (process.pid,))
            timer.start()
            found = list(_PROGRESS.finditer(data.decode(errors="replace")))
            if found:
                progress(f"{what} at 0x{found[-1][2]}", int(float(found[-1][3]) * 10), 1000)
        code = process.wait()
    except BaseException:
        _kill(process.pid)
        process.wait()
        raise
    finally:
        timer.cancel()
        process.stdout.close()
    return code, said.decode(errors="replace")


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
