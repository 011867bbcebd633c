"""The public pages as a FastAPI router: start, receipt, terms, verify, live, and their static files."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from fleet.core import FormatError, base32
from fleet.public import LiveEvent, PublicStore
from fleet.verify.describe import beside
from fleet.web import view
from fleet.web.assets import Assets

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Referrer-Policy": "no-referrer",  # the address of a receipt is its secret
    "X-Content-Type-Options": "nosniff",
}
RECENT = 40
OUTCOMES = (  # tone, kind of record, words
    ("good", "grant", "granted"),
    ("calm", "deny", "nothing this time"),
    ("warn", "uncertain", "ask at the stall"),
)
LOST = "There is no receipt under this link. It may be a few seconds too young, or the link lost a letter."

UNREADABLE = (
    "The ledger holds this receipt (entry {index}), but its record is of a form that this program cannot read. "
    "Add .cose to the address to take its bytes away."
)


def router(store: PublicStore) -> APIRouter:
    """The pages over a store. Handlers are plain functions: the store may touch the disk."""
    pages = APIRouter(include_in_schema=False)
    site = Site(store)

    @pages.get("/")
    def start() -> Response:
        return site.page("start.html", stall=site.stall())

    @pages.get("/live")
    def live() -> Response:
        return site.page("live.html", stall=site.stall(), recent=site.recent(), outcomes=OUTCOMES)

    @pages.get("/v1/stall")
    def stall() -> Response:
        summary = {"stall": dict(store.stall()), "recent": store.recent(RECENT)}
        return JSONResponse(summary, headers={"Cache-Control": "no-store"})

    @pages.get("/verify")
    def verify() -> Response:
        return site.page("verify.html")

    @pages.get("/terms/{digest}")
    def terms(digest: str) -> Response:
        text = store.terms(digest.lower()) if _is_hex(digest, 32) else None
        if text is None:
            return site.error(404, "No such terms", "No terms of this name are known here.")
        return site.page("terms.html", text=text, digest=digest.lower())

    @pages.get("/r/{handle}.record-key")
    def record_key(handle: str) -> Response:
        h16 = _handle(handle)
        found = store.receipt_by_handle(h16) if h16 else None
        try:
            published = store.disclosure(*view.epoch_of(found.cose)) if found else None
        except FormatError:
            published = None
        if published is None:
            return PlainTextResponse("Not published yet.\n", status_code=404)
        return PlainTextResponse(carrying(published.entry, published.proof), headers=_private("record-key"))

    @pages.get("/r/{handle}.reversal")
    def reversal(handle: str) -> Response:
        h16 = _handle(handle)
        found = store.receipt_by_handle(h16) if h16 else None
        if found is None or not found.reversed_by:
            return PlainTextResponse("Nothing known takes it back.\n", status_code=404)
        first = found.reversed_by[0].cose
        return Response(first, headers=_private("reversal.cose"), media_type="application/cose")

    @pages.get("/r/{handle}")
    def receipt(handle: str) -> Response:
        h16 = _handle(handle)
        if h16 is None:
            text = "This is not the form of a receipt's link: 26 letters and digits after /r/ are one."
            return site.error(422, "Not a receipt's link", text, lost_receipt=True)
        found = store.receipt_by_handle(h16)
        if found is None:
            return site.error(404, "No such receipt", LOST, lost_receipt=True)
        try:
            words = view.receipt_page(found, store.sentence(found.cose), store.keys())
            published = store.disclosure(*view.epoch_of(found.cose))
        except FormatError:
            return site.error(200, "Not readable here", UNREADABLE.format(index=found.index))
        return site.page(
            "receipt.html",
            **words,
            handle=base32.encode(h16),
            record_key=published is not None,
            stall=site.stall()["name"],
        )

    @pages.get("/static/{version}/{name}")
    def static(version: str, name: str, request: Request) -> Response:
        return site.assets.serve(version, name, request)

    @pages.get("/favicon.ico")
    def icon(request: Request) -> Response:
        return site.assets.serve("latest", "mark.svg", request)

    return pages


class Site:
    """Templates, static files and headers that the pages share."""

    def __init__(self, store: PublicStore) -> None:
        self.store = store
        self.assets = Assets()
        folder = Path(__file__).parent / "templates"
        self.templates = Environment(
            loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined
        )
        filters = cast("dict[str, Any]", self.templates.filters)  # pyright: ignore[reportUnknownMemberType]
        filters |= {"utc": view.utc, "iso": view.iso}

    def page(self, template: str, status: int = 200, **words: Any) -> Response:
        """A page made of a template."""
        development = self.store.keys().get("development") is True
        body = self.templates.get_template(template).render(
            development=development, static=self.assets.base, **words
        )
        return HTMLResponse(body, status, headers={**HEADERS, "Cache-Control": "no-store"})

    def error(self, status: int, title: str, text: str, lost_receipt: bool = False) -> Response:
        """A page that says what is wrong and where to go."""
        return self.page("error.html", status, title=title, text=text, lost_receipt=lost_receipt)

    def stall(self) -> Mapping[str, Any]:
        """The store's summary."""
        return self.store.stall()

    def recent(self) -> list[dict[str, Any]]:
        """The newest receipts as the live page lists them."""
        return [_row(event) for event in self.store.recent(RECENT)]


def install(app: FastAPI, store: PublicStore) -> None:
    """Adds the pages to an application, and plain pages for what browsers find missing or malformed.

    Programs (paths under /v1 and /ledger, or an Accept without HTML) keep FastAPI's JSON answers. The routes
    of `/r/<handle>.cose` and its like come first: a handle has no point in it.
    """
    app.include_router(router(store))
    site = Site(store)

    async def missing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if request.url.path.startswith(("/v1/", "/ledger/")) or "text/html" not in request.headers.get(
            "accept", ""
        ):
            return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
        if error.status_code == 404:
            return site.error(404, "Nothing here", "There is no page at this address.")
        return site.error(error.status_code, "This did not work", f"{error.detail} ({error.status_code}).")

    app.add_exception_handler(HTTPException, missing)


def carrying(entry: bytes, proof: str) -> str:
    """A tlog-proof file with its own entry as extra data: a published record key in one file."""
    head, rest = proof.split("\n", 1)
    return f"{head}\nextra {base64.b64encode(entry).decode()}\n{rest}"


def _handle(text: str) -> bytes | None:
    try:
        h16 = base32.decode(text.upper())
    except FormatError:
        return None
    return h16 if len(h16) == 16 else None


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and all(char in "0123456789abcdefABCDEF" for char in text)


def _private(name: str) -> dict[str, str]:
    return {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="receipt.{name}"'}


def _row(event: LiveEvent) -> dict[str, Any]:
    outcome, kind = event["outcome"], event["kind"]
    what = (outcome or kind).capitalize()
    return {
        **event,
        "tone": view.tone(outcome, kind),
        "what": what,
        "sentence": beside(what, event["sentence"]),
        "who": f"brick {event['brick'][:4]}…, record {event['seq']}",
    }
