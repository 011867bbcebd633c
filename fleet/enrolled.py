"""Bricks that a bench registered, and the benches that may: rows of the table `meta`, so that no schema changes.

A bench's credential is good for one kit and one rental. A root arrives sealed to a key that follows from the controller's
seal key, and is kept as every root is. One board has one living identity: a new one revokes the one before."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, cast

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox
from sqlalchemy import Connection, select

from fleet.config import Brick, Config
from fleet.db import tables
from fleet.errors import ConfigError, Refused

BRICK = "enrolled:"  # + id in hex: what is known of it, JSON
BENCH = "bench:"  # + SHA-256 of the token in hex: whose it is, JSON
MAX_BODY = 8192
MAX_TEXT = 64


@dataclass(frozen=True, slots=True)
class Bench:
    """Who may register bricks: of one kit, for one rental."""

    name: str
    kit: bytes
    rental: int


@dataclass(frozen=True, slots=True)
class Registration:
    """A new brick as a bench describes it; `root` is open here and closed at once."""

    brick: bytes
    kit: bytes
    rental: int
    root: bytes
    facts: dict[str, Any]


def sealing_key(seal_key: bytes) -> PrivateKey:
    """The key that benches seal roots to."""
    return PrivateKey(sha256(b"stallmark/enrolment/1\0" + seal_key).digest())


def issue(connection: Connection, kit: bytes, rental: int, name: str, now_ms: int) -> str:
    """A new credential for a bench; only its digest is kept."""
    token = secrets.token_urlsafe(32)
    _set(
        connection,
        BENCH + _digest(token),
        {"name": name, "kit": kit.hex(), "rental": rental, "issued_ms": now_ms},
    )
    return token


def bench_of(connection: Connection, token: str) -> Bench | None:
    """Whose credential it is."""
    found = _get(connection, BENCH + _digest(token))
    return None if found is None else Bench(found["name"], bytes.fromhex(found["kit"]), found["rental"])


def every(connection: Connection) -> dict[bytes, dict[str, Any]]:
    """What is known of every brick that a bench registered."""
    rows = connection.execute(select(tables.meta).where(tables.meta.c.name.startswith(BRICK))).all()
    return {bytes.fromhex(row.name[len(BRICK) :]): json.loads(row.value) for row in rows}


def one(connection: Connection, brick: bytes) -> dict[str, Any] | None:
    """What is known of a brick; None where no bench registered it."""
    return _get(connection, BRICK + brick.hex())


def merged(connection: Connection, config: Config) -> Config:
    """The configuration with the bricks that benches registered among its own."""
    known = {brick.brick for brick in config.bricks}
    added: list[Brick] = []
    for brick, facts in every(connection).items():
        if brick in known:
            continue
        row = connection.execute(
            select(tables.roots).where(tables.roots.c.brick == brick).order_by(tables.roots.c.first_epoch)
        ).first()
        if row is None:
            raise ConfigError(
                f"brick {brick.hex()} is registered and has no root: restore the database from its copy"
            )
        added.append(Brick(brick, row.sealed, row.rental, bytes.fromhex(facts["kit"]), row.first_epoch))
    return replace(config, bricks=(*config.bricks, *added)) if added else config


def parse(data: bytes, bench: Bench, seal_key: bytes) -> Registration:
    """A registration's body. Raises Refused 422, 403."""
    value = _object(data)
    try:
        brick, kit = bytes.fromhex(value["brick"]), bytes.fromhex(value["kit"])
        rental, made_ms = int(value["rental"]), int(value["made_ms"])
        sealed = base64.b64decode(value["root"], validate=True)
        facts = {name: str(value[name]) for name in ("board", "hardware", "chip", "firmware", "label")}
    except (KeyError, TypeError, ValueError, binascii.Error):
        reason = "expected brick, kit, rental, root, board, hardware, chip, firmware, label, made_ms"
        raise Refused(422, reason) from None
    if len(brick) != 8 or any(len(text) > MAX_TEXT for text in facts.values()) or not facts["board"]:
        raise Refused(
            422,
            f"expected a brick of 8 bytes and texts of at most {MAX_TEXT} characters, the board's number too",
        )
    if kit != bench.kit or rental != bench.rental:
        raise Refused(
            403, "this bench may register bricks of another kit or rental: have its file written again"
        )
    try:
        root = SealedBox(sealing_key(seal_key)).decrypt(sealed)
    except (CryptoError, ValueError):
        raise Refused(
            422, "the root is sealed for another controller: have the bench's file written again"
        ) from None
    if len(root) != 32:
        raise Refused(422, "a root has 32 bytes")
    return Registration(brick, kit, rental, root, {**facts, "made_ms": made_ms})


def parse_revocation(data: bytes) -> str:
    """The reason. Raises Refused 422."""
    reason = _object(data).get("reason")
    if not isinstance(reason, str) or not 0 < len(reason) <= MAX_TEXT:
        raise Refused(422, f"expected a reason of at most {MAX_TEXT} characters")
    return reason


def add(connection: Connection, new: Registration, bench: Bench, now_ms: int) -> list[bytes]:
    """Notes a brick; the board's earlier identities end. Returns those."""
    ended: list[bytes] = []
    for brick, facts in every(connection).items():
        if (
            facts["board"] == new.facts["board"]
            and facts["kit"]
            and not facts.get("revoked_ms")
            and brick != new.brick
        ):
            end(connection, brick, f"flashed again as {new.brick.hex()}", now_ms)
            ended.append(brick)
    facts = {
        **new.facts,
        "kit": new.kit.hex(),
        "rental": new.rental,
        "bench": bench.name,
        "registered_ms": now_ms,
    }
    _set(connection, BRICK + new.brick.hex(), facts)
    return ended


def end(connection: Connection, brick: bytes, reason: str, now_ms: int) -> dict[str, Any]:
    """Revokes a brick, once: what was said first stands. Raises Refused 404."""
    facts = one(connection, brick)
    if facts is None:
        raise Refused(404, "no bench registered this brick")
    if not facts.get("revoked_ms"):
        facts |= {"revoked_ms": now_ms, "reason": reason}
        _set(connection, BRICK + brick.hex(), facts)
    return facts


def revoked(found: Iterable[tuple[bytes, dict[str, Any]]]) -> dict[bytes, int]:
    """The instant from which each revoked brick counts for nothing."""
    return {brick: int(facts["revoked_ms"]) for brick, facts in found if facts.get("revoked_ms")}


def _object(data: bytes) -> dict[str, Any]:
    try:
        value: Any = json.loads(data)
    except ValueError:
        raise Refused(422, "the body is no JSON") from None
    if not isinstance(value, dict):
        raise Refused(422, "the body is no JSON object")
    return cast("dict[str, Any]", value)


def _digest(token: str) -> str:
    return sha256(token.strip().encode()).hexdigest()


def _get(connection: Connection, name: str) -> dict[str, Any] | None:
    found = connection.execute(
        select(tables.meta.c.value).where(tables.meta.c.name == name)
    ).scalar_one_or_none()
    return None if found is None else cast("dict[str, Any]", json.loads(found))


def _set(connection: Connection, name: str, value: dict[str, Any]) -> None:
    text = json.dumps(value, sort_keys=True)
    known = tables.meta.c.name == name
    if connection.execute(tables.meta.update().where(known).values(value=text)).rowcount == 0:
        connection.execute(tables.meta.insert().values(name=name, value=text))
