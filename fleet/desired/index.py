"""Kits and bricks of a configuration by their names: nobody goes through all of it for one of thousands."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.config import Brick, Config


@dataclass(frozen=True, slots=True)
class Index:
    """Of one configuration. `rental`: by kit; `bricks`: by kit, in the configuration's order; `kit`: by brick."""

    config: Config
    rental: dict[bytes, int]
    bricks: dict[bytes, list[Brick]]
    kit: dict[bytes, bytes]


def made(config: Config) -> Index:
    """Goes through all of it, once."""
    bricks: dict[bytes, list[Brick]] = {}
    for one in config.bricks:
        bricks.setdefault(one.kit, []).append(one)
    return Index(
        config,
        {one.kit: one.rental for one in reversed(config.kits)},
        bricks,
        {one.brick: one.kit for one in config.bricks},
    )


class Indexed:
    """The index of whatever configuration stands: made anew where that is another object. From any thread."""

    def __init__(self) -> None:
        self._made: Index | None = None

    def of(self, config: Config) -> Index:
        """Of this configuration."""
        found = self._made
        if found is None or found.config is not config:
            self._made = found = made(config)
        return found
