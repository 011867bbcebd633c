"""Opening and closing a port never moves DTR and RTS apart: on boards with an automatic reset circuit that restarts the chip."""

import asyncio
import os
import pty
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serial import serialposix

from hostagent.links.serial import Port


class Modem:
    """A port's control lines as Linux drives them, and a reset circuit behind: a pseudo-terminal has none.

    The two transistors of ESP32 boards pull EN low exactly while RTS is on and DTR is off.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dtr = self.rts = False
        self.resets = 0
        self.calls: list[int] = []
        real = serialposix.fcntl.ioctl

        def ioctl(handle: int, request: int, argument: Any = 0, *more: Any) -> Any:
            if request in (serialposix.TIOCMBIS, serialposix.TIOCMBIC):
                self.calls.append(request)
                self._move(argument, request == serialposix.TIOCMBIS)
                return b""
            return real(handle, request, argument, *more)

        monkeypatch.setattr(serialposix.fcntl, "ioctl", ioctl)

    def opened(self) -> None:
        """The kernel raises both at once when a port is opened."""
        self._set(True, True)

    def closed(self, hang_up: bool) -> None:
        """The kernel drops both at once when the last user closes it, if it is to hang up."""
        if hang_up:
            self._set(False, False)

    def _move(self, bits: bytes, on: bool) -> None:
        dtr = on if bits == serialposix.TIOCM_DTR_str else self.dtr
        rts = on if bits == serialposix.TIOCM_RTS_str else self.rts
        self._set(dtr, rts)

    def _set(self, dtr: bool, rts: bool) -> None:
        self.dtr, self.rts = dtr, rts
        if rts and not dtr:
            self.resets += 1


def test_a_port_that_is_opened_and_closed_again_and_again_never_resets_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modem = Modem(monkeypatch)
    real_open, real_close = os.open, os.close
    master, slave = pty.openpty()
    path = tmp_path / "port"
    path.symlink_to(os.ttyname(slave))
    held: set[int] = set()

    def opening(name: Any, *more: Any, **options: Any) -> int:
        handle = real_open(name, *more, **options)
        if str(name) == str(path):
            held.add(handle)
            modem.opened()
        return handle

    def closing(handle: int) -> None:
        if handle in held:
            held.discard(handle)
            modem.closed(bool(termios.tcgetattr(handle)[2] & termios.HUPCL))
        real_close(handle)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "close", closing)

    async def once() -> None:
        opened = asyncio.Event()
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        port = Port(path, 115200, opened.set, nothing, nothing)
        task = asyncio.create_task(port.run())
        async with asyncio.timeout(20):
            await opened.wait()
        assert modem.dtr == modem.rts
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    try:
        for _ in range(3):
            asyncio.run(once())
        assert not held
        assert modem.resets == 0 and modem.dtr == modem.rts
    finally:
        real_close(master)
        real_close(slave)
