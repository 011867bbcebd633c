"""Requests signed by the host's own key, exchanged for short tokens (docs/enrolment.md): for hosts without a bearer token.

`HostAuth` is for httpx: it fetches a token when there is none, again a little before it ends, and once more where the
controller says 401. Where the controller's clock differs the request is signed by the controller's, for this alone."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any, cast

import httpx
from nacl.signing import SigningKey

from hostagent.config import Config

TOKEN_PATH = "/v1/hosts/token"  # noqa: S105 (an address)
ENROL_PATH = "/v1/hosts/enrol"
COMPONENTS = '("@method" "@authority" "@path" "@query" "content-digest")'
EARLY_S = 60.0  # so long before its end a token is exchanged for another
STEPS = 4  # requests at most before the one that was asked for: token, token by the other clock, enrolment
LONGEST_S = 3600.0
MAX_ANSWER = 8192


def sign(
    key: SigningKey,
    method: str,
    authority: str,
    path: str,
    query: str,
    body: bytes,
    created_s: int,
    nonce: str,
) -> dict[str, str]:
    """The headers of a signed request: RFC 9421 and 9530 in this project's profile. `authority`: the controller's name as this
    host knows it, so that nobody takes the request to another controller; `query` without its question mark."""
    keyid = hashlib.sha256(bytes(key.verify_key)).digest()[:8].hex()
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    params = (
        f'{COMPONENTS};created={created_s};nonce="{nonce}";keyid="{keyid}";alg="ed25519";tag="stallmark-host"'
    )
    base = (
        f'"@method": {method}\n"@authority": {authority}\n"@path": {path}\n"@query": ?{query}\n"content-digest": {digest}\n'
        f'"@signature-params": {params}'
    )
    signature = base64.b64encode(key.sign(base.encode("latin-1")).signature).decode()
    return {"Content-Digest": digest, "Signature-Input": f"sig1={params}", "Signature": f"sig1=:{signature}:"}


class Bearer(httpx.Auth):
    """The bearer token of keys.json (RFC 6750): of no rental, for kits made before hosts signed."""

    def __init__(self, token: str) -> None:
        self._value = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """For httpx."""
        request.headers["Authorization"] = self._value
        yield request


def credential(told: Config) -> httpx.Auth:
    """What a host's configuration says: its bearer token, or its signing key where keys.json has no token."""
    if told.keys.api_token:
        return Bearer(told.keys.api_token)
    return HostAuth(told.keys.signing_seed, told.kit, told.name)


