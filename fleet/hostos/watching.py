"""The controller's task beside a host OS service: looks at the devices that are tied, and carries out pins that are wanted."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from fleet.desired.why import Reason
from fleet.hostos import settings, telling, ties
from fleet.hostos.errors import HostOsError
from fleet.hostos.provider import open_provider

if TYPE_CHECKING:
    from fleet.controller import Controller

TICK_S = 2.0
LOOK_S = 60.0
TROUBLE_S = 300.0  # the longest between two looks while the service does not answer
AT_ONCE = 20  # pins of one turn: the service limits calls, and people's own wait behind them

logger = logging.getLogger(__name__)


class Watching:
    """One for a controller that serves. Raises ConfigError where the token file cannot be used. With *none* it does nothing."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.provider = open_provider(controller.config.host_os)
        self.idle = controller.config.host_os.provider == settings.NONE
        self.trouble: tuple[str, int] | None = None  # words, since (market ms)
        self._look_at = 0.0
        self._pause = LOOK_S
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="host-os")
        controller.reasons.append(self.reasons)

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        while not self.idle:
            try:
                await loop.run_in_executor(self._thread, self.turn, loop.time())
            except SQLAlchemyError as failed:
                logger.error("host OS: %s", failed)
            await asyncio.sleep(TICK_S)

    def close(self) -> None:
        """Ends the provider; a call that is under way ends with it or at its deadline."""
        self._thread.shutdown(cancel_futures=True)
        self.provider.close()

    def turn(self, at_s: float) -> None:
        """One turn at `at_s` (a clock that only rises): pins that are due, and a look where it is time. Raises
        SQLAlchemyError."""
        now_ms = self._controller.clock.now_ms()
        database = self._controller.database
        with database.read() as connection:
            due = ties.due(connection, now_ms)[:AT_ONCE]
            any_tied = bool(due) or bool(ties.every(connection))
        for row in due:
            self._pin(row, now_ms)
        if due:
            self._look_at = min(self._look_at, at_s)
        if any_tied and at_s >= self._look_at:
            self._look(at_s, now_ms)

    def reasons(self, kit: bytes) -> list[Reason]:
        """For `why`."""
        with self._controller.database.read() as connection:
            row = ties.of_kit(connection, kit)
        return telling.reasons(row, self._controller.clock.now_ms())

    def _pin(self, row: dict[str, Any], now_ms: int) -> None:
        error = None
        try:
            self.provider.pin(row["device"], row["wanted"] or None)
        except HostOsError as failed:
            error = failed
        with self._controller.database.write() as connection:
            if error is None:
                ties.told(connection, row, now_ms)
            else:
                ties.failed(connection, row, error, now_ms)

    def _look(self, at_s: float, now_ms: int) -> None:
        try:
            devices = self.provider.devices()
        except HostOsError as failed:
            if self.trouble is None or self.trouble[0] != str(failed):
                logger.warning("host OS: %s", failed)
                self.trouble = (str(failed), now_ms)
            self._pause = min(2 * self._pause, TROUBLE_S)
            self._look_at = at_s + max(self._pause, failed.retry_s or 0)
            return
        self.trouble, self._pause = None, LOOK_S
        self._look_at = at_s + LOOK_S
        with self._controller.database.write() as connection:
            ties.saw(connection, devices, now_ms)
