"""The market's clock in a file: the kit's owner sets the time for bricks, host and controller alike."""

import os
import struct
import time
from pathlib import Path

_FORM = ">q"


class MarketClock:
    """8 bytes, milliseconds since 1970, big-endian, rewritten in place. Who makes it is its only writer."""

    def __init__(self, path: Path, start_ms: int | None = None) -> None:
        """Goes on from the file's time if there is one, else from `start_ms`, else from now."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        found = os.pread(self._handle, 8, 0)
        if len(found) == 8:
            self._ms = int(struct.unpack(_FORM, found)[0])
        else:
            self.set(time.time_ns() // 1_000_000 if start_ms is None else start_ms)

    def now(self) -> int:
        """Market time in milliseconds."""
        return self._ms

    def set(self, ms: int) -> None:
        """Sets the time, forwards or back."""
        self._ms = ms
        os.pwrite(self._handle, struct.pack(_FORM, ms), 0)

    def advance(self, ms: int) -> None:
        """Moves the time."""
        self.set(self._ms + ms)

    def close(self) -> None:
        """Leaves the file as it stands."""
        os.close(self._handle)


def read(path: Path) -> int:
    """The time in a clock file. Raises OSError, ValueError if it is none."""
    data = path.read_bytes()
    if len(data) != 8:
        raise ValueError(f"{path} is no clock file")
    return int(struct.unpack(_FORM, data)[0])
