"""What a host says of a brick that was replaced at its stall."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from fleet import ending, enrolled
from fleet.api.access import Access, body
from fleet.controller import Controller
from fleet.errors import Refused


def router(controller: Controller, access: Access, worker: Executor) -> APIRouter:
    """Routes over a controller, for the router of hosts."""
    api = APIRouter()

    @api.post("/kits/{kit}/bricks/{brick}/end", summary="End a brick that was replaced", response_model=None)
    async def end(kit: str, brick: str, request: Request) -> Response:
        """Body: `{"reason": text, "last_seq": the last record that it had written, or null}`. Records up to there still count;
        later ones are findings. Once: what was said first stands."""
        host = access.of_kit(request, kit)
        brick8 = enrolled.brick_of(brick)
        if brick8 is None:
            raise Refused(422, "a brick is 16 hex characters")
        told = ending.parse(await body(request, ending.MAX_BODY))
        work = asyncio.get_running_loop().run_in_executor(
            worker, lambda: ending.end(controller, host.kit, brick8, told, host.host.hex())
        )
        return JSONResponse(await work)

    return api
