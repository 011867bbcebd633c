"""Routes of one's own session: /v1/admin/session, /passkeys. What is about other people is in fleet.people.api_people."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from fleet.people import accounts, api_approvals, api_audit, api_people, passkeys
from fleet.people.access import (
    address_of,
    caller,
    cookie_of,
    demand_own_page,
    demand_recent,
    people_of,
    person,
    set_cookie,
)
from fleet.people.actors import Actor
from fleet.people.api_people import in_thread
from fleet.people.bodies import Body, read
from fleet.people.service import Caller
from fleet.people.sessions import Session


def router() -> APIRouter:
    """Every route of people. `app.state.people` must be set."""
    api = APIRouter(prefix="/v1/admin", tags=["people"])
    _session(api)
    _passkeys(api)
    api_people.add(api)
    api_audit.add(api)
    api_approvals.add(api)
    return api


def _session(api: APIRouter) -> None:
    @api.post("/session", summary="Sign in with name and password", response_model=None)
    async def begin(request: Request) -> Response:
        """Body: `{"name", "password"}`. The answer sets a cookie; its `csrf` goes into `X-CSRF-Token` of every change."""
        demand_own_page(request)
        body = await read(request)
        return await in_thread(
            lambda: _began(
                request,
                *people_of(request).sign_in(
                    body.text("name"), body.text("password", 1024), address_of(request), cookie_of(request)
                ),
            )
        )

    @api.post("/session/passkey/begin", summary="Begin to sign in with a passkey", response_model=None)
    def begin_passkey(request: Request) -> Response:
        """What `navigator.credentials.get` is to be given, as `{"publicKey": …}`."""
        demand_own_page(request)
        people = people_of(request)
        return JSONResponse({"publicKey": people.passkeys.begin_signing_in(people.now_ms())})

    @api.post("/session/passkey/finish", summary="Sign in with a passkey", response_model=None)
    async def finish_passkey(request: Request) -> Response:
        """Body: the credential as `PublicKeyCredential.toJSON()` gives it."""
        demand_own_page(request)
        body = await read(request, passkeys.MAX_BODY)
        return await in_thread(
            lambda: _began(
                request,
                *people_of(request).passkey_in(body.value, address_of(request), cookie_of(request)),
            )
        )

    @api.get("/session", summary="Who is signed in", response_model=None)
    def look(found: Annotated[Caller, Depends(caller)]) -> Response:
        """Actor, permissions, and the session's `csrf`."""
        return JSONResponse(_who(found.actor, found.session))

    @api.delete("/session", summary="Sign out", response_model=None)
    def end(request: Request, found: Annotated[Caller, Depends(person)]) -> Response:
        """The session ends at once; the cookie goes."""
        people_of(request).sign_out(found)
        set_cookie(request, "")
        return JSONResponse({"signed_out": True})

    @api.post("/session/password", summary="Change one's own password", response_model=None)
    async def password(request: Request) -> Response:
        """Body: `{"now", "new"}`. Ends every session of the account; sign in again."""
        body = await read(request)
        return await in_thread(lambda: _new_password(request, body))


def _passkeys(api: APIRouter) -> None:
    @api.get("/passkeys", summary="One's own passkeys", response_model=None)
    def mine(request: Request, found: Annotated[Caller, Depends(person)]) -> Response:
        """By name and age; `why_not` says why this controller's address has none."""
        people = people_of(request)
        with people.database.read() as connection:
            keys = passkeys.every(connection, found.actor.name)
        return JSONResponse({"passkeys": keys, "why_not": people.passkeys.why_not})

    @api.post("/passkeys/begin", summary="Begin to make a passkey", response_model=None)
    def begin(request: Request, found: Annotated[Caller, Depends(person)]) -> Response:
        """What `navigator.credentials.create` is to be given. Only within ten minutes of signing in."""
        people = people_of(request)
        demand_recent(people, found, "passkeys change")
        with people.database.read() as connection:
            owner = accounts.demand(connection, found.actor, found.actor.name)
            options = people.passkeys.begin_making(connection, owner, people.now_ms())
        return JSONResponse({"publicKey": options})

    @api.post("/passkeys/finish", summary="Keep a passkey", response_model=None)
    async def finish(request: Request) -> Response:
        """Body: `{"name", "credential": what `PublicKeyCredential.toJSON()` gives}`."""
        body = await read(request, passkeys.MAX_BODY)

        def work() -> Response:
            people, found = people_of(request), person(request)
            demand_recent(people, found, "passkeys change")
            with people.database.write() as connection:
                owner = accounts.demand(connection, found.actor, found.actor.name)
                number = people.passkeys.finish_making(
                    connection, owner, body.part("credential").value, body.text("name"), people.now_ms()
                )
            return JSONResponse({"passkey": number})

        return await in_thread(work)

    @api.delete("/passkeys/{number}", summary="Forget a passkey", response_model=None)
    def forget(number: str, request: Request, found: Annotated[Caller, Depends(person)]) -> Response:
        """It signs nobody in from then on."""
        people = people_of(request)
        demand_recent(people, found, "passkeys change")
        with people.database.write() as connection:
            owner = accounts.demand(connection, found.actor, found.actor.name)
            passkeys.remove(connection, found.actor, owner, number, people.now_ms())
        return JSONResponse({"removed": number})


def _began(request: Request, owner: accounts.Account, session: Session, cookie: str) -> Response:
    set_cookie(request, cookie)
    return JSONResponse(_who(owner.actor(), session))


def _who(actor: Actor, session: Session | None) -> dict[str, Any]:
    return {
        "name": actor.name,
        "tenant": actor.tenant,
        "roles": sorted(actor.roles),
        "permissions": sorted(actor.permissions),
        "hubs": sorted(actor.hubs),
        "tags": sorted(actor.tags),
        "how": actor.how,
        "csrf": None if session is None else session.csrf,
    }


def _new_password(request: Request, body: Body) -> Response:
    people, found = people_of(request), person(request)
    name = found.actor.name
    # The same back-off as signing in: a session that somebody else holds is no way to try passwords.
    people.good_password(name, body.text("now", 1024), address_of(request))
    stored = people.passwords.make(body.text("new", 1024), name)
    with people.database.write() as connection:
        accounts.set_password(connection, found.actor, name, stored, people.now_ms())
    set_cookie(request, "")
    return JSONResponse({"set": True})
