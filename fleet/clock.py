"""Market time: the machine's clock, or the clock file of a simulated market. Never used for time-outs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from fleet.errors import ConfigError


class Clock(Protocol):
    """Where market time comes from."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...


class RealClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000


class FileClock:
    """A file of eight bytes, big-endian ms, rewritten in place by whoever simulates the market."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = 0
        if self._read() is None:
            raise ConfigError(f"the clock file {path} is missing or does not hold eight bytes")

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC; the last value read where the file cannot be."""
        self._last = self._read() or self._last
        return self._last

    def _read(self) -> int | None:
        try:
            data = self._path.read_bytes()
        except OSError:
            return None
        return int.from_bytes(data, "big") if len(data) == 8 else None


def open_clock(path: Path | None) -> Clock:
    """The clock that a configuration names. Raises ConfigError where its file cannot be read."""
    return RealClock() if path is None else FileClock(path)
