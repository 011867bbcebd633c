"""The customers' pages on the host: what is asked for at which address, and by whom it is answered."""

import logging
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import segno
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hostagent.core import Fields, cbor, money
from hostagent.errors import HostError
from hostagent.public import posters, terms
from hostagent.public.limits import Limit
from hostagent.public.lookup import Lookup
from hostagent.public.pages import HEADERS, Pages, language_of
from hostagent.public.posters import Posters, TooMany
from hostagent.public.words import FAQ, LANGUAGES
from hostagent.screen import facts, near
from hostagent.screen.passes import Passes

if TYPE_CHECKING:
    from hostagent.agent import Agent

FORM_BYTES = 2048
log = logging.getLogger("hostagent.public")
LOOKS = {"granted": "granted", "nothing this time": "nothing", "ask at the stall": "ask"}


def create_public(agent: "Agent", passes: Passes) -> Starlette:
    """The pages of one agent. Requests are not logged: addresses are kept for a minute, for the limits."""
    made = Public(agent, passes)
    routes = [
        Route("/p", made.pass_page),
        Route("/p", made.pass_issue, methods=["POST"]),
        Route("/p/sw.mjs", made.worker),
        Route("/q/{poster}", made.poster_page),
        Route("/q/{poster}", made.poster_scan, methods=["POST"]),
        Route("/poster", made.sheet),
        Route("/terms", made.terms_page),
        Route("/faq", made.faq),
        Route("/r/{handle}.cose", made.receipt_file),
        Route("/r/{handle}", made.receipt_page),
        Route("/public/{version}/{name}", made.file),
        Route("/{rest:path}", made.nothing),
    ]
    name = urlsplit(agent.config.public_url).hostname or ""
    return Starlette(routes=routes, middleware=[Middleware(_Door, name=name)])


