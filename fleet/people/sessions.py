"""Sessions of browsers: a random cookie, of which only the digest is stored, that turns while it is used.

A session ends after half an hour without use and after twelve hours at the latest. Its cookie is another one after a
quarter of an hour; the one before is good for one more minute, for what was under way. Whoever comes with it later than that
has copied it: the session ends."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, or_, select, update

from fleet.db import tables_people as t

IDLE_MS = 30 * 60_000
WHOLE_MS = 12 * 3_600_000
TURN_MS = 15 * 60_000
GRACE_MS = 60_000
SEEN_MS = 60_000  # between two notes that it was used
RECENT_MS = 10 * 60_000  # so long after signing in one may add a passkey or change one's password
MOST = 10  # of one account; the oldest ends


@dataclass(frozen=True, slots=True)
class Session:
    """One that counts. `wants`: what must be written: nothing, seen, turn."""

    id: bytes
    account: str
    made_ms: int
    wants: str

    @property
    def csrf(self) -> str:
        """The token that every change must name; it follows from what only the database holds."""
        return hashlib.sha256(b"stallmark/csrf/1\0" + self.id).hexdigest()

    def recent(self, now_ms: int) -> bool:
        """Whether its person signed in just now."""
        return now_ms - self.made_ms <= RECENT_MS

    def proves(self, token: str | None) -> bool:
        """Whether a request's token is this session's."""
        return token is not None and hmac.compare_digest(token.encode(), self.csrf.encode())


def begin(connection: Connection, account: str, now_ms: int) -> tuple[Session, str]:
    """A new session and its cookie."""
    cookie = secrets.token_urlsafe(32)
    made = Session(secrets.token_bytes(16), account, now_ms, "")
    old = connection.execute(
        select(t.sessions.c.id)
        .where(t.sessions.c.account == account)
        .order_by(t.sessions.c.made_ms.desc())
        .offset(MOST - 1)
    ).scalars()
    connection.execute(delete(t.sessions).where(t.sessions.c.id.in_(list(old))))
    gone = or_(t.sessions.c.seen_ms < now_ms - IDLE_MS, t.sessions.c.made_ms < now_ms - WHOLE_MS)
    connection.execute(delete(t.sessions).where(gone))
    connection.execute(
        insert(t.sessions).values(
            id=made.id,
            account=account,
            digest=_digest(cookie),
            before=None,
            made_ms=now_ms,
            seen_ms=now_ms,
            turned_ms=now_ms,
        )
    )
    return made, cookie


def find(connection: Connection, cookie: str, now_ms: int) -> Session | None:
    """The session of a cookie; `wants` is "end" where the cookie is one that was copied, and nothing may be done with it."""
    digest = _digest(cookie)
    row = connection.execute(
        select(t.sessions).where(or_(t.sessions.c.digest == digest, t.sessions.c.before == digest))
    ).first()
    if row is None or now_ms - row.seen_ms > IDLE_MS or now_ms - row.made_ms > WHOLE_MS:
        return None
    wants = ""
    if row.digest != digest:
        wants = "end" if now_ms - row.turned_ms > GRACE_MS else ""
    elif now_ms - row.turned_ms > TURN_MS:
        wants = "turn"
    elif now_ms - row.seen_ms > SEEN_MS:
        wants = "seen"
    return Session(row.id, row.account, row.made_ms, wants)


def touch(connection: Connection, session: Session, cookie: str, now_ms: int) -> str | None:
    """Writes what a session wants; returns the new cookie where it turned."""
    mine = t.sessions.c.id == session.id
    if session.wants == "seen":
        connection.execute(update(t.sessions).where(mine).values(seen_ms=now_ms))
    if session.wants != "turn":
        return None
    fresh = secrets.token_urlsafe(32)
    turned = connection.execute(
        update(t.sessions)
        .where(mine, t.sessions.c.digest == _digest(cookie))  # two requests at once: one of them turns it
        .values(digest=_digest(fresh), before=_digest(cookie), seen_ms=now_ms, turned_ms=now_ms)
    ).rowcount
    return fresh if turned else None


def end(connection: Connection, session: Session) -> None:
    """It counts no more."""
    connection.execute(delete(t.sessions).where(t.sessions.c.id == session.id))


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