class HostAuth(httpx.Auth):
    """A host's credential without a bearer token. Not known at the controller: it shows itself there and waits to be
    accepted; until then every answer is the controller's refusal."""

    def __init__(
        self,
        seed: bytes,
        kit: bytes,
        name: str,
        wall_s: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = SigningKey(seed)
        self._kit, self._name = kit, name
        self._wall_s, self._now = wall_s, now
        self._off_s = 0.0
        self._token = ""
        self._until = 0.0

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """For httpx."""
        steps = self._flow(request)
        wanted = next(steps)
        while True:
            response = yield wanted
            if _small(wanted, response):
                response.stream = _AtMost(response.stream)
                response.read()
            try:
                wanted = steps.send(response)
            except StopIteration:
                return

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """For httpx."""
        steps = self._flow(request)
        wanted = next(steps)
        while True:
            response = yield wanted
            if _small(wanted, response):
                response.stream = _AtMost(response.stream)
                await response.aread()
            try:
                wanted = steps.send(response)
            except StopIteration:
                return

    def _flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """What is sent, in order. The last answer is the caller's, the controller's refusal too."""
        for last in (False, True):
            if self._now() >= self._until:
                yield from self._exchange(request.url)
                if self._now() >= self._until:
                    return
            request.headers["Authorization"] = f"Bearer {self._token}"
            answer = yield request
            if answer.status_code != 401 or last:
                return
            self._until = 0.0  # the controller started anew: it knows no short tokens of before

    def _exchange(self, url: httpx.URL) -> Generator[httpx.Request, httpx.Response]:
        for _ in range(STEPS):
            answer = yield self._signed(url, TOKEN_PATH, b"{}")
            told = _object(answer)
            if answer.status_code == 200 and isinstance(told.get("token"), str):
                self._token = told["token"]
                seconds = told.get("expires_s")
                life = min(LONGEST_S, float(seconds)) if isinstance(seconds, int) else 0.0
                self._until = self._now() + max(1.0, life - EARLY_S)
                return
            if (
                answer.status_code == 401
                and type(told.get("now_ms")) is int
                and 0 <= told["now_ms"] < 1 << 52
            ):
                self._off_s = told["now_ms"] / 1000 - self._wall_s()
                continue
            if answer.status_code != 401 or not told.get("enrol"):
                return
            public = base64.b64encode(bytes(self._key.verify_key)).decode()
            shown = {"public": public, "kit": self._kit.hex(), "name": self._name[:64]}
            device = os.environ.get("BALENA_DEVICE_UUID", "")
            if len(device) in (32, 62) and not device.strip("0123456789abcdef"):
                shown["device"] = device  # accepting this host ties the device to its kit
            answer = yield self._signed(url, ENROL_PATH, json.dumps(shown).encode())
            told = _object(answer)
            if self._set_right(answer.status_code, told):
                continue
            if told.get("state") != "accepted":
                yield self._signed(
                    url, TOKEN_PATH, b"{}"
                )  # the caller gets a refusal, not an invitation to wait
                return

    def _set_right(self, status: int, told: dict[str, Any]) -> bool:
        """Takes the controller's clock over for signing, where it says that ours is off."""
        now_ms = told.get("now_ms")
        if status != 401 or type(now_ms) is not int or not 0 <= now_ms < 1 << 52:
            return False
        self._off_s = now_ms / 1000 - self._wall_s()
        return True

    def _signed(self, url: httpx.URL, path: str, body: bytes) -> httpx.Request:
        created_s = int(self._wall_s() + self._off_s)
        name = url.netloc.decode("ascii").lower()  # without the port that its scheme has anyway
        headers = sign(self._key, "POST", name, path, "", body, created_s, secrets.token_urlsafe(18))
        headers["Content-Type"] = "application/json"
        return httpx.Request("POST", url.copy_with(path=path, query=None), headers=headers, content=body)


def _small(request: httpx.Request, response: httpx.Response) -> bool:
    """Whether it is the answer to one of our own questions, and does not say that it is longer than one; a proxy may leave
    its length out."""
    length = response.headers.get("content-length", "0")
    return request.url.path in (TOKEN_PATH, ENROL_PATH) and length.isdigit() and int(length) <= MAX_ANSWER


class _AtMost(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An answer's bytes, of which no more than MAX_ANSWER are taken. Raises httpx.RemoteProtocolError."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream) -> None:
        self._stream = stream
        self._taken = 0

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._stream, httpx.SyncByteStream)
        for part in self._stream:
            yield self._counted(part)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._stream, httpx.AsyncByteStream)
        async for part in self._stream:
            yield self._counted(part)

    def close(self) -> None:
        assert isinstance(self._stream, httpx.SyncByteStream)
        self._stream.close()

    async def aclose(self) -> None:
        assert isinstance(self._stream, httpx.AsyncByteStream)
        await self._stream.aclose()

    def _counted(self, part: bytes) -> bytes:
        self._taken += len(part)
        if self._taken > MAX_ANSWER:
            raise httpx.RemoteProtocolError(f"the controller's answer has more than {MAX_ANSWER} bytes")
        return part


def _object(answer: httpx.Response) -> dict[str, Any]:
    """A small JSON object; empty for anything else."""
    try:
        value: Any = json.loads(answer.content) if answer.is_stream_consumed else None
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
