"""What a host fetches and says of its bricks' step to another rental."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from concurrent.futures import Executor
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from fleet import enrolled
from fleet.api.access import Access, body
from fleet.controller import Controller
from fleet.errors import Refused
from fleet.rentals import serving

MAX_BODY = 1024
MAX_STATEMENT = 8192
NO_STORE = {"Cache-Control": "no-store"}
WANTED = (
    "expected brick (16 hex characters), said: five numbers up to 4,294,967,295, and tag: 16 bytes in base64"
)


def router(controller: Controller, access: Access, worker: Executor) -> APIRouter:
    """Routes over a controller, for the router of hosts."""
    api = APIRouter()

    @api.get(
        "/kits/{kit}/steps", summary="A kit's rental, and bricks that are to step to it", response_model=None
    )
    def steps(kit: str, request: Request) -> Response:
        """`{"rental", "wipe": booking or null, "steps": [{"brick": hex8, "rental", "following", "epoch", "tag": base64,
        "key": base64, "lane"}]}`: a booking after which this host is to wipe, and orders that were not followed yet. `key` is the
        link key of `epoch`, sealed for the host's signing key (docs/formats/control.md)."""
        return JSONResponse(serving.orders(controller, access.of_kit(request, kit)), headers=NO_STORE)

    @api.post("/kits/{kit}/steps", summary="What a brick answered to an order to step", response_model=None)
    async def said(kit: str, request: Request) -> Response:
        """Body: `{"brick": hex8, "said": [result, rental asked for, rental it is in, record epoch, link epoch], "tag": base64}`,
        as in message 13. 409 where the tag is not the brick's."""
        host = access.of_kit(request, kit)
        brick, numbers, tag = parse(await body(request, MAX_BODY))
        work = asyncio.get_running_loop().run_in_executor(
            worker, lambda: serving.said(controller, host, brick, numbers, tag)
        )
        return JSONResponse(await work, headers=NO_STORE)

    @api.post("/kits/{kit}/handback", summary="What a host signs when its kit goes back", response_model=None)
    async def handback(kit: str, request: Request) -> Response:
        """Body: `{"statement": text, "signature": base64}`: how far its receipts go, or what it wiped (docs/rentals.md). 409
        where the signature is not the host's."""
        host = access.of_kit(request, kit)
        text, signature = parse_statement(await body(request, MAX_STATEMENT))
        work = asyncio.get_running_loop().run_in_executor(
            worker, lambda: serving.handed_back(controller, host, text, signature)
        )
        return JSONResponse(await work, headers=NO_STORE)

    return api


def parse_statement(data: bytes) -> tuple[str, bytes]:
    """The body of a statement. Raises Refused 422."""
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(422, "the body is no JSON") from None
    f = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    text, signature = f.get("statement"), f.get("signature")
    try:
        found = base64.b64decode(signature, validate=True) if isinstance(signature, str) else b""
    except (ValueError, binascii.Error):
        found = b""
    if not isinstance(text, str) or not text.isascii() or len(found) != 64:
        raise Refused(422, "expected statement: ASCII text, and signature: 64 bytes in base64")
    return text, found


def parse(data: bytes) -> tuple[bytes, tuple[int, int, int, int, int], bytes]:
    """The body of an answer. Raises Refused 422."""
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(422, "the body is no JSON") from None
    f = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    brick, numbers, text = enrolled.brick_of(str(f.get("brick"))), f.get("said"), f.get("tag")
    try:
        tag = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (ValueError, binascii.Error):
        tag = b""
    if brick is None or len(tag) != 16 or not isinstance(numbers, list):
        raise Refused(422, WANTED)
    found = cast("list[Any]", numbers)
    if len(found) != 5 or any(type(one) is not int or not 0 <= one <= 0xFFFFFFFF for one in found):
        raise Refused(422, WANTED)
    return brick, (found[0], found[1], found[2], found[3], found[4]), tag
