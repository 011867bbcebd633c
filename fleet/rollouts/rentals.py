"""Which kits are out with a renter: the tables of rentals say so, and rollouts leave those kits alone."""

from __future__ import annotations

from sqlalchemy import Connection, select

from fleet.db.tables_rentals import rental_kits
from fleet.rentals.states import OUT
from fleet.rollouts.facts import Fact, Rented
from fleet.rollouts.state import SUPERSEDED, State


def out(connection: Connection) -> set[str]:
    """Kits in hex."""
    return {
        kit.hex()
        for kit in connection.execute(select(rental_kits.c.kit).where(rental_kits.c.state == OUT)).scalars()
    }


def changed(state: State, out: set[str]) -> list[Fact]:
    """What is new of them for a rollout."""
    return [
        Rented(name, name in out)
        for name, kit in state.kits.items()
        if kit.rented != (name in out) and kit.status != SUPERSEDED
    ]
