"""What rollouts, rentals and the host's device say of why a kit is as it is, for commands beside a running controller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from fleet.config import Config
from fleet.desired.reason import Reason
from fleet.hostos import ties
from fleet.hostos.telling import reasons as of_device
from fleet.people import commands
from fleet.rentals import desk
from fleet.rollouts import book, names
from fleet.rollouts.kitwhy import of_kit


def beside(config: Config, kits: Iterable[bytes], now_ms: int) -> dict[bytes, tuple[Reason, ...]]:
    """The same as the controller's own answer has, by kit. Raises ConfigError and what reading rollouts raises (FleetError)."""
    with commands.beside(config) as connection:
        states = {name: book.load(connection, name)[0] for name in book.names(connection)}
        called = cache(lambda: names.of_all(connection, config))
        told: list[Callable[[bytes], list[Reason]]] = [
            lambda kit: of_kit(states, kit, now_ms, called),
            lambda kit: desk.of_kit(connection, kit),
            lambda kit: of_device(ties.of_kit(connection, kit), now_ms),
        ]
        return {kit: tuple(one for ask in told for one in ask(kit)) for kit in kits}
