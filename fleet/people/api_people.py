"""Routes about other people: /v1/admin/roles, /people, /tokens, and where kits belong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from fleet.errors import Refused
from fleet.people import accounts, passkeys, places, recovery, roles, tokens
from fleet.people.access import caller, demand_recent, people_of, person, require
from fleet.people.actors import Actor
from fleet.people.bodies import read
from fleet.people.service import Caller

LONGEST_DAYS = 400


def add(api: APIRouter) -> None:
    """Adds them."""
    _people(api)
    _tokens(api)


def _people(api: APIRouter) -> None:
    @api.get("/roles", summary="What each role may do", response_model=None)
    def table(_: Annotated[Caller, Depends(caller)]) -> Response:
        """The one table: `{"roles": {name: {"what", "permissions"}}, "permissions": {name: what}}`."""
        return JSONResponse(roles_json())

    @api.get("/people", summary="Accounts of one's tenant", response_model=None)
    def listed(request: Request, actor: Annotated[Actor, Depends(require("people.read"))]) -> Response:
        """`{"people": [{"name", "tenant", "shown", "roles", "hubs", "tags", …}]}`."""
        with people_of(request).database.read() as connection:
            found = [one.as_json() for one in accounts.every(connection, actor)]
        return JSONResponse({"people": found})

    @api.post("/people", summary="Make an account", response_model=None)
    async def add(request: Request) -> Response:
        """Body: `{"name", "roles", "tenant", "shown", "hubs", "tags", "password"}`; all but name and roles may be absent."""
        body = await read(request)

        def work() -> Response:
            people, actor = people_of(request), _by_person(request)
            name, password = body.text("name").lower(), body.text("password", 1024, "")
            stored = people.passwords.make(password, name) if password else None
            with people.database.write() as connection:
                made = accounts.add(
                    connection,
                    actor,
                    name,
                    body.texts("roles"),
                    people.now_ms(),
                    body.text("tenant", 64, actor.tenant if actor.tenant != "*" else "main"),
                    body.text("shown", 64, ""),
                    body.texts("hubs"),
                    body.texts("tags"),
                )
                if stored is not None:
                    accounts.set_password(connection, actor, made.name, stored, people.now_ms())
            return JSONResponse(made.as_json(), 201)

        return await in_thread(work)

    @api.post("/people/{name}", summary="Change roles, hubs or tags", response_model=None)
    async def change(name: str, request: Request) -> Response:
        """Body: `{"roles", "hubs", "tags"}`; what is absent stays."""
        body = await read(request)

        def work() -> Response:
            people, actor = people_of(request), _by_person(request)
            given = {word: body.texts(word) if body.has(word) else None for word in ("roles", "hubs", "tags")}
            with people.database.write() as connection:
                after = accounts.change(connection, actor, name, people.now_ms(), **given)
            return JSONResponse(after.as_json())

        return await in_thread(work)

    @api.post("/people/{name}/disable", summary="End an account", response_model=None)
    async def disable(name: str, request: Request) -> Response:
        """Body: `{"reason"}`. Its sessions and tokens end with it, at once."""
        body = await read(request)

        def work() -> Response:
            people, actor = people_of(request), _by_person(request)
            with people.database.write() as connection:
                after = accounts.disable(
                    connection, actor, name, people.now_ms(), body.text("reason", 256, "")
                )
            return JSONResponse(after.as_json())

        return await in_thread(work)

    @api.post("/people/{name}/password", summary="Give an account a new password", response_model=None)
    async def password(name: str, request: Request) -> Response:
        """Body: `{"password"}`. For somebody who lost theirs; ends their sessions."""
        body = await read(request)

        def work() -> Response:
            people, actor = people_of(request), _by_person(request)
            if name.lower() == actor.name:  # whoever holds another's session must not keep it for good
                raise Refused(403, "change your own with the one of now: POST /v1/admin/session/password")
            stored = people.passwords.make(body.text("password", 1024), name.lower())
            with people.database.write() as connection:
                accounts.set_password(connection, actor, name, stored, people.now_ms())
            return JSONResponse({"set": True})

        return await in_thread(work)

    @api.get("/people/{name}/access", summary="What opens an account", response_model=None)
    def access(
        name: str, request: Request, actor: Annotated[Actor, Depends(require("people.read"))]
    ) -> Response:
        """`{"password": whether it has one, "passkeys", "tokens", "sessions": how many}`."""
        with people_of(request).database.read() as connection:
            return JSONResponse(recovery.access_of(connection, actor, name))

    @api.post(
        "/people/{name}/recover", summary="Bring an account back after a compromise", response_model=None
    )
    async def recover(name: str, request: Request) -> Response:
        """Body: `{"password", "reason"}`. Ends its passkeys, tokens and sessions; it counts again where it was disabled. Without
        a password nobody signs in as it."""
        body = await read(request)

        def work() -> Response:
            people, actor = people_of(request), _by_person(request)
            password = body.text("password", 1024, "")
            stored = people.passwords.make(password, name.lower()) if password else None
            with people.database.write() as connection:
                reason = body.text("reason", recovery.MAX_REASON, "")
                after = recovery.recover(connection, actor, name, people.now_ms(), stored, reason)
            return JSONResponse(after.as_json())

        return await in_thread(work)

    @api.delete("/people/{name}/passkeys/{number}", summary="Forget somebody's passkey", response_model=None)
    def forget(name: str, number: str, request: Request) -> Response:
        """It signs nobody in from then on."""
        people, actor = people_of(request), _by_person(request)
        with people.database.write() as connection:
            owner = accounts.within(connection, actor, name)
            passkeys.remove(connection, actor, owner, number, people.now_ms())
        return JSONResponse({"removed": number})

    @api.post("/kits/{kit}/place", summary="Say where a kit belongs", response_model=None)
    async def place(kit: str, request: Request) -> Response:
        """Body: `{"tenant", "hub", "tags"}`."""
        body = await read(request)

        def work() -> Response:
            people, actor = people_of(request), require("kits.write")(request)
            with people.database.write() as connection:
                places.place(
                    connection,
                    actor,
                    kit_of(kit),
                    body.text("tenant", 64, "main"),
                    body.text("hub", 16, ""),
                    body.texts("tags"),
                    people.now_ms(),
                )
            return JSONResponse({"kit": kit.lower()})

        return await in_thread(work)


def _tokens(api: APIRouter) -> None:
    @api.get("/tokens", summary="API tokens", response_model=None)
    def listed(request: Request, found: Annotated[Caller, Depends(caller)]) -> Response:
        """One's own; all of the tenant for whoever may see people. Never what opens anything."""
        own = "people.read" not in found.actor.permissions
        with people_of(request).database.read() as connection:
            rows = tokens.every(connection, found.actor, found.actor.name if own else None)
        return JSONResponse({"tokens": rows})

    @api.post("/tokens", summary="Make an API token", response_model=None)
    async def make(request: Request) -> Response:
        """Body: `{"what", "scopes", "days", "account"}`: for oneself; for another account with people.write. Within ten
        minutes of signing in. The token stands in this answer and nowhere else."""
        body = await read(request)

        def work() -> Response:
            people, found = people_of(request), person(request)
            demand_recent(people, found, "tokens are made")
            account = body.text("account", 64, found.actor.name)
            if account != found.actor.name:
                people.demand(found.actor, "people.write")
            days = body.number("days", LONGEST_DAYS)
            with people.database.write() as connection:
                made = tokens.make(
                    connection,
                    found.actor,
                    account,
                    body.text("what", 64),
                    body.texts("scopes"),
                    days * 86_400_000,
                    people.now_ms(),
                )
            return JSONResponse({"token": made, "number": made[:12]}, 201)

        return await in_thread(work)

    @api.delete("/tokens/{number}", summary="End an API token", response_model=None)
    def end(number: str, request: Request, found: Annotated[Caller, Depends(person)]) -> Response:
        """At once. One's own, or any of the tenant with people.write."""
        people = people_of(request)
        with people.database.write() as connection:
            mine = {one["number"] for one in tokens.every(connection, found.actor, found.actor.name)}
            if number not in mine:
                people.demand(found.actor, "people.write")
            return JSONResponse(tokens.end(connection, found.actor, number, people.now_ms()))


def roles_json() -> dict[str, Any]:
    """The table of roles for programs."""
    return {
        "roles": {
            name: {"what": what, "permissions": sorted(roles.of_role(name))}
            for name, what in roles.ROLES.items()
        },
        "permissions": {name: what for name, (what, _) in roles.PERMISSIONS.items()},
    }


def kit_of(text: str) -> bytes:
    """A kit's id. Raises Refused 422."""
    if len(text) != 16 or set(text.lower()) - set("0123456789abcdef"):
        raise Refused(422, "a kit's id is 16 hex characters")
    return bytes.fromhex(text)


async def in_thread(work: Callable[[], Response]) -> Response:
    """Blocking work beside the event loop."""
    return await run_in_threadpool(work)


def _by_person(request: Request) -> Actor:
    """Who changes accounts: a person who signed in just now (or the development token), never an API token."""
    found = caller(request)
    if found.actor.how == "token":
        raise Refused(403, "a token makes and changes no accounts: a person who is signed in does")
    people = people_of(request)
    people.demand(found.actor, "people.write")
    if found.session is not None:
        demand_recent(people, found, "accounts change")
    return found.actor
