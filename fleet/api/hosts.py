"""What hosts call: batches up, bundles and slices down. Every answer of a refusal is `{"reason": …}` in
plain words."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from fleet import campaigns, enrolled, rights, settlements
from fleet.api import ending, steps
from fleet.api.access import IN_FLIGHT, Access, body
from fleet.controller import Controller
from fleet.errors import Refused
from fleet.ingest import MAX_BODY
from fleet.privatekeys import PrivateKey

MAX_KEYS_BODY = 1_048_576
MAX_KEYS = 4096
Result = TypeVar("Result")
WAITING = 1_024  # batches that wait for the one that is being checked
WAITING_BYTES = 64 * MAX_BODY  # of their bodies together, as they are stated


def router(controller: Controller, access: Access, worker: Executor, taken: Callable[[], None]) -> APIRouter:
    """Routes over a controller. Batches are checked in `worker`, one after another; `taken` is called on
    the event loop after each that was accepted."""
    api = APIRouter(prefix="/v1", tags=["hosts"])
    waiting: Counter[bytes] = Counter()
    held: Counter[bytes] = Counter()  # bytes that they may have

    async def in_worker(work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(worker, work)

    @api.post("/batches", summary="Deliver a batch of receipts", response_model=None)
    async def batches(request: Request) -> Response:
        """Body: the bytes of docs/formats/batch.md. 200 means that all of it is durable here; repeating it
        is safe."""
        host = access.host(request)
        if waiting[host.host] >= IN_FLIGHT:
            raise Refused(429, "this host's earlier batches are still being checked", retry_after=1)
        stated = request.headers.get("content-length", "")
        size = min(int(stated), MAX_BODY) if stated.isdigit() and len(stated) < 12 else MAX_BODY
        if waiting.total() >= WAITING or held.total() + size > WAITING_BYTES:
            raise Refused(503, "too many batches wait to be checked", retry_after=2)
        waiting[host.host] += 1
        held[host.host] += size
        try:
            data = await body(request, MAX_BODY)
            access.demand(host)  # a slow body: it may have been revoked meanwhile
            answer = await in_worker(lambda: controller.take(host, data))
        finally:
            waiting[host.host] -= 1
            held[host.host] -= size
        taken()
        return Response(answer, media_type="application/json")

    @api.post("/private-keys", summary="Deliver keys of private parts", response_model=None)
    async def private_keys(request: Request) -> Response:
        """Body: `{"keys": [{"id": hex16, "event": hex8, "subject": hex8 or null, "key": base64}]}`."""
        host = access.host(request)
        keys = parse_keys(await body(request, MAX_KEYS_BODY))
        now_ms = controller.clock.now_ms()
        added = await in_worker(lambda: controller.private_keys.add(host.host, keys, now_ms))
        return JSONResponse({"added": added})

    @api.get("/hosts/{host}/next", summary="Where this controller stands with a host", response_model=None)
    def next_of(host: str, request: Request) -> Response:
        """`{"number", "prev"}` of the next batch, `{"host_seq", "prev_receipt"}` of the next receipt."""
        known = access.host(request)
        if host.lower() != known.host.hex():
            raise Refused(403, "this token is of another host")
        return JSONResponse(controller.next_of(known))

    @api.get("/kits/{kit}/bundle", summary="The bundle that a kit should run", response_model=None)
    def kit_bundle(kit: str, request: Request) -> Response:
        """Bundle bytes, for hosts that know no directives; 304 where `If-None-Match` names them already."""
        host = access.of_kit(request, kit)
        controller.desired.renew()
        if controller.desired.halted(host.kit):
            raise Refused(404, "this kit is stopped: nothing is to be installed")
        data = controller.desired.bundle(host.kit)
        if data is None:
            raise Refused(404, "there is no bundle for this kit")
        etag = campaigns.etag_of(data)
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        return Response(data, headers=headers, media_type="application/octet-stream")

    @api.get("/kits/{kit}/slices", summary="Slices of rights minted for a kit", response_model=None)
    def slices(kit: str, request: Request) -> Response:
        """`{"slices": [{"id", "payload": base64, "signature": base64, "brick": hex8 or null}], "last": the highest
        number of a slice so far}`: all that have not expired, oldest first; none while the kit is stopped. `brick`:
        whom the forecast had in mind."""
        host = access.of_kit(request, kit)
        controller.renew()
        stopped = controller.desired.halted(host.kit)
        now_ms, rental = controller.clock.now_ms(), controller.rental_of(host.kit)
        made = [] if stopped else rights.of_kit(controller.database, host.kit, now_ms, rental)
        return JSONResponse(
            {
                "slices": [
                    {
                        "id": one.id,
                        "payload": _text(one.payload),
                        "signature": _text(one.signature),
                        "brick": None if one.brick is None else one.brick.hex(),
                    }
                    for one in made
                ],
                "last": rights.newest(controller.database),
            }
        )

    @api.get("/kits/{kit}/rights", summary="A kit's budgets in figures", response_model=None)
    def budgets(kit: str, request: Request) -> Response:
        """`{"rights": [{"rule", "unit", "budget", "kept", "minted", "spent", "returned", "assigned",
        "unassigned", "expired", "stranded", …}], "charges": […]}` (docs/rights.md)."""
        host = access.of_kit(request, kit)
        now_ms = controller.clock.now_ms()
        found = rights.figures(controller.database, controller.config, now_ms, host.kit)
        return JSONResponse(
            {
                "rights": rights.as_json(found),
                "charges": settlements.charges_of(controller.database, host.kit),
            }
        )

    @api.get(
        "/kits/{kit}/rekeys",
        summary="New link keys that were ordered for a kit's bricks",
        response_model=None,
    )
    def rekeys(kit: str, request: Request) -> Response:
        """`{"rekeys": [{"brick": hex8, "epoch", "tag": base64, "key": base64}]}`: the newest order of each brick. `key` is
        sealed for the host's signing key (docs/formats/link.md, *Re-keying*)."""
        found = controller.rekeys(access.of_kit(request, kit))
        return JSONResponse(
            {
                "rekeys": [
                    {"brick": one.brick.hex(), "epoch": one.epoch, "tag": _text(tag), "key": _text(key)}
                    for one, tag, key in found
                ]
            },
            headers={"Cache-Control": "no-store"},
        )

    @api.get(
        "/kits/{kit}/root-tags/{version}",
        summary="Tags under which a kit's bricks take their first root",
        response_model=None,
    )
    def root_tags(kit: str, version: int, request: Request) -> Response:
        """`{"digest": hex32, "tags": [{"brick": hex8, "tag": base64}]}` for compact root `version` (`/v1/trust/roots/N`); 404
        where there is none (docs/formats/directive.md)."""
        digest, found = controller.root_tags(access.of_kit(request, kit), version)
        tags = [{"brick": brick.hex(), "tag": _text(tag)} for brick, tag in found]
        return JSONResponse({"digest": digest.hex(), "tags": tags}, headers={"Cache-Control": "no-store"})

    @api.get(
        "/kits/{kit}/tag-keys/{event}",
        summary="An event's tag keys, sealed for each of a kit's bricks",
        response_model=None,
    )
    def tag_keys(kit: str, event: str, request: Request) -> Response:
        """`{"bricks": [{"brick": hex8, "nonce": base64, "sealed": base64, "tag": base64}]}`; 304 where `If-None-Match` names
        them already. Only that brick opens its entry (docs/formats/tag.md)."""
        host = access.of_kit(request, kit)
        event8 = enrolled.brick_of(event)
        if event8 is None:
            raise Refused(422, "an event is 16 hex characters")
        known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
        tag, found = controller.tag_keys(host, event8, known)
        headers = {"ETag": tag, "Cache-Control": "no-store"}
        if found is None:
            return Response(status_code=304, headers=headers)
        return JSONResponse(
            {
                "bricks": [
                    {
                        "brick": one.brick.hex(),
                        "nonce": _text(one.nonce),
                        "sealed": _text(one.sealed),
                        "tag": _text(one.tag),
                    }
                    for one in found
                ]
            },
            headers=headers,
        )

    @api.get("/kits/{kit}/settlements", summary="Vouchers that were paid twice", response_model=None)
    def settled(kit: str, request: Request) -> Response:
        """`{"settlements": [{"serial", "winner", "loser", "why", "liable", "minor", "at_ms"}]}`."""
        host = access.of_kit(request, kit)
        return JSONResponse({"settlements": settlements.settlements_of(controller.database, host.kit)})

    @api.get("/kits/{kit}/spent", summary="Vouchers that were paid anywhere", response_model=None)
    def spent(kit: str, request: Request, after: int = 0) -> Response:
        """`{"spent": [serial hex8 …], "last": number to ask on from}`, at most 1,000 at once."""
        access.of_kit(request, kit)
        rows = settlements.spent_after(controller.database, after)
        return JSONResponse(
            {"spent": [serial.hex() for _, serial in rows], "last": rows[-1][0] if rows else after}
        )

    api.include_router(ending.router(controller, access, worker))
    api.include_router(steps.router(controller, access, worker))
    return api


