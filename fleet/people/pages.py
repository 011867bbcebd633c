"""The pages for people with accounts: signing in, rollouts as they go. Everything that they do goes through /v1/admin."""

from __future__ import annotations

from fastapi import APIRouter, Response

from fleet.public import PublicStore
from fleet.web.pages import Site


def router(store: PublicStore) -> APIRouter:
    """`/admin`, `/admin/rollouts`."""
    pages = APIRouter(include_in_schema=False)
    site = Site(store)

    @pages.get("/admin")
    def admin() -> Response:
        return site.page("admin.html")

    @pages.get("/admin/rollouts")
    def rollouts() -> Response:
        return site.page("rollouts.html")

    return pages
