"""New link keys for bricks whose host was restored from a copy, or copied: ordered here, carried out over the link.

An order is an epoch at which a brick's link key begins anew. Key and tag follow from the brick's K_ctl
(docs/formats/link.md, *Re-keying*); the key goes to the kit's host alone, sealed for its signing key."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from nacl.exceptions import CryptoError
from nacl.public import SealedBox
from nacl.signing import VerifyKey
from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import DBAPIError

from fleet import enrolled
from fleet.config import Config, Host
from fleet.db import tables
from fleet.db.engine import outside
from fleet.db.tables_rentals import rental_steps
from fleet.errors import ConfigError
from fleet.keys import RecordKeys
from fleet.people import commands

STEP = 1 << 20  # epochs between two orders: more handshakes than a brick makes in its life
MOST = 4095  # orders of one brick
NAME = (
    "rekey:"  # of the rows in the table `meta`: the number of orders so far, a colon, the root of the newest
)


@dataclass(frozen=True, slots=True)
class Order:
    """One brick's newest order. `root`: the first record epoch of the root whose K_ctl it is of; None: the newest, for an
    order of a program that did not write it down."""

    brick: bytes
    number: int
    root: int | None = None

    @property
    def epoch(self) -> int:
        """The link epoch at which the new key begins."""
        return self.number * STEP


def order(config: Config, kit: str | None, bricks: Sequence[str]) -> list[Order]:
    """Orders new link keys for a kit (its name or id in hex) or for single bricks (ids in hex), each in addition to what
    was ordered before. The controller may be running. Raises ConfigError: then nothing was ordered."""
    if (kit is None) == (not bricks):
        raise ConfigError("name either a kit (--kit) or bricks by their ids")
    _kit(config, kit)
    engine = outside(config.database)
    try:
        with engine.begin() as connection:
            ended = enrolled.revoked(enrolled.every(connection).items())
            wanted = _wanted(enrolled.merged(connection, config), ended, kit, bricks)
            made = [_one(connection, brick) for brick in wanted]
            after = {"bricks": [one.brick.hex() for one in made]}
            commands.record(connection, "bricks.rekey", f"kit {kit}" if kit else "bricks", after)
            return made
    except DBAPIError as failed:
        raise ConfigError(
            f"the database {config.database} cannot be written: {failed.orig}. `stallmark fleet init` makes it"
        ) from failed
    finally:
        engine.dispose()


def order_for(connection: Connection, brick: bytes) -> Order:
    """Orders a new link key for one brick, in a transaction of the caller's. Raises ConfigError."""
    return _one(connection, brick)


def of_kit(connection: Connection, config: Config, kit: bytes) -> list[Order]:
    """The newest order of every brick of a kit that has one."""
    mine = {NAME + brick.brick.hex(): brick.brick for brick in config.bricks if brick.kit == kit}
    rows = connection.execute(select(tables.meta).where(tables.meta.c.name.in_(mine)))
    return [_order(mine[row.name], row.value) for row in rows.all()]


def sealed(keys: RecordKeys, host: Host, one: Order) -> tuple[bytes, bytes]:
    """(tag16 for the brick, link key sealed for the host's signing key)."""
    tag, key = keys.rekey(one.brick, one.epoch, one.root)
    return tag, box(host, key)


def box(host: Host, key: bytes) -> bytes:
    """A key sealed for a host's signing key. Raises ConfigError."""
    try:
        return SealedBox(VerifyKey(host.public).to_curve25519_public_key()).encrypt(key)
    except (CryptoError, RuntimeError) as wrong:
        raise ConfigError(f"the public key of host {host.name} is none: {wrong}") from wrong


def _wanted(config: Config, ended: Container[bytes], kit: str | None, bricks: Sequence[str]) -> list[bytes]:
    """Bricks of the configuration and of benches alike; a kit's without those that were revoked."""
    known = {brick.brick.hex(): brick for brick in config.bricks if not brick.lane}
    if kit is not None:
        wanted = _kit(config, kit)
        return [brick.brick for brick in known.values() if brick.kit == wanted and brick.brick not in ended]
    strangers = [brick for brick in bricks if brick.lower() not in known]
    if strangers:
        raise ConfigError(f"no brick {strangers[0]!r} at this controller; there are: {', '.join(known)}")
    return [known[brick.lower()].brick for brick in dict.fromkeys(bricks)]


def _kit(config: Config, kit: str | None) -> bytes | None:
    if kit is None:
        return None
    for one in config.kits:
        if kit in (one.name, one.kit.hex()):
            return one.kit
    names = ", ".join(f"{one.name} ({one.kit.hex()})" for one in config.kits)
    raise ConfigError(f"no kit {kit!r} in this configuration; there are: {names}")


def _one(connection: Connection, brick: bytes) -> Order:
    name = tables.meta.c.name == NAME + brick.hex()
    before = connection.execute(select(tables.meta.c.value).where(name)).scalar_one_or_none()
    number = next_number(connection, brick)
    # Of the root of today: after a rental step the same epoch would mean another key, and a host that has the one of
    # before would tell the brick the tag of the other.
    newest = select(func.max(tables.roots.c.first_epoch)).where(tables.roots.c.brick == brick)
    root = connection.execute(newest).scalar_one_or_none()
    value = str(number) if root is None else f"{number}:{root}"
    if before is None:
        connection.execute(tables.meta.insert().values(name=NAME + brick.hex(), value=value))
    else:
        connection.execute(tables.meta.update().where(name).values(value=value))
    # An order to step to another rental that waits gets a link key after this one, or the brick would refuse it.
    waiting = (rental_steps.c.brick == brick) & (rental_steps.c.rental == _rental(connection, brick))
    connection.execute(update(rental_steps).where(waiting).values(number=number + 1))
    return Order(brick, number, root)


def next_number(connection: Connection, brick: bytes) -> int:
    """Of a brick's next link key that is ordered, here or with the step to another rental. Raises ConfigError."""
    row = connection.execute(select(tables.meta.c.value).where(tables.meta.c.name == NAME + brick.hex())).first()
    most = select(func.max(rental_steps.c.number)).where(rental_steps.c.brick == brick)
    before = _order(brick, "0" if row is None else row.value).number
    number = max(before, connection.execute(most).scalar_one_or_none() or 0) + 1
    if number >= MOST:
        raise ConfigError(f"brick {brick.hex()} was given {MOST} link keys: erase and enrol it anew")
    return number


def _rental(connection: Connection, brick: bytes) -> int:
    newest = select(tables.roots.c.rental).where(tables.roots.c.brick == brick).order_by(tables.roots.c.first_epoch.desc())
    return int(connection.execute(newest).scalars().first() or 0)


def _order(brick: bytes, value: str) -> Order:
    number, _, root = value.partition(":")
    return Order(brick, int(number), int(root) if root else None)
