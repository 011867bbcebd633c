"""Kits for people: the list with state and age, why, stop and what is still exposed. Under /v1/admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from fleet.api.directives import explained
from fleet.controller import Controller
from fleet.desired import stops, why
from fleet.desired.desired import DesiredError
from fleet.errors import Refused

NO_STORE = {"Cache-Control": "no-store"}
Require = Callable[[str], Callable[[Request], Any]]
Record = Callable[[Any, str, str, object, object], None]  # actor, verb, thing, before, after


class Stop(BaseModel):
    """What to stop: a campaign or one kit; `lift` takes it back."""

    campaign: str | None = Field(default=None, max_length=64)
    kit: str | None = Field(default=None, max_length=64)
    reason: str = Field(min_length=1, max_length=96)
    lift: bool = False


def router(controller: Controller, require: Require, record: Record) -> APIRouter:
    """Routes over a controller. `require(permission)` is the dependency that says who is calling; `record` keeps what they
    did."""
    api = APIRouter(prefix="/v1/admin", tags=["kits"])
    desired = controller.desired
    reading, halting = Depends(require("kits.read")), Depends(require("rollouts.halt"))

    @api.get("/kits", summary="Every kit with its state and the age of what is known", response_model=None)
    def kits(_: Any = reading) -> Response:
        """`{"kits": [{"kit", "name", "state", "number", "seen_ms", "seen_age_s", "reported_ms", "reason"}]}`."""
        names = {one.kit: one.name for one in controller.config.kits}
        found: list[dict[str, Any]] = []
        for facts in desired.all_facts():
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
    def of_one(kit: str, _: Any = reading) -> Response:
        """Reasons in the order of their weight, each with its age."""
        return JSONResponse(explained(controller, _kit(controller, kit)), headers=NO_STORE)

    @api.get("/exposed", summary="What kits can still spend, and until when", response_model=None)
    def exposed(_: Any = reading, kit: str | None = None) -> Response:
        """`{"kits": [{"kit", "state", "exposed": [{"rule", "unit", "most", "slices", "until_ms"}], …}]}`."""
        wanted = None if kit is None else [_kit(controller, kit)]
        return JSONResponse({"kits": _rows(wanted)}, headers=NO_STORE)

    @api.post("/stop", summary="Stop a campaign or a kit, or take that back", response_model=None)
    def stop(asked: Stop, actor: Any = halting) -> Response:
        """Durable when answered; connected kits have it within seconds. Answers with what is still exposed."""
        try:
            wanted = stops.chosen(desired, controller.config, asked.campaign, asked.kit)
            before = [kit.hex() for kit in wanted if desired.halted(kit)]
            if asked.lift:
                with controller.database.read() as connection:
                    stops.lift(desired, connection, wanted)
            else:
                stops.stop(desired, wanted, asked.reason)
        except DesiredError as wrong:
            raise Refused(404, str(wrong)) from None
        verb = "kits.lift" if asked.lift else "kits.stop"
        after = [kit.hex() for kit in wanted if desired.halted(kit)]
        record(actor, verb, asked.campaign or asked.kit or "", before, after)
        return JSONResponse({"kits": _rows(wanted)}, headers=NO_STORE)

    def _rows(wanted: list[bytes] | None) -> list[dict[str, object]]:
        facts = desired.all_facts(wanted)
        names = {one.kit: one.name for one in controller.config.kits}
        with controller.database.read() as connection:
            found = stops.exposed(connection, controller.clock.now_ms(), [one.kit for one in facts])
        return stops.as_json(facts, found, names)

    return api


def _kit(controller: Controller, wanted: str) -> bytes:
    for one in controller.config.kits:
        if wanted.lower() in (one.name.lower(), one.kit.hex()):
            return one.kit
    raise Refused(404, "there is no such kit in this controller's configuration")
