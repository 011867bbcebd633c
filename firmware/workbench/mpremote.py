"""mpremote as a subprocess: the first files onto a fresh MicroPython, and the door closed behind them."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import serial

from workbench import errors
from workbench.application import tool
from workbench.esptool import MISSING_PERMISSION

PROMPT_SECONDS = 20.0
_COMMAND_SECONDS = 60.0
_PROMPT = b">>> "
_GONE = "the board on {port} went away: check cable and socket, plug it in again and repeat; nothing is lost"


class Mpremote:
    """mpremote at one port. `transcript` is told every word."""

    def __init__(self, port: str, transcript: Callable[[str], None] = lambda _: None) -> None:
        self._port = port
        self._say = transcript

    def wait_for_prompt(self, seconds: float = PROMPT_SECONDS) -> None:
        """Until MicroPython's prompt answers: a port of native USB goes away and comes back at a reset, and the first
        start formats the file system. Raises Silent, NoPermission."""
        deadline = time.monotonic() + seconds
        heard = b""
        while time.monotonic() < deadline:
            try:
                heard = self._listen(min(deadline, time.monotonic() + 2.0))
            except PermissionError as refused:
                raise errors.NoPermission(MISSING_PERMISSION.format(port=self._port)) from refused
            except (OSError, serial.SerialException):
                time.sleep(0.1)
                continue
            if heard.endswith(_PROMPT):
                return
        if b"invalid header" in heard:
            raise errors.BadImage("the board starts and finds no program: was the image made for this chip?")
        raise errors.Silent(
            f"MicroPython does not start on {self._port}: press RESET; if it stays silent, the image is not for this board"
        )

    def _listen(self, until: float) -> bytes:
        port = serial.Serial()
        port.port, port.baudrate, port.timeout = self._port, 115200, 0.1
        # Opening must not reset the board through DTR and RTS.
        port.dtr = port.rts = False
        port.open()
        heard = b""
        try:
            while time.monotonic() < until:
                port.write(b"\r\x03\x02")  # end the line, stop a program, leave the raw prompt
                asked = time.monotonic() + 0.5
                while time.monotonic() < asked:
                    heard = (heard + port.read(256))[-1024:]
                    if heard.endswith(_PROMPT):
                        return heard
        finally:
            port.close()
        return heard

    def run(self, *commands: list[str]) -> str:
        """Commands of mpremote, one after another without a reset between. Raises Silent, Unplugged, BenchError."""
        line = [tool("mpremote"), "connect", self._port, "resume"]
        for number, command in enumerate(commands):
            line += ["+", *command] if number else command
        try:
            done = subprocess.run(
                line,
                capture_output=True,
                timeout=_COMMAND_SECONDS,
                check=False,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                env=os.environ | {"COLUMNS": "120", "TERM": "dumb"},
            )
        except subprocess.TimeoutExpired as late:
            raise errors.Silent(
                f"MicroPython on {self._port} stopped answering: press RESET and repeat; nothing is lost"
            ) from late
        said = done.stdout + done.stderr
        self._say(said)
        if done.returncode == 0:
            return done.stdout
        if "incompatible .mpy" in said:
            raise errors.BadImage(
                "this image's MicroPython is another version than the programs are made for: take 1.27 or newer"
            )
        if "could not enter raw repl" in said or "no device found" in said or "failed to access" in said:
            raise errors.Silent(
                f"MicroPython on {self._port} does not answer: press RESET and repeat; nothing is lost"
            )
        if (
            "Errno 5" in said
            or "disconnected" in said
            or "SerialException" in said
            or not os.path.exists(self._port)
        ):
            raise errors.Unplugged(_GONE.format(port=self._port))
        last = next((words for words in reversed(said.splitlines()) if words.strip()), "no word")
        raise errors.BenchError(f"mpremote ended with code {done.returncode}: {last.strip()}")

    def copy(self, files: list[Path]) -> None:
        """Files into the board's root, in this order."""
        self.run(["fs", "cp", *(str(path) for path in files), ":"])

    def evaluate(self, program: str) -> str:
        """What a piece of Python prints on the board."""
        return self.run(["exec", program]).strip()

    def reset(self) -> None:
        """Starts the board anew."""
        self.run(["reset"])
