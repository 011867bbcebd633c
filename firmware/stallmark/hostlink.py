"""The host's end of a link: it answers the brick, which opens (docs/formats/link.md). Sans-IO; no brick loads it."""

from stallmark import frame, handshake
from stallmark.errors import FormatError
from stallmark.keys import next_link
from stallmark.linkend import HINT_MS, IDLE_MS, LinkEnd
from stallmark.numbers import (
    FRAME_M1,
    FRAME_M2,
    FRAME_M3,
    FRAME_REKEY,
    NOTICE_BAD_HANDSHAKE,
    NOTICE_NO_SESSION,
)
from stallmark.session import HOST_TO_BRICK


class HostLink(LinkEnd):
    """
    The host's end, for whatever brick is on the line.

    find(brick8) gives {epoch: key} or None; commit(brick8, epoch, key) makes the next key durable and returns
    before M2 goes out; drop(brick8, epoch) forgets the keys below that epoch. rekey(brick8) gives (epoch, tag16) of
    the controller's newest order for a new link key, whose key find() has by then, or None. refuse(brick8) gives the reason
    why a brick of this kit is not answered, or None.
    """

    def __init__(self, host8, find, commit, drop, make_ecb, random, rekey=None, refuse=None):
        super().__init__(make_ecb, random)
        self.host8 = host8
        self.brick8 = None  # of the session, or of the last good M1 while there is none
        self.refusal = None  # why the last M1 was not answered, in plain words
        self._find = find
        self._commit = commit
        self._drop = drop
        self._rekey = rekey
        self._refuse = refuse
        self._epoch = 0  # of the session's link key
        self._heard = None  # (brick8, epoch) of the last M1, good or not: whom an order is said to without a session
        self._ordered_at = None
        self._pending = None  # (M1, M2, key) that wait for M3
        self._greeted = False

    def _open(self, now_ms):
        if not self._greeted:
            self._greeted = True
            if not self._pending:
                # A brick that still holds a session with the program that ran here before opens a new one.
                self.notice(NOTICE_NO_SESSION, "host started", now_ms)
        if self._session:
            self._order(self.brick8, self._epoch, now_ms)
        elif self._heard is not None:
            self._order(self._heard[0], self._heard[1], now_ms)

    def _order(self, brick8, epoch, now_ms):
        """True where the controller wants another link key than that of `epoch`; says so, at most once a second."""
        order = None if self._rekey is None else self._rekey(brick8)
        if order is None or order[0] <= epoch:
            return False
        if self._ordered_at is None or now_ms - self._ordered_at >= HINT_MS:
            self._ordered_at = now_ms
            self._outbox.append(frame.build(FRAME_REKEY, brick8 + order[0].to_bytes(4, "big") + order[1]))
        return True

    def _idle(self, now_ms):
        return IDLE_MS if self._greeted else 0

    def _end(self, reason, now_ms):
        super()._end(reason, now_ms)
        self.notice(NOTICE_NO_SESSION, reason, now_ms)

    def _handshake(self, type, body, now_ms):
        if type == FRAME_M1:
            refusal = self._take_m1(body, now_ms)
            if refusal:
                self.bad_handshakes += 1
                self.refusal = refusal
                self.notice(NOTICE_BAD_HANDSHAKE, refusal, now_ms)
        elif type == FRAME_M3:
            self._take_m3(body)
        else:
            return False
        return True

    def _take_m1(self, m1, now_ms):
        """Answers a good M1; the reason for not answering a bad one."""
        if self._pending and self._pending[0] == m1:
            self._outbox.append(frame.build(FRAME_M2, self._pending[1]))
            return None
        try:
            fields = handshake.parse_m1(m1)
        except FormatError as error:
            return str(error)
        epoch = fields.epoch
        self._heard = (fields.brick8, epoch)
        refusal = None if self._refuse is None else self._refuse(fields.brick8)
        if refusal:
            return refusal
        keys = self._find(fields.brick8)
        if not keys:
            return "brick not known here"
        if self._order(fields.brick8, epoch, now_ms):
            # Whoever holds the older keys may be a copy of this host: they open nothing any more.
            self.refusal = "waits for the brick to take the new link key that the controller ordered"
            return None
        key = keys.get(epoch)
        if key is None:
            return "link key of epoch {} not held; re-key at the controller".format(epoch)
        if not handshake.check_m1(key, m1):
            return "wrong link key"
        if epoch + 1 not in keys:
            self._commit(fields.brick8, epoch + 1, next_link(key))
        if min(keys) < epoch:
            # Only a brick that holds this key can have made M1, and it never goes back.
            self._drop(fields.brick8, epoch)
        m2 = handshake.make_m2(key, m1, self.host8, self._random(16), epoch)
        self._pending = (m1, m2, key)
        if not self._session:
            self.brick8 = fields.brick8
        self._outbox.append(frame.build(FRAME_M2, m2))
        return None

    def _take_m3(self, m3):
        m1, m2, key = self._pending or (None, None, None)
        if m1 is None or not handshake.check_m3(key, m1, m2, m3):
            self.bad_handshakes += 1
            return
        self._pending = self._heard = None
        if self._refuse is not None and self._refuse(m1[:8]):
            self.bad_handshakes += 1  # replaced between the two messages
            return
        self._epoch = handshake.parse_m1(m1).epoch
        self.brick8 = m1[:8]
        self.refusal = None
        self._begin(handshake.session_keys(key, m1, m2), HOST_TO_BRICK)
