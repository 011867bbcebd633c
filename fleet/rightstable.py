"""Budgets as a table for whoever looks after a fleet: `stallmark fleet rights`. Read beside a running controller."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from fleet import rights
from fleet.clock import open_clock
from fleet.config import Config
from fleet.db.engine import read_only
from fleet.errors import ConfigError
from fleet.rights import Figures

UNITS = {1: "money, minor units", 2: "pieces", 3: "people"}
COLUMNS = (
    "budget", "kept", "minted", "spent", "assigned", "unassigned", "expired", "stranded", "returned",
)  # fmt: skip
WORDS = """\
budget = kept + minted - returned; minted = spent + returned + stranded; stranded = assigned + unassigned + expired.
kept: not minted yet. minted: given out in slices. spent: as the ledger knows it.
assigned: unspent, at a brick that has begun the slice. unassigned: unspent, no brick is known to have it.
expired: over and not back yet; comes back when its bricks were started again and have reported.
stranded: not spent, and nobody can be sure that it will be. returned: back in the budget after it expired."""


def look(config: Config, kit: str | None = None) -> list[Figures]:
    """Every budget, by kit and rule; of one kit (its name or 16 hex digits) or all. Raises ConfigError."""
    wanted = None if kit is None else _kit(config, kit)
    now_ms = open_clock(config.clock_file).now_ms()
    path = config.database
    engine = create_engine(path) if isinstance(path, str) else read_only(path)
    try:
        with engine.begin() as connection:
            found = rights.figures_in(connection, config, now_ms, wanted)
    except DBAPIError as failed:
        raise ConfigError(
            f"the database {path} cannot be read: {failed.orig}. `stallmark fleet init` makes it"
        ) from failed
    finally:
        engine.dispose()
    return sorted(found, key=lambda one: (_name(config, one.kit), one.rental, one.rule, one.unit))


def table(config: Config, found: Sequence[Figures]) -> Table:
    """For people."""
    made = Table(title="Budgets, as the ledger knows them", caption=WORDS, caption_justify="left")
    for name in ("kit", "rule", "unit"):
        made.add_column(name, overflow="fold")
    for name in COLUMNS:
        made.add_column(name, justify="right", no_wrap=True)
    for one in found:
        figures = (str(getattr(one, name)) for name in COLUMNS)
        kit = _name(config, one.kit)
        current = {kit.kit.hex(): kit.rental for kit in config.kits}.get(one.kit)
        if one.rental != current:
            kit += f", rental {one.rental}"
        made.add_row(kit, one.rule, UNITS.get(one.unit, f"unit {one.unit}"), *figures)
    return made


def _name(config: Config, kit: str) -> str:
    return next((known.name for known in config.kits if known.kit.hex() == kit), kit)


def _kit(config: Config, wanted: str) -> bytes:
    for known in config.kits:
        if wanted in (known.name, known.kit.hex()):
            return known.kit
    names = ", ".join(f"{known.name} ({known.kit.hex()})" for known in config.kits)
    raise ConfigError(f"no kit {wanted!r} in this configuration; there are: {names}")
