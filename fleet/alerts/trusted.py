"""Alerts of trust: a director that no root names, a clock that is not believed, directives that do not arrive at bricks."""

from __future__ import annotations

from sqlalchemy import Connection
from stallmark.errors import StallmarkError

from fleet.alerts.judge import NOW, SOON, Alert
from fleet.config import Config
from fleet.desired import brickwhy, knowing, rows
from fleet.trust import clockguard, status
from fleet.trust.repository import Repository


def alerts(connection: Connection, config: Config, now_ms: int) -> tuple[Alert, ...]:
    """All of them. `config`: of the program that asks; a running controller's own director is judged by its own."""
    return (*_keys(connection, config, now_ms), *_withheld(connection, config, now_ms))


def _keys(connection: Connection, config: Config, now_ms: int) -> list[Alert]:
    repository = Repository(config.trust)
    found: list[Alert] = []
    try:
        unnamed = status.unnamed_director(repository, config.secrets.director_public)
        doubt = clockguard.doubt(repository, now_ms, [rows.newest_ms(connection)])
    except (StallmarkError, OSError):
        return found  # that the folder cannot be read has an alert of its own
    if unnamed is not None:
        remedy = "restart the controller; where it is the same then, `stallmark fleet keys status`"
        found.append(Alert("trust:director", NOW, unnamed, remedy, "fleet-admin", None))
    if doubt is not None:
        remedy = "set the clock, or `stallmark fleet keys clock --today YYYY-MM-DD`"
        found.append(Alert("trust:clock", NOW, doubt.partition(". ")[0], remedy, "fleet-admin", None))
    return found


def _withheld(connection: Connection, config: Config, now_ms: int) -> list[Alert]:
    names = {one.kit: one.name or one.kit.hex() for one in config.kits}
    found: list[Alert] = []
    for facts in knowing.withheld(connection, config, now_ms):
        bricks = facts.withheld
        first = min(bricks, key=lambda brick: facts.obeyed[brick].behind_ms or 0)
        one, name = facts.obeyed[first], names[facts.kit]
        others = f" and {len(bricks) - 1} more" if len(bricks) > 1 else ""
        words = (
            f"kit {name}: {brickwhy.label(facts, first)}{others} at directive {one.number} by its own boot record, while its "
            f"host says that it has {facts.report.number if facts.report else 0}: are directives kept back there?"
        )
        found.append(
            Alert(
                f"withheld:{facts.kit.hex()}",
                SOON,
                words,
                f"`stallmark fleet why {name}`",
                "fleet-admin",
                one.behind_ms,
                facts.kit.hex(),
            )
        )
    return found
