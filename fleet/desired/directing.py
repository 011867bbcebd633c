"""The controller's task of desired state: looks for news often, tells the hosts that wait, writes down who was seen."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError
from stallmark.errors import StallmarkError

from fleet.desired.waiting import Waiting

if TYPE_CHECKING:
    from fleet.controller import Controller

LOOK_S = 0.25  # the rules folder and what other programs wrote
SETTLE_S = 15.0  # who was seen is written so often
TROUBLE_S = 5.0

logger = logging.getLogger(__name__)


class Directing:
    """One for a controller that serves. `thread` does what blocks."""

    def __init__(self, controller: Controller) -> None:
        self._desired = controller.desired
        self.waiting = Waiting()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="directives")
        self._booted: set[bytes] = set()  # at most every brick of the configuration
        self._noting = Lock()
        controller.desired.changed = self.waiting.changed
        controller.booted = self._started

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        settled, said = loop.time(), ""
        while True:
            pause = LOOK_S
            try:
                await loop.run_in_executor(self.thread, self._look)
                if loop.time() - settled >= SETTLE_S:
                    settled = loop.time()
                    await loop.run_in_executor(self.thread, self._desired.settle)
                said = ""
            except (StallmarkError, OSError, SQLAlchemyError) as failed:  # what stands goes on to be served
                if str(failed) != said:
                    logger.error("directives: %s", failed)
                said, pause = str(failed), TROUBLE_S
            await asyncio.sleep(pause)

    def _started(self, bricks: set[bytes]) -> None:
        """Boot records of these are durable; what that says of their kits is written down at the next look, of all together."""
        with self._noting:
            self._booted |= bricks

    def _look(self) -> None:
        with self._noting:
            booted, self._booted = self._booted, set()
        try:
            self._desired.booted(booted)
        except BaseException:
            self._started(booted)
            raise
        self._desired.renew()

    def close(self) -> None:
        """Writes down who was seen and ends the thread."""
        try:
            self.thread.submit(self._desired.booted, self._booted).result()
            self.thread.submit(self._desired.settle).result()
        except (OSError, SQLAlchemyError) as failed:
            logger.warning("who was seen is not written down: %s", failed)
        self.thread.shutdown()
