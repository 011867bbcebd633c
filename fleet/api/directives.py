"""What hosts ask of desired state: the long-poll for their kit's directive, targets by digest, status reports, why.
docs/desired-state.md"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Sequence
from concurrent.futures import Executor

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from fleet.api.access import Access, body
from fleet.controller import Controller
from fleet.desired import report, why
from fleet.desired.report import Said
from fleet.desired.reporting import Answer, Reporting
from fleet.desired.waiting import LONGEST_S, Waiting
from fleet.errors import Refused
from fleet.rollouts import shadowing

TYPE = "application/vnd.stallmark.directive+cbor"
HINT = "Stallmark-Next-Poll"  # seconds that a host should leave, before its own jitter
REPORT_S = 0.5  # between two status reports of a kit at least, after a few at once
REPORTS_AT_ONCE = 6
FOREVER = "public, max-age=31536000, immutable"
_RANGE = re.compile(r"bytes=(\d{1,10})-(\d{0,10})$")


def router(controller: Controller, access: Access, waiting: Waiting, worker: Executor) -> APIRouter:
    """Routes over a controller; reports are written in `worker`, those that wait together. `waiting` is told by
    `controller.desired.changed`."""
    api = APIRouter(prefix="/v1", tags=["desired state"])
    desired = controller.desired
    often: dict[bytes, float] = {}

    def take(found: Sequence[Said]) -> list[Answer]:
        desired.report_all(found)
        return [shadowing.exchange(controller, one.kit, one.report.bricks) for one in found]

    reporting = Reporting(take, worker)

    @api.get(
        "/kits/{kit}/directive",
        summary="The directive of a kit, as soon as there is another",
        response_model=None,
    )
    async def directive(kit: str, request: Request, wait: float = 0.0, have: str = "") -> Response:
        """Envelope bytes with their `ETag`; 304 where nothing is newer than `have` (the newest that the host has on its
        disk), else than `If-None-Match` (the newest that is *active* there), after at most `wait` seconds (60 at most).
        404: nothing was ever ordered, and nothing came while it waited. 429 with `Retry-After`: too many wait here."""
        host = access.of_kit(request, kit)
        active = request.headers.get("if-none-match", "").strip()
        held = have.strip() or active
        desired.saw(host.kit, held[:80] or None)
        head = desired.head(host.kit)
        if wait > 0 and (head is None or head.etag == held):
            if waiting.full:
                raise Refused(429, "too many hosts wait here: come back later", retry_after=waiting.retry_s())
            # Hosts that began together do not end together.
            await waiting.wait(host.kit, min(wait, LONGEST_S) * random.uniform(0.85, 1.0))
            access.demand(host)  # revoked while it waited
            desired.saw(host.kit, held[:80])
            head = desired.head(host.kit)
        headers = {"Cache-Control": "no-store", HINT: f"{waiting.hint_s():g}"}
        if head is None:
            raise Refused(
                404, "nothing was ever ordered for this kit, and there is no bundle for it", nothing=1
            )
        headers["ETag"] = head.etag
        if head.etag == held:
            return Response(status_code=304, headers=headers)
        return Response(head.envelope, headers=headers, media_type=TYPE)

    @api.get("/targets/{digest}", summary="An envelope or artefact by its SHA-256", response_model=None)
    def target(digest: str, request: Request) -> Response:
        """Bytes that never change; `Range: bytes=N-` goes on where a download broke off."""
        access.host(request)
        if len(digest) != 64 or digest.strip("0123456789abcdef"):
            raise Refused(422, "a target is named by 64 hex digits")
        data = desired.target(bytes.fromhex(digest))
        if data is None:
            raise Refused(404, "there is nothing under this digest")
        headers = {"ETag": f'"{digest}"', "Cache-Control": FOREVER, "Accept-Ranges": "bytes"}
        if request.headers.get("if-none-match", "").strip() == f'"{digest}"':
            return Response(status_code=304, headers=headers)
        wanted = _RANGE.match(request.headers.get("range", "").strip())
        if wanted is None:
            return Response(data, headers=headers, media_type="application/octet-stream")
        first, last = int(wanted[1]), min(int(wanted[2] or len(data) - 1), len(data) - 1)
        if first > last:
            headers["Content-Range"] = f"bytes */{len(data)}"
            return Response(status_code=416, headers=headers)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        part = data[first : last + 1]
        return Response(part, 206, headers=headers, media_type="application/octet-stream")

    @api.post("/kits/{kit}/status", summary="How a kit stands by its host", response_model=None)
    async def status(kit: str, request: Request) -> Response:
        """Body: docs/desired-state.md, *Status*. Durable when answered.
        429: they come too often; 503: too many wait to be written down; both with `Retry-After`."""
        host = access.of_kit(request, kit)
        now = asyncio.get_running_loop().time()
        credit = max(often.get(host.kit, 0.0), now - REPORT_S * REPORTS_AT_ONCE)
        if credit + REPORT_S > now:
            raise Refused(429, "status reports come too often", retry_after=1)
        often[host.kit] = credit + REPORT_S
        said = report.read(await body(request, report.MAX_BODY))
        newest = report.newest(said)

        ordered = await reporting.report(Said(host.kit, host.host, said, newest))
        return JSONResponse({"shadow": ordered} if ordered else {})

    @api.get("/kits/{kit}/why", summary="Why a kit runs what it runs", response_model=None)
    def own_why(kit: str, request: Request) -> Response:
        """Reasons in the order of their weight, each with its age: docs/desired-state.md, *Why*."""
        host = access.of_kit(request, kit)
        return JSONResponse(explained(controller, host.kit), headers={"Cache-Control": "no-store"})

    return api


def explained(controller: Controller, kit: bytes) -> dict[str, object]:
    """The answer to *why* of one kit."""
    facts = controller.desired.facts(kit)
    name = next((one.name for one in controller.config.kits if one.kit == kit), "")
    return why.as_json(facts, name, why.reasons(facts, tuple(controller.more_reasons(kit))))
