"""Rollouts in the database: plans, logs that only grow, snapshots, and what people ask for. Inside the caller's transaction."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from fleet.db.tables_rollouts import rollout_asks, rollout_events, rollout_snapshots, rollouts
from fleet.errors import FleetError
from fleet.rollouts import engine, lease
from fleet.rollouts.facts import Fact, LogError, fact_from_json, fact_to_json
from fleet.rollouts.plan import Plan, read
from fleet.rollouts.state import State, from_json

SNAPSHOT_EVERY = 64  # events
MAX_OPEN = 256  # asks that wait, of one rollout
_ID = re.compile(r"^[a-z0-9][a-z0-9.-]{0,47}$")

Fleet = Mapping[str, tuple[Mapping[str, str], Sequence[str]]]


class BookError(FleetError):
    """What was asked for does not fit what is written; the message says why."""


class Ask(NamedTuple):
    """A fact that waits for the leader."""

    number: int
    fact: Fact


def create(connection: Connection, name: str, plan: Plan, fleet: Fleet, who: str, now_ms: int) -> State:
    """Writes a rollout down, planned and not started. Raises PlanError, BookError."""
    if not _ID.match(name):
        raise BookError(
            f"{name!r} is no name of a rollout: small letters, digits, dots and dashes, 48 at most"
        )
    if exists(connection, name):
        raise BookError(f"there is a rollout {name} already: names are never used again")
    state = engine.begin(name, plan, fleet, now_ms)
    connection.execute(
        insert(rollouts).values(
            id=name, made_ms=now_ms, made_by=who, plan=plan.model_dump_json(), fleet=json.dumps(fleet)
        )
    )
    return state


def names(connection: Connection) -> list[str]:
    """Every rollout, the oldest first."""
    return list(
        connection.execute(select(rollouts.c.id).order_by(rollouts.c.made_ms, rollouts.c.id)).scalars()
    )


def exists(connection: Connection, name: str) -> bool:
    """Whether there is a rollout of this name."""
    return connection.execute(select(rollouts.c.id).where(rollouts.c.id == name)).first() is not None


def last(connection: Connection, name: str) -> int:
    """The number of its last event; 0 before the first."""
    query = select(func.max(rollout_events.c.n)).where(rollout_events.c.rollout == name)
    return connection.execute(query).scalar_one() or 0


def load(connection: Connection, name: str, snapshots: bool = True) -> tuple[State, int]:
    """The state of a rollout and the number of its last event. Raises BookError, LogError, PlanError."""
    row = connection.execute(select(rollouts).where(rollouts.c.id == name)).one_or_none()
    if row is None:
        known = ", ".join(names(connection)) or "none"
        raise BookError(f"there is no rollout {name}; there are: {known}")
    state, n = _begun(row), 0
    if snapshots:
        query = select(rollout_snapshots).where(rollout_snapshots.c.rollout == name)
        kept = connection.execute(query).one_or_none()
        if kept is not None:
            state, n = from_json(kept.data), kept.n
    return follow(connection, state, n)


def follow(connection: Connection, state: State, n: int) -> tuple[State, int]:
    """The same from where somebody stands: the state after event `n`. Raises LogError."""
    name = state.rollout
    query = select(rollout_events).where(rollout_events.c.rollout == name, rollout_events.c.n > n)
    for event in connection.execute(query.order_by(rollout_events.c.n)):
        if event.n != n + 1:
            raise LogError(f"event {n + 1} of rollout {name} is missing: its log cannot be followed")
        state, _ = engine.step(state, [fact_from_json(one) for one in json.loads(event.data)], event.at_ms)
        n = event.n
    return state, n


def append(
    connection: Connection,
    token: int,
    state: State,
    n: int,
    facts: Sequence[Fact],
    at_ms: int,
    asks: Sequence[Ask] = (),
) -> None:
    """Event `n`, after which the state is this. Raises lease.LostLease, BookError where another one was there first."""
    lease.demand(connection, token)
    name = state.rollout
    if last(connection, name) != n - 1:
        raise BookError(f"event {n} of rollout {name} is not the next one: the state in memory is old")
    data = json.dumps([fact_to_json(one) for one in facts], separators=(",", ":"))
    connection.execute(insert(rollout_events).values(rollout=name, n=n, at_ms=at_ms, token=token, data=data))
    if asks:
        numbers = [one.number for one in asks]
        connection.execute(update(rollout_asks).where(rollout_asks.c.number.in_(numbers)).values(n=n))
    if n % SNAPSHOT_EVERY == 0:
        values = {"rollout": name, "n": n, "data": state.to_json()}
        query = update(rollout_snapshots).where(rollout_snapshots.c.rollout == name)
        if not connection.execute(query.values(values)).rowcount:
            connection.execute(insert(rollout_snapshots).values(values))


def ask(connection: Connection, name: str, fact: Fact, now_ms: int) -> int:
    """Leaves a fact for the leader; its number. Raises BookError where too many wait."""
    waiting = select(func.count()).select_from(rollout_asks)
    found = connection.execute(
        waiting.where(rollout_asks.c.rollout == name, rollout_asks.c.n.is_(None))
    ).scalar_one()
    if found >= MAX_OPEN:
        raise BookError(f"{found} asks wait for rollout {name} already: is a controller running?")
    data = json.dumps(fact_to_json(fact))
    done = connection.execute(insert(rollout_asks).values(rollout=name, at_ms=now_ms, data=data))
    return int(done.inserted_primary_key[0]) if done.inserted_primary_key else 0


def asks(connection: Connection, name: str) -> list[Ask]:
    """What waits for a rollout, in order."""
    query = select(rollout_asks).where(rollout_asks.c.rollout == name, rollout_asks.c.n.is_(None))
    rows: list[Any] = list(connection.execute(query.order_by(rollout_asks.c.number)))
    return [Ask(row.number, fact_from_json(json.loads(row.data))) for row in rows]


def answered(connection: Connection, number: int) -> int | None:
    """The event that took an ask in; None while it waits."""
    return connection.execute(
        select(rollout_asks.c.n).where(rollout_asks.c.number == number)
    ).scalar_one_or_none()


def _begun(row: Any) -> State:
    fleet = {kit: (about, bricks) for kit, (about, bricks) in json.loads(row.fleet).items()}
    return engine.begin(row.id, read(row.plan), fleet, row.made_ms)
