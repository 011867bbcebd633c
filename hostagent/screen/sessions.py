"""Who is signed in at the stall screen: sessions in memory, and how often a PIN may be tried.

A restart of the host signs everybody out. Nothing of it is written anywhere.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

COOKIE = "stallmark_stall"
LASTS_S = 14 * 3600.0
MOST = 64
# Wrong PINs of one name, or from one address, within the window; beyond, nobody may try for as long.
TRIES, WINDOW_S = 5, 300.0
# Over all names and addresses: a thief with many addresses is slowed down too.
TRIES_IN_ALL = 30
WHO_BYTES = 24


@dataclass
class Session:
    """One browser that may use the screen. `who` stands in records: at most 24 bytes of UTF-8."""

    token: str
    who: str
    named: bool
    until: float
    language: int = 0
    ended: bool = False


class Sessions:
    """Sessions by their cookie; the oldest goes when there are too many."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._open: dict[str, Session] = {}

    def begin(self, who: str, named: bool, language: int = 0) -> Session:
        """A new session with a token of its own."""
        while len(self._open) >= MOST:
            self.end(next(iter(self._open)))
        session = Session(secrets.token_urlsafe(32), who, named, self._now() + LASTS_S, language)
        self._open[session.token] = session
        return session

    def find(self, token: str | None) -> Session | None:
        """The session of a cookie, unless it ran out."""
        session = None if token is None else self._open.get(token)
        if session is not None and session.until <= self._now():
            self.end(session.token)
            return None
        return session

    def good(self, session: Session) -> bool:
        """Whether an open page may still act."""
        return not session.ended and session.until > self._now()

    def end(self, token: str) -> None:
        """Signs out; open pages of the session may look no further."""
        gone = self._open.pop(token, None)
        if gone is not None:
            gone.ended = True


class Attempts:
    """Counts wrong PINs by name and by address. Both are forgotten after the window."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._wrong: dict[str, deque[float]] = {}

    def wait_s(self, name: str, address: str) -> int:
        """Seconds until the next attempt is looked at; 0: now."""
        return max(
            self._wait(f"n{name}", TRIES), self._wait(f"a{address}", TRIES), self._wait("", TRIES_IN_ALL)
        )

    def wrong(self, name: str, address: str) -> None:
        """One wrong PIN."""
        for key in (f"n{name}", f"a{address}", ""):
            self._wrong.setdefault(key, deque(maxlen=TRIES_IN_ALL)).append(self._now())
        if len(self._wrong) > 1000:
            self._forget()

    def right(self, name: str) -> None:
        """The right PIN: that name starts anew."""
        self._wrong.pop(f"n{name}", None)

    def _wait(self, key: str, most: int) -> int:
        times = self._wrong.get(key)
        if times is None:
            return 0
        now = self._now()
        while times and times[0] <= now - WINDOW_S:
            times.popleft()
        if not times:
            del self._wrong[key]
            return 0
        return 0 if len(times) < most else int(times[-most] + WINDOW_S - now) + 1

    def _forget(self) -> None:
        now = self._now()
        for key in [key for key, times in self._wrong.items() if times[-1] <= now - WINDOW_S]:
            del self._wrong[key]
