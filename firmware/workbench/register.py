"""Telling the controller of bricks: at once where it answers, else from the queue, as often as needed with the same outcome.

A brick's root leaves this machine sealed to the controller's key (libsodium sealed box), in the queue as on the wire; the
bench cannot open it again.
"""

import base64
import json
import time
import urllib.error
import urllib.request
from typing import Any, cast

from nacl.public import PublicKey, SealedBox

from workbench.batch import Book, read
from workbench.errors import Away, BenchError, Refused
from workbench.job import Job
from workbench.provision import Provisioned

SECONDS = 5.0
MAX_ANSWER = 64 * 1024


def registration(job: Job, made: Provisioned, board: str, label: str, chip: str) -> dict[str, Any]:
    """The request that makes a brick known (docs/bench.md)."""
    root = SealedBox(PublicKey(job.sealing)).encrypt(made.root)
    return {
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


def revocation(brick: str, reason: str) -> dict[str, Any]:
    """The request that ends an identity."""
    return {
        "path": f"/v1/bricks/{brick}/revoke",
        "body": {"reason": reason, "at_ms": time.time_ns() // 1_000_000},
    }


def reconcile(book: Book, job: Job) -> tuple[int, int]:
    """Sends what waits, oldest first: (confirmed, still waiting). A refusal is noted in the log and not tried again
    (the request is kept as *.refused). Never raises for a controller that is away."""
    confirmed = 0
    waiting = book.waiting()
    for number, path in enumerate(waiting):
        request = read(path)
        try:
            answer = send(job, request)
        except Away:
            return confirmed, len(waiting) - number
        except Refused as refused:
            path.replace(path.with_suffix(".refused"))
            book.note(outcome="refused", request=path.stem, words=str(refused))
            continue
        book.note(outcome="confirmed", request=path.stem, answer=answer)
        path.unlink()
        confirmed += 1
    return confirmed, 0


def send(job: Job, request: dict[str, Any]) -> dict[str, Any]:
    """One request and its answer. Raises Away (also for a busy controller), Refused."""
    return _call(job, request["path"], json.dumps(request["body"]).encode())


def known(job: Job, brick: str) -> dict[str, Any] | None:
    """What the controller knows of a brick; None where it knows none of that name. Raises Away, Refused."""
    try:
        return _call(job, f"/v1/bricks/{brick}", None)
    except Refused as refused:
        if str(refused).startswith("404"):
            return None
        raise


def _call(job: Job, path: str, body: bytes | None) -> dict[str, Any]:
    url = job.controller + path
    if not url.startswith(("http://", "https://")):
        raise BenchError(
            f"the controller's address {job.controller} is no http address: have the bench file written again"
        )
    headers = {"Authorization": f"Bearer {job.token}", "Content-Type": "application/json"}
    asked = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
            return cast("dict[str, Any]", json.loads(answer.read(MAX_ANSWER)))
    except urllib.error.HTTPError as error:
        words = _reason(error)
        if error.code in (408, 425, 429) or error.code >= 500:
            raise Away(f"the controller at {job.controller} cannot take it now: {words}") from None
        raise Refused(f"{error.code}: the controller refused: {words}") from None
    except (OSError, ValueError) as error:
        raise Away(f"the controller at {job.controller} cannot be reached: {error}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(MAX_ANSWER))["reason"])
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)
