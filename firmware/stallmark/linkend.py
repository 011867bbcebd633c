"""What both ends of a link share: messages, notices, counters, events (docs/formats/link.md). Sans-IO."""

from stallmark import frame, message
from stallmark.constant import const
from stallmark.errors import FormatError, FullError
from stallmark.numbers import (
    FRAME_ACK,
    FRAME_LOG,
    FRAME_NOTICE,
    FRAME_REKEY,
    FRAME_SEALED,
    NOTICE_NO_SESSION,
    NOTICE_UNKNOWN_TYPE,
)
from stallmark.session import Counters, Session

HINT_MS = const(1000)  # one notice of a code in a second, and one handshake in a second because of one
IDLE_MS = const(60000)


class LinkEnd:
    """
    One end of a link over one byte stream: feed it frames and monotonic ms, write what poll() gives.

    Counters: handshakes (finished), bad_handshakes, bad_tags, resends, repeats (sealed frames that had come
    before), dropped (sealed frames before their turn), strays (sealed frames and acknowledgements of another
    session), unreadable (good tag, bad message), unexpected (frame types out of place).
    """

    def __init__(self, make_ecb, random):
        self._make_ecb = make_ecb
        self._random = random
        self._session = None
        self._outbox = []  # frames of handshake and notices
        self._events = []
        self._hinted = {}  # code: when last sent
        self._last_id = 0
        self._counters = Counters()
        self.handshakes = 0
        self.bad_handshakes = 0
        self.unexpected = 0
        self.strays = 0

    bad_tags = property(lambda self: self._counters.bad_tags)
    resends = property(lambda self: self._counters.resends)
    repeats = property(lambda self: self._counters.repeats)
    dropped = property(lambda self: self._counters.dropped)
    unreadable = property(lambda self: self._counters.unreadable)

    @property
    def up(self):
        """Whether there is a session."""
        return self._session is not None

    @property
    def room(self):
        """Messages that send() takes now; 0 without a session."""
        return self._session.room() if self._session else 0

    def send(self, kind, value, id=None, now_ms=0):
        """
        Queues a message for the next poll() and returns its id (u16; the next of this end unless given).

        Raises FullError when room is 0, FormatError for a value without CBOR form, LimitError over 475 bytes.
        """
        if self._session is None:
            raise FullError("link is down; a handshake brings it up")
        if id is None:
            id = self._last_id = self._last_id % 0xFFFF + 1
        self._session.send(message.encode(kind, id, value))
        return id

    def notice(self, code, text="", now_ms=0):
        """Queues an unauthenticated hint, at most one of a code in a second."""
        last = self._hinted.get(code)
        if last is None or now_ms - last >= HINT_MS:
            self._hinted[code] = now_ms
            self._outbox.append(frame.notice(code, text))

    def events(self):
        """What happened since the last call, also inside poll(); receive() returns the same list."""
        events = self._events
        self._events = []
        return events

    def receive(self, type, body, now_ms):
        """
        Takes one frame. Returns the events so far: ("up",), ("down", reason), ("message", kind, id, value),
        ("notice", code, text), ("log", level, text).

        Raises only what the functions given to this end raise (advance, find, commit, drop): then nothing was
        answered and the state stands as before.
        """
        if type == FRAME_SEALED or type == FRAME_ACK:
            self._in_session(type, body, now_ms)
        elif type == FRAME_NOTICE or type == FRAME_LOG:
            self._hint(type, body, now_ms)
        elif type == 0 or type > FRAME_REKEY:
            self.unexpected += 1
            self.notice(NOTICE_UNKNOWN_TYPE, "frame type {}".format(type), now_ms)
        elif not self._handshake(type, body, now_ms):
            self.unexpected += 1
        return self.events()

    def poll(self, now_ms):
        """The frames to write now, in order, each with its 00; may end a session (see events())."""
        session = self._session
        if session:
            reason = session.tick(now_ms)
            if reason:
                self._end(reason, now_ms)
        self._open(now_ms)
        out = self._outbox
        self._outbox = []
        if out:
            # After silence the other reader may hold noise: a 00 ends it.
            out[0] = b"\x00" + out[0]
        if self._session:
            out.extend(self._session.poll(now_ms))
        return out

    def next_due(self, now_ms):
        """Milliseconds until poll() has something to do, at most a minute; receive and send shorten it."""
        if self._outbox or self._events:
            return 0
        idle = self._idle(now_ms)
        return self._session.next_due(now_ms, idle) if self._session else idle

    # --- for the two ends

    def _begin(self, keys, direction):
        if self._session:
            self._events.append(("down", "renewed by a new handshake"))
        self._session = Session(keys, direction, self._make_ecb, self._counters)
        self.handshakes += 1
        self._events.append(("up",))

    def _end(self, reason, now_ms):
        self._session = None
        self._events.append(("down", reason))

    def _in_session(self, type, body, now_ms):
        session = self._session
        if session is None or not session.owns(body):
            self.strays += 1
            self.notice(NOTICE_NO_SESSION, "no such session", now_ms)
            return
        if type == FRAME_ACK:
            good = session.acknowledged(body, now_ms)
        else:
            good, got = session.open(body)
            if got:
                self._events.append(("message",) + got)
        if good:
            self._alive()

    def _hint(self, type, body, now_ms):
        try:
            number, text = frame.parse_text(body)
        except FormatError:
            self.unexpected += 1
            return
        self._events.append(("notice" if type == FRAME_NOTICE else "log", number, text))
        if type == FRAME_NOTICE and number == NOTICE_NO_SESSION:
            self._no_session(now_ms)

    def _handshake(self, type, body, now_ms):
        """Takes a handshake or provisioning frame; False when it has no place at this end."""
        return False

    def _open(self, now_ms):
        """Queues what this end says by itself."""

    def _idle(self, now_ms):
        """Milliseconds until _open has something to say."""
        return IDLE_MS

    def _alive(self):
        """The other end has shown the session's keys."""

    def _no_session(self, now_ms):
        """The other end says that it has no session."""
