"""Follows the kit's directive: one long-poll, what it names, and a report on how the kit stands. docs/desired-state.md

Three things at once, so that none holds up another: `listen` asks, `install` fetches and offers, `report` says. All end with
the task that runs them."""

import asyncio
import base64
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

from hostagent.answers import Busy
from hostagent.backoff import Backoff
from hostagent.bricks import Brick
from hostagent.clock import Clock, monotonic_ms
from hostagent.controller import Controller
from hostagent.errors import BundleRefused, ControllerError, DirectiveRefused, StoreUnavailable
from hostagent.intent import Intent
from hostagent.targets import Targets
from hostagent.updater import Updater

WAIT_S = 55.0
# A controller that knows no directives is asked again so often: it may have been brought up to date.
OLD_S = 600.0
# A report is made when something changed, and so often at least; changes that come together make one.
REPORT_S = 60.0
TOGETHER_S = 0.2
LOOK_S = 1.0
# A brick that still has rights while the kit is stopped is started anew so often at most: then it has none.
RESTART_MS = 60_000
# Between a question that was answered at once and the next, so that no mistake becomes a flood.
LEAST_S = 0.05
log = logging.getLogger("hostagent.following")


class Following:
    """One for a host. `changed()` is called when another directive or bundle is there; `describe()` gives the bricks' part of
    a report; `restart(brick)` starts a connected brick anew, False where it has no link."""

    def __init__(
        self,
        intent: Intent,
        targets: Targets,
        updater: Updater,
        controller: Controller,
        clock: Clock,
        bricks: dict[bytes, Brick],
        changed: Callable[[], None],
        describe: Callable[[], dict[str, Any]],
        restart: Callable[[bytes], bool],
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self.intent = intent
        self._targets = targets
        self._updater = updater
        self._controller = controller
        self._clock = clock
        self._bricks = bricks
        self._changed = changed
        self._describe = describe
        self._restart = restart
        self._backoff = backoff
        self._fetch = asyncio.Event()
        self._say = asyncio.Event()
        self._restarted: dict[bytes, int] = {}
        self._trouble: dict[str, tuple[str, int]] = {}  # by code: text, since when
        self._newest: bytes | None = None
        # None: nobody knows yet; False: the controller knows no directives.
        self.understood: bool | None = None
        self.decided = asyncio.Event()
        self.last_request_ms: int | None = None
        self.last_success_ms: int | None = None
        self.last_download_ms: int | None = None
        self.reports = 0
        # What the answer to a report orders beside the directive (hostagent.shadows).
        self.answered: Callable[[dict[str, Any]], Awaitable[None]] = _nothing

    @property
    def trouble(self) -> str | None:
        """What does not go on, for screens; None: nothing."""
        return next((text for text, _ in self._trouble.values()), None)

    async def run(self) -> None:
        """Until cancelled."""
        if self.intent.number:
            self._fetch.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="directive")
            group.create_task(self._install(), name="targets")
            group.create_task(self._report(), name="status reports")

    # --- asking

    async def _listen(self) -> None:
        backoff = self._backoff()
        while True:
            try:
                pause = await self._ask()
                backoff.reset()
                self._well("controller")
            except Busy as busy:
                # Everybody is told the same: each comes back in its own time.
                pause = busy.retry_s * random.uniform(1.0, 1.5)
                self._wrong("controller", str(busy))
            except ControllerError as failed:
                pause = OLD_S if failed.kind == "unknown" else backoff.next()
                if failed.kind == "unknown":
                    if self.understood is not False:
                        log.info("%s: its bundle is asked for instead", failed)
                    self._decide(False)
                else:
                    self._wrong("controller", str(failed))
            except StoreUnavailable as failed:
                pause = backoff.next()
                self._wrong("disk", str(failed))
            await asyncio.sleep(max(LEAST_S, pause))

    async def _ask(self) -> float:
        """One question; how long to leave before the next."""
        intent = self.intent
        self.last_request_ms = self._clock.now_ms()
        active = intent.etag if intent.active_ms is not None else None
        # What is unknown here is asked for at once: the first answer says how things stand.
        wait = WAIT_S if intent.confirmed_at is not None or self.understood else 0.0
        asked = await self._controller.directive(active, intent.etag, wait)
        self._decide(True)
        self.last_success_ms = self._clock.now_ms()
        if asked.etag is None:
            return max(1.0, asked.pause_s) * random.uniform(0.5, 1.5)
        if asked.envelope is None:
            first = not intent.in_force
            await intent.confirm()
            if first:
                self._changed()
            return asked.pause_s * random.uniform(0.5, 1.5)
        try:
            fresh = await intent.take(asked.envelope, asked.etag)
        except DirectiveRefused as refused:
            if refused.older:
                self._newest = intent.envelope
            self._wrong("directive", str(refused))
            self._say.set()
            # It would be sent again at once: asked as one that is held, it is not.
            return 10.0 * random.uniform(0.5, 1.5)
        self._newest = None
        self._well("directive")
        if fresh:
            log.info("directive %d: %s", intent.number, intent.order.reason)
            self._fetch.set()
            self._say.set()
            self._changed()
        return asked.pause_s * random.uniform(0.5, 1.5)

    def _decide(self, understood: bool) -> None:
        self.understood = understood
        self.decided.set()

    # --- what it names

    async def _install(self) -> None:
        backoff = self._backoff()
        while True:
            await self._fetch.wait()
            self._fetch.clear()
            try:
                before = self._targets.downloads
                if await self._updater.follow():
                    log.info("directive %d: its bundles are on offer", self.intent.number)
                if self._targets.downloads != before:
                    self.last_download_ms = self._clock.now_ms()
                await self._targets.tidy(
                    [d for item in self.intent.items() for d in (item.bundle, item.artefact)]
                )
                backoff.reset()
                self._well("download")
                self._well("bundle")
                self._changed()
                self._say.set()
            except BundleRefused as refused:
                # It stays what it is until another directive comes.
                self._wrong("bundle", str(refused))
                self._changed()
                self._say.set()
            except (ControllerError, StoreUnavailable) as failed:
                self._wrong("download", str(failed))
                self._fetch.set()
                await asyncio.sleep(backoff.next())

    # --- how it stands

    async def _report(self) -> None:
        backoff = self._backoff()
        said: dict[str, Any] | None = None
        said_at = 0
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._say.wait()
                await asyncio.sleep(TOGETHER_S)
            except TimeoutError:
                pass
            self._say.clear()
            try:
                await self._look()
            except StoreUnavailable as failed:
                self._wrong("disk", str(failed))
            if self.understood is not True:
                continue
            news = self._describe()
            due = monotonic_ms() - said_at >= REPORT_S * 1000
            if not due and said is not None and _same(said, news) and self._newest is None:
                continue
            try:
                answer = await self._controller.post_status(self._whole(news))
                said, said_at = news, monotonic_ms()
                self.reports += 1
                backoff.reset()
                self._newest = None  # comes again with the next refusal, ten seconds later or so
                await self.answered(answer)
            except ControllerError as failed:
                if failed.kind not in ("refused", "invalid", "busy"):
                    self._wrong("controller", str(failed))
                await asyncio.sleep(max(1.0, backoff.next()))

    async def _look(self) -> None:
        """What time and bricks change: whether all run what they should, whether a stop is kept."""
        if self.intent.halted:
            for brick in self._bricks.values():
                self._withdraw(brick)
        elif self.intent.number and self._updater.active(self._bricks):
            if self.intent.active_ms is None:
                log.info("directive %d: every brick runs what it should", self.intent.number)
                await self.intent.activated()
                self._say.set()
        elif self.intent.active_ms is not None and self._updater.drifted(self._bricks):
            log.warning("directive %d: a brick runs something else now", self.intent.number)
            await self.intent.reopened()
            self._say.set()

    def _withdraw(self, brick: Brick) -> None:
        """A brick that still holds rights of a stopped kit starts anew: its slices are gone with its memory, and none is given
        to it again while the stop stands."""
        if brick.status is None or not any(brick.status.slices.values()):
            return
        now = monotonic_ms()
        before = self._restarted.get(brick.brick)
        if before is not None and now - before < RESTART_MS:
            return
        if self._restart(brick.brick):
            self._restarted[brick.brick] = now
            log.warning("%s starts anew: the kit is stopped, and it still held rights", brick.name)

    def _whole(self, news: dict[str, Any]) -> dict[str, Any]:
        intent = self.intent
        first = next(iter(self._trouble), None)
        found: dict[str, Any] = {
            "etag": intent.etag,
            "number": intent.number,
            "active": intent.etag if intent.active_ms is not None else None,
            "last_request_ms": self.last_request_ms,
            "last_success_ms": self.last_success_ms,
            "last_download_ms": self.last_download_ms or intent.fetched_ms,
            "last_activation_ms": intent.active_ms,
            "halted": intent.halted,
            "newest": None if self._newest is None else base64.b64encode(self._newest).decode(),
            **news,
        }
        if first is not None:
            text, since = self._trouble[first]
            found["trouble"] = {"code": first, "text": text[:200], "since_ms": since}
        return {name: value for name, value in found.items() if value is not None}

    def _wrong(self, code: str, text: str) -> None:
        if self._trouble.get(code, ("", 0))[0] != text:
            log.warning("%s", text)
            self._trouble[code] = text, self._clock.now_ms()

    def _well(self, code: str) -> None:
        self._trouble.pop(code, None)


async def _nothing(_: dict[str, Any]) -> None:
    """Nobody asks for more."""


def _same(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether nothing changed but instants, how far bricks wrote, what they have left and how much of a download is there."""
    return _steady(before) == _steady(now)


def _steady(news: dict[str, Any]) -> Any:
    ages = dict.fromkeys(("heard_ms", "result_ms", "last_seq", "figures", "shadow"))
    pieces = dict.fromkeys(("ms", "waits", "waits_ms", "there"))
    bricks = [
        {**one, **ages, "left": bool(one.get("left")), "application": {**one.get("application", {}), **pieces}}
        for one in news.get("bricks", [])
    ]
    holds = [one["code"] for one in news.get("holds", []) if one["code"] != "busy"]  # customers come and go
    host = {**news.get("host", {}), "waits": None, "waits_ms": None}
    return {**news, "bricks": bricks, "holds": holds, "host": host}
