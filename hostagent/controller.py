"""The controller's HTTP API from the host's side: a checked answer, or a ControllerError in plain words.

Kinds of error: "offline" nothing was heard, "unreadable" an answer that is none, "failing" 5xx,
"credentials" 401 and 403, "conflict" 409, "invalid" 422, "busy" 429, "unknown" a route that an older controller
does not have, "refused" any other.
"""

import asyncio
import base64
import binascii
import functools
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import httpx

from hostagent.authorities import authorities
from hostagent.errors import ControllerError
from hostagent.signed import Bearer

CONNECT_S = 5.0
SILENCE_S = 15.0
WHOLE_S = 60.0
MAX_JSON = 4 * 1024 * 1024
MAX_BUNDLE = 1024 * 1024
MAX_ROOT = 4096
MAX_DIRECTIVE = 4096
MOST_STEPS = 64
# A long-poll may be silent for as long as it waits, and somewhat longer.
WAIT_MORE_S = 15.0
# What a controller may ask hosts to leave between two questions.
MOST_HINT_S = 600.0


class Busy(ControllerError):
    """The controller has no room now: after `retry_s` it may have."""

    def __init__(self, retry_s: float) -> None:
        super().__init__("busy", f"the controller has no room now and asks for {retry_s:g} s")
        self.retry_s = retry_s


class Conflict(ControllerError):
    """The controller stands elsewhere in this host's chain of batches."""

    def __init__(self, message: str, expected: int | None, prev: bytes | None) -> None:
        super().__init__("conflict", message)
        self.expected = expected
        self.prev = prev


@dataclass(frozen=True)
class Mark:
    """The controller has everything of a brick up to `ledger_seq`; `tag` proves that to the brick."""

    brick: bytes
    ledger_seq: int
    tag: bytes


@dataclass(frozen=True)
class Standing:
    """Where the controller stands: number and prev32 that the next batch must have, and host seq and prev16
    that the next receipt must have."""

    number: int
    prev: bytes
    host_seq: int | None
    prev_receipt: bytes | None


@dataclass(frozen=True)
class PrivateKey:
    """The key of the private parts of one event and subject."""

    id: bytes
    event: bytes
    subject: bytes | None
    key: bytes


@dataclass(frozen=True)
class SignedSlice:
    """A slice as minted: payload and the director's signature; `brick`: whom the forecast had in mind."""

    payload: bytes
    signature: bytes
    brick: bytes | None = None


@dataclass(frozen=True)
class Rekey:
    """A new link key that was ordered for a brick: `key` sealed for this host, `tag` for the brick."""

    brick: bytes
    epoch: int
    tag: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Step:
    """An order to a brick to step from a rental to the one that follows; `key`: its link key from `epoch` on, sealed for this
    host, other bytes each time it is asked for. The host's own lane is a brick, too."""

    brick: bytes
    rental: int
    following: int
    epoch: int
    tag: bytes
    key: bytes = field(repr=False, compare=False)
    lane: bool



@dataclass(frozen=True)
class SealedTagKeys:
    """An event's tag keys as message 47 carries them to one brick; nobody on the way can open them."""

    brick: bytes
    nonce: bytes
    sealed: bytes
    tag: bytes


@dataclass(frozen=True)
class Asked:
    """The answer to a long-poll. `envelope` None: nothing is newer; `etag` None: nothing was ever ordered. `pause_s`: what the
    controller asks to leave before the next question."""

    etag: str | None
    envelope: bytes | None
    pause_s: float


P = ParamSpec("P")
T = TypeVar("T")
Method = Callable[Concatenate["Controller", P], Coroutine[Any, Any, T]]


def _counted(call: Method[P, T]) -> Method[P, T]:
    """A call whose failures are counted by kind."""

    @functools.wraps(call)
    async def counting(self: "Controller", *args: P.args, **more: P.kwargs) -> T:
        try:
            return await call(self, *args, **more)
        except ControllerError as failed:
            self.failures[failed.kind] += 1
            raise

    return counting


