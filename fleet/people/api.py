"""Routes of people: /v1/admin/session, /passkeys, /people, /tokens, /audit. Bodies are small JSON objects, typed by hand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from fleet.errors import Refused
from fleet.people import accounts, audit, passkeys, places, roles, tokens
from fleet.people.access import (
    address_of,
    caller,
    demand_own_page,
    people_of,
    person,
    require,
    set_cookie,
)
from fleet.people.actors import ANYTHING, Actor, sees
from fleet.people.bodies import Body, read
from fleet.people.service import Caller, People
from fleet.people.sessions import Session

LONGEST_DAYS = 400


def router() -> APIRouter:
    """Every route of people. `app.state.people` must be set."""
    api = APIRouter(prefix="/v1/admin", tags=["people"])
    _session(api)
    _passkeys(api)
    _people(api)
    _tokens(api)
    _audit(api)
    return api


def _session(api: APIRouter) -> None:
    @api.post("/session", summary="Sign in with name and password", response_model=None)
    async def begin(request: Request) -> Response:
        """Body: `{"name", "password"}`. The answer sets a cookie; its `csrf` goes into `X-CSRF-Token` of every change."""
        demand_own_page(request)
        body = await read(request)
        return await _in_thread(
            lambda: _began(
                request,
                *people_of(request).sign_in(
                    body.text("name"), body.text("password", 1024), address_of(request)
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
        return await _in_thread(
            lambda: _began(request, *people_of(request).passkey_in(body.value, address_of(request)))
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
        return await _in_thread(lambda: _new_password(request, body))


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
        _demand_recent(people, found)
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
            _demand_recent(people, found)
            with people.database.write() as connection:
                owner = accounts.demand(connection, found.actor, found.actor.name)
                number = people.passkeys.finish_making(
                    connection, owner, body.part("credential").value, body.text("name"), people.now_ms()
                )
            return JSONResponse({"passkey": number})

        return await _in_thread(work)

    @api.delete("/passkeys/{number}", summary="Forget a passkey", response_model=None)
    def forget(number: str, request: Request, found: Annotated[Caller, Depends(person)]) -> Response:
        """It signs nobody in from then on."""
        people = people_of(request)
        _demand_recent(people, found)
        with people.database.write() as connection:
            owner = accounts.demand(connection, found.actor, found.actor.name)
            passkeys.remove(connection, owner, number, people.now_ms())
        return JSONResponse({"removed": number})


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

        return await _in_thread(work)

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

        return await _in_thread(work)

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

        return await _in_thread(work)

    @api.post("/people/{name}/password", summary="Give an account a new password", response_model=None)
    async def password(name: str, request: Request) -> Response:
        """Body: `{"password"}`. For somebody who lost theirs; ends their sessions."""
        body = await read(request)

        def work() -> Response:
            people, actor = people_of(request), _by_person(request)
            stored = people.passwords.make(body.text("password", 1024), name.lower())
            with people.database.write() as connection:
                accounts.set_password(connection, actor, name, stored, people.now_ms())
            return JSONResponse({"set": True})

        return await _in_thread(work)

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

        return await _in_thread(work)


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
        """Body: `{"what", "scopes", "days", "account"}`: for oneself; for another account with people.write. The token
        stands in this answer and nowhere else."""
        body = await read(request)

        def work() -> Response:
            people, found = people_of(request), person(request)
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

        return await _in_thread(work)

    @api.delete("/tokens/{number}", summary="End an API token", response_model=None)
    def end(number: str, request: Request, found: Annotated[Caller, Depends(person)]) -> Response:
        """At once. One's own, or any of the tenant with people.write."""
        people = people_of(request)
        with people.database.write() as connection:
            mine = {one["number"] for one in tokens.every(connection, found.actor, found.actor.name)}
            if number not in mine:
                people.demand(found.actor, "people.write")
            return JSONResponse(tokens.end(connection, found.actor, number, people.now_ms()))


def _audit(api: APIRouter) -> None:
    @api.get("/audit", summary="The audit log", response_model=None)
    def page(
        request: Request, actor: Annotated[Actor, Depends(require("audit.read"))], after: int = 0
    ) -> Response:
        """At most 500 lines behind `after`, and the head: keep it somewhere else. For whoever sees every tenant."""
        _demand_everything(actor)
        with people_of(request).database.read() as connection:
            number, digest = audit.head(connection)
            lines = audit.page(connection, max(0, after))
        return JSONResponse({"lines": lines, "head": {"n": number, "hash": digest}})

    @api.get("/audit/export", summary="The whole audit log as a file", response_model=None)
    def export(request: Request, actor: Annotated[Actor, Depends(require("audit.read"))]) -> Response:
        """Lines for `stallmark fleet audit verify FILE`."""
        _demand_everything(actor)
        people = people_of(request)

        def lines() -> Any:
            with people.database.read() as connection:
                yield from audit.export(connection)

        name = {"Content-Disposition": 'attachment; filename="stallmark-audit.txt"'}
        return StreamingResponse(lines(), media_type="text/plain; charset=utf-8", headers=name)


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


async def _in_thread(work: Any) -> Response:
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(work)


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
    people.sign_in(name, body.text("now", 1024), address_of(request))
    stored = people.passwords.make(body.text("new", 1024), name)
    with people.database.write() as connection:
        accounts.set_password(connection, found.actor, name, stored, people.now_ms())
    set_cookie(request, "")
    return JSONResponse({"set": True})


def _by_person(request: Request) -> Actor:
    """Who changes accounts: a person with a session (or the development token), never an API token."""
    found = caller(request)
    if found.actor.how == "token":
        raise Refused(403, "a token makes and changes no accounts: a person who is signed in does")
    people_of(request).demand(found.actor, "people.write")
    return found.actor


def _demand_recent(people: People, found: Caller) -> None:
    if found.session is None or not found.session.recent(people.now_ms()):
        raise Refused(403, "sign in again first: passkeys change only within ten minutes of signing in")


def _demand_everything(actor: Actor) -> None:
    """The log is of all tenants and hubs in one chain."""
    if not sees(actor, ANYTHING) or actor.hubs or actor.tags:
        raise Refused(403, "the audit log is of everything here: it needs an account without hubs and tags")
