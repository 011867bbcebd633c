"""Asks the controller for what comes down: slices, figures, spent vouchers, tag keys, every few seconds, later when it is away;
beside that it follows the kit's directive (hostagent.following). A controller that knows none is asked for its bundle."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from hostagent.backoff import Backoff
from hostagent.budgets import Budgets
from hostagent.errors import BundleRefused, ControllerError, StoreUnavailable
from hostagent.following import Following
from hostagent.rekeys import Rekeys
from hostagent.tagkeys import TagKeys
from hostagent.updater import Updater
from hostagent.vouchers import Payable

TOLD_EVERY_S = 10.0
# So long the first question waits to learn whether the controller knows directives.
DECIDED_S = 1.0
log = logging.getLogger("hostagent.puller")


class Puller:
    """The task that asks. `on_bundle()` is called when another bundle is on offer."""

    def __init__(
        self,
        updater: Updater,
        budgets: Budgets,
        every_s: float,
        on_bundle: Callable[[], None],
        backoff: Backoff | None = None,
        vouchers: Payable | None = None,
        rekeys: Rekeys | None = None,
        tagkeys: TagKeys | None = None,
        following: Following | None = None,
    ) -> None:
        self._updater = updater
        self._budgets = budgets
        self._every_s = every_s
        self._on_bundle = on_bundle
        self._backoff = backoff or Backoff()
        self._vouchers = vouchers
        self._rekeys = rekeys
        self._tagkeys = tagkeys
        self._following = following
        self._told_at = -TOLD_EVERY_S
        # Whom it tells of bricks that were replaced here (hostagent.ended).
        self.tell_ended: Callable[[], Awaitable[None]] | None = None
        # Roots for bricks (hostagent.directing).
        self.pull_roots: Callable[[], Awaitable[None]] | None = None
        # Orders to step to another rental (hostagent.steps).
        self.pull_steps: Callable[[], Awaitable[None]] | None = None
        self.reached_at: float | None = None
        self.trouble: str | None = None

    async def run(self) -> None:
        """Asks until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._following is not None:
                group.create_task(self._following.run(), name="following")
            group.create_task(self._ask(), name="asking")

    async def _ask(self) -> None:
        while True:
            try:
                await self._once()
                self._backoff.reset()
                self.reached_at = time.monotonic()
                self.trouble = None
                pause = self._every_s
            except (ControllerError, StoreUnavailable) as failed:
                if self.trouble != str(failed):
                    log.warning("%s", failed)
                self.trouble = str(failed)
                pause = self._backoff.next()
            await asyncio.sleep(pause)

    async def _once(self) -> None:
        await self._pull_roots()
        if not await self._follows():
            await self._pull_bundle()
        await self._pull_rekeys()
        await self._pull_steps()  # before slices: they are of the rental that it tells
        await self._budgets.pull()
        await self._tell()

    async def _follows(self) -> bool:
        """Whether the kit's directive says what is to run, or nobody knows yet."""
        if self._following is None:
            return False
        if self._following.understood is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DECIDED_S):
                    await self._following.decided.wait()
        # A kit that had directives goes back to no bundle without one: that would undo a stop.
        return self._following.understood is not False or self._following.intent.number > 0

    async def _pull_bundle(self) -> None:
        try:
            if await self._updater.pull():
                self._on_bundle()
        except BundleRefused as refused:
            log.error("bundle not passed on: %s", refused)
        except ControllerError as failed:
            if failed.kind != "refused":
                raise
            self._updater.trouble = str(failed)

    async def _pull_roots(self) -> None:
        if self.pull_roots is None:
            return
        try:
            await self.pull_roots()
        except ControllerError as failed:
            if failed.kind != "refused":  # an older controller does not know these
                raise

    async def _pull_rekeys(self) -> None:
        if self._rekeys is None:
            return
        try:
            await self._rekeys.pull()
        except ControllerError as failed:
            if failed.kind != "refused":  # an older controller does not know these
                raise

    async def _pull_steps(self) -> None:
        if self.pull_steps is None:
            return
        try:
            await self.pull_steps()
        except ControllerError as failed:
            if failed.kind != "refused":  # an older controller does not know these
                raise

    async def _tell(self) -> None:
        """What screens and answers want to know: budgets in figures, vouchers paid at other kits."""
        if self.tell_ended is not None:
            await self.tell_ended()
        if time.monotonic() - self._told_at < TOLD_EVERY_S:
            return
        try:
            await self._budgets.look()
            if self._vouchers is not None:
                await self._vouchers.pull()
        except ControllerError as failed:
            if failed.kind != "refused":  # an older controller does not know these
                raise
        try:
            if self._tagkeys is not None:
                await self._tagkeys.pull()
        except ControllerError as failed:
            if failed.kind != "refused":  # it has none of this event, or is an older one
                raise
        self._told_at = time.monotonic()
