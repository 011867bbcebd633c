"""Log lines as frames on the link, so that they never cut into one; a burst is dropped, not queued."""

from stallmark import frame
from stallmark.constant import const

_BURST = const(8)  # lines in
_BURST_MS = const(10000)  # this time


class Log:
    """`log(text, level)`; no token, name or key may stand in a line."""

    def __init__(self, write, ticks):
        self._write = write
        self._ticks = ticks
        self._since = ticks()
        self._count = 0
        self.dropped = 0

    def __call__(self, text, level=frame.LOG_WARNING):
        """Send one line of at most 200 bytes."""
        now = self._ticks()
        if now - self._since > _BURST_MS:
            self._since = now
            self._count = 0
        if self._count >= _BURST:
            self.dropped += 1
            return
        self._count += 1
        self._write(frame.log(level, text))
