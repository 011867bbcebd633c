"""One session of the link: sealed frames, acknowledgements, window (docs/formats/link.md). Sans-IO."""

from stallmark import frame, message
from stallmark.constant import const
from stallmark.crypt import ctr, equal, keyed_hmac
from stallmark.errors import FormatError, FullError
from stallmark.numbers import FRAME_ACK, FRAME_SEALED

WINDOW = const(4)
QUEUE = const(4)
RESEND_MS = const(200)
ROUNDS = const(3)
HOST_ROUNDS = const(8)  # 13 s: a brick that checks signatures is silent, its watchdog allows 10
LAST_COUNTER = const(0x7FFFFFFF)  # a session ends before its counter reaches 2^31

BRICK_TO_HOST = const(0)
HOST_TO_BRICK = const(1)

_SEALED = b"\x01\x05"  # frame version and type: authenticated with the body
_ACK = b"\x01\x06"
_SHORTEST = const(25)  # session4 counter4 tag16 and one byte: anything less is damage


class Counters:
    """What happened on a link, kept over its sessions."""

    def __init__(self):
        self.bad_tags = 0
        self.resends = 0
        self.repeats = 0
        self.dropped = 0
        self.unreadable = 0


class Session:
    """
    Both directions of one session, as one end sees them.

    keys is a SessionKeys, direction the one in which this end sends, make_ecb(key16) gives an ECB encryptor.
    """

    def __init__(self, keys, direction, make_ecb, counters):
        self.session = keys.session
        self.counters = counters
        b2h = (make_ecb(keys.b2h_enc), keyed_hmac(keys.b2h_mac), keys.session + b"\x00\x00\x00\x00")
        h2b = (make_ecb(keys.h2b_enc), keyed_hmac(keys.h2b_mac), keys.session + b"\x01\x00\x00\x00")
        if direction == BRICK_TO_HOST:
            self._out, self._in = b2h, h2b
        else:
            self._out, self._in = h2b, b2h
        self._window = []  # complete frames that wait for an acknowledgement, oldest first
        self._fresh = 0  # how many at the end of the window were never written
        self._queue = []  # plaintexts that wait for the window
        self._next_out = 1
        self._next_in = 1
        self._ack_due = False
        self._resend_due = False
        self._most = ROUNDS if direction == BRICK_TO_HOST else HOST_ROUNDS
        self._rounds = 0
        self._since = 0

    # --- sending

    def room(self):
        """Messages that send() takes now."""
        return WINDOW + QUEUE - len(self._window) - len(self._queue)

    def send(self, plaintext):
        """Queues a message. Raises FullError when window and queue are full."""
        if self.room() <= 0:
            raise FullError("link window and queue are full; acknowledgements free them")
        self._queue.append(plaintext)

    def poll(self, now_ms):
        """The frames to write now: acknowledgement, resends, new ones."""
        out = []
        if self._ack_due:
            self._ack_due = False
            out.append(self._ack_frame())
        old = len(self._window) - self._fresh
        if self._resend_due:
            self._resend_due = False
            self.counters.resends += old
            out.extend(self._window[:old])
        while self._queue and len(self._window) < WINDOW and self._next_out <= LAST_COUNTER:
            self._window.append(self._seal(self._queue.pop(0)))
            self._fresh += 1
        if self._fresh:
            if not old:
                self._since = now_ms
            out.extend(self._window[old:])
            self._fresh = 0
        return out

    def tick(self, now_ms):
        """Lets time pass. Returns the reason when the session has to end, else None."""
        if self._next_out > LAST_COUNTER:
            return "session used up its counters"
        if not self._waiting() or now_ms - self._since < self._pause():
            return None
        if self._rounds == self._most:
            return "no acknowledgement after {} resends".format(self._most)
        self._rounds += 1
        self._since = now_ms
        self._resend_due = True
        return None

    def next_due(self, now_ms, idle_ms):
        """Milliseconds until poll or tick has something to do, at most idle_ms."""
        if self._ack_due or self._resend_due or self._fresh or (self._queue and len(self._window) < WINDOW):
            return 0
        if self._waiting():
            return max(0, min(idle_ms, self._pause() - (now_ms - self._since)))
        return idle_ms

    def _pause(self):
        """Before the next resend; it doubles after the third."""
        return RESEND_MS << max(0, self._rounds - ROUNDS)

    def _waiting(self):
        return len(self._window) > self._fresh

    def _seal(self, plaintext):
        ecb, mac, prefix = self._out
        counter = self._next_out.to_bytes(4, "big")
        self._next_out += 1
        body = self.session + counter + ctr(ecb, prefix + counter, plaintext)
        return frame.build(FRAME_SEALED, body + mac(_SEALED + body)[:16])

    def _ack_frame(self):
        body = self.session + self._next_in.to_bytes(4, "big")
        return frame.build(FRAME_ACK, body + self._out[1](_ACK + body)[:16])

    # --- receiving

    def owns(self, body):
        """Whether a sealed or acknowledgement body names this session."""
        return body[:4] == self.session

    def open(self, body):
        """
        Takes a sealed frame of this session: (tag is good, (kind, id, value) or None if nothing new came).
        """
        ecb, mac, prefix = self._in
        if len(body) < _SHORTEST or not equal(mac(_SEALED + body[:-16])[:16], body[-16:]):
            self.counters.bad_tags += 1
            return False, None
        self._ack_due = True
        counter = int.from_bytes(body[4:8], "big")
        if counter != self._next_in:
            if counter < self._next_in:
                self.counters.repeats += 1
            else:
                self.counters.dropped += 1
            return True, None
        self._next_in += 1
        try:
            return True, message.decode(ctr(ecb, prefix + body[4:8], body[8:-16]))
        except FormatError:
            # The other end has the key and still sent this: acknowledged, or it would come again for ever.
            self.counters.unreadable += 1
            return True, None

    def acknowledged(self, body, now_ms):
        """Takes a link acknowledgement of this session; whether its tag is good."""
        if len(body) != 24 or not equal(self._in[1](_ACK + body[:8])[:16], body[8:]):
            self.counters.bad_tags += 1
            return False
        written = len(self._window) - self._fresh
        oldest = self._next_out - len(self._window)
        done = int.from_bytes(body[4:8], "big") - oldest
        if 0 < done <= written:  # else an old one, or one for what was never sent
            self._window = self._window[done:]
            self._rounds = 0
            self._since = now_ms
            self._resend_due = False
        return True
