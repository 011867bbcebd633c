"""The controller's task of rollouts: leads where nobody else does, and tells why a kit has not got its release."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fleet.config import Config
from fleet.core import reg
from fleet.desired.reason import Reason
from fleet.errors import FleetError
from fleet.hostos.steps import HostSteps
from fleet.people.service import wall_ms
from fleet.rollouts import facts, figures, kitwhy, names, rentals, second, shadowing
from fleet.rollouts.highwater import HighWater
from fleet.rollouts.kitfacts import KitFacts
from fleet.rollouts.leading import Leading
from fleet.rollouts.state import SHADOWING, State

if TYPE_CHECKING:
    from fleet.controller import Controller

TICK_S = 0.5
TROUBLE_S = 5.0

logger = logging.getLogger(__name__)


class Rolling:
    """One for a controller that serves. Raises ConfigError where the high-water file cannot be read."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        ledger = controller.config.ledger
        self.leading = Leading(
            controller.database,
            KitFacts(
                controller.desired,
                self._looks,
                HostSteps(controller.database, controller.clock.now_ms),
                self._out,
                self._shadow,
            ),
            HighWater(ledger.with_name(ledger.name + ".rollouts")),
            f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}",
            controller.clock.now_ms,
            lambda: time.time_ns() // 1_000_000,
            self._missing,
        )
        self._shadowed: dict[str, object] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rollouts")
        controller.reasons.append(self.reasons)

    def _missing(self, connection: Connection, name: str) -> str:
        """Why nobody has agreed to a rollout's start yet: where there are people, it takes two."""
        return (
            second.missing(connection, name, wall_ms()) if self._controller.config.people.configured else ""
        )

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        said = ""
        while True:
            pause = TICK_S
            try:
                await loop.run_in_executor(self._thread, self.leading.tick)
                said = ""
            except (
                FleetError,
                OSError,
                SQLAlchemyError,
            ) as failed:  # nothing is ordered that is not written down
                if str(failed) != said:
                    logger.error("rollouts: %s", failed)
                said, pause = str(failed), TROUBLE_S
            await asyncio.sleep(pause)

    def close(self) -> None:
        """Another controller may lead at once."""
        self._thread.submit(self.leading.close).result()
        self._thread.shutdown()

    def reasons(self, kit: bytes) -> list[Reason]:
        """What rollouts that are under way say of a kit."""
        return kitwhy.of_kit(self.leading.states, kit, self._controller.clock.now_ms(), self._names)

    def _names(self) -> dict[str, str]:
        with self._controller.database.read() as connection:
            return names.of_all(connection, self._controller.config)

    def _out(self) -> set[str]:
        with self._controller.database.read() as connection:
            return rentals.out(connection)

    def _shadow(self, state: State) -> None:
        """What canary bricks are to try, where that is another than at the last look."""
        if state.plan.shadow is None:
            return
        stand = (state.phase, state.phase_ms, tuple(shadowing.canaries(state)) if state.phase == SHADOWING else ())
        if self._shadowed.get(state.rollout) != stand:
            with self._controller.database.write() as connection:
                shadowing.keep(connection, state)
            self._shadowed[state.rollout] = stand

    def _looks(self, state: State, now_ms: int, number: int) -> list[facts.Gate]:
        if state.phase == SHADOWING and state.plan.shadow is not None:
            with self._controller.database.read() as connection:
                found = shadowing.compared(connection, state)
            return [shadowing.judge(state.plan.shadow, found, list(shadowing.canaries(state)), number)]
        if not state.plan.gates or state.phase == SHADOWING:
            return []
        with self._controller.database.read() as connection:
            shares = money_of_bricks(self._controller.config)
            return figures.looks(connection, state, self._controller.desired.all_facts, now_ms, number, shares)


def money_of_bricks(config: Config) -> dict[bytes, int]:
    """What each brick stands for of its kit's budgets in money, in minor units; the host's lane has its part."""
    bricks = Counter(one.kit for one in config.bricks)
    money = {
        one.kit: sum(right.total for right in one.rights if right.unit == reg.UNIT_MINOR) for one in config.kits
    }
    return {one.brick: money.get(one.kit, 0) // bricks[one.kit] for one in config.bricks}
