"""One brick's process: MicroPython, the real firmware, a capped heap; power on, off, and cut in mid-write."""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from virtualkit import firmware, interpreter

START_SECONDS = 30.0
TEAR_SECONDS = 0.05
WATCHDOG_SECONDS = 30.0
"""A brick that fed its watchdog once and then not for this long counts as crashed."""
_END_SECONDS = 5.0
_LAST_WORDS_SECONDS = 0.5
_MAX_LAST_WORDS = 16 * 1024
_MARK_BYTES = len(b"Traceback")
_MAX_LOG = 4 * 1024 * 1024
POWER_ON, RESTARTED, WATCHDOG_RESET = 1, 2, 3  # machine.reset_cause() on ESP32


class BrickCrashed(RuntimeError):
    """The firmware ended by itself or printed a traceback; the message holds its last words."""


@dataclass(frozen=True)
class Cut:
    """What a power cut hit: a "program" or "erase", its offset on the chip, the bytes done; or nothing."""

    operation: str | None = None
    offset: int = 0
    done: int = 0


class BrickProcess:
    """Starts, watches and ends one brick. `config` becomes CONFIG.json (see upy/unixport.py).

    heap     bytes of MicroPython heap, a hard cap
    source   folder of the packages stallmark, brick, boards; None: those installed
    entry    script to run; None: the kit's brick_main.py
    ended    called when the process is over, whatever the reason
    The owner hands it the brick's pin lines that concern it: `booted`, `fed`, `torn`.
    """

    def __init__(
        self,
        name: str,
        config: dict[str, Any],
        run: Path,
        heap: int,
        source: Path | None = None,
        entry: Path | None = None,
    ) -> None:
        self.name = name
        self.log = run / f"{name}.log"
        self.crash: str | None = None
        self.boots = 0
        self.last_cut = Cut()
        self.ended: Callable[[], None] = lambda: None
        self._config = config
        self._config_path = run / f"{name}.json"
        self._control = run / f"{name}.control"
        self._heap = heap
        self._source = source or firmware.folder()
        self._entry = entry or firmware.UPY / "brick_main.py"
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._order = 0
        self._booted = asyncio.Event()
        self._torn: asyncio.Future[Cut] | None = None
        self._fed_at: float | None = None
        self._wanted = False

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The process's id, for those who measure it."""
        return self._process.pid if self._process else None

    def check(self) -> None:
        """Raises BrickCrashed if the firmware ended though nobody took its power."""
        if self.crash is not None:
            raise BrickCrashed(f"{self.name}: {self.crash} (log: {self.log})")

    async def start(self, reset_reason: int = POWER_ON, cut: tuple[int, int] | None = None) -> None:
        """Power on; returns when the firmware's port is up. Raises BrickCrashed, InterpreterMissing.

        `cut`: (n, random number): power fails inside the n-th flash operation from now.
        """
        if self.running:
            return
        program = await asyncio.to_thread(interpreter.find)
        self.crash = None
        self._order = 0
        self._fed_at = None
        self._booted.clear()
        self._control.write_bytes(bytes(16))
        config = self._config | {"control": str(self._control), "reset_reason": reset_reason, "cut": cut}
        self._config_path.write_text(json.dumps(config, indent=1) + "\n")
        environment = os.environ | {"MICROPYPATH": f".frozen:{self._source}:{firmware.UPY}"}
        self._wanted = True
        self._process = process = await asyncio.create_subprocess_exec(
            program,
            "-X",
            f"heapsize={self._heap}",
            self._entry,
            self._config_path,
            stdin=asyncio.subprocess.PIPE,  # its end tells the brick that the kit is gone
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            # A group of its own keeps Ctrl-C away; a session of its own would make a UART its terminal.
            process_group=0,
        )
        self._listener = asyncio.create_task(self._listen(process), name=f"{self.name} output")
        self._watchdog = asyncio.create_task(self._watch(), name=f"{self.name} watchdog")
        ready = asyncio.create_task(self._booted.wait())
        over = asyncio.create_task(process.wait())
        try:
            await asyncio.wait((ready, over), timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            over.cancel()
        if not self._booted.is_set():
            await self._finish()
            self.crash = self.crash or f"did not start: {self._last_words()}"
            self.check()
        self.boots += 1

    async def stop(self) -> None:
        """Power off between two operations of the flash, or in the middle of one that then happens whole."""
        self._wanted = False
        await self._finish()

    async def power_cut(self, rng: random.Random) -> Cut:
        """Power off inside the next flash operation, at a random byte; without one within 50 ms, at once."""
        if not self.running:
            return Cut()
        self._wanted = False
        self._torn = asyncio.get_running_loop().create_future()
        self._order += 1
        self._write_order(self._order, rng.getrandbits(64))
        cut = Cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TEAR_SECONDS):
                cut = await self._torn
        self._torn = None
        await self._finish()
        return cut

    def booted(self) -> None:
        """The pin line B came."""
        self._booted.set()

    def fed(self) -> None:
        """The pin line W came."""
        self._fed_at = time.monotonic()

    def torn(self, words: list[str]) -> None:
        """The pin line X came: operation, offset, bytes done."""
        self.last_cut = Cut(words[0], int(words[1]), int(words[2]))
        self._wanted = False
        self._kill()
        if self._torn and not self._torn.done():
            self._torn.set_result(self.last_cut)

    def _write_order(self, number: int, pick: int) -> None:
        handle = os.open(self._control, os.O_WRONLY)
        try:
            os.pwrite(handle, struct.pack(">QQ", number, pick), 0)
        finally:
            os.close(handle)

    def _kill(self) -> None:
        """SIGKILL without Popen.send_signal, whose poll would take the exit code from asyncio's watcher."""
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def _finish(self) -> None:
        process = self._process
        if process is None:
            return
        self._kill()
        await process.wait()
        if self._watchdog:
            self._watchdog.cancel()
        if self._listener:
            await asyncio.wait((self._listener,), timeout=_END_SECONDS)
        self._watchdog = self._listener = None

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Output into the log; a traceback, or an end that nobody asked for, is a crash."""
        assert process.stdout
        written, recent, crashed = 0, b"", False
        with self.log.open("ab", buffering=0) as log:
            while data := await self._read(process.stdout, crashed):
                if written < _MAX_LOG:
                    log.write(data)
                    written += len(data)
                recent = (recent if crashed else recent[-_MARK_BYTES:]) + data
                crashed = crashed or b"Traceback" in recent
                if len(recent) > _MAX_LAST_WORDS and crashed:
                    break
        if crashed:
            self.crash = recent[recent.find(b"Traceback") :].decode("utf-8", "replace").strip()
            self._kill()
        code = await process.wait()
        if self._wanted and self.crash is None:
            self.crash = f"ended by itself with code {code}: {self._last_words()}"
        self.ended()

    async def _read(self, stream: asyncio.StreamReader, ending: bool) -> bytes:
        if not ending:
            return await stream.read(4096)
        try:
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                return await stream.read(4096)
        except TimeoutError:
            return b""

    async def _watch(self) -> None:
        """Ends a brick whose loop stands still; its owner sees a crash that says so."""
        while True:
            await asyncio.sleep(1)
            if self._fed_at is not None and time.monotonic() - self._fed_at > WATCHDOG_SECONDS:
                self.crash = f"did not feed its watchdog for {WATCHDOG_SECONDS:.0f} s"
                self._kill()
                return

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "no log"
        return next((line for line in reversed(lines) if re.search(r"\S", line)), "nothing in its log")
