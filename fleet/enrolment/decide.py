"""What people decide about devices: accept, reject, replace, revoke. Over one connection, each with its line in the log.

A running controller carries it out as soon as it looks (`fleet.enrolment.desk`), which is at once for what comes over its own
API and within a second for a command beside it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from fleet import enrolled, rekeys
from fleet.config import Config, kid8
from fleet.db import tables_people as t
from fleet.db.tables_rentals import rental_kits
from fleet.enrolment import codes, pending
from fleet.enrolment.pending import ACCEPTED, BRICK, HOST, REJECTED, REPLACED
from fleet.errors import ConfigError, Refused
from fleet.hostos import ties
from fleet.people import audit
from fleet.people.actors import Actor, refusal
from fleet.people.places import place_of


def accept_host(
    connection: Connection,
    config: Config,
    actor: Actor,
    host: bytes,
    kit: bytes,
    now_ms: int,
    labelled: bool = False,
) -> dict[str, Any]:
    """Gives a host that called and signed a credential for one kit, in its rental of today. Again: for the kit's new
    rental. `labelled`: its label's code was typed; else the kit that it named when it called must be this actor's, too. Raises
    Refused 403, 404, 409."""
    rental = _rental(connection, config, kit)
    _demand(connection, actor, "enrol.accept", kit)
    waiting = pending.one(connection, HOST, host)
    if waiting is None or not waiting["proven"] or waiting["public"] is None:
        raise Refused(404, "no host of this number called here and signed with its key: see `enrol list`")
    if waiting["kit"] is not None and not labelled:
        _demand(connection, actor, "enrol.accept", bytes.fromhex(waiting["kit"]))
    public = bytes.fromhex(waiting["public"])
    assert kid8(public) == host
    if any(one.host == host and one.rental is None for one in config.hosts):
        raise Refused(409, "this host stands in keys.json already")
    if _ended(connection, host):
        raise Refused(409, "this host was revoked: its key is worth nothing again; it needs a new one")
    before = _credential(connection, host)
    if before is not None and before["kit"] != kit.hex():
        raise Refused(
            409, f"this host is of kit {before['kit']}: revoke it there, and it needs a new key then"
        )
    connection.execute(delete(t.host_credentials).where(t.host_credentials.c.host == host))
    name = str(waiting["said"].get("name") or f"host {host.hex()[:4]}")[:64]
    connection.execute(
        insert(t.host_credentials).values(
            host=host, public=public, name=name, kit=kit, rental=rental, made_ms=now_ms, by=actor.name
        )
    )
    pending.decide(connection, HOST, host, ACCEPTED, actor.name, "", now_ms)
    after = _credential(connection, host)
    assert after is not None
    audit.record(connection, actor, "enrol.accept", f"host {host.hex()}", before, after, now_ms)
    ties.accepted(connection, actor, kit, waiting["said"], now_ms)
    return after


def accept_brick(
    connection: Connection, config: Config, actor: Actor, brick: bytes, now_ms: int
) -> dict[str, Any]:
    """A brick that hosts report counts only if a bench registered it: its records are proven with a key that comes from
    there. Raises Refused 404, 409 with what to do."""
    facts = enrolled.one(connection, brick)
    known = next((one for one in config.bricks if one.brick == brick), None)
    if facts is None and known is None:
        raise Refused(
            409,
            "no bench registered this brick, so nothing proves its records: let the bench that made it hand in its queue "
            "(`stallmark brick sync`), or flash the board again",
        )
    if facts is not None and facts.get("revoked_ms"):
        raise Refused(409, f"this brick was revoked ({facts['reason']}): flash the board again")
    kit = known.kit if known is not None else bytes.fromhex((facts or {})["kit"])
    _demand(connection, actor, "enrol.accept", kit)
    pending.decide(connection, BRICK, brick, ACCEPTED, actor.name, "", now_ms)
    after = {"brick": brick.hex(), "kit": kit.hex()}
    audit.record(connection, actor, "enrol.accept", f"brick {brick.hex()}", None, after, now_ms)
    return after


def reject(
    connection: Connection, actor: Actor, kind: str, device: bytes, reason: str, now_ms: int
) -> dict[str, Any]:
    """Says no: the device is told so, and waits no more. Raises Refused 404, 409."""
    found = pending.one(connection, kind, device)
    if found is None:
        raise Refused(404, f"no {kind} of this number waits here")
    if found["state"] == ACCEPTED and kind == HOST:
        raise Refused(409, "this host was accepted: revoke it instead")
    _demand(connection, actor, "enrol.accept", None if found["kit"] is None else bytes.fromhex(found["kit"]))
    pending.decide(connection, kind, device, REJECTED, actor.name, reason[:256], now_ms)
    after = pending.one(connection, kind, device)
    audit.record(connection, actor, "enrol.reject", f"{kind} {device.hex()}", found, after, now_ms)
    assert after is not None
    return after


def code(
    connection: Connection, config: Config, actor: Actor, kind: str, device: bytes, now_ms: int, life_ms: int
) -> str:
    """A label's code for a spare: a brick that a bench registered, or a host that called. Raises Refused 403, 404, 409."""
    if kind == BRICK:
        kit = _spare(connection, config, device)
    else:
        waiting = pending.one(connection, HOST, device)
        if waiting is None or not waiting["proven"] or waiting["kit"] is None:
            raise Refused(
                404, "no host of this number called here and named its kit: start it once beforehand"
            )
        kit = bytes.fromhex(waiting["kit"])
    _demand(connection, actor, "enrol.accept", kit)
    made = codes.make(
        connection,
        config.secrets.seal_key,
        kind,
        device,
        place_of(connection, kit).tenant,
        actor.name,
        now_ms,
        life_ms,
    )
    after = {"kit": kit.hex(), "expires_ms": now_ms + life_ms}
    audit.record(connection, actor, "enrol.label", f"{kind} {device.hex()}", None, after, now_ms)
    return made


