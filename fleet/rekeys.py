"""New link keys for bricks whose host was restored from a copy, or copied: ordered here, carried out over the link.

An order is an epoch at which a brick's link key begins anew. Key and tag follow from the brick's K_ctl
(docs/formats/link.md, *Re-keying*); the key goes to the kit's host alone, sealed for its signing key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nacl.exceptions import CryptoError
from nacl.public import SealedBox
from nacl.signing import VerifyKey
from sqlalchemy import Connection, Engine, create_engine, select
from sqlalchemy.exc import DBAPIError

from fleet.config import Config, Host
from fleet.db import tables
from fleet.db.engine import beside
from fleet.errors import ConfigError
from fleet.keys import RecordKeys

STEP = 1 << 20  # epochs between two orders: more handshakes than a brick makes in its life
MOST = 4095  # orders of one brick
NAME = "rekey:"  # of the rows in the table `meta`: the number of orders so far


@dataclass(frozen=True, slots=True)
class Order:
    """One brick's newest order."""

    brick: bytes
    number: int

    @property
    def epoch(self) -> int:
        """The link epoch at which the new key begins."""
        return self.number * STEP


def order(config: Config, kit: str | None, bricks: Sequence[str]) -> list[Order]:
    """Orders new link keys for a kit (its name or id in hex) or for single bricks (ids in hex), each in addition to what
    was ordered before. The controller may be running. Raises ConfigError: then nothing was ordered."""
    wanted = _wanted(config, kit, bricks)
    engine = _engine(config)
    try:
        with engine.begin() as connection:
            return [_one(connection, brick) for brick in wanted]
    except DBAPIError as failed:
        raise ConfigError(
            f"the database {config.database} cannot be written: {failed.orig}. `stallmark fleet init` makes it"
        ) from failed
    finally:
        engine.dispose()


def of_kit(connection: Connection, config: Config, kit: bytes) -> list[Order]:
    """The newest order of every brick of a kit that has one."""
    mine = {NAME + brick.brick.hex(): brick.brick for brick in config.bricks if brick.kit == kit}
    rows = connection.execute(select(tables.meta).where(tables.meta.c.name.in_(mine)))
    return [Order(mine[row.name], int(row.value)) for row in rows.all()]


def sealed(keys: RecordKeys, host: Host, one: Order) -> tuple[bytes, bytes]:
    """(tag16 for the brick, link key sealed for the host's signing key)."""
    tag, key = keys.rekey(one.brick, one.epoch)
    try:
        box = SealedBox(VerifyKey(host.public).to_curve25519_public_key())
        return tag, box.encrypt(key)
    except (CryptoError, RuntimeError) as wrong:
        raise ConfigError(f"the public key of host {host.name} is none: {wrong}") from wrong


def _wanted(config: Config, kit: str | None, bricks: Sequence[str]) -> list[bytes]:
    known = {brick.brick.hex(): brick for brick in config.bricks if not brick.lane}
    kits = {one.kit: one for one in config.kits}
    if (kit is None) == (not bricks):
        raise ConfigError("name either a kit (--kit) or bricks by their ids")
    if kit is not None:
        found = [one.kit for one in kits.values() if kit in (one.name, one.kit.hex())]
        if not found:
            names = ", ".join(f"{one.name} ({one.kit.hex()})" for one in kits.values())
            raise ConfigError(f"no kit {kit!r} in this configuration; there are: {names}")
        return [brick.brick for brick in known.values() if brick.kit == found[0]]
    strangers = [brick for brick in bricks if brick.lower() not in known]
    if strangers:
        raise ConfigError(f"no brick {strangers[0]!r} in this configuration; there are: {', '.join(known)}")
    return [known[brick.lower()].brick for brick in dict.fromkeys(bricks)]


def _one(connection: Connection, brick: bytes) -> Order:
    name = tables.meta.c.name == NAME + brick.hex()
    before = connection.execute(select(tables.meta.c.value).where(name)).scalar_one_or_none()
    number = int(before or 0) + 1
    if number > MOST:
        raise ConfigError(f"brick {brick.hex()} was given {MOST} link keys: erase and enrol it anew")
    if before is None:
        connection.execute(tables.meta.insert().values(name=NAME + brick.hex(), value=str(number)))
    else:
        connection.execute(tables.meta.update().where(name).values(value=str(number)))
    return Order(brick, number)


def _engine(config: Config) -> Engine:
    path = config.database
    if isinstance(path, str):
        return create_engine(path)
    if not path.exists():
        raise ConfigError(f"there is no database {path}: `stallmark fleet init` makes it")
    return beside(path)
