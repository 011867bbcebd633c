"""The door of /stall: own names and origins only, sign-in by PIN, and NiceGUI behind it once it is loaded."""

import asyncio
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hostagent.screen import near, signin
from hostagent.screen.pin import check_pin, hash_pin
from hostagent.screen.sessions import COOKIE, KNOWN_COOKIE, KNOWN_S, LASTS_S, WHO_BYTES, Session
from hostagent.screen.words import language_of

if TYPE_CHECKING:
    from hostagent.screen.model import Screen

FORM_BYTES = 2048
# Who stands in records where no operators are set up.
UNNAMED = "stall"


class Gate:
    """An ASGI app for one agent's screen."""

    def __init__(self, screen: "Screen") -> None:
        self._screen = screen
        self._inner: asyncio.Task[ASGIApp] | None = None
        self._one_at_a_time = asyncio.Lock()
        # Compared with where the name is unknown, so that time does not tell which names there are.
        self._nobody = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        connection = HTTPConnection(scope)
        answer = await self._door(scope, connection, receive)
        if answer is None:
            await self._show(scope, connection, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403})
        else:
            await answer(scope, receive, send)

    async def _door(self, scope: Scope, connection: HTTPConnection, receive: Receive) -> Response | None:
        """The answer of the door itself; None: come in."""
        method = scope.get("method", "GET")
        if not near.own_name(connection):
            return PlainTextResponse("Ask by address, or by this machine's own name.\n", 421)
        if (scope["type"] == "websocket" or method != "GET") and not near.own_origin(connection):
            return PlainTextResponse("Only from this host's own page.\n", 403)
        path = _path(scope)
        if path == "/signin.css":
            return Response(signin.CSS, media_type="text/css", headers={"Cache-Control": "max-age=3600"})
        if path == "/signin":
            return await self._sign_in(Request(scope, receive))
        if path == "/signout" and method == "POST":
            self._screen.sessions.end(connection.cookies.get(COOKIE, ""))
            return RedirectResponse("/stall/signin", 303)
        if path.startswith("/_nicegui/"):
            return None  # NiceGUI's own files: the same for everybody
        session = self._screen.sessions.find(connection.cookies.get(COOKIE))
        if session is not None:
            scope["stallmark.session"] = session
            return None
        if path not in ("", "/") or scope["type"] == "websocket":
            return PlainTextResponse("Sign in first.\n", 401)
        if not self._screen.operators and near.loopback(connection):
            return self._welcome(self._begin(UNNAMED, False, connection))
        return RedirectResponse("/stall/signin", 303)

    async def _sign_in(self, request: Request) -> Response:
        language = language_of(request.headers.get("accept-language", ""))
        operators = {one.name: one.pin for one in self._screen.operators}
        if not operators:
            if near.loopback(request):
                return RedirectResponse("/stall/", 303)
            return signin.page(language, "signin_local", 403, form=False)
        if request.method != "POST":
            return signin.page(language)
        fields = parse_qs((await _body(request)).decode(errors="replace"), max_num_fields=4)
        name, pin = fields.get("name", [""])[0].strip(), fields.get("pin", [""])[0]
        address, browser = near.address(request), request.cookies.get(KNOWN_COOKIE)
        async with self._one_at_a_time:
            wait = self._screen.attempts.wait_s(name, address, browser)
            if wait:
                return signin.page(language, "signin_wait", 429, n=wait)
            if not self._nobody:
                self._nobody = await asyncio.to_thread(hash_pin, "000000")
            good = await asyncio.to_thread(check_pin, pin, operators.get(name, self._nobody))
            if not good or name not in operators:
                self._screen.attempts.wrong(name, address, browser)
                return signin.page(language, "signin_wrong", 403)
            browser = self._screen.attempts.right(name, browser)
        answer = self._welcome(self._begin(name, True, request))
        answer.set_cookie(
            KNOWN_COOKIE, browser, KNOWN_S, path="/stall/signin", httponly=True, samesite="strict"
        )
        return answer

    def _begin(self, who: str, named: bool, connection: HTTPConnection) -> Session:
        short = who.encode()[:WHO_BYTES].decode(errors="ignore")
        language = language_of(connection.headers.get("accept-language", ""))
        return self._screen.sessions.begin(short, named, language)

    def _welcome(self, session: Session) -> Response:
        answer = RedirectResponse("/stall/", 303)
        answer.set_cookie(COOKIE, session.token, int(LASTS_S), path="/", httponly=True, samesite="strict")
        return answer

    async def _show(self, scope: Scope, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        if self._inner is None or (self._inner.done() and self._inner.exception() is not None):
            from hostagent.screen.shell import load

            self._inner = asyncio.get_running_loop().create_task(load(), name="stall screen loads")
        inner = await asyncio.shield(self._inner)
        scope["stallmark.screen"] = self._screen
        host = connection.headers.get("host", "")

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_headers(host)]
            await send(message)

        await inner(scope, receive, answer)


def _headers(host: str) -> list[tuple[bytes, bytes]]:
    """NiceGUI writes scripts into its page, so scripts of the page itself are allowed; nothing from elsewhere."""
    # Safari counts a socket of the same host as another source.
    sockets = f" ws://{host} wss://{host}" if all(sign not in host for sign in " ;,'\"") else ""
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data:; font-src 'self' data:; connect-src 'self'{sockets}; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return [
        (b"content-security-policy", policy.encode("latin-1", "ignore")),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
    ]


def _path(scope: Scope) -> str:
    """The path under /stall."""
    path, root = scope["path"], scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


async def _body(request: Request) -> bytes:
    """A short form; what is longer is cut off and will not fit."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > FORM_BYTES:
            return b""
    return data
