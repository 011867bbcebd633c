"""What routes of the admin API ask: who is calling, and may they. `Depends(require("kits.read"))` gives the Actor.

A request carries either `Authorization: Bearer` with an API token, or a session's cookie. A cookie alone reads; whatever
changes something must name the session's token in `X-CSRF-Token` and come from our own pages."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, cast

from fastapi import Request

from fleet.errors import Refused
from fleet.people.actors import ANYTHING, Actor, sees
from fleet.people.service import Caller, People

SAFE = ("GET", "HEAD", "OPTIONS")
EVERY_HUB = "this is about kits of every hub: it needs an account without hubs and tags"
SIGN_IN = "sign in at /admin, or send an API token (`stallmark fleet people token`)"


def require(permission: str) -> Callable[[Request], Actor]:
    """A dependency: the actor, if their roles and scopes have a permission. Whether a single kit is theirs to touch is
    asked with `people_of(request).demand(actor, permission, thing)`. Raises Refused 401, 403."""

    def asked(request: Request) -> Actor:
        found = caller(request)
        people_of(request).demand(found.actor, permission)
        return found.actor

    return asked


def require_every_hub(permission: str) -> Callable[[Request], Actor]:
    """The same for things of several kits, whose tenant the route asks for itself: whoever is limited to hubs or tags is
    refused. Raises Refused 401, 403."""

    def asked(request: Request) -> Actor:
        actor = require(permission)(request)
        if actor.hubs or actor.tags:
            raise Refused(403, EVERY_HUB)
        return actor

    return asked


def require_whole(permission: str) -> Callable[[Request], Actor]:
    """The same for routes that show or touch kits of every hub at once: whoever is limited to hubs, tags or a tenant of
    their own is refused, so that nothing is shown by mistake. Raises Refused 401, 403."""

    def asked(request: Request) -> Actor:
        actor = require_every_hub(permission)(request)
        if not sees(actor, ANYTHING):
            raise Refused(403, EVERY_HUB)
        return actor

    return asked


def people_of(request: Request) -> People:
    """The application's People."""
    return cast("People", request.app.state.people)


def caller(request: Request) -> Caller:
    """Who sent this. Raises Refused 401, 403, 429. A new cookie is set by `fleet.people.headers`."""
    people = people_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found = people.by_token(token.strip(), from_here(request))
        if found is None:
            raise Refused(401, f"this token is not known, has expired or was ended: {SIGN_IN}")
        people.within_rate(found)
        return found
    cookie = cookie_of(request)
    found = None if cookie is None else people.by_cookie(cookie)
    if found is None or found.session is None:
        raise Refused(401, f"nobody is signed in here: {SIGN_IN}")
    if found.cookie is not None:
        set_cookie(request, found.cookie)  # first: what is refused below must not lose it
    people.within_rate(found)
    if request.method not in SAFE:
        demand_own_page(request)
        if not found.session.proves(request.headers.get("x-csrf-token")):
            raise Refused(403, "this request does not name its session's token: load the page again")
    return found


def cookie_of(request: Request) -> str | None:
    """The session's cookie that a browser sent."""
    return request.cookies.get(cookie_name(people_of(request)))


def person(request: Request) -> Caller:
    """The same for what only a person does, with a session: passkeys, passwords. Raises Refused 401, 403."""
    found = caller(request)
    if found.session is None:
        raise Refused(403, "only a person who is signed in does this, not a token")
    return found


def demand_recent(people: People, found: Caller, what: str) -> None:
    """Refuses what must not be done with a session that was left open; `again` in the answer tells a page to ask who it is.
    Raises Refused 403."""
    if found.session is None or not found.session.recent(people.now_ms()):
        raise Refused(403, f"sign in again first: {what} only within ten minutes of signing in", again=1)


def demand_own_page(request: Request) -> None:
    """Refuses what another site's page sends. Raises Refused 403."""
    people = people_of(request)
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    # Behind a proxy the host header is the proxy's; the configured origin is what people's browsers see.
    own = {people.origin, f"{request.url.scheme}://{request.headers.get('host', '')}"}
    if (origin is not None and origin not in own) or site not in ("same-origin", "none"):
        raise Refused(403, "this came from a page of another address: nothing was done")


def from_here(request: Request) -> bool:
    """Whether a request came from this machine, and through no proxy."""
    if {"forwarded", "x-forwarded-for", "x-real-ip", "via"} & set(request.headers.keys()):
        return False
    # A proxy that adds no header may still pass on the name by which it was called.
    name = (request.url.hostname or "").lower()
    return _loopback(address_of(request)) and (name == "localhost" or _loopback(name))


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def address_of(request: Request) -> str:
    """The other end's address. Behind a proxy it is the proxy's, unless config.json names it in `people.proxies`."""
    return request.client.host if request.client else "unknown"


def cookie_name(people: People) -> str:
    """With https the prefix binds it to this very host (RFC 6265bis section 4.1.3)."""
    return "__Host-stallmark" if people.https else "stallmark"


def set_cookie(request: Request, cookie: str) -> None:
    """Has the answer set the session's cookie; an empty one takes it away."""
    people = people_of(request)
    parts = [f"{cookie_name(people)}={cookie}", "Path=/", "HttpOnly", "SameSite=Strict"]
    parts += ["Secure"] if people.https else []
    parts += ["Max-Age=0"] if not cookie else []
    cast("dict[str, Any]", request.scope.setdefault("state", {}))["stallmark_cookie"] = "; ".join(parts)
