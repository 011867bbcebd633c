"""Names of what directives ask for, beside a running controller: a digest alone tells a person nothing."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from fleet.config import Config
from fleet.core import FormatError, bundle
from fleet.db.engine import outside
from fleet.desired import rows
from fleet.errors import ConfigError


def releases(config: Config) -> dict[str, str]:
    """Digest of an artefact in hex → "name, revision N (first digits)", of all that a directive names now or named lately.
    Raises ConfigError."""
    engine = outside(config.database)
    try:
        with engine.connect() as connection:
            orders = [head.order for head in rows.heads(connection)] + list(rows.remembered(connection))
            found = {item.artefact: item.bundle for order in orders for item in order.items}
            told: dict[str, str] = {}
            for artefact, envelope in found.items():
                data = rows.target(connection, envelope)
                told[artefact.hex()] = _name(artefact, data)
            return told
    except DBAPIError as failed:
        raise ConfigError(f"the database {config.database} cannot be read: {failed.orig}") from failed
    finally:
        engine.dispose()


def _name(artefact: bytes, envelope: bytes | None) -> str:
    short = artefact.hex()[:8]
    try:
        f = bundle.parse(envelope or b"").fields
    except FormatError:
        return short
    return f"{f[10] or 'without a name'}, revision {f[4]} ({short})"
