"""One serial port: a /dev/ttyUSB0 or a pseudo-terminal's name. It may appear, vanish and come back."""

import asyncio
import contextlib
import logging
import os
import termios
from collections.abc import Callable
from pathlib import Path

import serial

from hostagent.clock import monotonic_ms

READ_BYTES = 4096
# A peer that does not read loses what is over: the link resends. Four frames are in flight at most.
WRITE_BUFFER = 16 * 1024
RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
# How often a name is looked at again: a cable may be pulled without a word, a link may point elsewhere.
LOOK_S = 0.5
log = logging.getLogger("hostagent.serial")


class Port:
    """Keeps one port open while it is there. `run` until cancelled.

    `opened()` and `closed(reason)` tell of changes, `received(data)` brings bytes, all in the event loop.
    Opening touches neither DTR nor RTS beyond what the kernel does (both asserted together): on a board with
    an automatic reset circuit any other order would restart the brick.
    """

    kind = "serial"
    busy = False  # what is written is on the wire within milliseconds

    def __init__(
        self,
        path: Path,
        baud: int,
        opened: Callable[[], None],
        received: Callable[[bytes], None],
        closed: Callable[[str], None],
    ) -> None:
        self.path = path
        self.baud = baud
        self.state = "not connected yet"
        self.since_ms = monotonic_ms()
        self.overruns = 0
        self._opened = opened
        self._received = received
        self._closed = closed
        self._serial: serial.Serial | None = None
        self._handle = -1
        self._out = bytearray()
        self._writing = False
        self._gone: asyncio.Event = asyncio.Event()
        self._reason = ""

    @property
    def is_open(self) -> bool:
        """Whether bytes can flow now."""
        return self._serial is not None

    async def run(self) -> None:
        """Opens the port whenever it is there, until cancelled."""
        attempt = 0
        try:
            while True:
                try:
                    self._open()
                except (OSError, serial.SerialException) as failed:
                    self._say(_plain(failed, self.path))
                    await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                    attempt += 1
                    continue
                attempt = 0
                await self._until_gone()
                self._shut()
        finally:
            self._reason = "stopped"
            self._shut()

    def write(self, data: bytes) -> None:
        """Queues bytes; what a silent peer does not take is dropped, counted, and resent by the link."""
        if self._serial is None:
            return
        if len(self._out) + len(data) > WRITE_BUFFER:
            self.overruns += 1
            return
        self._out += data
        if not self._writing:
            self._send()

    # --- inside

    def _open(self) -> None:
        port = serial.Serial()
        port.port = str(self.path)
        port.baudrate = self.baud
        port.timeout = 0
        port.write_timeout = 0
        port.exclusive = True
        # DTR and RTS stay as pyserial's defaults (asserted), which is what the kernel has just done.
        port.open()
        handle = port.fileno()
        _keep_lines(handle)
        self._serial = port
        self._handle = handle
        self._gone.clear()
        self._out.clear()
        self._writing = False
        asyncio.get_running_loop().add_reader(handle, self._readable)
        self._say("open")
        self._opened()

    async def _until_gone(self) -> None:
        while not self._gone.is_set():
            # Not wait_for: on Python 3.11 it swallows a cancel that comes in the moment in which the cable is pulled.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._gone.wait()
            if not self._gone.is_set() and not self._same():
                self._lost("the port is another one now")

    def _same(self) -> bool:
        """Whether the name still leads to the open device."""
        try:
            named, held = os.stat(self.path), os.fstat(self._handle)
        except OSError:
            return False
        return (named.st_dev, named.st_ino, named.st_rdev) == (held.st_dev, held.st_ino, held.st_rdev)

    def _readable(self) -> None:
        try:
            data = os.read(self._handle, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as failed:
            self._lost(f"unplugged ({failed.strerror})")
            return
        if not data:
            self._lost("unplugged")
            return
        self._received(data)

    def _send(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            done = os.write(self._handle, self._out)
        except BlockingIOError:
            done = 0
        except OSError as failed:
            self._lost(f"unplugged ({failed.strerror})")
            return
        del self._out[:done]
        if self._out and not self._writing:
            self._writing = True
            loop.add_writer(self._handle, self._send)
        elif not self._out and self._writing:
            self._writing = False
            loop.remove_writer(self._handle)

    def _lost(self, reason: str) -> None:
        """Stops listening at once; `run` closes the port and looks for it anew."""
        self._reason = reason
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._handle)
        loop.remove_writer(self._handle)
        self._writing = False
        self._gone.set()

    def _shut(self) -> None:
        port = self._serial
        if port is None:
            return
        self._serial = None
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._handle)
        loop.remove_writer(self._handle)
        self._out.clear()
        with contextlib.suppress(OSError, serial.SerialException):
            port.close()
        self._say(self._reason)
        self._closed(self._reason)

    def _say(self, state: str) -> None:
        if state != self.state:
            log.info("%s: %s", self.path.name, state)
            self.state = state
            self.since_ms = monotonic_ms()


def _keep_lines(handle: int) -> None:
    """No hang-up on close: DTR and RTS stay as they are when the agent ends, and the brick runs on."""
    with contextlib.suppress(termios.error):
        settings = termios.tcgetattr(handle)
        settings[2] &= ~termios.HUPCL
        termios.tcsetattr(handle, termios.TCSANOW, settings)


def _plain(failed: Exception, path: Path) -> str:
    """Why a port does not open, in words for a screen."""
    number = getattr(failed, "errno", None)
    if number == 2 or not path.exists():
        return "not plugged in"
    if number == 13:
        return "no permission: add this user to the group dialout"
    if number in (11, 16) or "exclusively lock" in str(failed):
        return "another program uses this port"
    return f"does not open ({getattr(failed, 'strerror', None) or failed})"
