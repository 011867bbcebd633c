"""The running controller's task: looks at the alerts every half minute and tells every sender what changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from fleet.alerts import senders, telling
from fleet.alerts.gather import gather
from fleet.alerts.judge import judge
from fleet.alerts.settings import Mail, Webhook, read
from fleet.controller import Controller
from fleet.errors import FleetError
from fleet.looking import look_again

LOOK_S = 30.0

logger = logging.getLogger(__name__)


class Sending:
    """One for a controller that serves. The file is read at every look: what is written there counts from the next one on.
    `wall_ms` is the machine's clock."""

    def __init__(self, controller: Controller, path: Path, wall_ms: Callable[[], int]) -> None:
        self._controller = controller
        self._path = path
        self._wall_ms = wall_ms

    def look(self) -> int:
        """Once; how many changes arrived. Raises FleetError, SQLAlchemyError, OSError."""
        controller, now_ms, market_ms = self._controller, self._wall_ms(), self._controller.clock.now_ms()
        with controller.database.read() as connection:
            found = judge(gather(connection, controller.config, market_ms, now_ms), market_ms)
            owners = telling.owners(connection)
        keys = {one.key for one in found}
        settings = read(self._path)
        arrived = 0
        for one in settings.every():
            with controller.database.read() as connection:
                known = telling.told_to(connection, one.name)
            changes = telling.due(one.name, one.least, found, owners, known, now_ms, market_ms)
            if not changes:
                continue
            try:
                self._tell(one, changes, now_ms)
            except FleetError as failed:
                logger.warning("alerts: %s", failed)
                with controller.database.write() as connection:
                    telling.failed(connection, one.name, changes, now_ms)
                continue
            with controller.database.write() as connection:
                telling.sent(connection, one.name, changes, now_ms)
            arrived += len(changes)
        with controller.database.write() as connection:
            telling.forget(connection, keys, {one.name for one in settings.every()})
        return arrived

    def _tell(self, one: Mail | Webhook, changes: list[telling.Change], now_ms: int) -> None:
        bodies = [change.body for change in changes]
        if isinstance(one, Mail):
            senders.mail(one, *senders.letter(bodies, self._controller.config.name))
        else:
            body = senders.hook_body(bodies, self._controller.config.origin, now_ms)
            senders.post(one, body, now_ms // 1000)

    async def run(self) -> None:
        """Until it is cancelled."""
        await look_again(self.look, logger, "alerts", LOOK_S, LOOK_S)
