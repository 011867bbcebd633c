"""The printer of config.json, through python-escpos: none, USB, network, or a file for those who have none."""

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

from hostagent.config import Printer as Setting
from hostagent.errors import HostError
from hostagent.printing.layout import Slip, wrapped

# Dots of one module of the QR code: 4 is read well off 58 mm and 80 mm paper.
MODULE = 4
WAIT_S = 10.0


class NotPrinted(HostError):
    """The slip is not on paper; the message says what to do."""


def write(device: Any, slip: Slip, width: int) -> None:
    """Prints a slip on an opened python-escpos printer, and cuts."""
    device.set(align="center", bold=True, double_height=True)
    for line in wrapped(slip.title, width):
        device.textln(line)
    device.set_with_default(align="left")
    for text in slip.lines:
        for line in wrapped(text, width):
            device.textln(line)
    if slip.code is not None:
        device.set_with_default(align="center")
        # As a picture: cheap printers draw their own QR codes wrongly, or not at all.
        device.qr(slip.code, size=MODULE)
    device.set_with_default(align="center")
    for text in slip.under:
        for line in wrapped(text, width):
            device.textln(line)
    device.cut()


class Printer:
    """One printer, one slip at a time. `open_device` makes a python-escpos printer, anew for every slip: paper runs
    out and cables are pulled between two of them."""

    def __init__(self, setting: Setting, open_device: Callable[[], Any] | None = None) -> None:
        self._setting = setting
        self._open = open_device or (lambda: _device(setting))
        self._turn = asyncio.Lock()
        self.printed = 0
        self.trouble: str | None = None

    @property
    def there(self) -> bool:
        """Whether config.json names a printer."""
        return self._setting.kind != "none"

    async def print(self, *slips: Slip) -> None:
        """Prints slips, in order. Raises NotPrinted: of several the first ones may be on paper."""
        if not self.there:
            raise NotPrinted("config.json names no printer: show the QR code on the screen instead")
        async with self._turn:
            try:
                async with asyncio.timeout(WAIT_S * len(slips)):
                    await asyncio.to_thread(self._all, slips)
            except TimeoutError as late:
                self.trouble = "the printer does not take the slip: paper, cover, cable?"
                raise NotPrinted(self.trouble) from late
            except Exception as failed:  # python-escpos passes on what its drivers raise: USB, sockets, files
                self.trouble = f"the printer does not work ({failed}): paper, cover, cable, power?"
                raise NotPrinted(self.trouble) from failed
        self.trouble = None

    def _all(self, slips: tuple[Slip, ...]) -> None:
        device = self._open()
        try:
            for slip in slips:
                write(device, slip, self._setting.width)
                self.printed += 1
        finally:
            device.close()


def _device(setting: Setting) -> Any:
    # Without type stubs, and slow to import: only where a slip is printed.
    made: Any = importlib.import_module("escpos.printer")
    if setting.kind == "usb":
        return made.Usb(setting.vendor, setting.product)
    if setting.kind == "network":
        return made.Network(setting.address, setting.port, timeout=int(WAIT_S))
    return made.File(str(setting.path))
