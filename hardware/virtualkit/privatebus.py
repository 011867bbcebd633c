"""A private D-Bus for the stand-in of bluetoothd: nobody's system bus is touched."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

from stallmark.errors import StallmarkError

START_SECONDS = 60.0


class BusMissing(StallmarkError):
    """There is no dbus-daemon here; the message says what to do."""


def there() -> bool:
    """Whether a private bus can be had on this machine."""
    return shutil.which("dbus-daemon") is not None


class PrivateBus:
    """A dbus-daemon of its own from `start` to `stop`; what it complains of is kept in `folder`. `address` is for
    DBUS_SYSTEM_BUS_ADDRESS. Its socket lies in a short folder of its own: the path of one has 107 bytes at most."""

    def __init__(self, folder: Path) -> None:
        self.address = ""
        self._folder = folder
        self._sockets: Path | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Raises BusMissing, TimeoutError."""
        if not there():
            raise BusMissing(
                "Bluetooth bricks need the program dbus-daemon: install the package dbus, or use --links serial"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sockets = Path(tempfile.mkdtemp(prefix="stallmark-bus-"))
        complaints = self._folder / "dbus-daemon.log"
        with complaints.open("wb") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                "dbus-daemon",
                "--session",
                "--nofork",
                "--nopidfile",
                "--print-address=1",
                f"--address=unix:tmpdir={self._sockets}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                process_group=0,
            )
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            self.address = (await process.stdout.readline()).decode().strip()
        if not self.address:
            said = complaints.read_text(errors="replace").strip()[-300:]
            raise BusMissing(f"dbus-daemon ended while starting: {said or 'it said nothing'}")

    async def stop(self) -> None:
        """Ends the daemon."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            await process.wait()
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None
