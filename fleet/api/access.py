"""Who is calling, and how much they may: bearer tokens of hosts, body limits, a bucket for each host."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable
from hashlib import sha256

from fastapi import Request

from fleet.config import Host
from fleet.errors import Refused

RATE = 50.0  # requests a second that one host may make for long
BURST = 200.0
IN_FLIGHT = 4  # of one host


class Access:
    """Tokens to hosts. Only digests of tokens are held, so an index by digest tells a timer nothing about
    one."""

    def __init__(self, hosts: Iterable[Host], now: Callable[[], float] = time.monotonic) -> None:
        self._hosts = {host.token_sha256: host for host in hosts}
        self._buckets = {host.host: _Bucket(now) for host in self._hosts.values()}

    def host(self, request: Request) -> Host:
        """The host whose token the request carries. Raises Refused 401, 429."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        digest = sha256(token.strip().encode()).digest()
        host = self._hosts.get(digest)
        if scheme.lower() != "bearer" or host is None or not hmac.compare_digest(digest, host.token_sha256):
            raise Refused(401, "a host's bearer token is needed: this one is missing or not known")
        if not self._buckets[host.host].take():
            raise Refused(429, "too many requests from this host", retry_after=1)
        return host

    def of_kit(self, request: Request, kit: str) -> Host:
        """The same, for a kit's own host only. Raises Refused 403 for another kit."""
        host = self.host(request)
        if kit.lower() != host.kit.hex():
            raise Refused(403, "this token is of another kit")
        return host


class _Bucket:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._level = BURST
        self._at = now()

    def take(self) -> bool:
        now = self._now()
        self._level = min(BURST, self._level + (now - self._at) * RATE)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


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
