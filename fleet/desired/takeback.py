"""A host shows a directive that is newer than this database: after a restore it stands again, and who lies is heard once."""

from __future__ import annotations

import logging

from fleet.desired import folder, orders, rows
from fleet.desired.orders import Order
from fleet.desired.wishes import LIFE_MS

BELIEVED = 1_000_000  # numbers above those of this start that a host's newer directive may have

logger = logging.getLogger(__name__)


class TakeBack:
    """`base`: what no directive was above when this program started."""

    def __init__(self, base: int) -> None:
        self._base = base
        self._lies: set[bytes] = set()

    def believed(self, kit: bytes, envelope: bytes, director: bytes) -> Order | None:
        """What it says, where this controller's director (public key) signed it for the kit, with a number that may be."""
        order = orders.own(envelope, director)
        if order is None or order.kit != kit:
            return self._lie(kit, "a directive that this controller did not sign for it")
        if order.number > self._base + BELIEVED:
            # Who has the director's key must not use up the numbers of every kit.
            return self._lie(
                kit, f"directive {order.number}, far above all of this controller: is its key stolen?"
            )
        return order

    def _lie(self, kit: bytes, what: str) -> None:
        if kit not in self._lies:
            self._lies.add(kit)
            logger.warning("kit %s presents %s", kit.hex(), what)


def origin(order: Order) -> str:
    """Where a directive that a host showed came from, as far as it says so itself."""
    if order.halted:
        return rows.STOPPED
    if order.expires_ms != order.issued_ms + LIFE_MS:
        return rows.SET
    return rows.RULES if order.reason == folder.REASON else rows.KEPT
