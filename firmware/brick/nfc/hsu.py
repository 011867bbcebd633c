"""The PN532's serial bus (HSU): frames out, frames in with a deadline; no byte is lost to a time-out."""

from stallmark.constant import const

from brick import aio
from brick.nfc import frame

_CHUNK = const(64)
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
        """The kind of the next frame (see nfc.frame); asyncio's TimeoutError after `ms` without one."""
        kind = self.reader.next()
        if kind:
            return kind
        deadline = self._ticks() + ms
        while True:
            left = deadline - self._ticks()
            if left <= 0:
                raise aio.TimeoutError
            await aio.wait_ms(self._fill(), left)
            kind = self.reader.next()
            if kind:
                return kind

    async def drain(self, ms):
        """Read and drop everything that arrives within `ms` milliseconds."""
        deadline = self._ticks() + ms
        try:
            while True:
                await self.receive(deadline - self._ticks())
        except aio.TimeoutError:
            self.reader.clear()
