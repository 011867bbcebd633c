"""Passwords: argon2id with the second recommended setting of RFC 9106 section 4 (64 MiB, 3 passes, 4 lanes).

Hashing takes memory on purpose, so only a few run at a time; a name that is not known costs as much as a wrong password."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from fleet.errors import Refused

LEAST = 12  # characters; no rules on their kinds (NIST SP 800-63B section 3.1.1)
MOST = 256  # bytes: more is refused, not cut off
AT_A_TIME = 2
PATIENCE_S = 5.0


class Passwords:
    """Makes and checks hashes. A lighter `hasher` is for tests alone."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._places = BoundedSemaphore(AT_A_TIME)
        self._nobody: str | None = None

    def make(self, password: str, name: str) -> str:
        """The hash to store, as a PHC string. Raises Refused 422 with what a password must be."""
        if len(password) < LEAST or len(password.encode()) > MOST:
            raise Refused(422, f"a password has at least {LEAST} characters and at most {MOST} bytes")
        if name.lower() in password.lower() or len(set(password)) < 5:
            raise Refused(
                422, "this password is too easy to guess: not one's own name, not one letter many times"
            )
        with self._place():
            return self._hasher.hash(password)

    def good(self, stored: str | None, password: str) -> bool:
        """Whether a password belongs to a stored hash; takes its time where there is none, too. Raises Refused 503 where too
        many sign in at once."""
        if len(password.encode()) > MOST:
            return False
        with self._place():
            if stored is None and self._nobody is None:
                self._nobody = self._hasher.hash("nobody's password")
            try:
                self._hasher.verify(stored or self._nobody or "", password)
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def old(self, stored: str) -> bool:
        """Whether a hash was made with weaker settings than today's."""
        return self._hasher.check_needs_rehash(stored)

    @contextmanager
    def _place(self) -> Generator[None]:
        if not self._places.acquire(timeout=PATIENCE_S):
            raise Refused(503, "too many people sign in at this moment: try again", retry_after=2)
        try:
            yield
        finally:
            self._places.release()
