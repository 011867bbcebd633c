"""Who is signed in at the stall screen: sessions in memory, and how often a PIN may be tried.

A restart of the host signs everybody out. Nothing of it is written anywhere.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

COOKIE = "stallmark_stall"
LASTS_S = 14 * 3600.0
MOST = 64
# Wrong PINs of one name, from one address, or of a known browser; from then on each waits twice as long as the last.
TRIES, WAIT_S, LONGEST_S = 5, 60.0, 4 * 3600.0
# Over all names and addresses: a thief with many addresses is slowed down too.
TRIES_IN_ALL = 30
FORGOTTEN_S = 24 * 3600.0  # after the last wrong one
MOST_COUNTED = 1000
# What a browser that signed in keeps to be known by; it opens nothing.
KNOWN_COOKIE, KNOWN_S = "stallmark_known", 180 * 24 * 3600
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


@dataclass(slots=True)
class _Wrong:
    """Wrong PINs of one name, address or browser, and when the last was (s)."""

    times: int = 0
    last: float = 0.0


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
    """Counts wrong PINs by name and by address. A name waits twice as long after each more, from strangers all
    together; a browser that once signed in by that name is known and waits for its own wrong PINs alone."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._wrong: dict[str, _Wrong] = {}
        self._known: dict[str, set[str]] = {}

    def wait_s(self, name: str, address: str, browser: str | None = None) -> int:
        """Seconds until the next attempt is looked at; 0: now. `browser`: what it shows of an earlier sign-in."""
        keys = self._keys(name, address, browser)
        return max(self._wait(key, most) for key, most in keys)

    def wrong(self, name: str, address: str, browser: str | None = None) -> None:
        """One wrong PIN."""
        now = self._now()
        for key, _ in self._keys(name, address, browser):
            one = self._wrong.setdefault(key, _Wrong())
            one.times += 1
            one.last = now
        if len(self._wrong) > MOST_COUNTED:
            self._forget()

    def right(self, name: str, browser: str | None = None) -> str:
        """The right PIN: this browser is known by what is answered, and starts anew. What strangers tried counts on."""
        if browser is None or browser not in self._known:
            while len(self._known) >= MOST:
                oldest = next(iter(self._known))
                del self._known[oldest]
                self._wrong.pop(f"b{oldest}", None)
            browser = secrets.token_urlsafe(32)
            self._known[browser] = set()
        self._known[browser].add(name)
        self._wrong.pop(f"b{browser}", None)
        return browser

    def _keys(self, name: str, address: str, browser: str | None) -> list[tuple[str, int]]:
        if browser is not None and name in self._known.get(browser, ()):
            return [(f"b{browser}", TRIES)]
        return [(f"n{name}", TRIES), (f"a{address}", TRIES), ("", TRIES_IN_ALL)]

    def _wait(self, key: str, most: int) -> int:
        one = self._wrong.get(key)
        if one is None:
            return 0
        since = self._now() - one.last
        if since > FORGOTTEN_S:
            del self._wrong[key]
            return 0
        longest = LONGEST_S if key else WAIT_S  # of all together: it slows down, it locks nobody out
        wait = 0.0 if one.times < most else min(WAIT_S * 2 ** min(one.times - most, 20), longest)
        return 0 if since >= wait else int(wait - since) + 1

    def _forget(self) -> None:
        """The smaller half: who tries a name often does not lose its count to made-up ones."""
        for key in sorted(self._wrong, key=lambda key: (self._wrong[key].times, self._wrong[key].last))[
            : MOST_COUNTED // 2
        ]:
            del self._wrong[key]
