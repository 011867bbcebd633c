"""PN532 frames as pure bytes: normal, extended, ACK, NACK and error (UM0701-02 §6.2.1)."""

from stallmark.constant import const

NONE = const(0)  # nothing complete in the buffer yet
ACK = const(1)
NACK = const(2)
ERROR = const(3)  # the chip's answer to a command it cannot parse (TFI 7F)
DATA = const(4)  # a checked payload: TFI, code, parameters

ACK_FRAME = b"\x00\x00\xff\x00\xff\x00"
NACK_FRAME = b"\x00\x00\xff\xff\x00\x00"

HOST = const(0xD4)  # TFI host to chip
CHIP = const(0xD5)  # TFI chip to host
_TFI_ERROR = const(0x7F)

# The largest payload taken: TFI, code, and 262 bytes of data as an extended frame carries them.
MAX_PAYLOAD = const(264)
_BUFFER = const(288)


def build(code, parameters=b""):
    """The frame of one command: `code` and at most 262 bytes of parameters; extended where needed."""
    n = len(parameters) + 2
    if n > MAX_PAYLOAD:
        raise ValueError("PN532 command of %d bytes, at most %d fit" % (n, MAX_PAYLOAD))
    total = HOST + code
    for byte in parameters:
        total += byte
    if n > 255:
        head = bytes((0, 0, 0xFF, 0xFF, 0xFF, n >> 8, n & 0xFF, -((n >> 8) + n) & 0xFF, HOST, code))
    else:
        head = bytes((0, 0, 0xFF, n, -n & 0xFF, HOST, code))
    return head + parameters + bytes((-total & 0xFF, 0))


class Reader:
    """Cuts a stream of bytes into frames; the buffer is preallocated, what does not fit is dropped.

    `feed` takes bytes, `next` gives one of the kinds above; after DATA, `payload` is a view that is valid
    until the next `feed` or `next`. Counters: `damaged` (a frame whose length or checksum is wrong).
    """

    def __init__(self):
        self._buf = bytearray(_BUFFER)
        self._view = memoryview(self._buf)
        self._start = 0
        self._end = 0
        self.payload = self._view[:0]
        self.damaged = 0

    def clear(self):
        """Forget everything received so far."""
        self._start = self._end = 0

    def feed(self, data, n):
        """Take the first `n` bytes of `data` (at most the buffer's size)."""
        buf = self._buf
        if self._start and self._end + n > _BUFFER:
            kept = self._end - self._start
            buf[0:kept] = buf[self._start : self._end]
            self._start, self._end = 0, kept
        if self._end + n > _BUFFER:  # more than a frame and no frame in it: noise
            self.damaged += 1
            self._start = self._end = 0
            n = min(n, _BUFFER)
        self._view[self._end : self._end + n] = memoryview(data)[:n]
        self._end += n

    def next(self):
        """The kind of the next complete frame, or NONE."""
        buf = self._buf
        while True:
            at = buf.find(b"\x00\xff", self._start, self._end)
            if at < 0:
                # Keep a last 00: it may be the first half of the start code.
                half = self._end > self._start and buf[self._end - 1] == 0
                self._start = self._end - 1 if half else self._end
                return NONE
            self._start = at
            have = self._end - at
            if have < 4:
                return NONE
            length = buf[at + 2]
            check = buf[at + 3]
            if length == 0 and check == 0xFF:
                self._start = at + 4
                return ACK
            if length == 0xFF and check == 0:
                self._start = at + 4
                return NACK
            body = at + 4
            if length == 0xFF and check == 0xFF:
                if have < 7:
                    return NONE
                length = buf[at + 4] << 8 | buf[at + 5]
                check = buf[at + 6] + buf[at + 4] + buf[at + 5]
                body = at + 7
            else:
                check += length
            if check & 0xFF or not 1 <= length <= MAX_PAYLOAD:
                self.damaged += 1
                self._start = at + 2
                continue
            if self._end < body + length + 1:
                return NONE
            total = 0
            for i in range(body, body + length + 1):
                total += buf[i]
            if total & 0xFF:
                self.damaged += 1
                self._start = at + 2
                continue
            self._start = body + length + 1
            if length == 1:
                if buf[body] == _TFI_ERROR:
                    return ERROR
                self.damaged += 1
                continue
            self.payload = self._view[body : body + length]
            return DATA
