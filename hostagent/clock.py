"""Market time: the machine's clock, or a file where a market is simulated. Time-outs use monotonic time."""

import os
import time
from pathlib import Path
from typing import Protocol

from hostagent.errors import ClockError

# A machine without a battery clock wakes up in the past: before this (2025-01-01) it does not know the time.
PLAUSIBLE_MS = 1_735_689_600_000


class Clock(Protocol):
    """Where market time comes from."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC, as the market has it."""
        ...

    def known(self) -> bool:
        """Whether this time may be given to bricks as host-set."""
        ...


def monotonic_ms() -> int:
    """Milliseconds that never jump: for time-outs, resends and back-off."""
    return time.monotonic_ns() // 1_000_000


class RealClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def known(self) -> bool:
        return self.now_ms() >= PLAUSIBLE_MS


class FileClock:
    """Eight bytes, big-endian, rewritten in place by whoever owns the market's time.

    Raises ClockError at the start when the file is missing; later a short read keeps the last known time.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as failed:
            raise ClockError(
                f"clock file {path}: {failed.strerror}; start the market's clock first"
            ) from failed
        data = os.pread(self._handle, 8, 0)
        if len(data) != 8:
            os.close(self._handle)
            raise ClockError(f"clock file {path}: found {len(data)} bytes, expected 8")
        self._last = int.from_bytes(data)

    def now_ms(self) -> int:
        data = os.pread(self._handle, 8, 0)
        if len(data) == 8:
            self._last = int.from_bytes(data)
        return self._last

    def known(self) -> bool:
        return True

    def close(self) -> None:
        """Leaves the file."""
        os.close(self._handle)


def open_clock(path: Path | None) -> Clock:
    """The clock of a configuration: a file's, or the machine's own."""
    return RealClock() if path is None else FileClock(path)
