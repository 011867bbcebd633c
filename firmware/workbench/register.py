"""Telling the controller of bricks: at once where it answers, else from the queue, as often as needed with the same outcome.

A brick's root leaves this machine sealed to the controller's key (libsodium sealed box), in the queue as on the wire; the
bench cannot open it again.
"""

import base64
import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from nacl.public import PublicKey, SealedBox

from workbench.batch import Book, read
from workbench.errors import Away, BenchError, Refused
from workbench.job import Job
from workbench.provision import Provisioned

SECONDS = 5.0
MAX_ANSWER = 64 * 1024
_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass
class Told:
    """What became of a queue: requests that were confirmed, by name, with the controller's answer; how many of this
    controller and kit still wait; what it refused, by name, in words; how many requests are another's."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    waiting: int = 0
    refused: dict[str, str] = field(default_factory=dict[str, str])
    others: int = 0


def registration(job: Job, made: Provisioned, board: str, label: str, chip: str) -> dict[str, Any]:
    """The request that makes a brick known (docs/bench.md)."""
    root = SealedBox(PublicKey(job.sealing)).encrypt(made.root)
    return {
        **_whom(job),
        "path": "/v1/bricks",
        "body": {
            "brick": made.brick.hex(),
            "kit": job.rental.kit.hex(),
            "rental": job.rental.rental,
            "root": base64.b64encode(root).decode(),
            "board": board,
            "hardware": made.hardware,
            "chip": chip,
            "firmware": made.firmware_digest.hex(),
            "label": label,
            "made_ms": time.time_ns() // 1_000_000,
        },
    }


def revocation(job: Job, brick: str, reason: str) -> dict[str, Any]:
    """The request that ends an identity. Raises BenchError where this is no brick's id."""
    if len(brick) != 16 or not set(brick.lower()) <= set("0123456789abcdef"):
        raise BenchError(f"{brick} is no brick's id: 16 hex characters, as `stallmark brick info` shows them")
    brick = brick.lower()
    return {
        **_whom(job),
        "path": f"/v1/bricks/{brick}/revoke",
        "body": {"reason": reason, "at_ms": time.time_ns() // 1_000_000},
    }


def reconcile(book: Book, job: Job) -> Told:
    """Sends what waits for this job's controller and kit, oldest first; what is another's stays untouched. A request that
    is refused for good is kept as *.refused (`put_back` tries it again); one that is refused because of this bench's file
    stays in the queue. Never raises for a controller that is away."""
    told = Told()
    closed = False  # the controller is away, or takes nothing at all from this file
    for path in book.waiting():
        request = read(path)
        if not _meant_for(job, request):
            told.others += 1
            continue
        if closed:
            told.waiting += 1
            continue
        try:
            answer = send(job, request)
        except Away:
            told.waiting += 1
            closed = True
        except Refused as refused:
            told.refused[path.stem] = str(refused)
            book.note(outcome="refused", request=path.stem, words=str(refused))
            if refused.final:
                path.replace(path.with_suffix(".refused"))
            else:
                told.waiting += 1
                closed = refused.status not in (403, 404)  # these are of one request: others may pass
        else:
            told.answers[path.stem] = answer
            book.note(outcome="confirmed", request=path.stem, answer=answer)
            path.unlink()
    return told


def send(job: Job, request: dict[str, Any]) -> dict[str, Any]:
    """One request and its answer. Raises Away (also for a busy controller), Refused."""
    return _call(job, request["path"], json.dumps(request["body"]).encode())


def known(job: Job, brick: str) -> dict[str, Any] | None:
    """What the controller knows of a brick; None where it knows none of that name. Raises Away, Refused."""
    try:
        return _call(job, f"/v1/bricks/{brick}", None)
    except Refused as refused:
        if refused.status == 404:
            return None
        raise


def of_board(job: Job, board: str) -> list[dict[str, Any]]:
    """The bricks of this kit that a chip was and is, oldest first, as its controller knows them. Raises Away, Refused."""
    found = _call(job, f"/v1/bricks?board={board}", None).get("bricks")
    return cast("list[dict[str, Any]]", found) if isinstance(found, list) else []


def unprotected(job: Job) -> str | None:
    """A sentence where the bench's credential goes over a network in the clear."""
    parts = urlsplit(job.controller)
    if parts.scheme != "http" or parts.hostname in _HERE:
        return None
    return (
        f"the controller's address {job.controller} is not https: who listens on the way learns this bench's credential. "
        "Use it in a network of your own only"
    )


def _whom(job: Job) -> dict[str, str]:
    return {"controller": job.controller, "kit": job.rental.kit.hex()}


def _meant_for(job: Job, request: dict[str, Any]) -> bool:
    return all(request.get(name, value) == value for name, value in _whom(job).items())


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the credential is for the address in the bench's file alone."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stays)


def _call(job: Job, path: str, body: bytes | None) -> dict[str, Any]:
    url = job.controller + path
    if not url.startswith(("http://", "https://")):
        raise BenchError(
            f"the controller's address {job.controller} is no http address: have the bench file written again"
        )
    headers = {"Authorization": f"Bearer {job.token}", "Content-Type": "application/json"}
    asked = urllib.request.Request(url, body, headers)
    try:
        with _OPENER.open(asked, timeout=SECONDS) as answer:
            found: Any = json.loads(answer.read(MAX_ANSWER))
    except urllib.error.HTTPError as error:
        words = _reason(error)
        if error.code in (408, 425, 429) or error.code >= 500:
            raise Away(f"the controller at {job.controller} cannot take it now: {words}") from None
        raise Refused(f"{error.code}: the controller refused: {words}", error.code) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Away(
            f"the controller at {job.controller} cannot be reached: {str(error) or type(error).__name__}"
        ) from error
    if not isinstance(found, dict):
        raise Away(f"what answers at {job.controller} is no controller")
    return cast("dict[str, Any]", found)


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(MAX_ANSWER))["reason"])
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
        return str(error.reason)
