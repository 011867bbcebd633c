"""One leader: a row with a time and a token. Who lost it cannot write any more, whatever it still believes."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from fleet.db.tables_rollouts import leases
from fleet.errors import FleetError

NAME = "rollouts"
LIFE_MS = 15_000  # without renewal; a controller renews every second


class LostLease(FleetError):
    """Another controller leads: nothing was written."""


def take(connection: Connection, holder: str, now_ms: int, at_least: int = 0) -> int | None:
    """The token of this holder, who leads for the next while; None where another one does. `now_ms`: the machine's clock.
    A new holder's token is above every earlier one and above `at_least`."""
    row = connection.execute(select(leases).where(leases.c.name == NAME).with_for_update()).one_or_none()
    until = now_ms + LIFE_MS
    if row is None:
        token = at_least + 1
        connection.execute(insert(leases).values(name=NAME, holder=holder, token=token, until_ms=until))
        return token
    if row.holder == holder and row.token > at_least - 1:
        connection.execute(update(leases).where(leases.c.name == NAME).values(until_ms=until))
        return row.token
    if row.holder != holder and now_ms < row.until_ms <= now_ms + LIFE_MS:
        return None
    token = max(row.token, at_least) + 1
    connection.execute(
        update(leases).where(leases.c.name == NAME).values(holder=holder, token=token, until_ms=until)
    )
    return token


def demand(connection: Connection, token: int) -> None:
    """Raises LostLease where a later token was given out. Call it in the transaction that writes."""
    found = connection.execute(
        select(leases.c.token).where(leases.c.name == NAME).with_for_update()
    ).scalar_one_or_none()
    if found != token:
        raise LostLease(
            f"another controller leads the rollouts (token {found}, mine was {token}): nothing was written"
        )


def give_up(connection: Connection, token: int) -> None:
    """The next one need not wait. Harmless where it is no longer mine."""
    connection.execute(
        update(leases).where(leases.c.name == NAME, leases.c.token == token).values(until_ms=0)
    )


def leader(connection: Connection, now_ms: int) -> str | None:
    """Who leads now, if anybody does."""
    row = connection.execute(select(leases).where(leases.c.name == NAME)).one_or_none()
    return None if row is None or row.until_ms <= now_ms else row.holder
