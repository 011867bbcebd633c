"""`/v1/admin/alerts`: what somebody must look at, and who takes it over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from fleet.alerts import telling
from fleet.alerts.gather import gather
from fleet.alerts.judge import Alert, judge
from fleet.controller import Controller
from fleet.errors import Refused
from fleet.people import audit
from fleet.people.access import people_of, require
from fleet.people.actors import ANYTHING, Actor, Thing, sees
from fleet.people.places import places


class Taken(BaseModel):
    """Which alert, for how long nothing is sent of it, and a note."""

    model_config = ConfigDict(extra="forbid", strict=True)
    key: str = Field(max_length=400)
    quiet_min: int = Field(default=0, ge=0, le=10_080)
    note: str = Field(default="", max_length=200)


def router(controller: Controller) -> APIRouter:
    """Routes over a controller."""
    api = APIRouter(prefix="/v1/admin", tags=["alerts"])

    @api.get("/alerts", summary="What somebody must look at", response_model=None)
    def listed(request: Request, actor: Annotated[Actor, Depends(require("alerts.read"))]) -> Response:
        """`{"alerts": [{"key", "urgency": now, soon or look, "sentence", "remedy", "owner", "since_ms", "age_s", "kit",
        "taken_by", "taken_ms"}]}`, the most pressing first. Those of a kit for
        whoever sees the kit, the others for whoever sees all of the main tenant."""
        people, now_ms = people_of(request), controller.clock.now_ms()
        with people.database.read() as connection:
            found = judge(gather(connection, controller.config, now_ms, people.now_ms()), now_ms)
            where, owners = places(connection), telling.owners(connection)
        shown = [
            {**one.as_json(now_ms), **_taken(owners.get(one.key))}
            for one in found
            if _sees(actor, one, where)
        ]
        return JSONResponse({"alerts": shown})

    @api.post("/alerts/take", summary="Take an alert over", response_model=None)
    def take(
        request: Request, body: Taken, actor: Annotated[Actor, Depends(require("alerts.write"))]
    ) -> Response:
        """From then on it is this person's; others see so. With `quiet_min` nothing of it is sent for so long, unless it begins
        to press now. It ends with the alert."""
        people, now_ms = people_of(request), controller.clock.now_ms()
        with people.database.write() as connection:
            found = judge(gather(connection, controller.config, now_ms, people.now_ms()), now_ms)
            where = places(connection)
            one = next((one for one in found if one.key == body.key and _sees(actor, one, where)), None)
            if one is None:
                raise Refused(404, "there is no such alert now, or it is not yours to see")
            at_ms = people.now_ms()
            quiet_ms = at_ms + body.quiet_min * 60_000 if body.quiet_min else None
            before = telling.owners(connection).get(one.key)
            owner = telling.Owner(actor.name, at_ms, quiet_ms, body.note)
            telling.take(connection, one.key, owner)
            audit.record(connection, actor, "alerts.take", one.key, _taken(before), _taken(owner), at_ms)
        return JSONResponse({**one.as_json(now_ms), **_taken(owner)})

    return api


def _sees(actor: Actor, one: Alert, where: dict[bytes, Thing]) -> bool:
    if one.kit:
        return sees(actor, where.get(bytes.fromhex(one.kit), ANYTHING))
    return sees(actor, ANYTHING) and not actor.hubs and not actor.tags


def _taken(owner: telling.Owner | None) -> dict[str, object]:
    if owner is None:
        return {"taken_by": None, "taken_ms": None}
    return {
        "taken_by": owner.by,
        "taken_ms": owner.at_ms,
        "quiet_until_ms": owner.quiet_ms,
        "note": owner.note,
    }
