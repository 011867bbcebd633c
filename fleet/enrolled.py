"""Bricks that a bench registered, and the benches that may: rows of the table `meta`, so that no schema changes.

A bench's credential is good for one kit and for the rental that the kit is in. A root arrives sealed to a key that follows
from the controller's seal key, and is kept as every root is. One board of a kit has one living identity: the one that was
made last. A board whose brick is alive in another kit is refused: a chip's number is no secret, so it ends nobody else's."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeGuard, cast

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox
from sqlalchemy import Connection, select

from fleet.config import Brick, Config, Host, Kit
from fleet.db import tables, tables_people
from fleet.db.tables_rentals import rental_kits
from fleet.errors import ConfigError, Refused

BRICK = "enrolled:"  # + id in hex: what is known of it, JSON
BENCH = "bench:"  # + SHA-256 of the token in hex: whose it is, JSON
MAX_BODY = 8192
MAX_TEXT = 64
MAX_NUMBER = (1 << 63) - 1
AHEAD_MS = 3_600_000  # so far a bench's clock may be ahead: registrations are put in order by it
GRACE_MS = 72 * 3_600_000  # so long receipts that a host gave before a revocation may be on their way
_TEXTS = ("board", "hardware", "chip", "firmware", "label")


@dataclass(frozen=True, slots=True)
class Bench:
    """Who may register bricks: of one kit, for one rental. `number` names the credential and opens nothing."""

    name: str
    kit: bytes
    rental: int
    number: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """When a brick was revoked, and the last record of it that was known then."""

    at_ms: int
    head: int

    def covers(self, seq: int, host_ms: int, now_ms: int) -> bool:
        """Whether a record still counts: known then, or in a gap before; or receipted by its host before the end and here
        soon after. The brick's own clock is not asked: whoever holds a revoked brick may set it back."""
        return seq <= self.head or (host_ms <= self.at_ms and now_ms <= self.at_ms + GRACE_MS)


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
    """Whose credential it is; None for one that is not known or was ended."""
    number = _digest(token)
    found = _get(connection, BENCH + number)
    if found is None or found.get("ended_ms"):
        return None
    return Bench(found["name"], bytes.fromhex(found["kit"]), found["rental"], number)


def benches(connection: Connection) -> dict[str, dict[str, Any]]:
    """Every credential that was ever written, by its number."""
    rows = connection.execute(select(tables.meta).where(tables.meta.c.name.startswith(BENCH))).all()
    return {row.name[len(BENCH) :]: json.loads(row.value) for row in rows}


def end_bench(connection: Connection, number: str, now_ms: int) -> list[str]:
    """Ends the credentials whose number begins so and that are not ended yet; returns theirs."""
    found = [
        full
        for full, facts in benches(connection).items()
        if full.startswith(number) and not facts.get("ended_ms")
    ]
    for full in found:
        _set(connection, BENCH + full, benches(connection)[full] | {"ended_ms": now_ms})
    return found


def every(connection: Connection) -> dict[bytes, dict[str, Any]]:
    """What is known of every brick that a bench registered."""
    rows = connection.execute(select(tables.meta).where(tables.meta.c.name.startswith(BRICK))).all()
    return {bytes.fromhex(row.name[len(BRICK) :]): json.loads(row.value) for row in rows}


def one(connection: Connection, brick: bytes) -> dict[str, Any] | None:
    """What is known of a brick; None where no bench registered it."""
    return _get(connection, BRICK + brick.hex())


def merged(connection: Connection, config: Config) -> Config:
    """The configuration with the bricks that benches registered among its own, and the hosts that people accepted."""
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
    mine = {host.host for host in config.hosts if host.rental is None}
    hosts = [host for host in accepted(connection) if host.host not in mine]
    own = tuple(host for host in config.hosts if host.host in mine)
    return replace(
        config, bricks=(*config.bricks, *added), hosts=(*own, *hosts), kits=kits(connection, config)
    )


def kits(connection: Connection, config: Config) -> tuple[Kit, ...]:
    """The kits of a configuration, each in the rental that it is in: it rises whenever a kit changes hands."""
    now = {row.kit: int(row.rental) for row in connection.execute(select(rental_kits))}
    return tuple(replace(one, rental=max(one.rental, now.get(one.kit, 0))) for one in config.kits)


def accepted(connection: Connection) -> list[Host]:
    """Hosts that people accepted, each with a credential of one rental."""
    rows = connection.execute(select(tables_people.host_credentials))
    return [Host(row.host, row.public, row.name, b"", row.kit, row.rental) for row in rows]


def demand_current(bench: Bench, config: Config) -> Bench:
    """A credential is good while its kit is in its rental. Raises Refused 403."""
    if bench.rental not in [kit.rental for kit in config.kits if kit.kit == bench.kit]:
        raise Refused(403, "this bench's file is of a rental that is over: have it written again")
    return bench


