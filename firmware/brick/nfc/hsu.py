"""The PN532's serial bus (HSU): frames out, frames in with a deadline; no byte is lost to a time-out."""

from stallmark.constant import const

from brick import aio
from brick.nfc import frame

_CHUNK = const(64)
_LAST_MS = const(5)  # for what is in the UART already
_LATE_MS = const(3)  # a timer that rings later than this: the brick stood still
_AGAIN = const(3)
_SILENT_LINE_MS = const(20)  # a line that reports readable and gives nothing (unplugged pty): do not spin


class Hsu:
    """Frames over `line`, which offers `async readinto(buffer) -> n` and `write(data)`.

    Bytes go from the line into this bus's own buffer in the same step in which they are read, so a wait
    that is cancelled by its deadline drops nothing: the next wait goes on where it stopped.
    """

    def __init__(self, line, ticks):
        self._line = line
        self._ticks = ticks
        self._chunk = bytearray(_CHUNK)
        self.reader = frame.Reader()

    def write(self, data):
        """Hand a whole frame to the UART."""
        self._line.write(data)

    def clear(self):
        """Drop what was received and not yet taken: answers that nobody waits for any more."""
        self.reader.clear()

    async def _fill(self):
        n = await self._line.readinto(self._chunk)
        if n:
            self.reader.feed(self._chunk, n)
        else:
            await aio.sleep_ms(_SILENT_LINE_MS)

    async def receive(self, ms):
        """The kind of the next frame (see nfc.frame); asyncio's TimeoutError after `ms` without one.

        A time that is over does not tell that the chip was silent: the brick may have stood still, over a signature. What came
        meanwhile counts, and where it did stand still the chip gets its time anew, three times at most."""
        kind = self.reader.next()
        if kind:
            return kind
        deadline = self._ticks() + ms
        again = _AGAIN
        while True:
            left = deadline - self._ticks()
            if left <= 0:
                if not again:
                    raise aio.TimeoutError
                again -= 1
                left = ms if left < -_LATE_MS else _LAST_MS
                deadline = self._ticks() + left
            try:
                await aio.wait_ms(self._fill(), left)
            except aio.TimeoutError:
                continue
            kind = self.reader.next()
            if kind:
                return kind

    async def drain(self, ms):
        """Read and drop everything that arrives within `ms` milliseconds."""
        deadline = self._ticks() + ms
        try:
            while deadline - self._ticks() > 0:
                await self.receive(deadline - self._ticks())
        except aio.TimeoutError:
            pass
        self.reader.clear()