class _Door:
    """Own names only, and forms only from own pages."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            if not near.own_name(request, self._name):
                answer = PlainTextResponse("Ask by address, or by this machine's own name.\n", 421)
                return await answer(scope, receive, send)
            if request.method not in ("GET", "HEAD") and not near.own_origin(request):
                return await PlainTextResponse("Only from this host's own page.\n", 403)(scope, receive, send)
        return await self._app(scope, receive, send)


class Public:
    """Handlers of the pages; each takes a request and gives a response."""

    def __init__(self, agent: "Agent", passes: Passes) -> None:
        self.agent = agent
        self.passes = passes
        self.pages = Pages()
        self.posters = Posters(agent, passes)
        self.lookup = Lookup(agent)
        self._codes = Limit(6, 60)
        self._looks = Limit(30, 600)
        self._kept: dict[bytes, Any] = {}

    @property
    def known(self) -> Any:
        """The ruleset in use, or None."""
        return facts.ruleset(self.agent, self._kept)

    def show(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A page in the language that the browser asks for."""
        return self.pages.page(template, language_of(request), status, market=self.market, **values)

    @property
    def market(self) -> str:
        """The market's name by the rules, else the host's."""
        return getattr(self.known, "market", None) or self.agent.config.name

    # --- passes

    async def pass_page(self, request: Request) -> Response:
        """The pass that this phone keeps, or how to get one."""
        code = request.query_params.get("code", "")[:16]
        return self.show(request, "pass.html", code=code, can_issue=self.passes.event_key is not None)

    async def pass_issue(self, request: Request) -> Response:
        """{"code"} → {"text", "number", "png"}: one pass for one code."""
        if not self._codes.take(near.address(request)):
            return JSONResponse({"error": "pass_often"}, 429, headers=HEADERS)
        fields = await _form(request)
        made = self.passes.issue(fields.get("code", ""))
        if made is None:
            return JSONResponse({"error": "pass_wrong"}, 403, headers=HEADERS)
        code = segno.make(made.text, error="m", micro=False)
        answer = {"text": made.text, "number": made.number, "png": code.png_data_uri(scale=12, border=4)}
        return JSONResponse(answer, headers=HEADERS)

    async def worker(self, _: Request) -> Response:
        """The service worker of /p."""
        return self.pages.worker()

    # --- posters

    async def poster_page(self, request: Request) -> Response:
        """What the poster's code opens: one button."""
        poster = request.path_params["poster"]
        if not posters.NAME.match(poster):
            return await self.nothing(request)
        ready = self.posters.lane is not None
        return self.show(request, "scan.html", poster=poster, nonce=os.urandom(8).hex(), ready=ready)

    async def poster_scan(self, request: Request) -> Response:
        """The button: an event of type 16, answered in plain words."""
        poster, fields = request.path_params["poster"], await _form(request)
        nonce = fields.get("nonce", "")
        if not posters.NAME.match(poster) or not posters.NONCE.match(nonce):
            return await self.nothing(request)
        try:
            answer: Any = await self.posters.scanned(
                poster, nonce, fields.get("pass", "")[:64], near.address(request)
            )
        except TooMany:
            return self._told(request, poster, 429, "scan_often")
        except HostError as failed:
            log.warning("a poster's event was not decided: %s", failed)
            return self._told(request, poster, 503, "scan_failed")
        if answer is None:
            return self._told(request, poster, 503, "scan_no_lane")
        return self._answered(request, answer)

    def _told(self, request: Request, poster: str, status: int, key: str) -> Response:
        return self.show(request, "told.html", status, key=key, back=f"/q/{poster}")

    def _answered(self, request: Request, answer: Any) -> Response:
        sentence = answer.sentence
        public: Any = getattr(answer, "public", None)
        if public and len(public) == 1:
            sentence = facts.sentence(public[0], self.known, language_of(request))
        return self.show(
            request,
            "answer.html",
            look=LOOKS.get(answer.outcome, "note"),
            sentence=facts.bare(sentence),
            credit=money.text(answer.credit_minor, answer.currency) if answer.credit_minor else None,
            handle=answer.link.rsplit("/", 1)[-1],
        )

    async def sheet(self, request: Request) -> Response:
        """A sheet to print with the poster's code."""
        poster = request.query_params.get("name", "stall")
        if not posters.NAME.match(poster):
            return await self.nothing(request)
        base = f"{request.url.scheme}://{request.url.netloc}"
        return self.show(
            request,
            "poster.html",
            link=f"{base}/q/{poster}",
            code=qr_svg(f"{base}/q/{poster}"),
            local=near.loopback(request) and self.agent.private,
        )

    # --- texts

    async def terms_page(self, request: Request) -> Response:
        """The terms in force, from this host."""
        folder, digest = self.agent.config.folder, terms.in_force(self.agent, self.known)
        asked = request.query_params.get("text")
        language = None if asked == "original" else LANGUAGES[language_of(request)]
        found = None if digest is None else terms.held(folder, digest, language)
        return self.show(request, "terms.html", digest=None if digest is None else digest.hex(), found=found)

    async def faq(self, request: Request) -> Response:
        """Questions and answers."""
        return self.show(request, "faq.html", entries=faq(language_of(request)))

    # --- receipts

    async def receipt_page(self, request: Request) -> Response:
        """A receipt by its link, as long as this host knows it."""
        handle = request.path_params["handle"]
        found = await self.lookup.find(handle) if self._looks.take(near.address(request)) else None
        if found is None:
            return self.show(request, "told.html", 404, key="receipt_missing", back="/faq")
        public: Fields = cbor.decode(found.fields[1])
        agent = self.agent
        vouchers = await agent.promised.now(public, found.fields[6], agent.clock.now_ms())
        return self.show(
            request,
            "receipt.html",
            look=facts.OUTCOMES.get(public[10], "note"),
            sentence=facts.bare(facts.sentence(public, self.known, language_of(request))),
            vouchers=vouchers,
            qr_svg=qr_svg,
            at_ms=found.fields[6],
            number=found.host_seq,
            handle=handle,
            hub=f"{self.agent.config.public_url}/r/{handle}",
        )

    async def receipt_file(self, request: Request) -> Response:
        """The receipt's bytes, for those who check it themselves."""
        handle = request.path_params["handle"]
        found = await self.lookup.find(handle) if self._looks.take(near.address(request)) else None
        if found is None:
            return PlainTextResponse("This host does not know this receipt.\n", 404, headers=HEADERS)
        return Response(found.cose, headers=HEADERS, media_type="application/cose")

    # --- the rest

    async def file(self, request: Request) -> Response:
        """Style and scripts."""
        return self.pages.file(request.path_params["version"], request.path_params["name"])

    async def nothing(self, request: Request) -> Response:
        """Any other address."""
        return self.show(request, "told.html", 404, key="no_page", back="/faq")


def qr_svg(text: str) -> str:
    """A QR code as SVG on white, with its quiet zone."""
    return segno.make(text, error="m", micro=False).svg_inline(
        border=4, light="#fff", dark="#000", omitsize=True
    )


def faq(language: int) -> list[tuple[str, str]]:
    """Questions with their answers."""
    return [(question[language], answer[language]) for question, answer in FAQ]


async def _form(request: Request) -> dict[str, str]:
    """A short form's fields; what is longer has none."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > FORM_BYTES:
            return {}
    try:
        fields = parse_qs(data.decode(errors="replace"), max_num_fields=8)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