class Controller:
    """One controller, one host's credential: a bearer token, or what signs (hostagent/signed.py). `failures`: how often which
    kind of error, since the start."""

    def __init__(
        self,
        base: str,
        token: str | httpx.Auth,
        host: bytes,
        kit: bytes,
        silence_s: float = SILENCE_S,
        whole_s: float = WHOLE_S,
    ) -> None:
        self._host = host.hex()
        self._kit = kit.hex()
        self._whole_s = whole_s
        self.failures: Counter[str] = Counter()
        self._client = httpx.AsyncClient(
            base_url=base,
            headers={"User-Agent": "stallmark-host"},
            auth=token if isinstance(token, httpx.Auth) else Bearer(token),
            timeout=httpx.Timeout(silence_s, connect=min(CONNECT_S, silence_s)),
            # The kit's own network has no proxy; a proxy in the environment is for addresses elsewhere.
            trust_env=not _loopback(base),
            verify=authorities(base),
        )

    async def close(self) -> None:
        """Closes what is open."""
        await self._client.aclose()

    @_counted
    async def post_batch(self, body: bytes, number: int) -> list[Mark]:
        """Hands over a batch; its receipts are durable at the controller on return."""
        answer = await self._json("POST", "/v1/batches", body, "application/vnd.stallmark.batch+cbor")
        if answer.get("number") != number:
            raise ControllerError("unreadable", f"the answer to batch {number} is about another")
        marks = answer.get("marks")
        if not isinstance(marks, list):
            raise ControllerError("unreadable", "answer without marks")
        return [_mark(entry) for entry in cast(list[Any], marks)]

    @_counted
    async def post_private_keys(self, keys: list[PrivateKey]) -> None:
        """Hands over keys of private parts, before the batch that needs them."""
        entries = [
            {
                "id": key.id.hex(),
                "event": key.event.hex(),
                "subject": None if key.subject is None else key.subject.hex(),
                "key": base64.b64encode(key.key).decode(),
            }
            for key in keys
        ]
        await self._json(
            "POST", "/v1/private-keys", json.dumps({"keys": entries}).encode(), "application/json"
        )

    @_counted
    async def standing(self) -> Standing:
        """Where the controller stands with this host."""
        answer = await self._json("GET", f"/v1/hosts/{self._host}/next")
        number, prev = answer.get("number"), _hex(answer.get("prev"), 32)
        if type(number) is not int or number < 1 or prev is None:
            raise ControllerError("unreadable", "answer without number and prev")
        host_seq = answer.get("host_seq")
        return Standing(
            number,
            prev,
            host_seq if type(host_seq) is int and host_seq >= 1 else None,
            _hex(answer.get("prev_receipt"), 16),
        )

    @_counted
    async def bundle(self, etag: str | None) -> tuple[str, bytes] | None:
        """(ETag, bundle) on offer for the kit; None where it is still the one of `etag`."""
        headers = {} if etag is None else {"If-None-Match": etag}
        status, answer, body = await self._exchange(
            "GET", f"/v1/kits/{self._kit}/bundle", headers=headers, limit=MAX_BUNDLE
        )
        if status == 304:
            return None
        if status == 404:
            raise ControllerError("refused", "the controller has no bundle for this kit")
        if status != 200:
            raise _refusal(status, body)
        return answer.get("etag", ""), body

    @_counted
    async def directive(self, active: str | None, held: str | None, wait_s: float) -> Asked:
        """The kit's directive, as soon as there is another than `held`; `active`: the ETag of what all bricks run.

        Raises ControllerError, "unknown" where the controller knows no directives."""
        headers = {} if active is None else {"If-None-Match": active}
        params = {"wait": f"{wait_s:g}", **({} if held is None else {"have": held})}
        path = f"/v1/kits/{self._kit}/directive?{httpx.QueryParams(params)}"
        status, answer, body = await self._exchange(
            "GET", path, headers=headers, limit=MAX_DIRECTIVE, wait_s=wait_s + WAIT_MORE_S
        )
        pause = _seconds(answer.get("stallmark-next-poll"), MOST_HINT_S) or 0.0
        if status == 304:
            return Asked(held, None, pause)
        if status == 404:
            if _answer(body).get("nothing") != 1:
                raise ControllerError("unknown", "the controller knows no directives")
            return Asked(None, None, pause)
        if status == 429:
            raise Busy(_seconds(answer.get("retry-after"), MOST_HINT_S) or 1.0)
        if status != 200:
            raise _refusal(status, body)
        etag = answer.get("etag", "")
        if not body or not 0 < len(etag) <= 80:
            raise ControllerError("unreadable", "a directive without its ETag")
        return Asked(etag, body, pause)

    @_counted
    async def download(self, digest: bytes, start: int, most: int, sink: Callable[[bytes], None]) -> bool:
        """Gives `sink` a target's bytes from `start` on, at most `most` in all; what came before an error was given. False
        where the controller starts at its beginning all the same. Raises ControllerError."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        path, got, went_on = f"/v1/targets/{digest.hex()}", start, True
        try:
            async with (
                asyncio.timeout(self._whole_s),
                self._client.stream("GET", path, headers=headers) as response,
            ):
                if response.status_code not in (200, 206):
                    raise _refusal(response.status_code, b"")
                if start and response.status_code == 200:
                    got, went_on = 0, False
                async for piece in response.aiter_bytes():
                    got += len(piece)
                    if got > most:
                        raise ControllerError("unreadable", f"a target of more than {most} bytes")
                    sink(piece)
        except TimeoutError as failed:
            raise ControllerError("offline", f"no whole target within {self._whole_s:g} s") from failed
        except httpx.TimeoutException as failed:
            raise ControllerError("offline", "the controller does not answer in time") from failed
        except (httpx.HTTPError, OSError) as failed:
            raise ControllerError("offline", f"the download broke off ({failed})") from failed
        return went_on

    @_counted
    async def root(self, version: int) -> bytes | None:
        """The envelope of compact root `version`; None where there is none."""
        status, _, body = await self._exchange("GET", f"/v1/trust/roots/{version}", limit=MAX_ROOT)
        if status == 404:
            return None
        if status != 200:
            raise _refusal(status, body)
        return body

    @_counted
    async def root_tags(self, version: int) -> dict[bytes, bytes]:
        """The tag under which each brick of the kit takes that root as its first."""
        answer = await self._json("GET", f"/v1/kits/{self._kit}/root-tags/{version}")
        found: dict[bytes, bytes] = {}
        for entry in _list(answer, "tags"):
            f = cast(dict[str, Any], entry) if isinstance(entry, dict) else {}
            brick, tag = _hex(f.get("brick"), 8), _base64(f.get("tag"))
            if brick is None or tag is None or len(tag) != 16:
                raise ControllerError("unreadable", "a root's tag that is none")
            found[brick] = tag
        return found

    @_counted
    async def post_status(self, report: dict[str, Any]) -> dict[str, Any]:
        """Says how the kit stands (docs/desired-state.md); the answer has what bricks are to try."""
        return await self._json("POST", f"/v1/kits/{self._kit}/status", json.dumps(report).encode(), "application/json")

    @_counted
    async def slices(self) -> tuple[list[SignedSlice], int]:
        """Every slice of the kit's rental that the controller still gives out, and the highest number of a slice
        that it ever minted (0 where it does not say)."""
        answer = await self._json("GET", f"/v1/kits/{self._kit}/slices")
        slices, last = answer.get("slices"), answer.get("last")
        if not isinstance(slices, list):
            raise ControllerError("unreadable", "answer without slices")
        return [_slice(entry) for entry in cast(list[Any], slices)], last if type(last) is int else 0

    @_counted
    async def rights(self) -> list[dict[str, Any]]:
        """The kit's budgets in figures (docs/rights.md)."""
        answer = await self._json("GET", f"/v1/kits/{self._kit}/rights")
        return [cast("dict[str, Any]", line) for line in _list(answer, "rights") if isinstance(line, dict)]

    @_counted
    async def rekeys(self) -> list[Rekey]:
        """The newest order of a new link key for each brick of the kit that has one."""
        answer = await self._json("GET", f"/v1/kits/{self._kit}/rekeys")
        return [_rekey(entry) for entry in _list(answer, "rekeys")]

    @_counted
    async def steps(self) -> tuple[int, list[Step], str | None]:
        """The kit's rental, the orders to step to it that its bricks have not followed yet, and the booking for which this host
        is to wipe what its renter left."""
        answer = await self._json("GET", f"/v1/kits/{self._kit}/steps")
        rental = answer.get("rental")
        if type(rental) is not int or not 0 <= rental <= 0xFFFFFFFF:
            raise ControllerError("unreadable", "answer without a rental")
        booking = answer.get("wipe")
        wipe = booking if isinstance(booking, str) and 0 < len(booking) <= 64 else None
        return rental, [_step(entry) for entry in _list(answer, "steps")[:MOST_STEPS]], wipe

    @_counted
    async def hand_back(self, statement: str, signature: str) -> None:
        """Hands over what this host signed of how far its receipts go, or of what it wiped; durable there on return."""
        body = json.dumps({"statement": statement, "signature": signature}).encode()
        await self._json("POST", f"/v1/kits/{self._kit}/handback", body, "application/json")

    @_counted
    async def stepped(self, brick: bytes, said: list[int], tag: bytes) -> None:
        """Hands a brick's answer to such an order on; durable there on return."""
        body = json.dumps({"brick": brick.hex(), "said": said, "tag": base64.b64encode(tag).decode()}).encode()
        await self._json("POST", f"/v1/kits/{self._kit}/steps", body, "application/json")

    @_counted
    async def tag_keys(self, event: bytes, etag: str | None) -> tuple[str, list[SealedTagKeys]] | None:
        """(ETag, an event's tag keys for each brick of the kit); None where they are still those of `etag`."""
        headers = {} if etag is None else {"If-None-Match": etag}
        path = f"/v1/kits/{self._kit}/tag-keys/{event.hex()}"
        status, answer, body = await self._exchange("GET", path, headers=headers)
        if status == 304:
            return None
        if status == 404:
            raise ControllerError("refused", "the controller has no tag keys of this event")
        if status != 200:
            raise _refusal(status, body)
        entries = _list(_object(body), "bricks")
        return answer.get("etag", ""), [_tag_keys(entry) for entry in entries]

    @_counted
    async def end_brick(self, brick: bytes, reason: str, last_seq: int | None, held: int = 0) -> None:
        """Says that a brick of this kit was replaced, and up to which record it had written; durable there on return."""
        body = json.dumps({"reason": reason, "last_seq": last_seq, "held": held}).encode()
        path = f"/v1/kits/{self._kit}/bricks/{brick.hex()}/end"
        answer = await self._json("POST", path, body, "application/json")
        if answer.get("brick") != brick.hex():
            raise ControllerError("unreadable", "an answer about another brick")

    @_counted
    async def spent(self, after: int) -> tuple[list[bytes], int]:
        """Serials of vouchers that were paid anywhere, above the number `after`, and the number to go on from."""
        answer = await self._json("GET", f"/v1/kits/{self._kit}/spent?after={after}")
        serials = [_hex(serial, 8) for serial in _list(answer, "spent")]
        last = answer.get("last")
        if None in serials or type(last) is not int or last < after:
            raise ControllerError("unreadable", "answer without spent vouchers")
        return [serial for serial in serials if serial is not None], last

    async def _json(
        self, method: str, path: str, body: bytes | None = None, kind: str | None = None
    ) -> dict[str, Any]:
        headers = {} if kind is None else {"Content-Type": kind}
        status, _, data = await self._exchange(method, path, body, headers)
        if status != 200:
            raise _refusal(status, data)
        return _object(data)

    async def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        limit: int = MAX_JSON,
        wait_s: float | None = None,
    ) -> tuple[int, httpx.Headers, bytes]:
        whole_s = wait_s or self._whole_s
        # A controller that holds an answer back is silent meanwhile.
        silence = self._client.timeout if wait_s is None else httpx.Timeout(wait_s, connect=CONNECT_S)
        try:
            async with (
                asyncio.timeout(whole_s),
                self._client.stream(
                    method, path, content=body, headers=headers, timeout=silence
                ) as response,
            ):
                data = bytearray()
                async for piece in response.aiter_bytes():
                    data += piece
                    if len(data) > limit:
                        raise ControllerError("unreadable", f"answer of more than {limit} bytes")
                return response.status_code, response.headers, bytes(data)
        except TimeoutError as failed:
            raise ControllerError("offline", f"no whole answer within {whole_s:g} s") from failed
        except httpx.TimeoutException as failed:
            raise ControllerError("offline", "the controller does not answer in time") from failed
        except httpx.RemoteProtocolError as failed:
            raise ControllerError("unreadable", f"the answer broke off ({failed})") from failed
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as failed:
            raise ControllerError("offline", f"the controller cannot be reached ({failed})") from failed


