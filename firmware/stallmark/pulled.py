"""A stream of frames as slices that the other side asks for by index (docs/formats/ble.md). Sans-IO, both ends."""

from stallmark.constant import const
from stallmark.errors import FormatError

MAX_VALUE = const(244)  # bytes of a slice with its index, and of one write to a brick
MIN_MTU = const(23)
ATT_HEADER = const(3)  # what ATT keeps of an MTU for itself
INDEX_BYTES = const(2)
MAX_FRAMES = const(16)  # that wait to be asked for; a link has four sealed ones on their way and a few small ones
MAX_WAITING = const(4096)


def room(mtu):
    """Bytes of one value at an ATT MTU; at least the 20 of MTU 23."""
    return min(MAX_VALUE, max(MIN_MTU, mtu) - ATT_HEADER)


def pull(index):
    """The value that asks for slice `index` (u16)."""
    return (index & 0xFFFF).to_bytes(2, "big")


class Source:
    """
    The brick's side: frames in, values out.

    The slice asked for last is kept until its successor is asked for: asked again, the same bytes come again.
    """

    def __init__(self):
        self._frames = []
        self._waiting = 0  # bytes of _frames, and
        self._at = 0  # how many of the first frame are gone
        self._index = None  # of the slice that was asked for last
        self._slice = b""
        self.dropped = 0  # frames for which there was no room

    def begin(self):
        """A new connection: nothing is known of what the other side has."""
        self._frames = []
        self._waiting = self._at = 0
        self._index = None
        self._slice = b""

    @property
    def waiting(self):
        """Bytes that were not yet asked for, or not yet confirmed by asking for what follows."""
        return self._waiting + len(self._slice)

    @property
    def next(self):
        """The index that a host which has everything would ask for now; what a notification carries."""
        if self._index is None:
            return 0
        return self._index if not self._slice else (self._index + 1) & 0xFFFF

    def takes(self, frames, size):
        """Whether so many more frames, of `size` bytes together, find room."""
        return len(self._frames) + frames <= MAX_FRAMES and self._waiting + size <= MAX_WAITING

    def feed(self, frame):
        """A whole frame. False, and counted, where there is no room: the link sends it again."""
        if not self.takes(1, len(frame)):
            self.dropped += 1
            return False
        self._frames.append(frame)
        self._waiting += len(frame)
        return True

    def pull(self, request, mtu):
        """
        The value `index u16 ‖ slice` for a pull; the slice is empty where nothing waits.

        An index that is neither the last one nor its successor begins the stream anew, with a 00 that ends
        whatever half a frame the other side may hold. Raises FormatError for what is not two bytes.
        """
        if len(request) != INDEX_BYTES:
            raise FormatError("pull of {} bytes, expected 2".format(len(request)))
        index = request[0] << 8 | request[1]
        if self._index is None:
            self._slice = b""
        elif index == (self._index + 1) & 0xFFFF:
            self._slice = b""
        elif index != self._index:
            self.begin()
            self.feed(b"\x00")
        self._index = index
        if not self._slice and self._frames:
            self._slice = self._cut(room(mtu) - INDEX_BYTES)
        return bytes((index >> 8, index & 0xFF)) + self._slice

    def _cut(self, most):
        out = b""
        while self._frames and len(out) < most:
            first = self._frames[0]
            end = min(len(first), self._at + most - len(out))
            out += first[self._at : end]
            if end == len(first):
                self._frames.pop(0)
                self._at = 0
            else:
                self._at = end
        self._waiting -= len(out)
        return out


class Sink:
    """The host's side: `want` is the index to ask for, `take` what came."""

    def __init__(self):
        self.want = 0

    def take(self, value):
        """
        The bytes of the wanted slice, b"" where nothing waits; None for another index, or before the first pull has
        arrived: it was read too early, ask again. Raises FormatError for what is no value of a brick.
        """
        if not value:
            return None
        if not INDEX_BYTES <= len(value) <= MAX_VALUE:
            raise FormatError("slice of {} bytes, expected 2 to 244".format(len(value)))
        if value[0] << 8 | value[1] != self.want:
            return None
        if len(value) > INDEX_BYTES:
            self.want = (self.want + 1) & 0xFFFF
        return bytes(value[INDEX_BYTES:])
