"""The PN532's SPI bus: status polled, frames read whole, never a wait that blocks (UM0701-02 §6.2.5)."""

from stallmark.constant import const

from brick import aio
from brick.nfc import frame

_WRITE = b"\x01"
_STATUS = const(2)
_READ = const(3)
_READY = const(1)  # the whole byte: a line that hangs loose reads FF
_POLL_MS = const(2)
_HEAD = const(16)  # read first; most frames are not longer
_TAIL = const(3)  # checksum, postamble, and one byte so that nothing is left over
_DAMAGED = const(48)  # bytes after which a frame without a start is given up


class Spi:
    """Frames over `spi`, which offers `select(on)` and `transfer(buffer)`: full duplex in place, low bit first.

    The same members as nfc.hsu.Hsu, so that the driver does not know which one it has."""

    def __init__(self, spi, ticks):
        self._spi = spi
        self._ticks = ticks
        self._status = bytearray(2)
        self._head = bytearray(1 + _HEAD)
        self.reader = frame.Reader()

    def write(self, data):
        """Hand a whole frame to the chip."""
        spi = self._spi
        spi.select(True)
        spi.transfer(bytearray(_WRITE + data))
        spi.select(False)

    def clear(self):
        """Drop what was received and not yet taken."""
        self.reader.clear()

    def _ready(self):
        status = self._status
        status[0], status[1] = _STATUS, 0
        self._spi.select(True)
        self._spi.transfer(status)
        self._spi.select(False)
        return status[1] == _READY

    def _fetch(self):
        """Read one frame; all of it in one go, because what stays in the chip is lost with the next command."""
        spi, head = self._spi, self._head
        for i in range(len(head)):
            head[i] = 0
        head[0] = _READ
        spi.select(True)
        spi.transfer(head)
        at = head.find(b"\x00\xff", 1)
        if at < 0:
            more = _DAMAGED
        elif head[at + 2 : at + 4] == b"\xff\xff":
            more = at + 7 + (head[at + 4] << 8 | head[at + 5]) + _TAIL - len(head)
        elif head[at + 2 : at + 4] in (b"\x00\xff", b"\xff\x00"):
            more = 0
        else:
            more = at + 4 + head[at + 2] + _TAIL - len(head)
        rest = bytearray(min(max(more, 0), frame.MAX_PAYLOAD + _HEAD))
        if rest:
            spi.transfer(rest)
        spi.select(False)
        self.reader.feed(head[1:], _HEAD)
        if rest:
            self.reader.feed(rest, len(rest))

    async def receive(self, ms):
        """The kind of the next frame (see nfc.frame); asyncio's TimeoutError after `ms` without one."""
        deadline = self._ticks() + ms
        while True:
            kind = self.reader.next()
            if kind:
                return kind
            if self._ready():
                self._fetch()
                kind = self.reader.next()
                if kind:
                    return kind
            if self._ticks() >= deadline:
                raise aio.TimeoutError
            await aio.sleep_ms(_POLL_MS)

    async def drain(self, ms):
        """Read and drop everything that arrives within `ms` milliseconds."""
        deadline = self._ticks() + ms
        try:
            while True:
                await self.receive(deadline - self._ticks())
        except aio.TimeoutError:
            self.reader.clear()
