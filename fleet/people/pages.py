"""The pages for people with accounts: signing in, rollouts, approvals, people. Everything that they do goes through /v1/admin."""

from __future__ import annotations

from fastapi import APIRouter, Response

from fleet.public import PublicStore
from fleet.web.pages import Site

PAGES = ("rollouts", "approvals", "people")


def router(store: PublicStore) -> APIRouter:
    """`/admin`, and a page for each name of PAGES below it."""
    pages = APIRouter(include_in_schema=False)
    site = Site(store)

    @pages.get("/admin")
    def admin() -> Response:
        return site.page("admin.html", here="/admin")

    def add(name: str) -> None:
        @pages.get(f"/admin/{name}")
        def shown() -> Response:
            return site.page(f"{name}.html", here=f"/admin/{name}")

    for name in PAGES:
        add(name)
    return pages
