"""A private D-Bus for the stand-in of bluetoothd: nobody's system bus is touched."""

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path

from stallmark.errors import StallmarkError

START_SECONDS = 10.0


class BusMissing(StallmarkError):
    """There is no dbus-daemon here; the message says what to do."""


def there() -> bool:
    """Whether a private bus can be had on this machine."""
    return shutil.which("dbus-daemon") is not None


class PrivateBus:
    """A dbus-daemon of its own, in `folder`, from `start` to `stop`. `address` is for DBUS_SYSTEM_BUS_ADDRESS."""

    def __init__(self, folder: Path) -> None:
        self.address = ""
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Raises BusMissing, TimeoutError."""
        if not there():
            raise BusMissing(
                "Bluetooth bricks need the program dbus-daemon: install the package dbus, or use --links serial"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = process = await asyncio.create_subprocess_exec(
            "dbus-daemon",
            "--session",
            "--nofork",
            "--nopidfile",
            "--print-address=1",
            f"--address=unix:tmpdir={self._folder}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            process_group=0,
        )
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            self.address = (await process.stdout.readline()).decode().strip()
        if not self.address:
            raise BusMissing("dbus-daemon ended while starting")

    async def stop(self) -> None:
        """Ends the daemon."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            await process.wait()
