"""What a technician's bench calls: register a brick, end an identity, ask what is known of one (docs/bench.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from fleet import enrolled
from fleet.api.access import body
from fleet.controller import Controller
from fleet.errors import Refused


def router(controller: Controller, worker: Executor) -> APIRouter:
    """Routes over a controller; what writes runs in `worker`, one after another with the batches."""
    api = APIRouter(prefix="/v1/bricks", tags=["benches"])

    async def in_worker(work: Callable[[], dict[str, Any]]) -> Response:
        return JSONResponse(await asyncio.get_running_loop().run_in_executor(worker, work))

    def bench_of(request: Request) -> enrolled.Bench:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        found = controller.bench(token) if scheme.lower() == "bearer" else None
        if found is None:
            raise Refused(401, "a bench's bearer token is needed: this one is missing or not known")
        return found

    @api.post("", summary="Register a brick", response_model=None)
    async def register(request: Request) -> Response:
        """Body: `{"brick", "kit": hex8, "rental", "root": base64 (sealed), "board": the chip's number, "hardware", "chip",
        "firmware", "label", "made_ms"}`. Repeating it is safe. Of one board's identities the one that was made last lives:
        `revoked` names those that ended, this one too where it comes late."""
        bench = bench_of(request)
        data = await body(request, enrolled.MAX_BODY)
        return await in_worker(lambda: controller.enrol(bench, data))

    @api.post("/{brick}/revoke", summary="End a brick's identity", response_model=None)
    async def revoke(brick: str, request: Request) -> Response:
        """Body: `{"reason"}`. Repeating it is safe: the first reason and instant stand."""
        bench = bench_of(request)
        reason = enrolled.parse_revocation(await body(request, enrolled.MAX_BODY))
        brick8 = _brick(brick)
        return await in_worker(lambda: controller.revoke(bench, brick8, reason))

    @api.get("", summary="The bricks that a board was and is", response_model=None)
    def of_board(board: str, request: Request) -> Response:
        """Of this bench's kit, by the chip's own number; a chip that is not known has none."""
        return JSONResponse({"bricks": controller.of_board(bench_of(request), board)})

    @api.get("/{brick}", summary="What is known of a brick", response_model=None)
    def known(brick: str, request: Request) -> Response:
        """Kit, rental, board, label, firmware; when it was registered and revoked."""
        bench = bench_of(request)
        found = controller.enrolled(bench, _brick(brick))
        if found is None:
            raise Refused(404, "no bench registered this brick")
        return JSONResponse({"brick": brick.lower(), **found})

    return api


def _brick(text: str) -> bytes:
    brick = enrolled.brick_of(text)
    if brick is None:
        raise Refused(422, "a brick's id is 8 bytes, 16 hex characters")
    return brick