def replace(
    connection: Connection, config: Config, actor: Actor, kit: bytes, old: bytes, label: str, now_ms: int
) -> dict[str, Any]:
    """Puts the device whose label bears this code in the place of another one of the kit; the other one is revoked.

    A brick is made for one kit: a spare of another kit is refused. Raises Refused 403, 404, 409."""
    _demand(connection, actor, "enrol.replace", kit)
    claim = codes.find(connection, config.secrets.seal_key, label, now_ms)
    if claim.tenant != place_of(connection, kit).tenant:
        raise Refused(403, codes.WRONG)
    if claim.device == old:
        raise Refused(409, "this is the code of the device itself: type the spare's")
    reason = f"replaced by {claim.device.hex()}"
    if claim.kind == BRICK:
        if _spare(connection, config, claim.device) != kit:
            raise Refused(409, "this spare was made for another kit: a bench must flash it for this one")
        _demand_brick_of(connection, config, old, kit)
        end_brick(connection, config, actor, old, reason, now_ms)
        try:
            # The host of this kit gets the spare's link key by an order: sealed for it, over the network.
            rekeys.order_for(connection, claim.device)
        except ConfigError as failed:
            raise Refused(409, str(failed)) from None
    else:
        if not any(one.host == old and one.kit == kit for one in config.hosts):
            raise Refused(404, "there is no such host in this kit")
        revoke_host(connection, config, actor, old, reason, now_ms, "enrol.replace")
        lent = Actor(
            actor.name, actor.tenant, frozenset({"technician"}), None, actor.hubs, actor.tags, actor.how
        )
        accept_host(connection, config, lent, claim.device, kit, now_ms, labelled=True)
    codes.use(connection, claim, actor.name, now_ms)
    if pending.one(connection, claim.kind, old) is not None:
        pending.decide(connection, claim.kind, old, REPLACED, actor.name, reason, now_ms)
    after = {"kit": kit.hex(), "old": old.hex(), "new": claim.device.hex()}
    audit.record(connection, actor, "enrol.replace", f"{claim.kind} {old.hex()}", None, after, now_ms)
    return {"kind": claim.kind, **after}


def revoke_host(
    connection: Connection,
    config: Config,
    actor: Actor,
    host: bytes,
    reason: str,
    now_ms: int,
    permission: str = "enrol.revoke",
) -> dict[str, Any]:
    """Ends a host, of whatever credential: it delivers and fetches nothing more. What it delivered counts. Raises Refused."""
    known = next((one for one in config.hosts if one.host == host), None)
    row = _credential(connection, host)
    if known is None and row is None:
        raise Refused(404, "there is no such host here")
    kit = known.kit if known is not None else bytes.fromhex((row or {})["kit"])
    _demand(connection, actor, permission, kit)
    ended = _ended(connection, host)
    if ended is None:
        connection.execute(
            insert(t.host_ends).values(host=host, ended_ms=now_ms, reason=reason[:256], by=actor.name)
        )
        ended = _ended(connection, host)
        audit.record(
            connection, actor, "enrol.revoke", f"host {host.hex()}", {"kit": kit.hex()}, ended, now_ms
        )
    return {"host": host.hex(), **(ended or {})}


