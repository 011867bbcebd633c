"""Frames on serial and radio: COBS, version, type, CRC32, at most 512 bytes (docs/formats/frame.md)."""

from binascii import crc32

from stallmark import cobs, utf8
from stallmark.constant import const
from stallmark.errors import FormatError, LimitError
from stallmark.numbers import FRAME_LOG, FRAME_NOTICE

VERSION = const(1)
MAX_FRAME = const(512)  # with the 00
MAX_BODY = const(502)

LOG_DEBUG = const(1)
LOG_INFO = const(2)
LOG_WARNING = const(3)
LOG_ERROR = const(4)


def build(type, body):
    """A complete frame, 00 included. Raises LimitError for a body over 502 bytes."""
    if len(body) > MAX_BODY:
        raise LimitError("frame body of {} bytes, at most 502".format(len(body)))
    inner = bytes((VERSION, type)) + body
    return cobs.encode(inner + crc32(inner).to_bytes(4, "big")) + b"\x00"


def type_of(data):
    """The type of a complete frame, with or without a 00 before it: neither version nor type is ever stuffed."""
    return data[2] if data[0] else data[3]


def notice(code, detail=""):
    """Frame of an unauthenticated hint; detail is cut to 64 bytes of UTF-8."""
    return build(FRAME_NOTICE, bytes((code,)) + _cut(detail, 64))


def log(level, text):
    """Frame of a log line; text is cut to 200 bytes of UTF-8."""
    return build(FRAME_LOG, bytes((level,)) + _cut(text, 200))


def parse_text(body):
    """(number, text) of the body of a notice or log frame, fit for a screen. FormatError when empty."""
    if not body:
        raise FormatError("notice or log frame without a code")
    try:
        text = utf8.text(body[1:])
    except UnicodeError:
        text = "".join([chr(byte) if byte < 128 else "?" for byte in body[1:]])
    return body[0], "".join([c if c >= " " and c != "\x7f" else "?" for c in text])


def _cut(text, limit):
    """UTF-8 of text, at most limit bytes, not cut inside a character."""
    data = text.encode("utf-8")
    if len(data) <= limit:
        return data
    while data[limit] & 0xC0 == 0x80:
        limit -= 1
    return data[:limit]


class Reader:
    """
    Cuts a byte stream into frames. feed() never raises; what is not a frame is counted:
    noise (damaged), oversize (over 512 bytes, drained), unknown_version; frames counts the good ones.
    """

    def __init__(self):
        self._buffer = bytearray(MAX_FRAME - 1)
        self._length = 0
        self._draining = False
        self.noise = 0
        self.oversize = 0
        self.unknown_version = 0
        self.frames = 0

    def feed(self, data):
        """The complete frames [(type, body)] that end in these bytes, in order."""
        if type(data) is not bytes:
            data = bytes(data)
        out = []
        at = 0
        while True:
            end = data.find(b"\x00", at)
            if end < 0:
                self._keep(data, at, len(data))
                return out
            if self._draining:
                self._draining = False
            elif self._length:
                self._keep(data, at, end)
                if not self._draining:
                    self._take(bytes(memoryview(self._buffer)[: self._length]), out)
                self._draining = False
            elif end - at >= MAX_FRAME:
                self.oversize += 1
            elif end > at:
                self._take(data[at:end], out)
            self._length = 0
            at = end + 1

    def _keep(self, data, at, end):
        """Holds bytes of an unfinished frame; past the limit the rest of the frame is thrown away."""
        if self._draining or at == end:
            return
        length = self._length + end - at
        if length >= MAX_FRAME:
            self.oversize += 1
            self._draining = True
            self._length = 0
            return
        self._buffer[self._length : length] = data[at:end]
        self._length = length

    def _take(self, stuffed, out):
        try:
            inner = cobs.decode(stuffed)
        except FormatError:
            self.noise += 1
            return
        cut = len(inner) - 4
        if cut < 2 or crc32(inner[:cut]) != int.from_bytes(inner[cut:], "big"):
            self.noise += 1
        elif inner[0] != VERSION:
            self.unknown_version += 1
        else:
            self.frames += 1
            out.append((inner[1], inner[2:cut]))
