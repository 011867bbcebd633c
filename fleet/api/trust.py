"""The signed lists for hosts: TUF metadata, compact roots for bricks, bundles by their digest. Lists are public; bundles
are for this controller's hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from fleet.api.access import Access
from fleet.clock import Clock
from fleet.errors import Refused
from fleet.trust import ceremony, status
from fleet.trust.repository import Repository

FOREVER = "public, max-age=31536000, immutable"  # numbered and named by digest: never another content
NO_STORE = {"Cache-Control": "no-store"}
Require = Callable[[str], Callable[[Request], Any]]
OF_HOSTS = "private, max-age=31536000, immutable"


def router(repository: Repository, access: Access) -> APIRouter:
    """Routes over a trust folder; where there is none, everything is 404. Reads are small files: no thread is needed."""
    api = APIRouter(prefix="/v1/trust", tags=["trust"])

    @api.get("/tuf/{name}", summary="A signed list", response_model=None)
    def metadata(name: str) -> Response:
        """`N.root.json`, `N.targets.json`, `N.snapshot.json`, `timestamp.json`, as TUF clients ask for them."""
        data = repository.file(name)
        if data is None:
            raise Refused(404, "no such list")
        caching = "no-cache" if name == "timestamp.json" else FOREVER
        return Response(data, media_type="application/json", headers={"Cache-Control": caching})

    @api.get("/roots/{number}", summary="A compact root", response_model=None)
    def compact_root(number: int) -> Response:
        """The envelope that bricks take, of root `number`."""
        data = repository.compact_root(number)
        if data is None:
            raise Refused(404, "no such root")
        return Response(data, media_type="application/octet-stream", headers={"Cache-Control": FOREVER})

    @api.get("/targets/{digest}", summary="A bundle by the SHA-256 of its bytes", response_model=None)
    def target(digest: str, request: Request) -> Response:
        """Whole, or from an offset on (`Range: bytes=N-`)."""
        access.host(request)
        data = repository.target(digest)
        if data is None:
            raise Refused(404, "no such release on the list")
        tag = f'"{digest}"'
        headers = {"Cache-Control": OF_HOSTS, "ETag": tag, "Accept-Ranges": "bytes"}
        first = _offset(request.headers.get("range"))
        if first is None or request.headers.get("if-range", tag) != tag:
            return Response(data, media_type="application/octet-stream", headers=headers)
        if first >= len(data):
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        return Response(data[first:], 206, media_type="application/octet-stream", headers=headers)

    return api


def admin_router(repository: Repository, clock: Clock, require: Require) -> APIRouter:
    """For people: how the trust stands, and what is on the list. `require(permission)`: who is calling. Nothing can be changed
    here: keys are changed by their holders' signatures."""
    api = APIRouter(prefix="/v1/admin", tags=["trust"])
    reading = Depends(require("keys.read"))

    @api.get("/keys", summary="Who holds which key, and what runs out first", response_model=None)
    def keys(_: Any = reading) -> Response:
        """As `stallmark fleet keys status --json`; `{"profile": …, "trouble": []}` alone where there is no trust folder."""
        if not repository.exists():
            return JSONResponse(status.health(repository, clock.now_ms()), headers=NO_STORE)
        return JSONResponse(status.facts(repository, clock.now_ms()), headers=NO_STORE)

    @api.get("/releases", summary="What is on the authors' signed list", response_model=None)
    def releases(_: Any = reading) -> Response:
        """`{"releases": [{"sha256", "length", "kind", "rev", "hardware", "name", "artefact", "bundle"}]}`, the highest rev
        first."""
        return JSONResponse({"releases": ceremony.facts_of(repository.listed())}, headers=NO_STORE)

    return api


def _offset(text: str | None) -> int | None:
    """The offset of `bytes=N-`; None for anything else, which is answered whole (RFC 9110 §14.2)."""
    if text is None or not text.startswith("bytes=") or not text.endswith("-"):
        return None
    number = text[6:-1]
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 12 else None
