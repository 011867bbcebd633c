"""People over the controller's database: who is calling, signing in and out. Blocking, thread-safe, its own clock.

`People` is made once by the web server. Sessions and tokens end by the machine's clock: market time may stand still."""

from __future__ import annotations

import hmac
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from fleet.buckets import Buckets
from fleet.config import Config
from fleet.db.engine import Database
from fleet.errors import Refused
from fleet.people import accounts, audit, roles, sessions, tokens
from fleet.people.accounts import Account
from fleet.people.actors import EVERY, Actor, Thing, refusal
from fleet.people.approvals import Kind
from fleet.people.audit import wall_ms
from fleet.people.limits import Attempts, network
from fleet.people.passkeys import Passkeys
from fleet.people.passwords import Passwords
from fleet.people.places import place_of
from fleet.people.sessions import Session

RATE = 20.0  # calls a second that one token, or the sessions of one account, may make for long
BURST = 300.0
WRONG = "name or password is wrong, or this account is disabled"
DEVELOPMENT = Actor("development", EVERY, frozenset(roles.ROLES), how="development")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: `session` is None for tokens, `cookie` is the new one where it turned."""

    actor: Actor
    session: Session | None = None
    cookie: str | None = None
    key: str = ""  # whose calls are counted together; empty: nobody's


class People:
    """Accounts at work."""

    def __init__(
        self,
        database: Database,
        config: Config,
        now_ms: Callable[[], int] = wall_ms,
        passwords: Passwords | None = None,
    ) -> None:
        self.database = database
        self.now_ms = now_ms
        self.passwords = passwords or Passwords()
        self.origin = config.people.origin or config.public_url
        self.https = self.origin.startswith("https://")
        self.passkeys = Passkeys(self.origin)
        self.configured = config.people.configured  # where not, there is nobody else to ask
        self.kinds: dict[str, Kind] = {}  # what is agreed to without a signature, by its kind
        self._development = config.people.development_token
        self._names = Attempts()
        self._addresses = Attempts(free=20)
        self._answers = Attempts(free=20)  # of passkeys, by address
        self.calls = Buckets(time.monotonic, RATE, BURST)  # by token, and by account of a session
        self.met: Counter[str] = (
            Counter()
        )  # since the start, for /healthz: a log line each would let strangers fill it

    # --- who is calling

    def by_token(self, token: str, local: bool) -> Caller | None:
        """The caller of an API token, or of the development token where `local` says that it came from this machine."""
        if self._development is not None and hmac.compare_digest(
            sha256(token.encode()).digest(), self._development
        ):
            if not local:
                raise Refused(403, "the development token counts on the controller's own machine only")
            return Caller(DEVELOPMENT)
        now_ms = self.now_ms()
        with self.database.read() as connection:
            found = tokens.find(connection, token, now_ms)
        if found is None:
            return None
        actor, number, stale = found
        if stale:
            with self.database.write() as connection:
                tokens.used(connection, number, now_ms)
        return Caller(actor, key=number)

    def by_cookie(self, cookie: str) -> Caller | None:
        """The caller of a session's cookie; turns it where it is time."""
        now_ms = self.now_ms()
        with self.database.read() as connection:
            session = sessions.find(connection, cookie, now_ms)
            owner = None if session is None else accounts.find(connection, session.account)
        if session is None:
            return None
        if session.wants == "end" or owner is None or owner.disabled_ms is not None:
            with self.database.write() as connection:
                sessions.end(connection, session)
                if session.wants == "end" and owner is not None:
                    audit.record(
                        connection,
                        owner.actor(),
                        "session.copied",
                        f"account {owner.name}",
                        None,
                        {
                            "why": "an old cookie came back: copied, or an answer with the new one was lost; its session ended"
                        },
                        now_ms,
                    )
            return None
        fresh = None
        if session.wants:
            with self.database.write() as connection:
                fresh = sessions.touch(connection, session, cookie, now_ms)
        return Caller(owner.actor(), session, fresh, owner.name)

    def within_rate(self, found: Caller) -> None:
        """Counts a call. Raises Refused 429 where a token or an account makes too many."""
        if found.key and not self.calls.take(found.key):
            self.met["over_rate"] += 1
            whose = "this token" if found.session is None else "this account"
            raise Refused(
                429, f"too many requests by {whose}: at most {RATE:.0f} a second for long", retry_after=1
            )

    def demand(self, actor: Actor, permission: str, thing: Thing | None = None) -> None:
        """Raises Refused 403 with the reason where this actor may not do that."""
        why = refusal(actor, permission, thing)
        if why is not None:
            raise Refused(403, why)

    def thing_of(self, kit: bytes) -> Thing:
        """Tenant, hub and tags of a kit, for `demand`."""
        with self.database.read() as connection:
            return place_of(connection, kit)

    def record(self, actor: Actor, verb: str, thing: str, before: object, after: object) -> None:
        """A line of the audit log in a transaction of its own, for changes that are made elsewhere. Raises SQLAlchemyError."""
        with self.database.write() as connection:
            audit.record(connection, actor, verb, thing, before, after, self.now_ms())

    # --- signing in and out

    def sign_in(
        self, name: str, password: str, address: str, earlier: str | None = None
    ) -> tuple[Account, Session, str]:
        """By name and password: (account, session, cookie); the session of the cookie `earlier` ends. Raises Refused 401, 429,
        503."""
        owner = self.good_password(name, password, address)
        return self._signed_in(owner, "password", address, earlier)

    def good_password(self, name: str, password: str, address: str) -> Account:
        """The account of a name and its password; wrong ones are held back. Raises Refused 401, 429, 503."""
        now_ms, name = self.now_ms(), name.strip().lower()[:64]
        self._begin(name, address, now_ms)
        with self.database.read() as connection:
            owner = accounts.find(connection, name)
            stored = accounts.password_of(connection, name)
        try:
            good = self.passwords.good(stored, password)
        except Refused:  # too many at once: that was no try
            self._names.undo(name)
            self._addresses.undo(network(address))
            raise
        if not good or owner is None or owner.disabled_ms is not None:
            self.met["wrong"] += 1
            raise Refused(401, WRONG)
        self._names.right(name)
        self._addresses.undo(network(address))
        if stored is not None and self.passwords.old(stored):  # made with weaker settings than today's
            again = self.passwords.make(password, name)
            with self.database.write() as connection:
                accounts.renew_hash(connection, name, stored, again)
        return owner

    def passkey_in(
        self, answer: dict[str, Any], address: str, earlier: str | None = None
    ) -> tuple[Account, Session, str]:
        """By a passkey's answer. Nobody guesses one, so wrong passwords from the same address, perhaps a proxy's, do not hold
        it back; only wrong answers are. Raises Refused 401, 422, 429."""
        now_ms = self.now_ms()
        try:
            with self.database.write() as connection:
                owner = self.passkeys.finish_signing_in(connection, answer, now_ms)
        except Refused:
            self.met["wrong"] += 1
            waits = self._answers.begin(network(address), now_ms)
            if waits:
                raise _later("this address", waits) from None
            raise
        return self._signed_in(owner, "passkey", address, earlier)

    def _signed_in(
        self, owner: Account, by: str, address: str, earlier: str | None
    ) -> tuple[Account, Session, str]:
        now_ms = self.now_ms()
        with self.database.write() as connection:
            before = None if earlier is None else sessions.find(connection, earlier, now_ms)
            if before is not None:
                sessions.end(connection, before)
            session, cookie = sessions.begin(connection, owner.name, now_ms)
            after = {"by": by, "from": network(address)}
            audit.record(
                connection, owner.actor(), "session.begin", f"account {owner.name}", None, after, now_ms
            )
        return owner, session, cookie

    def sign_out(self, caller: Caller) -> None:
        """The session ends."""
        if caller.session is not None:
            with self.database.write() as connection:
                sessions.end(connection, caller.session)

    def _begin(self, name: str, address: str, now_ms: int) -> None:
        """A try begins, and counts as wrong until it was right. Raises Refused 429."""
        waits = self._names.begin(name, now_ms)
        if waits:
            self.met["held_back"] += 1
            raise _later("this account", waits, "; a passkey works meanwhile")
        waits = self._addresses.begin(network(address), now_ms)
        if waits:
            self._names.undo(name)
            self.met["held_back"] += 1
            raise _later("this address", waits, "; a passkey works meanwhile")


def _later(whose: str, waits_ms: int, more: str = "") -> Refused:
    seconds = -(-waits_ms // 1000)
    return Refused(
        429,
        f"too many wrong tries for {whose}: wait {seconds} seconds, then try again{more}",
        retry_after=seconds,
    )
