"""The controller's HTTP API from the host's side: a checked answer, or a ControllerError in plain words.

Kinds of error: "offline" nothing was heard, "unreadable" an answer that is none, "failing" 5xx,
"credentials" 401 and 403, "conflict" 409, "invalid" 422, "busy" 429, "unknown" a route that an older controller
does not have, "refused" any other.
"""

import asyncio
import base64
import functools
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import httpx

from hostagent import answers
from hostagent.answers import Asked, Busy, Mark, PrivateKey, Rekey, SealedTagKeys, SignedSlice, Standing, Step
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
        return [answers.read_mark(entry) for entry in cast(list[Any], marks)]

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
        number, prev = answer.get("number"), answers.read_hex(answer.get("prev"), 32)
        if type(number) is not int or number < 1 or prev is None:
            raise ControllerError("unreadable", "answer without number and prev")
        host_seq = answer.get("host_seq")
        return Standing(
            number,
            prev,
            host_seq if type(host_seq) is int and host_seq >= 1 else None,
            answers.read_hex(answer.get("prev_receipt"), 16),
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
            raise answers.refusal(status, body)
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
        pause = answers.read_seconds(answer.get("stallmark-next-poll"), MOST_HINT_S) or 0.0
        if status == 304:
            return Asked(held, None, pause)
        if status == 404:
            if answers.fields_of(body).get("nothing") != 1:
                raise ControllerError("unknown", "the controller knows no directives")
            return Asked(None, None, pause)
        if status == 429:
            raise Busy(answers.read_seconds(answer.get("retry-after"), MOST_HINT_S) or 1.0)
        if status != 200:
            raise answers.refusal(status, body)
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
                    raise answers.refusal(response.status_code, b"")
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
            raise answers.refusal(status, body)
        return body

    @_counted
    async def root_tags(self, version: int) -> dict[bytes, bytes]:
        """The tag under which each brick of the kit takes that root as its first."""
        answer = await self._json("GET", f"/v1/kits/{self._kit}/root-tags/{version}")
        found: dict[bytes, bytes] = {}
        for entry in answers.read_list(answer, "tags"):
            f = cast(dict[str, Any], entry) if isinstance(entry, dict) else {}
            brick, tag = answers.read_hex(f.get("brick"), 8), answers.read_base64(f.get("tag"))
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
        return [answers.read_slice(entry) for entry in cast(list[Any], slices)], last if type(last) is int else 0

    @_counted
    async def rights(self) -> list[dict[str, Any]]:
        """The kit's budgets in figures (docs/rights.md)."""
        answer = await self._json("GET", f"/v1/kits/{self._kit}/rights")
        return [cast("dict[str, Any]", line) for line in answers.read_list(answer, "rights") if isinstance(line, dict)]

    @_counted
    async def rekeys(self) -> list[Rekey]:
        """The newest order of a new link key for each brick of the kit that has one."""
        answer = await self._json("GET", f"/v1/kits/{self._kit}/rekeys")
        return [answers.read_rekey(entry) for entry in answers.read_list(answer, "rekeys")]

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
        return rental, [answers.read_step(entry) for entry in answers.read_list(answer, "steps")[:MOST_STEPS]], wipe

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
            raise answers.refusal(status, body)
        entries = answers.read_list(answers.read_object(body), "bricks")
        return answer.get("etag", ""), [answers.read_tag_keys(entry) for entry in entries]

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
        serials = [answers.read_hex(serial, 8) for serial in answers.read_list(answer, "spent")]
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
            raise answers.refusal(status, data)
        return answers.read_object(data)

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


def _loopback(base: str) -> bool:
    return httpx.URL(base).host in ("127.0.0.1", "localhost", "::1")
