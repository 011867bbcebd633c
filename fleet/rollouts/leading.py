"""Leading: takes what was heard into the logs of all rollouts and has the orders carried out. Blocking; one thread calls `tick`.

First the event is stored, then the high-water mark, then orders are given: after a crash between any two of these, `orders` of
the state say again what every directive must be."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from fleet.db.engine import Database
from fleet.db.tables_rollouts import rollouts
from fleet.errors import FleetError
from fleet.rollouts import book, engine, lease
from fleet.rollouts.book import Ask
from fleet.rollouts.facts import Command, Fact, Restored, Superseded, Verb
from fleet.rollouts.highwater import HighWater
from fleet.rollouts.state import (
    COMPLETE,
    PAUSED,
    PLANNED,
    ROLLING_BACK,
    RUNNING,
    SHADOWING,
    SUPERSEDED,
    UNREACHED,
    WAITING,
    State,
)

RENEW_MS = 3_000  # of the lease
HEAR_MS = 2_000  # between two questions for news where no kit is at it
LOOK_MS = (
    5_000  # between two looks whether every directive is as it should be: people stop kits, and lift that
)

logger = logging.getLogger(__name__)


class Target(Protocol):
    """Where orders go and facts come from."""

    def heard(self, state: State, now_ms: int) -> list[Fact]:
        """What is new of the kits of a rollout."""
        ...

    def obey(self, state: State, commands: Iterable[Command]) -> None:
        """Carries orders out; those that are carried out already do no harm. Raises FleetError, OSError, SQLAlchemyError."""
        ...


class Leading:
    """One of a controller."""

    def __init__(
        self,
        database: Database,
        target: Target,
        high: HighWater,
        holder: str,
        market_ms: Callable[[], int],
        machine_ms: Callable[[], int],
        missing: Callable[[Connection, str], str] = lambda _connection, _name: "",
    ) -> None:
        """`missing`: why nobody has agreed to a rollout's start yet; empty where it may start."""
        self._missing = missing
        self._database = database
        self._target = target
        self._high = high
        self._holder = holder
        self._market_ms = market_ms
        self._machine_ms = machine_ms
        self._token: int | None = None
        self._renewed_ms = 0
        self._open: dict[str, tuple[State, int]] = {}
        self._redo: set[str] = set()
        self._looked: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        self._known = -1
        self.lost: dict[str, int] = {}  # rollouts that kits may know and this database does not: their events

    @property
    def states(self) -> dict[str, State]:
        """Every rollout as this leader knows it."""
        return {name: state for name, (state, _) in list(self._open.items())}

    def tick(self) -> bool:
        """One round; whether this controller leads. Cheap where there are no rollouts. Raises OSError, SQLAlchemyError."""
        with self._database.read() as connection:
            count = connection.execute(select(func.count()).select_from(rollouts)).scalar_one()
        if not count and not self._high.events:
            return False
        if not self._lead():
            self._forget()
            return False
        if count != self._known:
            self._learn()
            self._known = count
        for name in list(self._open):
            try:
                self._round(name)
            except (lease.LostLease, book.BookError) as lost:
                logger.warning("rollout %s: %s", name, lost)
                self._token = None
                self._forget()
                return False
            except FleetError as failed:  # its orders come again with the next round
                logger.error("rollout %s: %s", name, failed)
        return True

    def close(self) -> None:
        """Lets another one lead at once."""
        if self._token is not None:
            try:
                with self._database.write() as connection:
                    lease.give_up(connection, self._token)
            except SQLAlchemyError as failed:
                logger.warning("the lease of rollouts runs out by itself: %s", failed)
            self._token = None

    def _forget(self) -> None:
        """Whoever leads next writes on: what is in memory here is old from now on."""
        self._open.clear()
        self._known = -1

    def _lead(self) -> bool:
        now_ms = self._machine_ms()
        if self._token is not None and 0 <= now_ms - self._renewed_ms < RENEW_MS:
            return True
        with self._database.write() as connection:
            token = lease.take(connection, self._holder, now_ms, self._high.token)
        if token is None:
            self._token = None
            return False
        if token != self._token:
            logger.info("this controller leads the rollouts from now on, token %d", token)
            self._forget()
        self._token, self._renewed_ms = token, now_ms
        self._high.reach(token)
        return True

    def _learn(self) -> None:
        """Takes up rollouts that are new here; after a restart, says every order again."""
        with self._database.read() as connection:
            names = book.names(connection)
            for name in names:
                if name not in self._open:
                    self._open[name] = book.load(connection, name)
                    self._redo.add(name)
        self.lost = {name: n for name, n in self._high.events.items() if name not in names}
        for name, n in self.lost.items():
            logger.error(
                "rollout %s had %d events and is not in this database: an older copy was put back", name, n
            )

    def _round(self, name: str) -> None:
        state, n = self._open[name]
        missing = self._high.events.get(name, 0) - n
        with self._database.read() as connection:
            asks = book.asks(connection, name)
            facts = self._refused(connection, state, [one.fact for one in asks])
        now_ms = self._market_ms()
        if missing > 0:
            logger.error("rollout %s: %d events are missing, this database is an older copy", name, missing)
            facts.insert(0, Restored(missing))
        machine_ms = self._machine_ms()
        if state.phase != PLANNED and (asks or self._due(state, machine_ms)):
            facts += self._target.heard(state, now_ms)
            self._heard[name] = machine_ms
        self._step(name, facts, now_ms, asks)
        if missing > 0:
            self._high.restart(name, self._open[name][1])
        if name in self._redo or not 0 <= machine_ms - self._looked.get(name, 0) < LOOK_MS:
            state = self._open[name][0]
            self._target.obey(
                state, [engine.command(kit, want, state.reason) for kit, want in engine.orders(state)]
            )
            self._redo.discard(name)
            self._looked[name] = machine_ms

    def _due(self, state: State, machine_ms: int) -> bool:
        """Whether it is time to ask what is new: often while kits are at it, seldom when nothing can come but drift."""
        if state.flying:
            pause = 0
        elif state.phase in (RUNNING, ROLLING_BACK, SHADOWING):
            pause = HEAR_MS
        else:
            pause = HEAR_MS if state.phase == COMPLETE and state.count(WAITING, UNREACHED) else 12 * HEAR_MS
        return not 0 <= machine_ms - self._heard.get(state.rollout, 0) < pause

    def _step(self, name: str, facts: Sequence[Fact], now_ms: int, asks: Sequence[Ask]) -> None:
        state, n = self._open[name]
        made, commands = engine.step(state, facts, now_ms)
        if made is state and not asks:
            return
        assert self._token is not None
        if made.wave >= 0 > state.wave:
            # First: after a crash the start is asked for anew, and nobody else orders these kits.
            self._take_over(made)
        with self._database.write() as connection:
            book.append(connection, self._token, made, n + 1, facts, now_ms, asks)
        self._open[name] = (made, n + 1)
        self._redo.add(name)  # until its orders are given
        self._high.reach(self._token, name, n + 1)
        self._target.obey(made, commands)
        self._redo.discard(name)

    def _refused(self, connection: Connection, state: State, facts: list[Fact]) -> list[Fact]:
        """A start that nobody else agreed to, or beside another rollout of the same kind, is turned into what says so."""
        if state.phase != PLANNED or not any(_starts(one) for one in facts):
            return facts
        parts = state.plan.release.parts
        busy = [
            other.rollout
            for other in self.states.values()
            if other.rollout != state.rollout
            and other.plan.release.parts & parts
            and other.phase in (RUNNING, PAUSED, SHADOWING)
            and any(kit in other.kits for kit in state.kits)
        ]
        said = self._missing(connection, state.rollout)
        if busy:
            said = (
                f"rollout {busy[0]} is under way with some of these kits: wait, halt it or roll it back first"
            )
        if not said:
            return facts
        return [
            one._replace(refused=said) if isinstance(one, Verb) and _starts(one) else one for one in facts
        ]

    def _take_over(self, made: State) -> None:
        """Kits of a rollout that begins are no longer any earlier one's business."""
        assert self._token is not None
        parts = made.plan.release.parts
        for name, (state, _) in list(self._open.items()):
            if name == made.rollout or not state.plan.release.parts & parts or state.phase == PLANNED:
                continue
            why = f"rollout {made.rollout} has it now"
            facts: list[Fact] = [
                Superseded(kit, why)
                for kit, one in state.kits.items()
                if kit in made.kits and one.status != SUPERSEDED
            ]
            if facts:
                self._step(name, facts, self._market_ms(), ())


def _starts(fact: Fact) -> bool:
    return isinstance(fact, Verb) and fact.verb == "start"
