"""`GET /v1/admin/alerts`: what somebody must look at."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from fleet.alerts.gather import gather
from fleet.alerts.judge import judge
from fleet.controller import Controller
from fleet.people.access import people_of, require
from fleet.people.actors import ANYTHING, Actor, sees
from fleet.people.places import places


def router(controller: Controller) -> APIRouter:
    """Routes over a controller."""
    api = APIRouter(prefix="/v1/admin", tags=["alerts"])

    @api.get("/alerts", summary="What somebody must look at", response_model=None)
    def listed(request: Request, actor: Annotated[Actor, Depends(require("alerts.read"))]) -> Response:
        """`{"alerts": [{"key", "urgency": now, soon or look, "sentence", "remedy", "owner", "since_ms", "age_s", "kit"}]}`, the
        most pressing first. Those of a kit for whoever sees the kit, the others for whoever sees all of the main tenant."""
        people, now_ms = people_of(request), controller.clock.now_ms()
        with people.database.read() as connection:
            found = judge(gather(connection, controller.config, now_ms, people.now_ms()), now_ms)
            where = places(connection)
        whole = sees(actor, ANYTHING) and not actor.hubs and not actor.tags
        shown = [
            one.as_json(now_ms)
            for one in found
            if (sees(actor, where.get(bytes.fromhex(one.kit), ANYTHING)) if one.kit else whole)
        ]
        return JSONResponse({"alerts": shown})

    return api
