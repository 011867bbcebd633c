"""Rentals for people and programs, under /v1/admin/rentals: bookings, the verbs of the desk, kits' states. docs/rentals.md"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from fleet.controller import Controller
from fleet.enrolled import brick_of
from fleet.errors import Refused
from fleet.people.access import people_of, require
from fleet.people.actors import ANYTHING, Actor, sees
from fleet.people.places import places
from fleet.rentals import bodies, bookings, custody, desk, handback, handing, numbers, returning, rows
from fleet.rentals.states import IN_STOCK

NO_STORE = {"Cache-Control": "no-store"}
Reading = Annotated[Actor, Depends(require("rentals.read"))]
Writing = Annotated[Actor, Depends(require("rentals.write"))]
Work = Callable[[Connection, int, int], dict[str, Any]]


def router(controller: Controller, current: numbers.Current, changed: Callable[[], None]) -> APIRouter:
    """Routes over a controller. `current` learns at once of kits that changed hands, `changed` of devices that were accepted or
    ended."""
    api = APIRouter(prefix="/v1/admin/rentals", tags=["rentals"])

    def do(request: Request, work: Work, status: int = 200) -> Response:
        people, now_ms = people_of(request), controller.clock.now_ms()
        with controller.database.write() as connection:
            answer = work(connection, now_ms, people.now_ms())
        current.look()
        changed()
        return JSONResponse(answer, status, headers=NO_STORE)

    @api.get("", summary="Bookings", response_model=None)
    def listed(actor: Reading, kit: str | None = None, over: bool = False) -> Response:
        """`{"bookings": [{"booking", "kit", "renter", "state", "since_ms", "age_s", "from_ms", "to_ms", "flag", …}]}` by their
        beginning; `over=true`: also those that are over."""
        wanted = None if kit is None else rows.kit_of(controller.config, kit).kit
        with controller.database.read() as connection:
            found = bookings.listed(connection, actor, controller.clock.now_ms(), wanted, over)
        return JSONResponse({"bookings": found}, headers=NO_STORE)

    @api.get("/kits", summary="Kits and whose hands they are in", response_model=None)
    def kits(actor: Reading) -> Response:
        """`{"kits": [{"kit", "name", "state", "since_ms", "age_s", "note", "rental"}]}`."""
        now_ms = controller.clock.now_ms()
        with controller.database.read() as connection:
            where = places(connection)
            found: list[dict[str, Any]] = []
            for one in controller.config.kits:
                row = rows.state_of(connection, one.kit)
                if sees(actor, where.get(one.kit, ANYTHING)):
                    since = None if row is None else row.since_ms
                    found.append(
                        {
                            "kit": one.kit.hex(), "name": one.name, "state": IN_STOCK if row is None else row.state,
                            "since_ms": since, "age_s": None if since is None else max(0, now_ms - since) // 1000,
                            "note": "" if row is None else row.note,
                            "rental": one.rental if row is None else max(one.rental, row.rental),
                        }
                    )  # fmt: skip
        return JSONResponse({"kits": found}, headers=NO_STORE)

    @api.post("", summary="Book a kit", response_model=None)
    def book(request: Request, body: bodies.Booking, actor: Writing) -> Response:
        """201, or 200 where this key made it before; 409 names who has the kit then."""
        wanted = body.wanted(rows.kit_of(controller.config, body.kit).kit)
        made: dict[str, Any] = {}

        def work(connection: Connection, now_ms: int, wall_ms: int) -> dict[str, Any]:
            made.update(bookings.book(connection, controller.config, actor, wanted, now_ms, wall_ms))
            return made

        answer = do(request, work, 201)
        answer.status_code = 200 if made["again"] else 201
        return answer

    @api.get("/{id}", summary="A booking, its custody and why it stands as it does", response_model=None)
    def whole(id: str, actor: Reading) -> Response:
        """With `custody`, `wipes`, and `why`: reasons with ages, what matters most first."""
        with controller.database.read() as connection:
            return JSONResponse(
                desk.whole(connection, controller.config, actor, id, controller.clock.now_ms()),
                headers=NO_STORE,
            )

    @api.post("/{id}/reserve", summary="A draft holds its time", response_model=None)
    def reserve(id: str, request: Request, actor: Writing) -> Response:
        """409 names who has the kit then."""
        return do(request, lambda c, now, wall: bookings.reserve(c, controller.config, actor, id, now, wall))

    @api.post("/{id}/cancel", summary="Give the time back", response_model=None)
    def cancel(id: str, request: Request, body: bodies.Because, actor: Writing) -> Response:
        """For drafts and what is reserved."""
        return do(
            request,
            lambda c, now, wall: bookings.cancel(c, controller.config, actor, id, body.reason, now, wall),
        )

    @api.post("/{id}/extend", summary="Another end", response_model=None)
    def extend(id: str, request: Request, body: bodies.Until, actor: Writing) -> Response:
        """409 names who has the kit then."""
        return do(
            request,
            lambda c, now, wall: bookings.extend(c, controller.config, actor, id, body.to_ms, now, wall),
        )

    @api.post("/{id}/pack", summary="Pack the kit for a booking", response_model=None)
    def pack(id: str, request: Request, body: bodies.Items, actor: Writing) -> Response:
        """Binds the kit's bricks and hosts; items say how they are."""
        seen = _seen(body.items)
        return do(
            request, lambda c, now, wall: handing.pack(c, controller.config, actor, id, seen, now, wall)
        )

    @api.post("/{id}/unpack", summary="Take packing back", response_model=None)
    def unpack(id: str, request: Request, actor: Writing) -> Response:
        """The kit is RESERVED again."""
        return do(request, lambda c, now, wall: handing.unpack(c, controller.config, actor, id, now, wall))

    @api.post("/{id}/swap", summary="Another brick in the place of one", response_model=None)
    def swap(id: str, request: Request, body: bodies.Swap, actor: Writing) -> Response:
        """Time is asked for anew for what comes in."""
        new = _seen([body.into])[0]
        return do(
            request,
            lambda c, now, wall: handing.swap(c, controller.config, actor, id, body.out, new, now, wall),
        )

    @api.post("/{id}/hand-over", summary="The kit leaves the hub", response_model=None)
    def hand_over(id: str, request: Request, body: bodies.Over, actor: Writing) -> Response:
        """A new rental number; credentials of the one before open nothing from now on, bricks are ordered to step (`steps`). 409
        where one has not stepped since before; `force` (permission rentals.force) hands over all the same."""
        hosts = [brick_of(host) for host in body.hosts]
        if None in hosts:
            raise Refused(422, "hosts: ids of 16 hex characters")
        given = [host for host in hosts if host is not None]
        return do(
            request,
            lambda c, now, wall: handing.hand_over(
                c, controller.config, actor, id, body.holder, given, now, wall, body.force
            ),
        )

    @api.post("/{id}/take-back", summary="The kit is back", response_model=None)
    def take_back(id: str, request: Request, body: bodies.Back, actor: Writing) -> Response:
        """`{"closed", "undrained": [{"code", "text", "age_s", "do", "brick", "records"}], …}`. Not closed: send it again once it
        has drained, or with `force` (permission rentals.force)."""
        seen = _seen(body.items)
        return do(
            request,
            lambda c, now, wall: returning.take_back(
                c, controller.config, actor, id, seen, body.force, now, wall
            ),
        )

    @api.post("/{id}/wipe", summary="Order a wipe, or note what was wiped by hand", response_model=None)
    def wipe(id: str, request: Request, body: bodies.Wiped, actor: Writing) -> Response:
        """After the booking is closed. `{}` orders the kit's host to wipe; `{"waits": [whose proof has not come], "wipes"}`."""
        if not body.keys and not body.read and not body.what:
            return do(request, lambda c, now, wall: handback.order(c, controller.config, actor, id, now, wall))
        return do(
            request,
            lambda c, now, wall: returning.wipe(c, actor, id, body.what, body.keys, body.read, now, wall),
        )

    @api.post("/{id}/inspect", summary="Into stock, or to service", response_model=None)
    def inspect(id: str, request: Request, body: bodies.Inspected, actor: Writing) -> Response:
        """Into stock only after the host's store was wiped."""
        return do(
            request,
            lambda c, now, wall: returning.inspect(
                c, controller.config, actor, id, body.grade, body.service, now, wall
            ),
        )

    @api.post("/kits/{kit}/{verb}", summary="stock, service, retire, lose", response_model=None)
    def move(kit: str, verb: str, request: Request, body: bodies.Because, actor: Writing) -> Response:
        """Of a kit that is at the hub; lose also of one that is away (permission rentals.force)."""
        id = rows.kit_of(controller.config, kit).kit
        return do(
            request,
            lambda c, now, wall: returning.move(
                c, controller.config, actor, id, verb, body.reason, now, wall
            ),
        )

    return api


def _seen(items: list[bodies.Item]) -> tuple[custody.Seen, ...]:
    found = tuple(one.seen() for one in items)
    custody.check(found)
    return found
