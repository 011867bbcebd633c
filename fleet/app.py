"""Composition root of the controller: builds the parts, hands them to each other, and runs the publishing
task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from fleet.alerts import api as alerts_api
from fleet.alerts.sending import Sending
from fleet.api import benches, directives, hosts, kits, readers, rollouts, trust
from fleet.api.access import Access
from fleet.clock import Clock
from fleet.config import Config
from fleet.controller import Controller
from fleet.counts import Met
from fleet.desired.directing import Directing
from fleet.enrolment import api as enrolment_api
from fleet.enrolment.desk import Desk
from fleet.errors import Refused
from fleet.hostos import api as hostos_api
from fleet.hostos.watching import Watching
from fleet.people import api as people_api
from fleet.people import pages as people_pages
from fleet.people.access import require_whole
from fleet.people.headers import SecureHeaders
from fleet.people.heads import Heads
from fleet.people.service import People
from fleet.rentals import api as rentals_api
from fleet.rentals.keeping import Keeping
from fleet.rentals.numbers import Current
from fleet.rollouts.runner import Rolling
from fleet.trust.noticing import Noticing
from fleet.trust.renewing import Renewing
from fleet.trust.repository import Repository
from fleet.web import pages

COALESCE_S = 0.15  # checkpoints are at least this far apart; the first one after a pause comes at once
RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0)  # after a checkpoint that the disk refused

logger = logging.getLogger(__name__)


class Publisher:
    """The background task that turns durable leaves into checkpoints."""

    def __init__(self, controller: Controller, thread: ThreadPoolExecutor) -> None:
        self._controller = controller
        self._thread = thread
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """There is something to publish. Call it on the event loop."""
        self._wanted.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        self._wanted.set()  # what the last run left
        failures = 0
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            started = loop.time()
            try:
                more = await loop.run_in_executor(self._thread, self._controller.publish)
            except Exception as error:  # noqa: BLE001 - whatever it was: /healthz shows it, and it is tried again
                logger.error("no checkpoint: %s: %s", type(error).__name__, error)
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
                self._wanted.set()
                continue
            failures = 0
            if more:
                self._wanted.set()
            await asyncio.sleep(max(0.0, COALESCE_S - (loop.time() - started)))


def create(config: Config, clock: Clock) -> FastAPI:
    """The application. Raises what fleet.controller.Controller raises: then nothing was signed and nothing
    serves."""
    controller = Controller(config, clock)
    # One thread checks and stores batches, one publishes: the database has one writer at a time anyway.
    taking = ThreadPoolExecutor(1, thread_name_prefix="take")
    publishing = ThreadPoolExecutor(1, thread_name_prefix="publish")
    publisher = Publisher(controller, publishing)
    directing = Directing(controller)
    rolling = Rolling(controller)
    watching = Watching(controller)
    current = Current(controller.database, controller.rental_of)
    access = Access(config.hosts, current=current)
    repository = Repository(config.trust)
    renewing = Renewing(repository, clock, lambda: controller.config.secrets.director_public)
    desk = Desk(controller, access)
    desk.woken = current.woken = directing.waiting.changed
    keeping = Keeping(controller, current)
    heads = Heads(controller)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        controller.live.start()
        directing.waiting.start()
        task = asyncio.create_task(publisher.run(), name="publish")
        desired = asyncio.create_task(directing.run(), name="directives")
        enrolment = asyncio.create_task(desk.run(), name="enrolment")
        rented = asyncio.create_task(keeping.run(), name="rentals")
        told = asyncio.create_task(sending.run(), name="alerts")
        signing = asyncio.create_task(renewing.run(), name="signed lists")
        noticed = asyncio.create_task(noticing.run(), name="published keys")
        waves = asyncio.create_task(rolling.run(), name="rollouts")
        devices = asyncio.create_task(watching.run(), name="host OS")
        log_heads = asyncio.create_task(heads.run(), name="audit log")
        try:
            yield
        finally:
            controller.live.stop()
            directing.waiting.stop()
            for one in (task, desired, enrolment, rented, told, signing, noticed, waves, devices, log_heads):
                one.cancel()
                with suppress(asyncio.CancelledError):
                    await one
            await asyncio.to_thread(watching.close)
            await asyncio.to_thread(rolling.close)
            await asyncio.to_thread(directing.close)
            taking.shutdown()
            publishing.shutdown()
            controller.close()

    # No pages that load scripts from elsewhere; /openapi.json is there.
    app = FastAPI(
        title="Stallmark fleet controller", version="1", lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.controller = controller
    app.state.waiting = directing.waiting
    app.state.desk = desk
    app.state.people = people = People(controller.database, config)
    sending = Sending(controller, config.alerts, people.now_ms)
    noticing = Noticing(controller, repository, people.now_ms)
    app.add_middleware(SecureHeaders, https=people.https)
    app.state.watching = watching
    _answer_refusals(app, controller.met)
    app.include_router(hosts.router(controller, access, taking, publisher.wake))
    app.include_router(directives.router(controller, access, directing.waiting, directing.thread))
    app.include_router(trust.router(repository, access))
    app.include_router(benches.router(controller, taking))
    app.include_router(people_api.router())
    app.include_router(kits.router(controller, people))
    app.include_router(rollouts.router(controller, people))
    app.include_router(trust.admin_router(repository, clock, require_whole))
    app.include_router(alerts_api.router(controller))
    app.include_router(hostos_api.router(controller, watching))
    app.include_router(enrolment_api.device_router(desk))
    app.include_router(enrolment_api.admin_router(controller, desk))
    app.include_router(rentals_api.router(controller, current, desk.decided))
    app.include_router(people_pages.router(controller.archive))
    # Before the pages: /r/<handle>.cose is not a handle.
    app.include_router(readers.router(controller, renewing.health))
    pages.install(app, controller.archive)
    return app


def _answer_refusals(app: FastAPI, met: Met) -> None:
    """What is not taken has a plain answer, and counts by its HTTP status; what is not found is no refusal."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        if error.status != 404:
            met.refused[error.status] += 1
        return _refusal(error)

    async def no_storage(_: Request, error: Exception) -> Response:
        """The database or the disk said no: nothing was taken, and the host keeps what it has."""
        logger.error("storage failed: %s", error)
        met.refused[503] += 1
        return JSONResponse(
            {"reason": "the controller cannot store anything at the moment: keep it and try again"},
            503,
            headers={"Retry-After": "5"},
        )

    async def half(_: Request, _error: Exception) -> Response:
        """The other end hung up in the middle of its body: nothing was taken, nobody reads this."""
        met.refused[400] += 1
        return Response(status_code=400)

    async def misshapen(_: Request, error: Exception) -> Response:
        """A parameter of another kind than the route has. What was sent is not sent back."""
        assert isinstance(error, RequestValidationError)
        met.refused[422] += 1
        where = ", ".join(sorted({str(one["loc"][-1])[:64] for one in error.errors()}))
        return JSONResponse({"reason": f"this is not of the kind that is asked for: {where}"}, 422)

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, misshapen)
    app.add_exception_handler(SQLAlchemyError, no_storage)
    app.add_exception_handler(OSError, no_storage)
    app.add_exception_handler(ClientDisconnect, half)


def _refusal(error: Refused) -> Response:
    more = dict(error.more)
    headers: dict[str, str] = {}
    if "retry_after" in more:
        headers["Retry-After"] = str(more.pop("retry_after"))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"reason": error.reason, **more}, error.status, headers=headers)
