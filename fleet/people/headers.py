"""Headers of every answer: what is there stays, what is missing is added. Sets a session's cookie where it turned.

Pages bring their own Content-Security-Policy; everything else gets the one that allows nothing."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", CSP.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
)
HSTS = (b"strict-transport-security", b"max-age=31536000")
ADMIN = ("/admin", "/v1/admin")


class SecureHeaders:
    """Plain ASGI: streams and long polls pass through untouched. Within the application, and around all of it for the answers
    that are made outside: 500, where something broke."""

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(message, scope, self._https)
            await send(message)

        await self._app(scope, receive, sending)


def _add(message: MutableMapping[str, Any], scope: Scope, https: bool) -> None:
    headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
    there = {name.lower() for name, _ in headers}
    headers += [one for one in ALWAYS if one[0] not in there]
    if https and HSTS[0] not in there:
        headers.append(HSTS)
    if scope["path"].startswith(ADMIN) and b"cache-control" not in there:
        headers.append((b"cache-control", b"no-store"))
    cookie = scope.get("state", {}).pop(
        "stallmark_cookie", None
    )  # once: this stands around the application twice
    if cookie is not None:
        headers.append((b"set-cookie", cookie.encode()))
    message["headers"] = headers
