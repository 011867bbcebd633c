"""Routes of enrolment: what hosts call to show themselves and to get short tokens, and what people decide."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from fleet.api.access import body as body_of
from fleet.config import Config
from fleet.controller import Controller
from fleet.enrolment import codes, decide, pending
from fleet.enrolment.desk import Desk
from fleet.enrolment.pending import BRICK, HOST
from fleet.enrolment.signed import Request as SignedRequest
from fleet.enrolment.signed import names_of
from fleet.errors import Refused
from fleet.people.access import address_of, people_of, require
from fleet.people.actors import MAIN, Actor, Thing, sees
from fleet.people.api_people import kit_of
from fleet.people.bodies import Body, of, read
from fleet.people.limits import network
from fleet.people.places import places
from fleet.people.service import People

MAX_BODY = 2048
LONGEST_DAYS = 400


def device_router(desk: Desk) -> APIRouter:
    """What hosts call without a token: every request is signed (fleet/enrolment/signed.py)."""
    api = APIRouter(prefix="/v1/hosts", tags=["hosts"])

    @api.post("/token", summary="A short token for a signed request", response_model=None)
    async def token(request: Request) -> Response:
        """Body: `{}`. `{"token", "expires_s"}`: a bearer token for all else, for a quarter of an hour."""
        signed = await _signed(request)
        made, seconds = _counted(desk, request, lambda: desk.sign_in(signed))
        return JSONResponse({"token": made, "expires_s": int(seconds)})

    @api.post("/enrol", summary="A host that is not known shows itself", response_model=None)
    async def enrol(request: Request) -> Response:
        """Body: `{"public": base64, "kit": hex8 or absent, "name", "device"}`, signed by that key. `{"state": pending, accepted
        or rejected, …}`: ask again now and then."""
        signed = await _signed(request)
        given = of(signed.body)
        try:
            public = base64.b64decode(given.text("public", 64), validate=True)
        except (ValueError, binascii.Error):
            raise Refused(422, "'public' must be base64") from None
        kit = kit_of(given.text("kit", 16)) if given.has("kit") else None
        said = {"name": given.text("name", 64, ""), "from": network(address_of(request))}
        if len(public) != 32 or not said["name"].isprintable():
            raise Refused(422, "'public' must be 32 bytes, 'name' printable")
        if given.has("device"):
            said["device"] = given.text("device", 62)  # taken for what it says when somebody accepts the host

        def work() -> dict[str, object]:
            return _counted(desk, request, lambda: desk.call(signed, public, kit, said))

        return JSONResponse(await run_in_threadpool(work))

    return api


def admin_router(controller: Controller, desk: Desk) -> APIRouter:
    """What people decide, under /v1/admin/enrol. Each counts when it is answered."""
    api = APIRouter(prefix="/v1/admin/enrol", tags=["enrolment"])

    @api.get("", summary="Devices that wait, or that were decided about", response_model=None)
    def listed(
        request: Request,
        actor: Annotated[Actor, Depends(require("enrol.read"))],
        state: str = pending.PENDING,
    ) -> Response:
        """`state`: pending, accepted, rejected, replaced, or all."""
        desk.look()
        with people_of(request).database.read() as connection:
            rows = pending.every(connection, None if state == "all" else state)
            where = places(connection)
            ends = decide.ends(connection)
            labels = codes.every(connection)
        return JSONResponse(
            {
                "devices": [row for row in rows if _seen_by(actor, row["kit"], where)],
                "hosts": [
                    _host(one, ends)
                    for one in controller.config.hosts
                    if _seen_by(actor, one.kit.hex(), where)
                ],
                # Of no hub: shown to whoever sees all of their tenant.
                "codes": [one for one in labels if sees(actor, Thing(one["tenant"]))],
                "dropped": desk.dropped,
            }
        )

    def route(path: str, summary: str, permission: str, work: Callable[[Call], dict[str, Any]]) -> None:
        async def act(request: Request) -> Response:
            given = await read(request)

            def within() -> Response:
                people, actor = people_of(request), require(permission)(request)
                with people.database.write() as connection:
                    call = Call(
                        connection,
                        controller.config,
                        actor,
                        given,
                        request.path_params,
                        people,
                        people.now_ms(),
                    )
                    done = work(call)
                desk.decided()
                return JSONResponse(done)

            if permission == "enrol.replace":
                return await run_in_threadpool(lambda: _with_label(desk, request, within))
            return await run_in_threadpool(within)

        api.add_api_route(path, act, methods=["POST"], summary=summary, response_model=None)

    route("/host/{device}/accept", 'Accept a host: `{"kit"}`', "enrol.accept", _accept_host)
    route("/brick/{device}/accept", "Accept a brick that a bench registered", "enrol.accept", _accept_brick)
    route("/{kind}/{device}/reject", 'Say no: `{"reason"}`', "enrol.accept", _reject)
    route("/{kind}/{device}/code", 'A code for the label of a spare: `{"days"}`', "enrol.accept", _code)
    route("/{kind}/{device}/revoke", 'End a host or a brick: `{"reason"}`', "enrol.revoke", _revoke)
    route("/replace", 'Put a spare in a device\'s place: `{"kit", "old", "code"}`', "enrol.replace", _replace)
    return api


class Call:
    """What a decision is made with."""

    def __init__(
        self,
        connection: Connection,
        config: Config,
        actor: Actor,
        body: Body,
        path: dict[str, str],
        people: People,
        now_ms: int,
    ) -> None:
        self.connection, self.config, self.actor, self.body = connection, config, actor, body
        self.people, self.now_ms, self._path = people, now_ms, path

    @property
    def kind(self) -> str:
        """host or brick. Raises Refused 422."""
        kind = self._path["kind"]
        if kind not in (HOST, BRICK):
            raise Refused(422, "a device is a host or a brick")
        return kind

    @property
    def device(self) -> bytes:
        """Its id. Raises Refused 422."""
        return kit_of(self._path["device"])


def _accept_host(call: Call) -> dict[str, Any]:
    kit = kit_of(call.body.text("kit", 16))
    return decide.accept_host(call.connection, call.config, call.actor, call.device, kit, call.now_ms)


def _accept_brick(call: Call) -> dict[str, Any]:
    return decide.accept_brick(call.connection, call.config, call.actor, call.device, call.now_ms)


def _reject(call: Call) -> dict[str, Any]:
    reason = call.body.text("reason", 256)
    return decide.reject(call.connection, call.actor, call.kind, call.device, reason, call.now_ms)


def _code(call: Call) -> dict[str, Any]:
    life_ms = call.body.number("days", LONGEST_DAYS, codes.LIFE_MS // 86_400_000) * 86_400_000
    made = decide.code(call.connection, call.config, call.actor, call.kind, call.device, call.now_ms, life_ms)
    return {"code": made, "expires_ms": call.now_ms + life_ms}


def _revoke(call: Call) -> dict[str, Any]:
    reason = call.body.text("reason", 64)
    if call.kind == HOST:
        return decide.revoke_host(call.connection, call.config, call.actor, call.device, reason, call.now_ms)
    return decide.revoke_brick(call.connection, call.config, call.actor, call.device, reason, call.now_ms)


def _replace(call: Call) -> dict[str, Any]:
    return decide.replace(
        call.connection,
        call.config,
        call.actor,
        kit_of(call.body.text("kit", 16)),
        kit_of(call.body.text("old", 16)),
        call.body.text("code", 16),
        call.now_ms,
    )


def _with_label(desk: Desk, request: Request, work: Callable[[], Response]) -> Response:
    """Tries at codes are held back by who tries and from where."""
    who = require("enrol.replace")(request).name
    where, now_ms = network(address_of(request)), people_of(request).now_ms()
    waits = desk.tries.begin(who, now_ms)
    if not waits:
        waits = desk.places.begin(where, now_ms)
        if waits:
            desk.tries.undo(who)
    if waits:
        raise Refused(
            429, f"too many wrong codes: wait {-(-waits // 1000)} seconds", retry_after=-(-waits // 1000)
        )
    wrong = False
    try:
        done = work()
    except Refused as refused:
        wrong = refused.reason == codes.WRONG
        raise
    finally:
        if not wrong:
            desk.tries.undo(who)
            desk.places.undo(where)
    desk.tries.right(who)
    return done


def _counted(desk: Desk, request: Request, work: Callable[[], Any]) -> Any:
    """A wrong signature counts against its address, where later wrong ones get 429. Good ones pass all the same: nobody guesses
    one, and behind one address, a proxy's, is every host."""
    try:
        return work()
    except Refused as refused:
        if refused.status == 401 and not refused.more:
            waits = desk.unsigned.begin(network(address_of(request)), people_of(request).now_ms())
            if waits:
                raise Refused(
                    429, "too many requests that do not hold from this address", retry_after=-(-waits // 1000)
                ) from None
        raise


async def _signed(request: Request) -> SignedRequest:
    headers = request.headers
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    return SignedRequest(
        request.method,
        raw.decode("latin-1"),
        request.scope["query_string"].decode("latin-1"),
        headers.get("content-digest", ""),
        headers.get("signature-input", ""),
        headers.get("signature", ""),
        await body_of(request, MAX_BODY),
        names_of(request.app.state.controller.config, request.scope.get("server")),
    )


def _seen_by(actor: Actor, kit: str | None, where: dict[bytes, Thing]) -> bool:
    """Devices of no kit are shown to whoever sees all of the main tenant."""
    thing = Thing(MAIN) if kit is None else where.get(bytes.fromhex(kit), Thing(MAIN))
    return sees(actor, thing)


def _host(one: Any, ends: dict[bytes, dict[str, Any]]) -> dict[str, Any]:
    return {
        "host": one.host.hex(),
        "name": one.name,
        "kit": one.kit.hex(),
        "credential": "a bearer token of keys.json: of no rental, made before hosts signed"
        if one.rental is None
        else f"signs its requests, of rental {one.rental}",
        "rental": one.rental,
        "revoked": ends.get(one.host),
    }
