"""Who is calling, and how much they may: bearer tokens of hosts, short tokens of signed requests, body limits, a bucket
for each host, and who was revoked."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import sha256
from threading import Lock

from fastapi import Request

from fleet.buckets import Bucket
from fleet.config import Host
from fleet.errors import Refused

RATE = 50.0  # requests a second that one host may make for long
BURST = 200.0
IN_FLIGHT = 4  # of one host
SHORT_S = 900.0  # so long a short token counts
SHORT_EACH = 4  # of one host: a fifth ends the first


class Access:
    """Tokens to hosts. Only digests of tokens are held, so an index by digest tells a timer nothing about one. A host that
    was revoked is refused by whatever token, and so is one whose credential is of a rental that is over.

    `current` is the rental that a kit is in now; `stranger` hears of a bearer token that nobody knows (its digest, the
    address it came from)."""

    def __init__(
        self,
        hosts: Iterable[Host],
        now: Callable[[], float] = time.monotonic,
        current: Callable[[bytes], int | None] | None = None,
    ) -> None:
        self._now = now
        self._current = current
        self._bearers: dict[bytes, Host] = {}
        self._known: dict[bytes, Host] = {}
        self._short: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()  # digest: host, end
        self._each: dict[bytes, list[bytes]] = {}  # host: digests of its short tokens, the oldest first
        self._ended: dict[bytes, str] = {}
        self._buckets: dict[bytes, Bucket] = {}
        self._lock = Lock()
        self.stranger: Callable[[bytes, str], None] = lambda _digest, _address: None
        for host in hosts:
            self.admit(host)

    def admit(self, host: Host) -> None:
        """This host is known from now on, by this credential."""
        self._known[host.host] = host
        self._buckets.setdefault(host.host, Bucket(self._now, RATE, BURST))
        if host.token_sha256:
            self._bearers[host.token_sha256] = host

    def end(self, host: bytes, reason: str) -> None:
        """This host gets nothing more, also what it waits for now: whoever waits for it asks `demand` again."""
        self._ended[host] = reason
        with self._lock:
            for digest in self._each.pop(host, []):
                self._short.pop(digest, None)

    def known(self, host: bytes) -> Host | None:
        """A host by its id, revoked ones too."""
        return self._known.get(host)

    def demand(self, host: Host) -> Host:
        """The same host with its credential of now. Raises Refused 403 with the reason where it ended."""
        reason = self._ended.get(host.host)
        if reason is not None:
            raise Refused(403, f"this host was revoked: {reason}")
        known = self._known.get(host.host, host)
        if known.rental is not None and self._current is not None:
            now = self._current(known.kit)
            if now != known.rental:
                raise Refused(
                    403,
                    f"this host's credential is of rental {known.rental}, its kit is in rental {now}: "
                    "it must be accepted anew (`stallmark fleet enrol accept`)",
                )
        return known

    def lend(self, host: Host) -> tuple[str, float]:
        """A short token for a host that signed: (token, seconds that it counts). Raises Refused 403."""
        self.demand(host)
        now, token = self._now(), f"smh_{secrets.token_urlsafe(32)}"
        with self._lock:  # hosts are ended in other threads
            mine = self._each.setdefault(host.host, [])
            while len(mine) >= SHORT_EACH:
                del self._short[mine.pop(0)]
            digest = sha256(token.encode()).digest()
            self._short[digest] = (host.host, now + SHORT_S)
            mine.append(digest)
            while self._short and next(iter(self._short.values()))[1] < now:
                over, (whose, _) = self._short.popitem(last=False)
                self._each[whose].remove(over)
                if not self._each[whose]:
                    del self._each[whose]
        return token, SHORT_S

    def host(self, request: Request) -> Host:
        """The host whose token the request carries. Raises Refused 401, 403, 429."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        digest = sha256(token.strip().encode()).digest()
        found = self._of(digest) if scheme.lower() == "bearer" else None
        if found is None:
            if scheme.lower() == "bearer" and not token.strip().startswith("smh_"):
                self.stranger(digest, request.client.host if request.client else "unknown")
            raise Refused(401, "a host's bearer token is needed: this one is missing or not known")
        found = self.demand(found)
        if not self._buckets[found.host].take():
            raise Refused(429, "too many requests from this host", retry_after=1)
        return found

    def of_kit(self, request: Request, kit: str) -> Host:
        """The same, for a kit's own host only. Raises Refused 403 for another kit."""
        host = self.host(request)
        if kit.lower() != host.kit.hex():
            raise Refused(403, "this token is of another kit")
        return host

    def _of(self, digest: bytes) -> Host | None:
        bearer = self._bearers.get(digest)
        if bearer is not None and hmac.compare_digest(digest, bearer.token_sha256):
            return bearer
        lent = self._short.get(digest)
        if lent is None:
            return None
        if lent[1] < self._now():
            raise Refused(401, "this short token has ended: sign a request for a new one", expired=1)
        return self._known.get(lent[0])


async def body(request: Request, limit: int) -> bytes:
    """The whole body. Raises Refused 413 as soon as it is over the limit; a connection that breaks off half
    way raises Starlette's ClientDisconnect, and nothing has happened."""
    stated = request.headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > limit:
        raise Refused(413, f"the body has {stated} bytes, at most {limit} are taken")
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Refused(413, f"the body has more than {limit} bytes")
        parts.append(part)
    return b"".join(parts)
