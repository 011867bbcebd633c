"""The programs beside the kit, host agent and fleet controller: started, watched, killed and restarted as real processes."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
from stallmark.errors import StallmarkError

READY_SECONDS = 30.0
STOP_SECONDS = 10.0


class ChildFailed(StallmarkError):
    """A program did not start or ended by itself; the message names its log."""


class Child:
    """One program: `stallmark host run …` or `stallmark fleet run …`. `ready`: a URL that answers 200 once it works;
    `environment`: what it is told beside this program's own, before it starts."""

    def __init__(self, name: str, arguments: list[str], log: Path, ready: str) -> None:
        self.name = name
        self.ready = ready
        self.kills = 0
        self._arguments = arguments
        self._log = log
        self.environment: dict[str, str] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._wanted = False

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts the program and waits until it answers; raises ChildFailed."""
        self._wanted = True
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "cli.watched",
                *self._arguments,
                # Its end tells the program that whoever started it is gone, however that ended: see cli.watched.
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal is the demo's to handle: it stops its programs in order.
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            )
        await self._wait_ready()

    async def _wait_ready(self) -> None:
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        async with httpx.AsyncClient(timeout=2.0) as http:
            while asyncio.get_running_loop().time() < deadline:
                if not self.running:
                    raise ChildFailed(
                        f"the {self.name} ended while starting; its last words: {self.last_words()}"
                    )
                try:
                    if (await http.get(self.ready)).status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.05)
        raise ChildFailed(
            f"the {self.name} did not answer at {self.ready} within {READY_SECONDS:.0f} s; see {self._log}"
        )

    def last_words(self) -> str:
        """The last line of its log."""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else f"(nothing in {self._log})"

    async def stop(self) -> None:
        """Asks it to end, waits, and kills it only if it does not."""
        self._wanted = False
        if self._process is None or not self.running:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL, as a power cut of its machine would look to it."""
        if self._process is not None and self.running:
            self.kills += 1
            self._process.kill()
            await self._process.wait()

    def check(self) -> None:
        """Raises ChildFailed when it ended though nobody asked it to."""
        if self._wanted and self._process is not None and not self.running:
            raise ChildFailed(
                f"the {self.name} ended by itself (code {self._process.returncode}); its last words: {self.last_words()}"
            )
