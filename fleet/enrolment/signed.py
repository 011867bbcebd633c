"""Requests that a host signs with its own Ed25519 key: a profile of RFC 9421 (HTTP Message Signatures), RFC 9530 digests.

  Content-Digest:  sha-256=:BASE64:
  Signature-Input: sig1=("@method" "@authority" "@path" "@query" "content-digest");created=SECONDS;
                   nonce="22 to 64 of A-Za-z0-9_-";keyid="16 hex: SHA-256(public)[:8]";alg="ed25519";tag="stallmark-host"
  Signature:       sig1=:BASE64 of 64 bytes:

These components and parameters, in this order, and no others: what is not the profile is refused, not interpreted."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from urllib.parse import urlsplit

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from fleet.config import Config
from fleet.errors import Refused

OLDER = (
    '("@method" "@path" "@query" "content-digest")'  # what hosts signed before they named their controller
)
COMPONENTS = '("@method" "@authority" "@path" "@query" "content-digest")'
TAG = "stallmark-host"
WINDOW_S = 120  # so far a host's clock may be behind, and so long a nonce is remembered
AHEAD_S = 2  # ahead: of what is signed for later nobody knows after a restart that it was here
NONCES = 64  # of one host within the window; more is refused
HOSTS = 16_384  # whose nonces are remembered within the window; of more, new ones wait
_INPUT = re.compile(
    r"sig1=("
    + re.escape(COMPONENTS)
    + r';created=(\d{1,11});nonce="([A-Za-z0-9_-]{22,64})";keyid="([0-9a-f]{16})";alg="ed25519";tag="'
    + TAG
    + r'")'
)
_SIGNATURE = re.compile(r"sig1=:([A-Za-z0-9+/]{86}==):")


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request is signed, as it came over the wire. `query` is without its question mark."""

    method: str
    path: str
    query: str
    digest: str  # Content-Digest
    given: str  # Signature-Input
    signature: str
    body: bytes
    names: tuple[
        str, ...
    ]  # this controller's own, one of which must be signed: never what a Host header says


@dataclass(frozen=True, slots=True)
class Signed:
    """A request's signature, read but not checked."""

    key: bytes  # keyid, 8 bytes
    created_s: int
    nonce: str
    bases: tuple[bytes, ...]  # for each of the controller's names
    signature: bytes
    names: tuple[str, ...] = ()


def content_digest(body: bytes) -> str:
    """RFC 9530 section 2."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def names_of(config: Config, server: tuple[str, int] | None) -> tuple[str, ...]:
    """The names by which hosts may know this controller, as RFC 9421 section 2.2.3 writes them: those of public_url and of
    `names` in config.json, and the very address that the connection came in at (`server`, from the socket). The Host header is
    none of them: whoever passes a request on writes it."""
    found = [authority(config.public_url), *config.names]
    if server is not None:
        host = f"[{server[0]}]" if ":" in server[0] else server[0]
        found.append(f"{host}:{server[1]}")
        found += [host] if server[1] in (80, 443) else []
    return tuple(dict.fromkeys(found))


def authority(url: str) -> str:
    """Host and port of an address, small letters, without the port that its scheme has anyway."""
    parts = urlsplit(url.lower())
    name = parts.netloc.rpartition("@")[2]
    return name.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))


def signature_base(request: Request, params: str, name: str) -> bytes:
    """RFC 9421 section 2.5 for this profile; `params` is the text behind `sig1=`, `name` the controller's."""
    lines = (
        f'"@method": {request.method}',
        f'"@authority": {name}',
        f'"@path": {request.path}',
        f'"@query": ?{request.query}',
        f'"content-digest": {request.digest}',
        f'"@signature-params": {params}',
    )
    return "\n".join(lines).encode("latin-1", "replace")


def read(request: Request) -> Signed:
    """Reads a request's signature. Raises Refused 401 where there is none of this profile, or its digest is not its body's."""
    given = _INPUT.fullmatch(request.given)
    found = _SIGNATURE.fullmatch(request.signature)
    if given is None and OLDER in request.given:
        raise Refused(
            401,
            "this host signs without its controller's name, as host agents of before do: bring it up to date",
        )
    if given is None or found is None:
        raise Refused(401, "this request must be signed by the host's key as docs/enrolment.md has it")
    if request.digest != content_digest(request.body):
        raise Refused(401, "the body is not the one that Content-Digest names")
    try:
        signature = base64.b64decode(found[1], validate=True)
    except binascii.Error:
        raise Refused(401, "the signature is no base64") from None
    bases = tuple(signature_base(request, given[1], name) for name in request.names)
    return Signed(bytes.fromhex(given[4]), int(given[2]), given[3], bases, signature, request.names)


def check(signed: Signed, public: bytes) -> None:
    """Raises Refused 401 where a signature is not this key's, over this request to one of this controller's names."""
    for base in signed.bases:
        with suppress(BadSignatureError, ValueError, TypeError):
            VerifyKey(public).verify(base, signed.signature)
            return
    raise Refused(
        401,
        "the signature does not belong to this request, this key and one of this controller's names "
        f"({', '.join(signed.names)}); if hosts know it by another, config.json gets it in `names`",
    )


class Nonces:
    """Which signed requests were seen, since `start_ms`: what was signed before is refused, as nobody remembers it. A window
    of time makes forgetting safe; what is over a bound is refused."""

    def __init__(self, start_ms: int) -> None:
        self._since_s = start_ms // 1000
        self._seen: OrderedDict[bytes, dict[str, int]] = OrderedDict()  # who came last is last
        self._lock = Lock()

    def young(self, signed: Signed, now_ms: int) -> None:
        """A checked signature was made just now; nothing is remembered, so it may have been here. Raises Refused 401."""
        off = now_ms // 1000 - signed.created_s
        if -AHEAD_S <= off <= WINDOW_S:
            return
        way, most = ("ago", WINDOW_S) if off > 0 else ("ahead", AHEAD_S)
        raise Refused(
            401,
            f"this request was signed {abs(off)} seconds {way} by this controller's clock, at most {most} are taken: "
            "sign it by now_ms",
            now_ms=now_ms,
        )

    def take(self, signed: Signed, now_ms: int) -> None:
        """A checked signature of a known host, for the first time. Raises Refused 401 (outside the window, or seen before),
        429."""
        self.young(signed, now_ms)
        with self._lock:
            self._take(signed, now_ms)

    def _take(self, signed: Signed, now_ms: int) -> None:
        now_s = now_ms // 1000
        self._since_s = min(self._since_s, now_s)  # a clock that was set back holds nobody up
        if signed.created_s < self._since_s:
            raise Refused(
                401, "this request was signed before this controller started: sign it anew", now_ms=now_ms
            )
        while self._seen and self._over(next(iter(self._seen.values())), now_s):
            self._seen.popitem(last=False)
        if signed.key not in self._seen and len(self._seen) >= HOSTS:
            raise Refused(429, "too many hosts sign at this moment", retry_after=10)
        mine = self._seen.setdefault(signed.key, {})
        self._seen.move_to_end(signed.key)
        for nonce in [one for one, created in mine.items() if created < now_s - WINDOW_S]:
            del mine[nonce]
        if signed.nonce in mine:
            raise Refused(401, "this very request was here before: sign each one anew")
        if len(mine) >= NONCES:
            raise Refused(429, "too many signed requests from this host", retry_after=10)
        mine[signed.nonce] = signed.created_s

    @staticmethod
    def _over(nonces: dict[str, int], now_s: int) -> bool:
        return all(created < now_s - WINDOW_S for created in nonces.values())
