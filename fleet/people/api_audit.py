"""Routes of the audit log: /v1/admin/audit, a page at a time or whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from fleet.people import audit
from fleet.people.access import people_of, require_whole
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
        return JSONResponse({"lines": lines, "head": {"n": number, "hash": digest}})

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