def revoke_brick(
    connection: Connection, config: Config, actor: Actor, brick: bytes, reason: str, now_ms: int
) -> dict[str, Any]:
    """The same for a brick, as somebody's own decision. Raises Refused 403, 404."""
    facts = enrolled.one(connection, brick)
    known = next((one for one in config.bricks if one.brick == brick), None)
    if facts is None and known is None:
        raise Refused(404, "there is no such brick here")
    _demand(
        connection,
        actor,
        "enrol.revoke",
        known.kit if known is not None else bytes.fromhex((facts or {})["kit"]),
    )
    return {"brick": brick.hex(), **end_brick(connection, config, actor, brick, reason, now_ms)}


def end_brick(
    connection: Connection, config: Config, actor: Actor, brick: bytes, reason: str, now_ms: int
) -> dict[str, Any]:
    """Revokes a brick, also one that stands in keys.json and that no bench registered."""
    known = next((one for one in config.bricks if one.brick == brick), None)
    if enrolled.one(connection, brick) is None and known is not None:
        enrolled.note(connection, known, now_ms)
    facts = enrolled.end(connection, brick, reason[: enrolled.MAX_TEXT], now_ms)
    after = {"revoked_ms": facts["revoked_ms"], "reason": facts["reason"]}
    audit.record(connection, actor, "enrol.revoke", f"brick {brick.hex()}", None, after, now_ms)
    return after


def ends(connection: Connection) -> dict[bytes, dict[str, Any]]:
    """Every host that was revoked."""
    return {
        row.host: {"ended_ms": row.ended_ms, "reason": row.reason, "by": row.by}
        for row in connection.execute(select(t.host_ends))
    }


def _ended(connection: Connection, host: bytes) -> dict[str, Any] | None:
    row = connection.execute(select(t.host_ends).where(t.host_ends.c.host == host)).first()
    return None if row is None else {"ended_ms": row.ended_ms, "reason": row.reason, "by": row.by}


def _credential(connection: Connection, host: bytes) -> dict[str, Any] | None:
    row = connection.execute(select(t.host_credentials).where(t.host_credentials.c.host == host)).first()
    return (
        None
        if row is None
        else {"host": host.hex(), "name": row.name, "kit": row.kit.hex(), "rental": row.rental, "by": row.by}
    )


def _spare(connection: Connection, config: Config, brick: bytes) -> bytes:
    """The kit of a good brick. Raises Refused 404, 409."""
    facts = enrolled.one(connection, brick)
    known = next((one for one in config.bricks if one.brick == brick), None)
    if facts is None and known is None:
        raise Refused(404, "no bench registered this brick")
    if facts is not None and facts.get("revoked_ms"):
        raise Refused(409, "this brick was revoked: a bench must flash it again")
    return known.kit if known is not None else bytes.fromhex((facts or {})["kit"])


def _demand_brick_of(connection: Connection, config: Config, brick: bytes, kit: bytes) -> None:
    facts = enrolled.one(connection, brick)
    known = next((one for one in config.bricks if one.brick == brick and not one.lane), None)
    found = known.kit if known is not None else None if facts is None else bytes.fromhex(facts["kit"])
    if found != kit:
        raise Refused(404, "there is no such brick in this kit")


def _rental(connection: Connection, config: Config, kit: bytes) -> int:
    """The one that a kit is in now: it rises whenever the kit changes hands (fleet.rentals.numbers)."""
    row = connection.execute(select(rental_kits.c.rental).where(rental_kits.c.kit == kit)).first()
    for one in config.kits:
        if one.kit == kit:
            return one.rental if row is None else max(one.rental, int(row.rental))
    raise Refused(404, "there is no such kit here")


def _demand(connection: Connection, actor: Actor, permission: str, kit: bytes | None) -> None:
    why = refusal(actor, permission, place_of(connection, kit or b""))
    if why is not None:
        raise Refused(403, why)