def _answer(body: bytes) -> dict[str, Any]:
    try:
        return _object(body)
    except ControllerError:
        return {}


def _seconds(text: str | None, most: float) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return min(value, most) if value >= 0 else None


def _refusal(status: int, body: bytes) -> ControllerError:
    answer = _answer(body)
    said = answer.get("reason") or answer.get("detail")
    reason = said[:200] if isinstance(said, str) else ""
    if status == 409:
        expected = answer.get("expected")
        return Conflict(
            reason or "the controller expects another batch",
            expected if type(expected) is int else None,
            _hex(answer.get("prev"), 32),
        )
    if status in (401, 403):
        why = f": {reason}" if status == 403 and reason else ""
        return ControllerError("credentials", f"the controller does not accept this host's credential{why}")
    if status == 422:
        return ControllerError(
            "invalid", f"the controller finds the batch wrong: {reason or 'no reason given'}"
        )
    if status >= 500:
        return ControllerError("failing", f"the controller answers {status}")
    return ControllerError("refused", f"the controller answers {status} {reason}".rstrip())


def _object(body: bytes) -> dict[str, Any]:
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError) as failed:  # nested too deep to be read is none either
        raise ControllerError("unreadable", "the answer is not JSON") from failed
    if not isinstance(value, dict):
        raise ControllerError("unreadable", "the answer is not a JSON object")
    return cast(dict[str, Any], value)


