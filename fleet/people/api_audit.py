"""Routes of the audit log: /v1/admin/audit, a page at a time or whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from fleet.errors import Refused
from fleet.people import audit, heads
from fleet.people.access import people_of, require_every_hub, require_whole
from fleet.people.actors import Actor
from fleet.people.bodies import MAX_NUMBER

# The log is of all tenants and hubs in one chain.
Reading = Annotated[Actor, Depends(require_whole("audit.read"))]


def add(api: APIRouter) -> None:
    """Adds them."""

    @api.get("/audit", summary="The audit log", response_model=None)
    def page(request: Request, _: Reading, after: int = 0) -> Response:
        """At most 500 lines behind `after`, and the head: keep it somewhere else. For whoever sees every tenant."""
        with people_of(request).database.read() as connection:
            number, digest = audit.head(connection)
            lines = audit.page(connection, min(max(0, after), MAX_NUMBER))
        config = request.app.state.controller.config
        found = {"lines": lines, "head": {"n": number, "hash": digest}, "lost": heads.lost(config)}
        return JSONResponse(found)

    @api.get("/audit/head", summary="The head of the audit log, signed", response_model=None)
    def head(request: Request, _: Annotated[Actor, Depends(require_every_hub("kits.read"))]) -> Response:
        """A signed note (fleet.people.heads), noted within ten seconds of the newest line: keep it somewhere else. For every
        tenant: it says nothing but how long the log is."""
        try:
            data = heads.path_of(request.app.state.controller.config).read_bytes()
        except OSError:
            raise Refused(404, "no head was noted yet: ask again in ten seconds") from None
        return PlainTextResponse(data)

    @api.get("/audit/export", summary="The whole audit log as a file", response_model=None)
    def export(request: Request, _: Reading) -> Response:
        """Lines for `stallmark fleet audit verify FILE`."""
        people = people_of(request)

        def lines() -> Iterator[str]:
            after = 0
            while True:  # a transaction for each page: a slow reader must not hold one open
                with people.database.read() as connection:
                    part = audit.rows(connection, after)
                if not part:
                    return
                yield "".join(line for _, line in part)
                after = part[-1][0]

        name = {"Content-Disposition": 'attachment; filename="stallmark-audit.txt"'}
        return StreamingResponse(lines(), media_type="text/plain; charset=utf-8", headers=name)
