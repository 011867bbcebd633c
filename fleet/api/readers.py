"""What anybody may read: the ledger's files, receipts by handle, public keys, the live stream, health."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from fleet.controller import Controller
from fleet.core import FormatError, base32
from fleet.errors import Refused
from fleet.ledger import tiles
from fleet.public import LiveEvent, PublicReceipt

OPEN = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
FOR_GOOD = {**OPEN, "Cache-Control": "public, max-age=31536000, immutable"}
SHORT = {**OPEN, "Cache-Control": "no-cache"}
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
KEEP_ALIVE_S = 15.0
MAX_MISSED = 200  # events that a listener who comes back is told of


def router(controller: Controller, trust: Callable[[], dict[str, Any]] = dict) -> APIRouter:
    """Routes over a controller. Plain functions run in a thread: they touch the disk."""
    api = APIRouter()
    store = controller.archive

    @api.get("/ledger/checkpoint", tags=["ledger"], response_model=None)
    def checkpoint() -> Response:
        """The newest signed checkpoint (C2SP tlog-checkpoint)."""
        return PlainTextResponse(store.checkpoint(), headers=SHORT)

    @api.get("/ledger/{path:path}", tags=["ledger"], response_model=None)
    def tile(path: str) -> Response:
        """Tiles and entry bundles (C2SP tlog-tiles)."""
        named = tiles.parse_path(path)
        data = None if named is None else _tile(controller, named)
        if data is None:
            raise Refused(404, "there is no such tile")
        return Response(data, headers=FOR_GOOD, media_type="application/octet-stream")

    @api.get("/keys.json", tags=["receipts"], response_model=None)
    def keys() -> Response:
        """The public keys file: all that a stranger needs to verify."""
        return JSONResponse(store.keys(), headers=SHORT)

    @api.get("/r/{handle}.cose", tags=["receipts"], response_model=None)
    def cose(handle: str) -> Response:
        """A receipt, verbatim (COSE_Sign1)."""
        return Response(
            _receipt(controller, handle).cose, headers=_file("receipt.cose"), media_type="application/cose"
        )

    @api.get("/r/{handle}.tlog-proof", tags=["receipts"], response_model=None)
    def proof(handle: str) -> Response:
        """That it stands in the ledger (C2SP tlog-proof)."""
        found = _receipt(controller, handle)
        if found.proof is None:
            raise Refused(404, "this receipt is not in a published checkpoint yet: try again in a second")
        return PlainTextResponse(found.proof, headers=_file("receipt.tlog-proof"))

    @api.get("/v1/receipts/{handle}", tags=["receipts"], response_model=None)
    def receipt(handle: str) -> Response:
        """The same and what is known of it, as JSON."""
        return JSONResponse(_json(controller, _receipt(controller, handle)), headers=PRIVATE)

    @api.get("/v1/live", tags=["receipts"], response_model=None)
    async def live(request: Request) -> Response:
        """Server-sent events: one for each receipt, when its leaf is in a published checkpoint.
        `Last-Event-ID` tells of what was missed."""
        address = "" if request.client is None else request.client.host
        if not controller.live.room(address):
            raise Refused(503, "too many listeners, here or at this address", retry_after=10)
        last = request.headers.get("last-event-id", "")
        missed: list[LiveEvent] = []
        events = controller.live.subscribe(address)
        if last.isdigit():
            first, end = int(last) + 1, controller.log.published.size
            if first < end:
                missed = await asyncio.to_thread(store.events, first, end, MAX_MISSED)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(events, missed), media_type="text/event-stream", headers=headers)

    @api.get("/healthz", tags=["operation"], response_model=None)
    def healthz(request: Request) -> Response:
        """Counters; 503 while checkpoints cannot be published."""
        found = {**health(controller), "trust": trust(), "hosts_waiting": request.app.state.waiting.count}
        found["people"] = {
            name: request.app.state.people.met[name] for name in ("wrong", "held_back", "over_rate")
        }
        return JSONResponse(found, 200 if found["status"] == "ok" else 503, headers=PRIVATE)

    return api


def health(controller: Controller) -> dict[str, Any]:
    """What /healthz and `stallmark fleet status` say."""
    met, log = controller.met, controller.log
    published = log.published
    return {
        "status": "not publishing" if met.unpublished_reason else "ok",
        "reason": met.unpublished_reason,
        "origin": published.origin,
        "development": controller.config.development,
        "ledger_size": log.size,
        "published_size": published.size,
        "checkpoint": {"size": published.size, "root": base64.b64encode(published.root).decode()},
        "leaves": controller.archive.leaf_totals(),
        "receipts": controller.counts.receipts,
        "kinds": controller.counts.by_word(),
        "findings": controller.counts.findings,
        "since_start": {
            "batches": met.batches,
            "receipts": met.receipts,
            "repeats": met.repeats,
            "findings": met.findings,
            "refused": {str(status): n for status, n in sorted(met.refused.items())},
            "checkpoints": met.checkpoints,
            "publish_failures": met.publish_failures,
            "live_listeners": controller.live.listeners,
            "live_dropped": controller.live.dropped,
        },
        "now_ms": controller.clock.now_ms(),
    }


def _tile(controller: Controller, tile: tiles.Tile) -> bytes | None:
    """A tile's bytes. A partial one whose full tile is there by now is cut from that."""
    folder = controller.log.folder
    data = folder.read(tile.path)
    if data is None and tile.width != tiles.WIDTH:
        full = folder.read(tile.full.path)
        if full is None:
            return None
        if tile.level != tiles.ENTRIES:
            return full[: tile.width * tiles.HASH]
        return tiles.encode_bundle(tiles.decode_bundle(full, tiles.WIDTH)[: tile.width])
    return data


def _receipt(controller: Controller, handle: str) -> PublicReceipt:
    try:
        h16: bytes = base32.decode(handle.upper())
    except FormatError:
        h16 = b""
    found = controller.archive.receipt_by_handle(h16) if len(h16) == 16 else None
    if found is None:
        raise Refused(404, "there is no receipt under this link")
    return found


def _json(controller: Controller, found: PublicReceipt) -> dict[str, Any]:
    return {
        "index": found.index,
        "ledger_size": found.ledger_size,
        "received_ms": found.received_ms,
        "sentence": controller.archive.sentence(found.cose),
        "cose": base64.b64encode(found.cose).decode(),
        "proof": found.proof,
        "findings": list(found.findings),
        "duplicate_of": found.duplicate_of,
        "reversed_by": [
            {"index": r.index, "kind": r.kind, "seq": r.seq, "market_ms": r.market_ms}
            for r in found.reversed_by
        ],
    }


async def _stream(events: AsyncIterator[LiveEvent], missed: list[LiveEvent]) -> AsyncIterator[bytes]:
    """Events in the form of the HTML standard, §9.2; a comment now and then keeps proxies from hanging up."""
    yield b"retry: 2000\n\n"
    last = -1
    for event in missed:
        last = event["index"]
        yield _event(event)
    iterator = aiter(events)
    waiting = asyncio.ensure_future(anext(iterator))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=KEEP_ALIVE_S)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                event = waiting.result()
            except StopAsyncIteration:
                return
            waiting = asyncio.ensure_future(anext(iterator))
            if event["index"] > last:  # the first ones may have been told as missed
                yield _event(event)
    finally:
        waiting.cancel()


def _event(event: LiveEvent) -> bytes:
    return f"id: {event['index']}\ndata: {json.dumps(event)}\n\n".encode()


def _file(name: str) -> dict[str, str]:
    return {**PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'}
