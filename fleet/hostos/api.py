"""`/v1/admin/hosts`: the operating systems of hosts for people and programs. Calls wait for the service, to its deadline."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from fleet.controller import Controller
from fleet.errors import Refused
from fleet.hostos import acts, telling, ties
from fleet.hostos.errors import HostOsError
from fleet.hostos.model import MOST_LINES
from fleet.hostos.watching import Watching
from fleet.people.access import people_of, require
from fleet.people.actors import ANYTHING, Actor, Thing, sees
from fleet.people.places import places

NO_STORE = {"Cache-Control": "no-store"}
LINES = 100
Reading = Annotated[Actor, Depends(require("hosts.read"))]
Writing = Annotated[Actor, Depends(require("hosts.write"))]


class Strict(BaseModel):
    """Bodies of this part: nothing that is not named."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Tag(Strict):
    """A tag; value null takes it away."""

    key: str = Field(max_length=64)
    value: str | None = Field(max_length=255)


class Pin(Strict):
    """A release's commit in full or id:NUMBER; null: follow the application."""

    release: str | None = Field(max_length=64)


class Tie(Strict):
    """Whose host it is: a kit's name or id in hex; null: nobody's."""

    kit: str | None = Field(max_length=64)


def router(controller: Controller, watching: Watching) -> APIRouter:
    """Routes over a controller and its host OS service. Blocking work runs in the server's threads."""
    api = APIRouter(prefix="/v1/admin/hosts", tags=["hosts"])
    database = controller.database

    @api.get("", summary="Every device of the service, with its kit", response_model=None)
    def listed(actor: Reading) -> Response:
        """`{"provider", "trouble", "devices": [{"device", "name", "online", "pinned", "running", "kit", "tags", …}]}`; those of
        kits that the actor sees, and those that are tied to none for whoever sees all."""
        now_ms = controller.clock.now_ms()
        if watching.idle:
            return JSONResponse(
                {"provider": watching.provider.name, "trouble": None, "devices": []}, headers=NO_STORE
            )
        try:
            found = watching.provider.devices()
        except HostOsError as failed:
            raise failed.as_answer() from None
        with database.read() as connection:
            tied = {row["device"]: row["kit"] for row in ties.every(connection)}
            where = places(connection)
        shown: list[dict[str, Any]] = []
        for one in found:
            kit = tied.get(one.device)
            if _sees(actor, None if kit is None else where.get(kit, ANYTHING)):
                shown.append({**one.as_json(), "kit": None if kit is None else kit.hex()})
        trouble = watching.trouble
        told = None if trouble is None else {"text": trouble[0], "age_s": max(0, now_ms - trouble[1]) // 1000}
        answer = {"provider": watching.provider.name, "trouble": told, "devices": shown}
        return JSONResponse(answer, headers=NO_STORE)

    @api.get("/{device}/logs", summary="The newest lines of a device's log", response_model=None)
    def logs(device: str, request: Request, actor: Reading, count: int = LINES) -> Response:
        """`{"lines": [{"at_ms", "text", "system"}]}`, the oldest first."""
        _demand(request, actor, "hosts.read", device)
        try:
            found = watching.provider.logs(device, max(1, min(count, MOST_LINES)))
        except HostOsError as failed:
            raise failed.as_answer() from None
        return JSONResponse({"lines": [one.as_json() for one in found]}, headers=NO_STORE)

    @api.post("/{device}/tag", summary="Set a tag, or take it away", response_model=None)
    def tag(device: str, body: Tag, request: Request, actor: Writing) -> Response:
        """Done when answered."""
        return _act(request, actor, device, acts.tag, body.key, body.value)

    @api.post("/{device}/pin", summary="Hold a device at a release", response_model=None)
    def pin(device: str, body: Pin, request: Request, actor: Writing) -> Response:
        """The service has it when answered; the device takes it up when it is there. A device of a kit: the controller sees to
        it that the service keeps it."""
        _demand(request, actor, "hosts.write", device)
        release = ties.FOLLOW if body.release is None else body.release
        with database.write() as connection:
            row = ties.of_device(connection, device)
            if row is not None:
                ties.want(connection, row["kit"], release, actor.name, controller.clock.now_ms())
        return _act(request, actor, device, acts.pin, body.release)

    @api.post("/{device}/restart", summary="Restart a device's containers", response_model=None)
    def restart(device: str, request: Request, actor: Writing) -> Response:
        """423 while the host agent writes to a brick."""
        return _act(request, actor, device, acts.restart)

    @api.post("/{device}/identify", summary="Let a device blink", response_model=None)
    def identify(device: str, request: Request, actor: Writing) -> Response:
        """Done when answered."""
        return _act(request, actor, device, acts.identify)

    @api.post("/{device}/tie", summary="Say whose host a device is", response_model=None)
    def tie(device: str, body: Tie, request: Request, actor: Writing) -> Response:
        """`{"kit", "device", "line"}`."""
        _demand(request, actor, "hosts.write", device)
        now_ms = controller.clock.now_ms()
        with database.write() as connection:
            if body.kit is None:
                row = ties.of_device(connection, device)
                if row is None:
                    raise Refused(404, "this device is tied to no kit")
                ties.untie(connection, actor, row["kit"], now_ms)
                return JSONResponse({"kit": None, "device": device, "line": ""}, headers=NO_STORE)
            kit = _kit(body.kit)
            people_of(request).demand(actor, "hosts.write", places(connection).get(kit, ANYTHING))
            row = ties.tie(connection, actor, kit, device, now_ms)
        answer = {"kit": kit.hex(), "device": device, "line": telling.line(row)}
        return JSONResponse(answer, headers=NO_STORE)

    def _act(request: Request, actor: Actor, device: str, act: Any, *args: object) -> Response:
        _demand(request, actor, "hosts.write", device)
        people = people_of(request)

        def record(verb: str, thing: str, before: object, after: object) -> None:
            people.record(actor, verb, thing, before, after)

        try:
            act(watching.provider, record, device, *args)
        except HostOsError as failed:
            raise failed.as_answer() from None
        return JSONResponse({"device": device}, headers=NO_STORE)

    def _demand(request: Request, actor: Actor, permission: str, device: str) -> None:
        """Raises Refused 403 where the device's kit is not the actor's; a device of no kit is for whoever sees all."""
        with database.read() as connection:
            row = ties.of_device(connection, device)
            where = places(connection)
        thing = None if row is None else where.get(row["kit"], ANYTHING)
        people_of(request).demand(actor, permission, thing)
        if not _sees(actor, thing):
            raise Refused(403, "this device belongs to no kit yet: it needs an account without hubs and tags")

    def _kit(wanted: str) -> bytes:
        for one in controller.config.kits:
            if wanted in (one.name, one.kit.hex()):
                return one.kit
        raise Refused(404, "there is no such kit here")

    return api


def _sees(actor: Actor, thing: Thing | None) -> bool:
    if thing is not None:
        return sees(actor, thing)
    return sees(actor, ANYTHING) and not actor.hubs and not actor.tags