def _list(answer: dict[str, Any], name: str) -> list[Any]:
    found = answer.get(name)
    if not isinstance(found, list):
        raise ControllerError("unreadable", f"answer without {name}")
    return cast(list[Any], found)


def _mark(entry: Any) -> Mark:
    if isinstance(entry, dict):
        f = cast(dict[str, Any], entry)
        brick, tag, seq = _hex(f.get("brick"), 8), _hex(f.get("tag"), 16), f.get("ledger_seq")
        if brick is not None and tag is not None and type(seq) is int and 0 <= seq <= 0xFFFFFFFF:
            return Mark(brick, seq, tag)
    raise ControllerError("unreadable", "a mark that is none")


def _slice(entry: Any) -> SignedSlice:
    if isinstance(entry, dict):
        f = cast(dict[str, Any], entry)
        payload, signature = _base64(f.get("payload")), _base64(f.get("signature"))
        if payload is not None and signature is not None and len(signature) == 64:
            return SignedSlice(payload, signature, _hex(f.get("brick"), 8))
    raise ControllerError("unreadable", "a slice that is none")


def _rekey(entry: Any) -> Rekey:
    if isinstance(entry, dict):
        f = cast(dict[str, Any], entry)
        brick, epoch = _hex(f.get("brick"), 8), f.get("epoch")
        tag, key = _base64(f.get("tag")), _base64(f.get("key"))
        if brick and tag and key and len(tag) == 16 and type(epoch) is int and 0 < epoch <= 0xFFFFFFFF:
            return Rekey(brick, epoch, tag, key)
    raise ControllerError("unreadable", "an order for a link key that is none")


