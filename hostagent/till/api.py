"""POST /v1/events and GET /v1/events/{id}: HTTP around the till's desk. TLS is out of scope here: docs/till.md."""

import json
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Path, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from hostagent.screen import near
from hostagent.till.desk import Refused, Till
from hostagent.till.models import OPENAPI, EventOut, Problem

if TYPE_CHECKING:
    from hostagent.agent import Agent

EVENTS = "/v1/events"
MOST_BYTES = 16_384
KEY_CHARACTERS = 64
bearer = HTTPBearer(auto_error=False, description="The till's token, from `stallmark kit new`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No till of this host"},
    404: {"model": Problem, "description": "No such sale, receipt or event"},
    409: {"model": EventOut, "description": "Taken back before (reason 32)"},
    413: {"model": Problem, "description": "More than 16 KiB"},
    422: {"model": Problem, "description": "Not an event, or a key used for another one"},
    429: {"model": Problem, "description": "Too often: ask again with the same key"},
    503: {"model": Problem, "description": "Cannot be decided now: ask again with the same key"},
}
_BODY = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS},
            "description": "The till's own key of this event. A repeat gets the same answer, byte for byte.",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/EventIn"}}},
    },
}


def install(app: FastAPI, agent: "Agent") -> None:
    """Adds the till's paths to the host's API."""

    @app.post(
        EVENTS,
        response_model=EventOut,
        responses=_PROBLEMS,
        openapi_extra=_BODY,
        dependencies=[Depends(bearer)],
        tags=["till"],
    )
    async def post(request: Request) -> Response:
        """One event: decided, durable, answered in one call. A repeat under the same key changes nothing."""
        return await _event(agent, request)

    @app.get("/v1/events/{id}", response_model=EventOut, responses=_PROBLEMS, tags=["till"])
    async def get(id: Annotated[str, Path(max_length=32)], credentials: Credentials) -> Response:
        """An answer of the last two days once more, for the till that got it."""
        try:
            desk = _desk(agent)
            answer = await desk.get(desk.till("" if credentials is None else credentials.credentials), id)
        except Refused as refused:
            return _refused(refused)
        return Response(answer.body, answer.status, _HEADERS, "application/json")

    del post, get
    app.add_middleware(Door, agent)
    plain = app.openapi

    def described() -> dict[str, Any]:
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(OPENAPI.get("$defs", {}))
        schemas["EventIn"] = {name: value for name, value in OPENAPI.items() if name != "$defs"}
        return document

    app.openapi = described


class Door:
    """The short way of a till's event, past the routes of pages and their dependencies: a customer waits for it.

    What it does not know goes on to `app`, where the same path is described and answered as well."""

    def __init__(self, app: ASGIApp, agent: "Agent") -> None:
        self._app = app
        self._agent = agent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "http" and scope["path"] == EVENTS and scope["method"] == "POST":
            request = Request(scope, receive)
            if near.own_name(request):
                await (await _event(self._agent, request))(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _event(agent: "Agent", request: Request) -> Response:
    try:
        desk = _desk(agent)
        till = desk.till(_token(request))
        answer = await desk.post(till, _key(request), await _body(request))
    except Refused as refused:
        return _refused(refused)
    return Response(answer.body, answer.status, _HEADERS, "application/json")


def _token(request: Request) -> str:
    """The bearer token (RFC 6750), empty where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


_HEADERS = {"Cache-Control": "no-store"}


def _desk(agent: "Agent") -> Till:
    if agent.till is None:
        raise Refused(503, "this host has no lane of its own: give it a lane key, see docs/till.md")
    return agent.till


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= KEY_CHARACTERS or not key.isascii() or not key.isprintable():
        raise Refused(
            422, f"Idempotency-Key: expected 1 to {KEY_CHARACTERS} printable characters, new for every event"
        )
    return key


async def _body(request: Request) -> Any:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            raise Refused(413, "more than 16 KiB: an event is smaller")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(422, "the body is not JSON") from None


def _refused(refused: Refused) -> Response:
    headers = dict(_HEADERS)
    if refused.status in (429, 503):
        headers["Retry-After"] = "1"
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps({"detail": refused.detail}), refused.status, headers, "application/json")
