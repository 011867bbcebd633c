"""Kits for people: the list with state and age, why, stop and what is still exposed. Under /v1/admin.

Everybody sees and stops what is of their tenant, hubs and tags; of other kits nobody learns even that they exist."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from fleet.api.directives import explained
from fleet.controller import Controller
from fleet.desired import stops, why
from fleet.desired.desired import DesiredError
from fleet.errors import Refused
from fleet.people import audit
from fleet.people.access import require
from fleet.people.actors import ANYTHING, Actor, sees
from fleet.people.api_people import in_thread
from fleet.people.bodies import Body, read
from fleet.people.places import places
from fleet.people.service import People

NO_STORE = {"Cache-Control": "no-store"}
MAX_REASON = 96
NOT_YOURS = "no kit that you see runs a campaign of this name by its directive"
Reading = Annotated[Actor, Depends(require("kits.read"))]


def router(controller: Controller, people: People) -> APIRouter:
    """Routes over a controller; `people` knows where kits belong, and keeps what was done."""
    api = APIRouter(prefix="/v1/admin", tags=["kits"])
    desired = controller.desired

    @api.get("/kits", summary="Every kit with its state and the age of what is known", response_model=None)
    def kits(actor: Reading) -> Response:
        """`{"kits": [{"kit", "name", "state", "number", "seen_ms", "seen_age_s", "reported_ms", "reason"}]}`."""
        names = {one.kit: one.name for one in controller.config.kits}
        found: list[dict[str, Any]] = []
        for facts in desired.all_facts(_seen(actor)):
            first = why.reasons(facts, tuple(controller.more_reasons(facts.kit)))[0]
            found.append(
                {
                    "kit": facts.kit.hex(), "name": names.get(facts.kit, ""), "state": facts.state,
                    "number": None if facts.head is None else facts.head.number, "seen_ms": facts.seen_ms,
                    "seen_age_s": None if facts.seen_ms is None else max(0, facts.now_ms - facts.seen_ms) // 1000,
                    "reported_ms": facts.report_ms, "reason": first.as_json(facts.now_ms),
                }
            )  # fmt: skip
        return JSONResponse({"kits": found}, headers=NO_STORE)

    @api.get("/kits/{kit}/why", summary="Why a kit runs what it runs", response_model=None)
    def of_one(kit: str, actor: Reading) -> Response:
        """Reasons in the order of their weight, each with its age."""
        return JSONResponse(explained(controller, _kit(actor, kit)), headers=NO_STORE)

    @api.get("/exposed", summary="What kits can still spend, and until when", response_model=None)
    def exposed(actor: Reading, kit: str | None = None) -> Response:
        """`{"kits": [{"kit", "state", "exposed": [{"rule", "unit", "most", "slices", "until_ms"}], …}]}`."""
        wanted = _seen(actor) if kit is None else [_kit(actor, kit)]
        return JSONResponse({"kits": _rows(wanted)}, headers=NO_STORE)

    @api.post("/stop", summary="Stop a campaign or a kit, or take that back", response_model=None)
    async def stop(request: Request) -> Response:
        """Body: `{"campaign" or "kit", "reason", "lift"}`. Durable when answered; connected kits have it within seconds. Of a
        campaign the kits that one sees are stopped. Answers with what is still exposed."""
        asked = await read(request)
        return await in_thread(lambda: _stop(require("rollouts.halt")(request), asked))

    def _stop(actor: Actor, asked: Body) -> Response:
        campaign = asked.text("campaign", 64) if asked.has("campaign") else None
        kit = asked.text("kit", 64) if asked.has("kit") else None
        reason, lift = asked.text("reason", MAX_REASON), asked.flag("lift")
        if not reason.strip() or not reason.isprintable():
            raise Refused(422, "'reason' is shown wherever somebody asks why: say in a few words what it is")
        wanted = _meant(actor, campaign, kit)
        before = [one.hex() for one in wanted if desired.halted(one)]
        after = {"stopped": [] if lift else [one.hex() for one in wanted], "reason": reason}

        def noted(connection: Connection) -> None:
            verb, thing = "kits.lift" if lift else "kits.stop", campaign or kit or ""
            audit.record(connection, actor, verb, thing, before, after, people.now_ms())

        if lift:
            with controller.database.read() as connection:
                stops.lift(desired, connection, wanted, noted)
        else:
            stops.stop(desired, wanted, reason, noted)
        return JSONResponse({"kits": _rows(wanted)}, headers=NO_STORE)

    def _meant(actor: Actor, campaign: str | None, kit: str | None) -> list[bytes]:
        if kit is not None and campaign is None:
            return [_kit(actor, kit)]
        mine = set(_seen(actor))
        try:
            wanted = [one for one in stops.chosen(desired, controller.config, campaign, kit) if one in mine]
        except DesiredError as wrong:
            # Its words name campaigns of every kit.
            whole = len(mine) == len(controller.config.kits) or campaign is None or kit is not None
            raise Refused(404, str(wrong) if whole else NOT_YOURS) from None
        if not wanted:
            raise Refused(404, NOT_YOURS)
        return wanted

    def _seen(actor: Actor) -> list[bytes]:
        """The kits that are this actor's to see."""
        with people.database.read() as connection:
            where = places(connection)
        return [one.kit for one in controller.config.kits if sees(actor, where.get(one.kit, ANYTHING))]

    def _kit(actor: Actor, wanted: str) -> bytes:
        mine = set(_seen(actor))
        for one in controller.config.kits:
            if wanted.lower() in (one.name.lower(), one.kit.hex()) and one.kit in mine:
                return one.kit
        raise Refused(
            404, "there is no such kit in this controller's configuration, or it is not yours to see"
        )

    def _rows(wanted: list[bytes]) -> list[dict[str, object]]:
        facts = desired.all_facts(wanted)
        names = {one.kit: one.name for one in controller.config.kits}
        with controller.database.read() as connection:
            found = stops.exposed(connection, controller.clock.now_ms(), [one.kit for one in facts])
        return stops.as_json(facts, found, names)

    return api
