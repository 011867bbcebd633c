"""The status API on the host itself: GET /v1/status and /v1/links, POST /v1/close, /v1/identify and /v1/restart, a page
at /; beside them the stall screen at /stall and the customers' pages."""

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field

from hostagent import report, screen
from hostagent.screen import near
from hostagent.screen.closing import close_day
from hostagent.screen.sessions import COOKIE, Sessions
from hostagent.till import api as till

if TYPE_CHECKING:
    from hostagent.agent import Agent

LEFT_OUT = (
    "Look-up links are left out: this address can be asked from other machines, and a link is all it takes to "
    "read a receipt. Let the host listen on 127.0.0.1 to see them."
)
PAGE = Path(__file__).parent / "pages" / "status.html"


class Close(BaseModel):
    """Who closes the day: at most 24 bytes of UTF-8. A label of it stands in the record (hostagent.staff)."""

    who: str = Field(min_length=1, max_length=24)


class Identify(BaseModel):
    """The brick that should blink, by name or identity."""

    brick: str


class Restart(BaseModel):
    """The brick that should start anew, by name or identity; `safe`: into safe mode."""

    brick: str
    safe: bool = False


def create_app(agent: "Agent") -> FastAPI:
    """The API over a running agent."""
    # No pages that fetch scripts from elsewhere: the kit's network may have no internet. /openapi.json is
    # there.
    app = FastAPI(title="Stallmark host", docs_url=None, redoc_url=None, dependencies=[Depends(_at_home)])
    page = PAGE.read_text()
    headers = _headers(page)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def show() -> HTMLResponse:
        return HTMLResponse(page, headers=headers)

    @app.get("/v1/status")
    async def status(request: Request) -> JSONResponse:
        """Everything the host knows of itself; `words` in sentences, numbers with their age."""
        _allowed(request, stall.sessions)
        return JSONResponse(await report.status(agent), headers={"Cache-Control": "no-store"})

    @app.get("/v1/links")
    async def links(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=200)] = 20,
        brick: Annotated[str | None, Query(pattern="^[0-9a-f]{16}$")] = None,
    ) -> JSONResponse:
        """The newest receipts with their sentences, of one brick (its 16 digits) or of all; `note` says why where their look-up
        links are left out."""
        _allowed(request, stall.sessions)
        note = None if agent.private else LEFT_OUT
        return JSONResponse(
            {"links": await report.links(agent, limit, None if brick is None else bytes.fromhex(brick)), "note": note},
            headers={"Cache-Control": "no-store"},
        )

    @app.post("/v1/close")
    async def close(asked: Close, request: Request) -> dict[str, list[str]]:
        """Asks every brick to write its close record, one without a link as soon as it is back; slips that were
        not used are given back, as at the screen."""
        _own(request, stall.sessions)
        if len(asked.who.encode()) > 24:
            raise HTTPException(422, "who: at most 24 bytes of UTF-8")
        done, away = await close_day(stall, asked.who)
        return {"asked": done, "not_connected": away}

    @app.post("/v1/identify")
    async def identify(asked: Identify, request: Request) -> dict[str, Any]:
        """Lets one brick blink."""
        _own(request, stall.sessions)
        line = _line(agent, asked.brick)
        line.session.identify()
        return {"asked": line.expected.name}

    @app.post("/v1/restart")
    async def restart(asked: Restart, request: Request) -> dict[str, Any]:
        """Lets one brick start anew: records it holds stay, a customer before it waits two seconds."""
        _own(request, stall.sessions)
        line = _line(agent, asked.brick)
        line.session.restart(asked.safe)
        return {"asked": line.expected.name, "safe": asked.safe}

    # FastAPI keeps them; the names are for the reader.
    del show, status, links, close, identify, restart
    till.install(app, agent)
    stall = screen.install(app, agent)
    return app


def _line(agent: "Agent", name: str) -> Any:
    """The line of a connected brick, by its name or identity. Raises HTTPException."""
    for line in agent.lines:
        if name in (line.expected.name, line.expected.brick.hex()):
            if line.brick is None or line.session is None:
                raise HTTPException(409, f"{line.expected.name} has no link")
            return line
    raise HTTPException(404, "no such brick")


def _headers(page: str) -> dict[str, str]:
    """The page may run its own script and style, named by their digests, ask this host, and nothing else."""
    allowed: dict[str, str] = {}
    for tag in ("script", "style"):
        text = page.split(f"<{tag}>", 1)[1].split(f"</{tag}>", 1)[0]
        allowed[tag] = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {
        "Content-Security-Policy": f"default-src 'none'; script-src 'sha256-{allowed['script']}'; "
        f"style-src 'sha256-{allowed['style']}'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


async def _at_home(request: Request) -> None:
    """Answers under addresses and this machine's own names: a name elsewhere that leads here is a trick."""
    if not near.own_name(request):
        raise HTTPException(421, "ask by address, or by this machine's own name")


def _allowed(request: Request, sessions: Sessions) -> None:
    """This machine itself, or who is signed in: customers' phones are in the kit's network, too."""
    if not near.loopback(request) and sessions.find(request.cookies.get(COOKIE)) is None:
        raise HTTPException(403, "from this machine only: elsewhere sign in at /stall first")


def _own(request: Request, sessions: Sessions) -> None:
    """Only this host's own page or a program may act: another site's page in the same browser may not."""
    _allowed(request, sessions)
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json" or not near.own_origin(request):
        raise HTTPException(403, "only from this host's own page, as JSON")
