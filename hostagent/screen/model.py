"""What every open screen shows, looked up once for all of them: again on each commit, and every two seconds."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hostagent import report
from hostagent.intake import Durable
from hostagent.lane import slips
from hostagent.screen import facts
from hostagent.screen.passes import Passes
from hostagent.screen.sessions import Attempts, Sessions

if TYPE_CHECKING:
    from hostagent.agent import Agent

LOOK_S = 2.0
# Commits closer together than this are shown together.
GATHER_S = 0.1
SLIPS_SHOWN = 100
log = logging.getLogger("hostagent.screen")


class Screen:
    """One per agent. `decided` newest first; `status` is the host's own report."""

    def __init__(self, agent: "Agent") -> None:
        self.agent = agent
        self.sessions = Sessions()
        self.attempts = Attempts()
        self.passes = Passes(agent)
        self.decided: tuple[list[facts.Decision], ...] = ([], [])
        self.status: dict[str, Any] = {}
        self.status_words: list[str] = []
        self._kept: dict[bytes, Any] = {}
        self._watchers: list[Callable[[], None]] = []
        self._changed: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        agent.intake.listen(self._durable)

    @property
    def ruleset(self) -> Any:
        """The ruleset in use, or None."""
        return facts.ruleset(self.agent, self._kept)

    @property
    def lane(self) -> Any:
        """The gateway lane, or None where this host has none."""
        return self.agent.lane

    @property
    def questions(self) -> Any:
        """What waits for an answer."""
        return self.agent.questions

    @property
    def market(self) -> str:
        """The market's name by the rules, else the host's."""
        known = self.ruleset
        return (known and known.market) or self.agent.config.name

    def slips(self) -> list[tuple[int, int, str]]:
        """(number, rule index, state) of the newest slips, as the lane knows them: open, redeemed or released."""
        return [] if self.lane is None else slips.states(self.lane)[:SLIPS_SHOWN]

    @property
    def training(self) -> bool:
        """Whether the kit is practising."""
        return bool(self.agent.training_on)

    @property
    def operators(self) -> tuple[Any, ...]:
        """Who may sign in, as keys.json has them."""
        return self.agent.config.keys.operators

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """`watcher()` is called after every look; what is returned ends that."""
        self._watchers.append(watcher)
        if self._task is None or self._task.done():
            self._changed = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._run(), name="stall screen")

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._watchers.remove(watcher)

        return end

    async def look(self) -> None:
        """Looks everything up once."""
        known = self.ruleset
        newest = await facts.decisions(self.agent, known, 0)
        german = known is not None and "de" in known.languages
        self.decided = newest, (await facts.decisions(self.agent, known, 1) if german else newest)
        self.status = await report.status(self.agent)

    def soon(self) -> None:
        """Something changed: look within a moment."""
        if self._changed is not None:
            self._changed.set()

    def _durable(self, _: Durable) -> None:
        self.soon()

    async def _run(self) -> None:
        """While somebody watches; ends with the last one."""
        changed = self._changed
        assert changed is not None
        while self._watchers:
            changed.clear()
            try:
                await self.look()
            except Exception:
                log.exception("the stall screen could not look")
            for watcher in tuple(self._watchers):
                watcher()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await changed.wait()
            await asyncio.sleep(GATHER_S)