def _step(entry: Any) -> Step:
    if isinstance(entry, dict):
        f = cast(dict[str, Any], entry)
        brick, tag, key = _hex(f.get("brick"), 8), _base64(f.get("tag")), _base64(f.get("key"))
        numbers = [f.get(name) for name in ("rental", "following", "epoch")]
        good = [one for one in numbers if type(one) is int and 0 <= one <= 0xFFFFFFFF]
        if brick and tag and key and len(tag) == 16 and len(good) == 3:
            return Step(brick, good[0], good[1], good[2], tag, key, f.get("lane") is True)
    raise ControllerError("unreadable", "an order to step to another rental that is none")


def _tag_keys(entry: Any) -> SealedTagKeys:
    if isinstance(entry, dict):
        f = cast(dict[str, Any], entry)
        brick, nonce = _hex(f.get("brick"), 8), _base64(f.get("nonce"))
        sealed, tag = _base64(f.get("sealed")), _base64(f.get("tag"))
        if brick and nonce and sealed and tag and (len(nonce), len(tag)) == (12, 16) and len(sealed) <= 128:
            return SealedTagKeys(brick, nonce, sealed, tag)
    raise ControllerError("unreadable", "tag keys that are none")


def _hex(value: Any, size: int) -> bytes | None:
    if not isinstance(value, str) or len(value) != 2 * size:
        return None
    try:
        return bytes.fromhex(value)
    except ValueError:
        return None


def _base64(value: Any) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return None


def _loopback(base: str) -> bool:
    return httpx.URL(base).host in ("127.0.0.1", "localhost", "::1")
