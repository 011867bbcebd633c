"""Splits what a QR module sends into codes and answers, whatever the bytes are."""

from stallmark.constant import const

from brick.qr import command

CODE = const(1)
ANSWER = const(2)
OVERFLOW = const(3)
FORGED = const(4)

_CR = const(13)
_LF = const(10)
_ANSWER_MAX = const(16)  # data bytes of an answer that this driver ever asks for


class Lines:
    """`feed` returns a list of (CODE, bytes), (ANSWER, bytes), (OVERFLOW, b"") and (FORGED, b"") in order of arrival.

    FORGED: a line's end came right behind an answer, so that answer was a code that looks like one; the module ends only codes.
    Whoever listens says with `silent` that the line was quiet for longer than that takes.

    A code ends at CR, LF or CR LF. Of a long one only `keep` bytes stay in memory; after `limit` bytes
    without an end the rest is dropped up to the next end. Answers are known by their head and CRC.
    """

    def __init__(self, keep, limit):
        self._buf = bytearray(keep)
        self._keep = keep
        self._limit = limit
        self._length = 0
        self._after_cr = False
        self._after_answer = False

    def feed(self, data, n):
        """Take the first `n` bytes of `data`."""
        out = []
        for i in range(n):
            self._byte(data[i], out)
        return out

    def silent(self):
        """Nothing came behind the last answer: a line's end from now on is that of a code of its own, without content."""
        self._after_answer = False

    def expire(self):
        """The line fell silent in the middle of a code: drop what there is. True if there was something."""
        had = self._length > 0
        self._length = 0
        self._after_cr = self._after_answer = False
        return had

    def _byte(self, byte, out):
        if byte == _LF and self._after_cr:
            self._after_cr = False
            return
        self._after_cr = False
        answered, self._after_answer = self._after_answer, False
        answering = self._buf[0] == command.ANSWER_HEAD[0] and self._length
        # An answer carries any byte, so its own length says where it ends, not CR.
        if answering and self._length < 4 + _ANSWER_MAX + 2 and self._answer(byte, out):
            return
        if byte in (_CR, _LF):
            self._after_cr = byte == _CR
            if answered:
                out.append((FORGED, b""))
            elif self._length <= self._limit:
                out.append((CODE, bytes(self._buf[: min(self._length, self._keep)])))
            self._length = 0
            return
        if self._length == self._limit:
            out.append((OVERFLOW, b""))
        self._store(byte)

    def _store(self, byte):
        if self._length < self._keep:
            self._buf[self._length] = byte
        if self._length <= self._limit:
            self._length += 1

    def _answer(self, byte, out):
        """True if the byte belongs to an answer; False hands it back to the rules of a code."""
        at = self._length
        if at < 3:  # head 02 00, then type 00
            if byte != 0:
                return False
            self._store(byte)
            return True
        if at == 3:
            if not 1 <= byte <= _ANSWER_MAX:
                return False
            self._store(byte)
            return True
        # A code that only looks like an answer fails one of these on the way.
        if self._buf[1] or self._buf[2] or not 1 <= self._buf[3] <= _ANSWER_MAX:
            return False
        end = 4 + self._buf[3] + 2
        if at >= end:  # it had an answer's length and another CRC
            return False
        self._store(byte)
        if self._length < end:
            return True
        body = bytes(self._buf[2 : end - 2])
        if command.crc16(body) == self._buf[end - 2] << 8 | self._buf[end - 1]:
            out.append((ANSWER, body[2:]))
            self._length = 0
            self._after_answer = True
        return True