def parse(data: bytes, bench: Bench, seal_key: bytes, now_ms: int) -> Registration:
    """A registration's body. Raises Refused 422, 403."""
    value = _object(data)
    wrong = Refused(
        422,
        "expected brick and kit (16 hex characters), rental and made_ms (whole numbers), root (base64), and as texts of at "
        f"most {MAX_TEXT} printable characters board (not empty), hardware, chip, firmware, label",
    )
    brick, kit = brick_of(value.get("brick")), brick_of(value.get("kit"))
    rental, made_ms = value.get("rental"), value.get("made_ms")
    texts = {name: value.get(name) for name in _TEXTS}
    if brick is None or kit is None or not texts["board"] or not all(map(_text, texts.values())):
        raise wrong
    if not _number(rental) or not _number(made_ms):
        raise wrong
    try:
        sealed = base64.b64decode(value.get("root") or "", validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise wrong from None
    if kit != bench.kit or rental != bench.rental:
        raise Refused(
            403, "this bench may register bricks of another kit or rental: have its file written again"
        )
    if made_ms > now_ms + AHEAD_MS:
        raise Refused(422, "the bench's clock is ahead: set it, then flash this board again")
    try:
        root = SealedBox(sealing_key(seal_key)).decrypt(sealed)
    except (CryptoError, ValueError):
        raise Refused(
            422, "the root is sealed for another controller: have the bench's file written again"
        ) from None
    if len(root) != 32:
        raise Refused(422, "a root has 32 bytes")
    return Registration(brick, kit, rental, root, {**texts, "made_ms": made_ms})


def parse_revocation(data: bytes) -> str:
    """The reason. Raises Refused 422."""
    reason = _object(data).get("reason")
    if not reason or not _text(reason):
        raise Refused(422, f"expected a reason of at most {MAX_TEXT} printable characters")
    return cast("str", reason)


def brick_of(text: object) -> bytes | None:
    """An id of 8 bytes from 16 hex characters; None for anything else."""
    good = isinstance(text, str) and len(text) == 16 and set(text.lower()) <= set("0123456789abcdef")
    return bytes.fromhex(cast("str", text)) if good else None


def add(
    connection: Connection, new: Registration, bench: Bench, config: Config, now_ms: int
) -> dict[bytes, End]:
    """Notes a brick. Of one board's identities in this kit the one that was made last lives: this may be another one than
    this, where a bench was long without its controller. Returns what ended. Raises Refused 409 where the board's brick is
    alive in another kit whose rental goes on."""
    same = {
        brick: facts
        for brick, facts in every(connection).items()
        if facts["board"] == new.facts["board"] and not facts.get("revoked_ms") and brick != new.brick
    }
    current = {kit.kit.hex(): kit.rental for kit in config.kits}
    for brick, facts in same.items():
        if facts["kit"] != new.kit.hex() and current.get(facts["kit"]) == facts["rental"]:
            raise Refused(
                409,
                f"this board is brick {brick.hex()} of another kit: end that one first, with the file of its kit or with "
                f"`stallmark fleet bricks revoke`",
            )
    facts = {
        **new.facts,
        "kit": new.kit.hex(),
        "rental": new.rental,
        "bench": bench.name,
        "bench_number": bench.number,
        "registered_ms": now_ms,
    }
    _set(connection, BRICK + new.brick.hex(), facts)
    ended: dict[bytes, End] = {}
    later = [brick for brick, facts in same.items() if facts["made_ms"] > new.facts["made_ms"]]
    if later:
        reason = f"flashed again as {later[0].hex()} before this arrived"
        ended[new.brick] = _ended(end(connection, new.brick, reason, now_ms))
    for brick in same.keys() - set(later):
        ended[brick] = _ended(end(connection, brick, f"flashed again as {new.brick.hex()}", now_ms))
    return ended


def note(connection: Connection, brick: Brick, now_ms: int) -> None:
    """Writes down a brick of keys.json as if a bench had registered it, so that it can be ended as those are."""
    facts: dict[str, Any] = dict.fromkeys(_TEXTS, "")
    facts |= {"label": "keys.json", "kit": brick.kit.hex(), "rental": brick.rental, "made_ms": 0}
    facts |= {"bench": "none: stands in keys.json", "bench_number": "", "registered_ms": now_ms}
    _set(connection, BRICK + brick.brick.hex(), facts)


def end(connection: Connection, brick: bytes, reason: str, now_ms: int) -> dict[str, Any]:
    """Revokes a brick, once: what was said first stands. Raises Refused 404."""
    facts = one(connection, brick)
    if facts is None:
        raise Refused(404, "no bench registered this brick")
    if not facts.get("revoked_ms"):
        head = connection.execute(
            select(tables.bricks.c.head_seq).where(tables.bricks.c.brick == brick)
        ).scalar_one_or_none()
        facts |= {"revoked_ms": now_ms, "reason": reason, "head": head or 0}
        _set(connection, BRICK + brick.hex(), facts)
    return facts


def put(connection: Connection, brick: bytes, facts: dict[str, Any]) -> None:
    """Notes what is known of a brick, over what was."""
    _set(connection, BRICK + brick.hex(), facts)


def revoked(found: Iterable[tuple[bytes, dict[str, Any]]]) -> dict[bytes, End]:
    """The end of each revoked brick."""
    return {brick: _ended(facts) for brick, facts in found if facts.get("revoked_ms")}


def _ended(facts: dict[str, Any]) -> End:
    return End(int(facts["revoked_ms"]), int(facts.get("head", 0)))


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and (not value or value.isprintable())


def _number(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= MAX_NUMBER


def _object(data: bytes) -> dict[str, Any]:
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):  # the second: thousands of brackets
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
