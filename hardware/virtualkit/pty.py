"""Pseudo-terminals that stand in for UARTs: a raw slave at a stable path, unplugging, baud rates.

The other side (firmware, pyserial, nfcpy) opens `path` like any serial port. The kit keeps a slave open
itself, or the master would report an error between two users; closing it is how a cable is unplugged.
"""

import asyncio
import contextlib
import os
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from virtualkit.timing import Clock

MAX_WAITING = 16 * 1024
"""Bytes for a reader that does not read; what goes beyond is lost, as in a UART without flow control."""
_CHUNK = 4096


class Pty:
    """One serial port. `received(data)` is called with what the other side wrote.

    Must be made and used in a running event loop; `close` frees everything.
    """

    def __init__(self, path: Path, received: Callable[[bytes], None]) -> None:
        self.path = path
        self.overrun = 0
        self._received = received
        self._master = -1
        self._slave = -1
        self._waiting = bytearray()
        self._loop = asyncio.get_running_loop()

    @property
    def plugged(self) -> bool:
        """True while the port exists."""
        return self._master >= 0

    def plug(self) -> None:
        """Makes the port and its symbolic link; nothing happens if it is there already."""
        if self.plugged:
            return
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        settings = termios.tcgetattr(self._slave)
        settings[4] = settings[5] = termios.B115200
        termios.tcsetattr(self._slave, termios.TCSANOW, settings)
        os.set_blocking(self._master, False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self.path)
        self._loop.add_reader(self._master, self._readable)

    def unplug(self) -> None:
        """Pulls the cable: whoever has the port open gets an error, and the path is gone."""
        if not self.plugged:
            return
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        self._waiting.clear()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Same as unplug; for good."""
        self.unplug()

    def flush(self) -> None:
        """Forgets bytes under way in both directions: power has gone on one side."""
        self._waiting.clear()
        if self.plugged:
            with contextlib.suppress(termios.error):
                termios.tcflush(self._slave, termios.TCIOFLUSH)

    def baud(self) -> int:
        """The rate that the other side has set; a pty only remembers it."""
        if not self.plugged:
            return 0
        code = int(termios.tcgetattr(self._slave)[5])
        return _BAUD_OF.get(code, code)

    def write(self, data: bytes) -> None:
        """Sends towards the other side; never blocks."""
        if not data or not self.plugged:
            return
        if not self._waiting:
            data = data[self._try(data) :]
            if data:
                self._loop.add_writer(self._master, self._writable)
        room = MAX_WAITING - len(self._waiting)
        self.overrun += max(0, len(data) - room)
        self._waiting += data[:room]

    def _try(self, data: bytes) -> int:
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def _writable(self) -> None:
        del self._waiting[: self._try(bytes(self._waiting[:_CHUNK]))]
        if not self._waiting:
            self._loop.remove_writer(self._master)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._received(data)


class Model(Protocol):
    """A part behind a UART: sans-IO, driven by PartPort."""

    changed: Callable[[], None]

    @property
    def baud(self) -> int:
        """The rate that the part talks at."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Takes bytes from the firmware."""
        ...

    def poll(self) -> bytes:
        """Gives what has become ready."""
        ...

    def due(self) -> int | None:
        """Monotonic ns at which to poll next."""
        ...

    def host_baud_changed(self, baud: int) -> None:
        """The firmware's side has another rate now."""
        ...

    def reset(self) -> None:
        """Power-on state."""
        ...


class PartPort:
    """A model on a pseudo-terminal, with its timers, and with garbage at any baud rate but the right one."""

    def __init__(self, model: Model, path: Path, clock: Clock) -> None:
        self.model = model
        self.pty = Pty(path, self._received)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._host_baud = 0
        self._powered = True
        model.changed = self.kick
        self.pty.plug()

    def close(self) -> None:
        """Ends timers and port."""
        self.model.changed = lambda: None
        if self._timer:
            self._timer.cancel()
        self.pty.close()

    def power(self, on: bool) -> None:
        """Power for the part comes or goes; either way it forgets what it was doing."""
        self._powered = on
        self.model.reset()
        self.pty.flush()
        if on:
            self.kick()

    def kick(self) -> None:
        """Something changed at the part: a card came, a code is in view."""
        if not self._powered:
            return
        self._check_baud()
        self._send(self.model.poll())

    def _received(self, data: bytes) -> None:
        if not self._powered:
            return
        self._check_baud()
        self._send(self.model.feed(garble(data) if self._mismatch() else data))

    def _check_baud(self) -> None:
        baud = self.pty.baud()
        if baud != self._host_baud:
            self._host_baud = baud
            self.model.host_baud_changed(baud)

    def _mismatch(self) -> bool:
        """True if the rates differ by more than a UART tolerates (about 3 %)."""
        return abs(self.model.baud - self._host_baud) * 100 > 3 * self.model.baud

    def _send(self, data: bytes) -> None:
        self.pty.write(garble(data) if self._mismatch() else data)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = self.model.due()
        if due is not None:
            self._timer = self._loop.call_later(max(0, due - self._clock()) / 1e9, self.kick)


def garble(data: bytes) -> bytes:
    """Bytes as a UART at another rate sees them: others, and not as many."""
    return bytes((byte * 37 ^ 0xA5) & 0xFF | 0x80 for byte in data[::3])


_NAMES = [name for name in dir(termios) if name[0] == "B" and name[1:].isdigit()]
_BAUD_OF: dict[int, int] = {int(getattr(termios, name)): int(name[1:]) for name in _NAMES}
