"""The rental that a kit's host credentials are of: a number that rises whenever the kit changes hands.

What was accepted for an earlier number opens nothing from then on (`fleet.api.access`). Hosts of keys.json have a token of no
rental: they are named, not ended. Bricks are ordered to step to it (fleet.rentals.steps)."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from sqlalchemy import Connection, select, update

from fleet.config import Config
from fleet.db import tables_people
from fleet.db.engine import Database
from fleet.db.tables_rentals import rental_kits
from fleet.enrolment import decide
from fleet.people.actors import Actor
from fleet.rentals import rows, steps

LOOK_S = 1.0


def change_hands(
    connection: Connection, config: Config, kit: bytes, why: str, now_ms: int
) -> tuple[int, list[str], list[str]]:
    """Raises the number, and orders the kit's bricks to step to it: (the new one, hosts whose credential ended with it, hosts of
    keys.json that go on), ids in hex."""
    number = (
        max(rows.kit_of(config, kit.hex()).rental, int(rows.kit(connection, config, kit, now_ms).rental)) + 1
    )
    connection.execute(update(rental_kits).where(rental_kits.c.kit == kit).values(rental=number))
    steps.order(connection, config, kit, why, now_ms)
    table, revoked = tables_people.host_credentials, decide.ends(connection)
    mine = connection.execute(select(table).where(table.c.kit == kit).order_by(table.c.host)).all()
    ended = [row.host.hex() for row in mine if row.host not in revoked]
    kept = [one.host for one in config.hosts if one.kit == kit and one.rental is None]
    return number, ended, [host.hex() for host in kept if host not in revoked]


def opens(connection: Connection, kit: bytes, number: int) -> list[str]:
    """Hosts, in hex, whose credential is good in a rental of a kit: read from the table as it stands."""
    table = tables_people.host_credentials
    found = connection.execute(select(table.c.host).where(table.c.kit == kit, table.c.rental == number))
    return [row.host.hex() for row in found]


def accept_again(
    connection: Connection, config: Config, actor: Actor, kit: bytes, hosts: list[bytes], wall_ms: int
) -> list[dict[str, Any]]:
    """Credentials of the kit's new number for hosts that called before. Hub staff may, for what they hand over; each stands in
    the log. Raises Refused 404, 409."""
    lent = Actor(actor.name, actor.tenant, frozenset({"technician"}), None, actor.hubs, actor.tags, actor.how)
    return [decide.accept_host(connection, config, lent, host, kit, wall_ms) for host in hosts]


class Current:
    """The number of each kit as a running controller asks it, read at most once a second and after every change of its own
    API. `woken` is told the kits whose hosts must ask again."""

    def __init__(self, database: Database, configured: Callable[[bytes], int | None]) -> None:
        self._database = database
        self._configured = configured
        self._lock = Lock()
        self._known: dict[bytes, int] = {}
        self._read_s = float("-inf")
        self.woken: Callable[[list[bytes]], None] = lambda _kits: None

    def __call__(self, kit: bytes) -> int | None:
        """The rental that a kit is in; None for one that is not here."""
        if time.monotonic() - self._read_s >= LOOK_S:
            self.look()
        own = self._configured(kit)
        return None if own is None else max(own, self._known.get(kit, 0))

    def look(self) -> None:
        """Reads the table. Raises SQLAlchemyError."""
        with self._database.read() as connection:
            found = {row.kit: int(row.rental) for row in connection.execute(select(rental_kits))}
        with self._lock:
            changed = [
                kit for kit, number in found.items() if self._known.get(kit, self._configured(kit)) != number
            ]
            self._known, self._read_s = found, time.monotonic()
        if changed:
            self.woken(changed)
