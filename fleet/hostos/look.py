"""What commands beside the controller tell of a kit's device."""

from __future__ import annotations

from typing import Any

from fleet.config import Config
from fleet.hostos import ties
from fleet.hostos.telling import line, reasons
from fleet.people import commands


def of_kit(config: Config, kit: bytes) -> dict[str, Any] | None:
    """All that is known of it; None where no device is tied. Raises ConfigError."""
    with commands.beside(config) as connection:
        return ties.of_kit(connection, kit)


__all__ = ["line", "of_kit", "reasons"]
