"""Everything a kit with radios needs around its bricks: the virtual air, a private bus, and org.bluez on it."""

import logging
from pathlib import Path

from virtualkit.air import Air
from virtualkit.bluez import FakeBluez
from virtualkit.privatebus import PrivateBus

REAL_LATENCY_MS = 7.5
"""Half of a connection interval of 15 ms, which a Raspberry Pi's BlueZ asks for by itself where nobody says otherwise."""


class Airfield:
    """From `start` to `stop`; then `address` is for DBUS_SYSTEM_BUS_ADDRESS of the host's program.

    timing  "real": packets take REAL_LATENCY_MS; "fast": they take none
    """

    def __init__(self, folder: Path, timing: str = "fast", seed: int = 0) -> None:
        # A packet of a radio that was switched off is news to bumble, not to us.
        logging.getLogger("bumble").setLevel(logging.CRITICAL)
        self.air = Air(seed)
        if timing == "real":
            self.air.faults.latency_ms = REAL_LATENCY_MS
        self.bus = PrivateBus(folder)
        self.bluez: FakeBluez | None = None

    @property
    def address(self) -> str:
        """The bus."""
        return self.bus.address

    async def start(self) -> None:
        """Raises privatebus.BusMissing."""
        await self.bus.start()
        self.bluez = FakeBluez(self.air, self.bus.address)
        await self.bluez.start()

    async def stop(self) -> None:
        """The other way round."""
        if self.bluez is not None:
            await self.bluez.stop()
            self.bluez = None
        await self.bus.stop()
