"""Rollouts for people and programs: the list, one with its waves and kits, why, and the verbs. Under /v1/admin."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from fleet.controller import Controller
from fleet.errors import Refused
from fleet.people import audit
from fleet.people.access import require_every_hub
from fleet.people.actors import MAIN, Actor
from fleet.people.api_people import in_thread
from fleet.people.bodies import Body, read
from fleet.people.places import places
from fleet.people.service import People
from fleet.rollouts import book, hoststep, names, picture, second, showing, tenants
from fleet.rollouts.book import BookError
from fleet.rollouts.facts import Verb
from fleet.rollouts.plan import MAX_TEXT
from fleet.rollouts.state import PLANNED, State
from fleet.rollouts.why import why

NO_STORE = {"Cache-Control": "no-store"}
GOING = ("start", "pause", "resume", "follow")
STOPPING = ("halt", "rollback")


def router(controller: Controller, people: People) -> APIRouter:
    """Routes over a controller. A rollout is seen and driven by its kits' tenant (fleet.rollouts.tenants)."""
    api = APIRouter(prefix="/v1/admin", tags=["rollouts"])
    reading = Depends(require_every_hub("rollouts.read"))
    people.kinds[second.KIND] = second.kind(controller.config)

    def _called() -> dict[str, str]:
        with controller.database.read() as connection:
            return names.of_all(connection, controller.config)

    @api.get("/rollouts", summary="Every rollout, the oldest first", response_model=None)
    def every(actor: Actor = reading) -> Response:
        """`{"rollouts": [{"rollout", "phase", "reason", "wave", "waves": [{"kits", "good", "bad", …}], "why": […]}]}`."""
        now_ms = controller.clock.now_ms()
        with controller.database.read() as connection:
            where = places(connection)
            states = [book.load(connection, name)[0] for name in book.names(connection)]
            called = names.of_all(connection, controller.config)
        found = [one for one in states if tenants.sees(actor, tenants.tenant_of(where, one.kits))]
        return JSONResponse(
            {"rollouts": [showing.as_json(one, now_ms, False, called) for one in found]}, headers=NO_STORE
        )

    @api.get(
        "/rollouts/{name}",
        summary="One rollout with every kit's status and first reason",
        response_model=None,
    )
    def of_one(name: str, actor: Actor = reading) -> Response:
        """The same with `kits`: {kit: {"wave", "status", "why"}}."""
        return JSONResponse(showing.as_json(_state(actor, name), controller.clock.now_ms(), True, _called()), headers=NO_STORE)

    @api.get(
        "/rollouts/{name}/why", summary="Why a rollout, or a kit in it, is where it is", response_model=None
    )
    def reasons(name: str, actor: Actor = reading, kit: str | None = None) -> Response:
        """`{"reasons": [{"code", "text", "since_ms", "age_s"}]}`, what matters most first."""
        now_ms = controller.clock.now_ms()
        ids = {one.name: one.kit.hex() for one in controller.config.kits}
        wanted = None if kit is None else ids.get(kit, kit.lower())
        state = _state(actor, name)
        found = why(state, wanted, now_ms, _called())
        known = None if wanted is None else state.kits.get(wanted)
        if wanted is not None and known is not None and hoststep.asks(state, known):
            found[1:1] = hoststep.more(state, known, controller.desired.facts(bytes.fromhex(wanted)))
        if state.phase == PLANNED and people.configured:
            with controller.database.read() as connection:
                waits = second.reason(connection, name, people.now_ms(), now_ms)
            found = [waits, *found] if waits is not None else found
        return JSONResponse(
            {"reasons": [showing.reason_json(one, now_ms) for one in found]}, headers=NO_STORE
        )

    @api.get(
        "/rollouts/{name}/picture",
        summary="Waves with a dot for each kit: for the live page",
        response_model=None,
    )
    def drawn(name: str, request: Request, actor: Actor = reading) -> Response:
        """fleet.rollouts.picture; 304 for an `If-None-Match` with the ETag of the newest event."""
        with controller.database.read() as connection:
            _demand(connection, actor, name)
            newest = f'"{book.last(connection, name)}"'
        if newest != '"0"' and request.headers.get("if-none-match") == newest:
            return Response(status_code=304, headers={**NO_STORE, "ETag": newest})
        found = picture.picture(_state(actor, name), _called())
        return JSONResponse(found, headers={**NO_STORE, "ETag": newest})

    @api.post("/rollouts/{name}/{verb}", summary="start, pause or resume", response_model=None)
    async def go(name: str, verb: str, request: Request) -> Response:
        """Body: `{"reason", "accept_failures": resume in spite of what failed, was silent or unclear}`. 202: written down; the
        leading controller takes it up within a second. What it made of it stands in `why`. A start that nobody else has agreed
        to is not written down: 202 with `{"approval": number, "sentence"}`, until another one did; then start again."""
        if verb not in GOING:
            raise Refused(
                404, f"there is no such verb; there are {', '.join((*GOING, 'stop/halt', 'stop/rollback'))}"
            )
        return await _asked(request, name, verb, "rollouts.write")

    @api.post("/rollouts/{name}/stop/{verb}", summary="halt, or roll back", response_model=None)
    async def stop(name: str, verb: str, request: Request) -> Response:
        """Body: `{"reason"}`. 202: written down before it is answered; it comes before anything else that the leading
        controller orders."""
        if verb not in STOPPING:
            raise Refused(404, f"there is no such verb; there are {', '.join(STOPPING)}")
        return await _asked(request, name, verb, "rollouts.halt")

    async def _asked(request: Request, name: str, verb: str, permission: str) -> Response:
        body = await read(request)
        return await in_thread(lambda: _ask(name, verb, body, require_every_hub(permission)(request)))

    def _ask(name: str, verb: str, body: Body, actor: Actor) -> Response:
        state, reason = _state(actor, name), body.text("reason", MAX_TEXT, "")
        fact = Verb(verb, actor.name, reason, body.flag("accept_failures") and verb == "resume")
        try:
            with controller.database.write() as connection:
                if verb == "start" and state.phase == PLANNED and people.configured:
                    waits = second.ask(connection, actor, name, people.now_ms())
                    if missing := second.missing(connection, name, people.now_ms()):
                        waiting = {"approval": waits.number, "sentence": missing, "phase_before": state.phase}
                        return JSONResponse(waiting, 202, headers=NO_STORE)
                number = book.ask(connection, name, fact, controller.clock.now_ms())
                after = {"reason": reason, "accept_failures": fact.accept}
                audit.record(connection, actor, f"rollouts.{verb}", name, state.phase, after, people.now_ms())
        except BookError as full:
            raise Refused(429, str(full), retry_after=5) from None
        return JSONResponse({"ask": number, "phase_before": state.phase}, 202, headers=NO_STORE)

    def _state(actor: Actor, name: str) -> State:
        with controller.database.read() as connection:
            _demand(connection, actor, name)
            return book.load(connection, name)[0]

    def _demand(connection: Connection, actor: Actor, name: str) -> None:
        where = places(connection)
        try:
            # Every other second each page asks: kits are read where some are placed at all.
            whose = second.planned(connection, name).tenant if where else MAIN
            known = bool(where) or book.exists(connection, name)
        except BookError:
            whose, known = "", False
        if not known or not tenants.sees(actor, whose):
            raise Refused(404, f"there is no rollout {name[:48]}, or it has kits of another tenant")

    return api
