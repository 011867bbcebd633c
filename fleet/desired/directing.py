"""The controller's task of desired state: looks for news often, tells the hosts that wait, writes down who was seen."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
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
        controller.desired.changed = self.waiting.changed

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        settled, said = loop.time(), ""
        while True:
            pause = LOOK_S
            try:
                await loop.run_in_executor(self.thread, self._desired.renew)
                if loop.time() - settled >= SETTLE_S:
                    settled = loop.time()
                    await loop.run_in_executor(self.thread, self._desired.settle)
                said = ""
            except (StallmarkError, OSError, SQLAlchemyError) as failed:  # what stands goes on to be served
                if str(failed) != said:
                    logger.error("directives: %s", failed)
                said, pause = str(failed), TROUBLE_S
            await asyncio.sleep(pause)

    def close(self) -> None:
        """Writes down who was seen and ends the thread."""
        try:
            self.thread.submit(self._desired.settle).result()
        except (OSError, SQLAlchemyError) as failed:
            logger.warning("who was seen is not written down: %s", failed)
        self.thread.shutdown()