def parse_keys(data: bytes) -> list[PrivateKey]:
    """Reads the body of /v1/private-keys. Raises Refused 422."""
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):  # nested too deep to be read is none either
        raise Refused(422, "the body is not JSON") from None
    items: Any = cast("dict[str, Any]", found).get("keys") if isinstance(found, dict) else None
    if not isinstance(items, list):
        raise Refused(422, 'the body must be {"keys": [...]}')
    keys = cast("list[Any]", items)
    if len(keys) > MAX_KEYS:
        raise Refused(422, f"at most {MAX_KEYS} keys at once")
    return [_key(number, item) for number, item in enumerate(keys)]


def _key(number: int, item: Any) -> PrivateKey:
    try:
        subject: str | None = item["subject"]
        key = PrivateKey(
            bytes.fromhex(item["id"]),
            bytes.fromhex(item["event"]),
            None if subject is None else bytes.fromhex(subject),
            base64.b64decode(item["key"], validate=True),
        )
    except (KeyError, TypeError, ValueError, binascii.Error):
        reason = f"key {number}: expected id and event as hex, subject as hex or null, key as base64"
        raise Refused(422, reason) from None
    if len(key.id) != 16 or len(key.event) != 8 or len(key.key) != 32 or len(key.subject or bytes(8)) != 8:
        raise Refused(422, f"key {number}: expected an id of 16, event and subject of 8, a key of 32 bytes")
    return key


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
