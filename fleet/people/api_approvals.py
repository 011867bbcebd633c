"""Routes of what waits for a second person: /v1/admin/approvals, each with what is agreed to in plain words."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from fleet.errors import Refused
from fleet.people import approvals
from fleet.people.access import demand_recent, people_of, person, require
from fleet.people.actors import Actor, Thing, sees
from fleet.people.api_people import in_thread
from fleet.people.approvals import WAITING, Approval
from fleet.people.bodies import Body, read
from fleet.people.service import Caller, People

Reading = Annotated[Actor, Depends(require("rollouts.read"))]
OFFLINE = "a {} is agreed to with signatures by offline keys, not here"


def add(api: APIRouter) -> None:
    """Adds them."""

    @api.get("/approvals", summary="What waits for a second person", response_model=None)
    def listed(request: Request, actor: Reading) -> Response:
        """`{"approvals": [{"number", "kind", "thing", "digest", "author", "state", "sentence", "votes", …}], "now_ms"}`, newest
        first. What waits has `words`, what is agreed to, line by line, and `may`: null, or why this account may not agree."""
        people = people_of(request)
        with people.database.read() as connection:
            found = [
                _json(people, connection, actor, one)
                for one in approvals.newest(connection)
                if sees(actor, Thing(one.tenant, one.hub))
            ]
        return JSONResponse({"approvals": found, "now_ms": people.now_ms()})

    @api.post("/approvals/{number}", summary="Agree, or say no", response_model=None)
    async def vote(number: int, request: Request) -> Response:
        """Body: `{"yes", "digest", "words"}`: the digest of what was shown, so that nobody agrees to something else. Within ten
        minutes of signing in."""
        body = await read(request)
        return await in_thread(lambda: _voted(people_of(request), person(request), number, body))


def _voted(people: People, found: Caller, number: int, body: Body) -> Response:
    with people.database.write() as connection:
        one = approvals.demand(connection, number)
        if not sees(found.actor, Thing(one.tenant, one.hub)):
            raise Refused(404, "there is nothing of this number to agree to")
        kind = people.kinds.get(one.kind)
        if kind is None:
            raise Refused(409, OFFLINE.format(one.kind))
        if body.text("digest", 64).lower() != one.digest.hex():
            raise Refused(409, "this is about something else than what waits: load it again")
        people.demand(found.actor, kind.permission)
        demand_recent(people, found, "this is decided")
        after = approvals.vote(
            connection, found.actor, number, body.flag("yes"), people.now_ms(), kind.permission,
            body.text("words", 256, ""), barred=kind.barred(connection, one),
        )  # fmt: skip
        return JSONResponse(_json(people, connection, found.actor, after))


def _json(people: People, connection: Connection, actor: Actor, one: Approval) -> dict[str, Any]:
    now_ms = people.now_ms()
    out = one.as_json(now_ms)
    kind = people.kinds.get(one.kind)
    if one.state(now_ms) != WAITING:
        return out
    if kind is None:
        return out | {"words": [], "may": OFFLINE.format(one.kind)}
    why = approvals.against(one, actor, kind.permission, kind.barred(connection, one), now_ms)
    return out | {"words": kind.words(connection, one), "may": why}
