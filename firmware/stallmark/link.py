"""The brick's end of a link: it opens, the host (stallmark.hostlink) answers (docs/formats/link.md). Sans-IO."""

from stallmark import frame, handshake
from stallmark.constant import const
from stallmark.errors import FormatError
from stallmark.keys import next_link
from stallmark.linkend import HINT_MS, IDLE_MS, LinkEnd
from stallmark.numbers import (
    FRAME_M1,
    FRAME_M2,
    FRAME_M3,
    FRAME_PROVISION_REQUEST,
    FRAME_REKEY,
    NOTICE_PROVISIONED,
)
from stallmark.session import BRICK_TO_HOST

BACKOFF_MS = const(250)
BACKOFF_MAX_MS = const(8000)
TRIES = const(8)  # wrong tags of handshakes that are looked at in a second: what comes beyond costs nothing
_REKEY_SIZE = const(28)


class BrickLink(LinkEnd):
    """
    The brick's end. epoch and key are the link key in the key partition, boot the number of this start.

    advance(epoch, key) makes the next key durable and erases the one before; it returns before M3 goes out.
    rekey(epoch, tag16) gives the new link key of a controller's order, or None where its tag is wrong.
    """

    def __init__(self, brick8, epoch, key, boot, make_ecb, random, advance, rekey=None):
        super().__init__(make_ecb, random)
        self.brick8 = brick8
        self.host8 = None  # of the last session
        self._epoch = epoch
        self._key = key
        self._boot = boot
        self._attempt = 0
        self._advance = advance
        self._rekey = rekey
        self._tries = 0
        self._tries_since = 0
        self._m1 = None  # the one that waits for its M2
        self._m1_at = None
        self._due = None  # when the next M1 goes; None in a session, and before the first poll
        self._wait = BACKOFF_MS

    def _open(self, now_ms):
        if self._due is None:
            if self._session or self._m1_at is not None:
                return
        elif now_ms - self._due < 0:
            return
        self._attempt += 1
        self._m1 = handshake.make_m1(
            self._key, self.brick8, self._epoch, self._boot, self._attempt, self._random(16)
        )
        self._m1_at = now_ms
        self._outbox.append(frame.build(FRAME_M1, self._m1))
        self._due = None if self._session else self._later(now_ms)

    def _later(self, now_ms):
        due = now_ms + self._wait
        self._wait = min(2 * self._wait, BACKOFF_MAX_MS)
        return due

    def _idle(self, now_ms):
        if self._due is None:
            return IDLE_MS if self._session else 0
        return max(0, min(IDLE_MS, self._due - now_ms))

    def _end(self, reason, now_ms):
        super()._end(reason, now_ms)
        self._due = self._later(now_ms)

    def _alive(self):
        self._wait = BACKOFF_MS
        self._due = None

    def _no_session(self, now_ms):
        # Anybody can send such a hint: the session stays until the host has answered the new M1.
        due = now_ms if self._m1_at is None else max(now_ms, self._m1_at + HINT_MS)
        if self._due is None or due - self._due < 0:
            self._due = due

    def _handshake(self, type, body, now_ms):
        if type == FRAME_M2 or (type == FRAME_REKEY and self._rekey is not None):
            if now_ms - self._tries_since >= HINT_MS:
                self._tries_since = now_ms
                self._tries = 0
            take = self._take_m2 if type == FRAME_M2 else self._take_rekey
            if self._tries < TRIES and not take(body, now_ms):
                self._tries += 1
                self.bad_handshakes += 1
        elif type == FRAME_PROVISION_REQUEST:
            self.notice(NOTICE_PROVISIONED, "already provisioned", now_ms)
        else:
            return False
        return True

    def _take_rekey(self, body, now_ms):
        """The controller's order to go on with another link key: no copy of the host knows it. False for a wrong one."""
        if len(body) != _REKEY_SIZE or body[:8] != self.brick8:
            return False
        epoch = int.from_bytes(body[8:12], "big")
        if epoch <= self._epoch:
            return True  # done before, or an old one played again
        key = self._rekey(epoch, body[12:])  # type: ignore
        if key is None:
            return False
        self._advance(epoch, key)
        self._epoch = epoch
        self._key = key
        self._m1 = None
        self._wait = BACKOFF_MS
        if self._session:
            self._end("new link key", now_ms)  # who is at its other end may be a copy of the host
        self._due = now_ms
        return True

    def _take_m2(self, m2, now_ms):
        """True for the answer to the M1 that waits, which begins a session."""
        m1 = self._m1
        try:
            fields = handshake.parse_m2(m2)
        except FormatError:
            fields = None
        good = m1 is not None and fields is not None and fields.epoch == self._epoch
        if not good or not handshake.check_m2(self._key, m1, m2):
            return False
        key = self._key
        following = next_link(key)
        self._advance(self._epoch + 1, following)
        self._epoch += 1
        self._key = following
        self._m1 = None
        self._due = None
        self.host8 = fields.host8
        self._outbox.append(frame.build(FRAME_M3, handshake.make_m3(key, m1, m2)))
        self._begin(handshake.session_keys(key, m1, m2), BRICK_TO_HOST)
        return True
