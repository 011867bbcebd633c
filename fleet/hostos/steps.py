"""The host's own step of a rollout: pins the kits' devices to the release of the plan, and says when they run it.

A release of the plan that is no release of the service (a word like "host 1.2") is for hosts that are updated by hand: nothing is
pinned, and the step waits until somebody ends it."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from fleet.db.engine import Database
from fleet.hostos import telling, ties
from fleet.hostos.model import RELEASE


class HostSteps:
    """Over the controller's database; the service itself is told by `watching`."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms

    def has(self, kit: bytes) -> bool:
        """Whether the kit is tied to a device of the service."""
        with self._database.read() as connection:
            return ties.of_kit(connection, kit) is not None

    def tied(self) -> set[bytes]:
        """Every kit that is."""
        with self._database.read() as connection:
            return {row["kit"] for row in ties.every(connection)}

    def want(self, kit: bytes, release: str, by: str) -> bool:
        """The kit's device is to run this. False where nothing is tied, or where it is no release of the service. Again: changes
        nothing."""
        if not RELEASE.fullmatch(release):
            return False
        with self._database.read() as connection:
            row = ties.of_kit(connection, kit)
        if row is None:
            return False
        if row["wanted"] != release:
            with self._database.write() as connection:
                return ties.want(connection, kit, release, by, self._now_ms())
        return True

    def done(self, release: str) -> dict[bytes, int]:
        """Kits whose device runs what was wanted, which is this, and since when, as far as it was seen (market ms)."""
        with self._database.read() as connection:
            return _done(connection, release)


def _done(connection: Connection, release: str) -> dict[bytes, int]:
    return {
        row["kit"]: max(row["running_ms"] or 0, row["told_ms"] or 0)
        for row in ties.every(connection)
        if row["wanted"] == release and telling.done(row)
    }
