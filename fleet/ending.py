"""The end of a brick that its own host replaced: `stallmark host bricks swap`, told by the host. docs/links.md, *Swap*

The host says up to which record the old brick had written: these still count when they are read out later. What a brick
writes after it was replaced does not (fleet.enrolled.End). Where the host does not know how far that was (no link: the usual
state of a brick that is replaced), what its journal can hold counts, beyond what the controller or the host has: customers got
what it granted, its chain and MACs are checked like any other, and its rights bound what it can spend. That the host says what it
holds gives it no power that it had not: it could as well have said nothing of the swap."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, select

from fleet import enrolled
from fleet.config import Config
from fleet.controller import Controller
from fleet.db import tables
from fleet.errors import Refused
from fleet.people import actors, audit

MAX_BODY = 1024
# Records that a brick's journal holds (docs/formats/flash.md, 1 MiB of pages of 256 bytes): a host cannot vouch for more.
MOST_UNSENT = 4096
WANTED = (
    f"expected a reason of at most {enrolled.MAX_TEXT} printable characters, last_seq: a whole number or null, "
    "and maybe held: a whole number"
)


@dataclass(frozen=True, slots=True)
class Ending:
    """What the host says: why, the last record that the brick had written as far as it knows (None: nobody knows), and the last
    one that it holds itself, here or still on its way here."""

    reason: str
    last_seq: int | None
    held: int = 0


def parse(data: bytes) -> Ending:
    """The body. Raises Refused 422."""
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(422, "the body is no JSON") from None
    if not isinstance(value, dict):
        raise Refused(422, WANTED)
    f = cast("dict[str, Any]", value)
    last, held = f.get("last_seq"), f.get("held", 0)
    if last is not None and (type(last) is not int or not 0 <= last <= 0xFFFFFFFF):
        raise Refused(422, WANTED)
    if type(held) is not int or not 0 <= held <= 0xFFFFFFFF:
        raise Refused(422, WANTED)
    return Ending(enrolled.parse_revocation(json.dumps({"reason": f.get("reason")}).encode()), last, held)


def end(
    controller: Controller, kit: bytes, brick: bytes, told: Ending, host: str = "of the kit"
) -> dict[str, Any]:
    """Ends a brick of this kit, once: what was said first stands. Durable when it returns. `host`: who says so. Raises
    Refused 404; OSError, SQLAlchemyError."""
    now_ms = controller.clock.now_ms()
    with controller.database.write() as connection:
        known = enrolled.merged(connection, controller.config)
        if not any(one.brick == brick and one.kit == kit and not one.lane for one in known.bricks):
            raise Refused(404, "this kit has no brick of that name")
        before = enrolled.one(connection, brick)
        facts = _ended(connection, known, brick, told, now_ms)
        if before is None or not before.get("revoked_ms"):
            after = {word: facts[word] for word in ("revoked_ms", "reason", "head")}
            who = actors.device("host", host)
            thing = f"brick {brick.hex()}"
            audit.record(connection, who, "enrol.revoke", thing, None, after, audit.wall_ms())
    controller.renew(force=True)  # it learns who is revoked
    return {
        "brick": brick.hex(),
        "revoked_ms": facts["revoked_ms"],
        "reason": facts["reason"],
        "head": facts["head"],
    }


def _ended(connection: Connection, config: Config, brick: bytes, told: Ending, now_ms: int) -> dict[str, Any]:
    facts = enrolled.one(connection, brick)
    if facts is not None and facts.get("revoked_ms"):
        return {"head": 0, **facts}
    head = (
        connection.execute(
            select(tables.bricks.c.head_seq).where(tables.bricks.c.brick == brick)
        ).scalar_one_or_none()
        or 0
    )
    # A host that was long without the controller holds more than this has: the journal's records come after those.
    most = min(max(head, told.held) + MOST_UNSENT, 0xFFFFFFFF)
    head = most if told.last_seq is None else max(head, min(told.last_seq, most))
    facts = (facts or _of_configuration(config, brick, now_ms)) | {
        "revoked_ms": now_ms,
        "reason": told.reason,
        "head": head,
    }
    enrolled.put(connection, brick, facts)
    return facts


def _of_configuration(config: Config, brick: bytes, now_ms: int) -> dict[str, Any]:
    """What is noted of a brick that no bench registered: it stands in keys.json."""
    mine = next(one for one in config.bricks if one.brick == brick)
    texts = dict.fromkeys(("board", "hardware", "chip", "firmware", "label"), "")
    told = {"kit": mine.kit.hex(), "rental": mine.rental, "bench": "keys.json", "bench_number": ""}
    return {**texts, **told, "made_ms": now_ms, "registered_ms": now_ms}
