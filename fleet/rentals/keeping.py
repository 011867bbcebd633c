"""The running controller's task: who is late, and kits that changed hands by a command beside it."""

from __future__ import annotations

import logging
import time

from fleet.controller import Controller
from fleet.desired.why import Reason
from fleet.looking import look_again
from fleet.rentals import desk, serving
from fleet.rentals.numbers import Current
from fleet.rentals.overdue import sweep

LOOK_S = 1.0
SWEEP_S = 30.0
TROUBLE_S = 5.0

logger = logging.getLogger(__name__)


class Keeping:
    """One for a controller that serves."""

    def __init__(self, controller: Controller, current: Current) -> None:
        self._controller = controller
        self._current = current
        self._swept_s = float("-inf")
        controller.reasons.append(self.reasons)

    def reasons(self, kit: bytes) -> list[Reason]:
        """For `why` of a kit."""
        with self._controller.database.read() as connection:
            return desk.of_kit(connection, kit)

    def look(self) -> None:
        """Once. Raises SQLAlchemyError, OSError."""
        self._current.look()
        serving.follow(self._controller)
        if time.monotonic() - self._swept_s >= SWEEP_S:
            self._swept_s = time.monotonic()
            with self._controller.database.write() as connection:
                for id in sweep(connection, self._controller.clock.now_ms()):
                    logger.warning("booking %s: see `stallmark fleet rentals why %s`", id, id)

    async def run(self) -> None:
        """Until it is cancelled."""
        await look_again(self.look, logger, "rentals", LOOK_S, TROUBLE_S)
