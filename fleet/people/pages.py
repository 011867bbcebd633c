"""The page where people sign in. Everything that it does goes through /v1/admin."""

from __future__ import annotations

from fastapi import APIRouter, Response

from fleet.public import PublicStore
from fleet.web.pages import Site


def router(store: PublicStore) -> APIRouter:
    """`/admin`."""
    pages = APIRouter(include_in_schema=False)
    site = Site(store)

    @pages.get("/admin")
    def admin() -> Response:
        return site.page("admin.html")

    return pages
