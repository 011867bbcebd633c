"""The status API on the host itself: GET /v1/status and /v1/links, POST /v1/close and /v1/identify, a page
at /; beside them the stall screen at /stall and the customers' pages."""

import base64
import hashlib
import ipaddress
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field

from hostagent import report, screen
from hostagent.screen import near
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
    async def status() -> JSONResponse:
        """Everything the host knows of itself; `words` in sentences, numbers with their age."""
        return JSONResponse(await report.status(agent), headers={"Cache-Control": "no-store"})

    @app.get("/v1/links")
    async def links(limit: Annotated[int, Query(ge=1, le=200)] = 20) -> JSONResponse:
        """The newest receipts with their sentences; `note` says why where their look-up links are left out."""
        note = None if agent.private else LEFT_OUT
        return JSONResponse(
            {"links": await report.links(agent, limit), "note": note}, headers={"Cache-Control": "no-store"}
        )

    @app.post("/v1/close")
    async def close(asked: Close, request: Request) -> dict[str, list[str]]:
        """Asks every brick to write its close record: one without a link as soon as it is back."""
        _own(request)
        if len(asked.who.encode()) > 24:
            raise HTTPException(422, "who: at most 24 bytes of UTF-8")
        answer: dict[str, list[str]] = {"asked": [], "not_connected": []}
        for line in agent.lines:
            agent.bricks[line.expected.brick].closing = agent.staff.label(asked.who)
            if line.brick is not None and line.session is not None:
                line.session.ask_close()
                answer["asked"].append(line.expected.name)
            else:
                answer["not_connected"].append(line.expected.name)
        lane = getattr(agent, "lane", None)
        if lane is not None:
            await lane.closing(asked.who)
            answer["asked"].append("the host itself")
        return answer

    @app.post("/v1/identify")
    async def identify(asked: Identify, request: Request) -> dict[str, Any]:
        """Lets one brick blink."""
        _own(request)
        for line in agent.lines:
            if asked.brick in (line.expected.name, line.expected.brick.hex()):
                if line.brick is None or line.session is None:
                    raise HTTPException(409, f"{line.expected.name} has no link")
                line.session.identify()
                return {"asked": line.expected.name}
        raise HTTPException(404, "no such brick")

    # FastAPI keeps them; the names are for the reader.
    del show, status, links, close, identify
    till.install(app, agent)
    screen.install(app, agent)
    return app


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
    name = (request.url.hostname or "").lower()
    own = socket.gethostname().lower()
    if name in ("localhost", own, f"{own}.local"):
        return
    try:
        ipaddress.ip_address(name)
    except ValueError:
        raise HTTPException(421, "ask by address, or by this machine's own name") from None


def _own(request: Request) -> None:
    """Only this machine's own page or a program on it may act: another site's page in the same browser may not."""
    if not near.loopback(request):
        # Customers' phones are in the kit's network too: who acts from there signs in at the stall screen.
        raise HTTPException(403, "from this machine only: elsewhere sign in at /stall")
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    origin = request.headers.get("origin")
    if kind != "application/json" or (
        origin is not None and origin.split("://")[-1] != request.headers.get("host")
    ):
        raise HTTPException(403, "only from this host's own page, as JSON")
