"""Taking back, closing, wiping, inspecting, losing. A booking closes when all that is known of has arrived; or somebody who may
says why it closes without, and then it stands there what is undrained and who bears it."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import Connection, select

from fleet import enrolled
from fleet.config import Config
from fleet.db.tables_rentals import bookings
from fleet.desired import stops
from fleet.enrolment import decide
from fleet.errors import Refused
from fleet.people.actors import Actor
from fleet.rentals import called, custody, drain, handback, numbers, occupied, rows, states, steps
from fleet.rentals.bookings import release
from fleet.rentals.custody import Seen
from fleet.rentals.overdue import sweep
from fleet.rentals.proofs import HOST_STORE, note_wiped, wipes_of
from fleet.rentals.words import ago

KEY_ID = re.compile(r"[0-9a-f]{8,64}")


def take_back(
    connection: Connection, config: Config, actor: Actor, id: str, found: tuple[Seen, ...], force: str,
    now_ms: int, wall_ms: int,
) -> dict[str, Any]:  # fmt: skip
    """The kit is back (the first time), then closes the booking if nothing is undrained; again: tries to close. Items that are
    not named count as found. `force`: a reason to close all the same, for whoever has rentals.force. The answer has `closed`
    and `undrained`. Raises Refused 403, 404, 409, 422."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    if force:
        rows.may(connection, actor, "rentals.force", row.kit)
        force = rows.reason(force)
    custody.check(found)
    sweep(connection, now_ms)
    row = rows.booking(connection, id)
    if row.state in states.AWAY:
        _come_back(connection, config, actor, row, found, now_ms, wall_ms)
    elif row.state == states.RETURNED:
        for one in found:
            custody.add(connection, id, row.kit, one.what, one, actor.name, now_ms)
            _missing(connection, config, actor, one, now_ms)
    row = rows.booking(connection, id)
    if row.state != states.RETURNED:
        raise Refused(409, f"booking {id} is {row.state} {ago(row.since_ms, now_ms)}: it is not away")
    left = undrained(connection, config, row)
    if left and not force:
        return {
            "closed": False,
            "undrained": [one.as_json(now_ms) for one in left],
            **rows.shown(row, now_ms),
        }
    return _close(connection, config, actor, row, left, force, now_ms, wall_ms)


def undrained(connection: Connection, config: Config, row: Any) -> list[drain.Undrained]:
    """What keeps a returned booking open."""
    missing = {
        item.partition(":")[2] for item, last in custody.newest(connection, row.id).items()
        if last["what"] == custody.MISSING
    }  # fmt: skip
    merged = enrolled.merged(connection, config)
    return drain.undrained(drain.gather(connection, merged, row.kit, int(row.back_ms), missing))


def wipe(
    connection: Connection,
    actor: Actor,
    id: str,
    what: str,
    keys: list[str],
    read: str,
    now_ms: int,
    wall_ms: int,
) -> dict[str, Any]:
    """What somebody wiped, which keys went with it (their ids), and what reading it afterwards gave. Not before all has arrived:
    the booking must be closed. Raises Refused 403, 404, 409, 422."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    if row.state != states.CLOSED:
        raise Refused(
            409,
            f"booking {id} is {row.state} {ago(row.since_ms, now_ms)}: wipe what has arrived, after it is closed",
        )
    if not keys or len(keys) > 64 or not all(map(KEY_ID.fullmatch, keys)):
        raise Refused(
            422, "which keys are gone: 1 to 64 ids of 8 to 64 hex characters, never the keys themselves"
        )
    read, what = rows.reason(read), rows.reason(what)
    note_wiped(connection, row, what, keys, actor.name, read, False, now_ms)
    made = {"what": what, "ids": keys, "read": read, "at_ms": now_ms}
    rows.note(connection, actor, "wipe", id, None, made, wall_ms)
    return made


def inspect(
    connection: Connection,
    config: Config,
    actor: Actor,
    id: str,
    grade: str,
    service: str,
    now_ms: int,
    wall_ms: int,
) -> dict[str, Any]:
    """After closing: the kit goes into stock again, or to service where `service` says why. Into stock only when its host's store
    was wiped. Raises Refused 403, 404, 409, 422."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    if grade not in ("A", "B", "C", "D"):
        raise Refused(422, "a grade A (as new) to D (broken)")
    if row.state != states.CLOSED:
        raise Refused(409, f"booking {id} is {row.state} {ago(row.since_ms, now_ms)}: `take-back` closes it")
    if not service:
        _demand_wiped(connection, config, id)
    rows.move_kit(connection, config, actor, row.kit, "inspect", now_ms, note=id)
    custody.add(
        connection, id, row.kit, custody.INSPECTED, Seen("kit", grade, note=service), actor.name, now_ms
    )
    verb = "service" if service else "stock"
    rows.move_kit(
        connection, config, actor, row.kit, verb, now_ms, note=rows.reason(service) if service else ""
    )
    occupied.give_back(connection, id)
    release(connection, config, actor, row.kit, now_ms)
    made = {
        "booking": id,
        "kit": row.kit.hex(),
        "grade": grade,
        "state": rows.kit(connection, config, row.kit, now_ms).state,
    }
    rows.note(connection, actor, "inspect", id, states.RETURNED, made, wall_ms)
    return made


def _demand_wiped(connection: Connection, config: Config, id: str) -> None:
    """Every host's own proof, or a person's word for the kit. Raises Refused 409."""
    said = [one for one in wipes_of(connection, id) if one["what"] == HOST_STORE]
    if not said:
        raise Refused(
            409,
            f"nobody wiped the {HOST_STORE} since the kit came back: `rentals wipe {id}`, or send it to --service",
        )
    missing = [who for who in handback.waits(connection, config, id) if who.startswith("host:")]
    if missing and all(one["proven"] for one in said):
        hosts = called.told(", ".join(missing), called.called(connection, config))
        raise Refused(
            409,
            f"no proof yet of {hosts}: switch it on where it reaches the controller, or send the kit to --service",
        )


def move(
    connection: Connection,
    config: Config,
    actor: Actor,
    kit: bytes,
    verb: str,
    why: str,
    now_ms: int,
    wall_ms: int,
) -> dict[str, Any]:
    """stock, service, retire or lose, of a kit. A lost kit ends its booking, its hosts and its bricks; it needs rentals.force.
    Raises Refused 403, 404, 409, 422."""
    rows.may(connection, actor, "rentals.write", kit)
    if verb not in ("stock", "service", "retire", "lose"):
        raise Refused(404, "there is no such verb; there are stock, service, retire, lose")
    why = rows.reason(why)
    before = rows.kit(connection, config, kit, now_ms)
    if verb == "stock" and before.state != states.SERVICE:
        raise Refused(
            409,
            f"the kit is {before.state} {ago(before.since_ms, now_ms)}: inspect puts what came back into stock",
        )
    answer: dict[str, Any] = {"kit": kit.hex()}
    if verb == "lose":
        rows.may(connection, actor, "rentals.force", kit)
        mine = (bookings.c.kit == kit) & bookings.c.state.in_((*states.AWAY, states.RETURNED))
        for row in connection.execute(select(bookings).where(mine)).all():
            borne = _borne(connection, row, [], why, now_ms)
            rows.move_booking(connection, row, "lose", now_ms, closed_ms=now_ms, borne=json.dumps(borne))
            occupied.give_back(connection, row.id)
            answer["borne"] = borne
        _end_all(connection, config, actor, kit, f"kit lost: {why}"[:64], wall_ms, now_ms)
    rows.move_kit(connection, config, actor, kit, verb, now_ms, note=why)
    release(connection, config, actor, kit, now_ms)
    after = rows.kit(connection, config, kit, now_ms).state
    rows.note(
        connection, actor, verb, f"of kit {kit.hex()}", before.state, {"state": after, "reason": why}, wall_ms
    )
    return {**answer, "state": after}


def _come_back(
    connection: Connection,
    config: Config,
    actor: Actor,
    row: Any,
    found: tuple[Seen, ...],
    now_ms: int,
    wall_ms: int,
) -> None:
    given = {one.item: one for one in found}
    out = [
        item
        for item, last in custody.newest(connection, row.id).items()
        if last["what"] != custody.SWAPPED_OUT
    ]
    for item in [*out, *(item for item in given if item not in out)]:
        one = given.get(item, Seen(item))
        custody.add(connection, row.id, row.kit, one.what, one, actor.name, now_ms)
        _missing(connection, config, actor, one, now_ms)
    rows.move_kit(connection, config, actor, row.kit, "take-back", now_ms, note=row.id)
    rows.move_booking(connection, row, "take-back", now_ms, back_ms=now_ms)
    # What comes after takes its time from now on. A kit that is back early gives the rest of its time back.
    until_ms = now_ms + row.buffer_ms
    if until_ms < row.to_ms + row.buffer_ms:
        occupied.move(connection, row.id, min(row.from_ms, until_ms - 1), until_ms, now_ms)
    elif now_ms > row.to_ms:
        occupied.late(connection, row.id, until_ms)
    before = {"state": row.state, "late_s": max(0, now_ms - row.to_ms) // 1000}
    rows.note(
        connection, actor, "take-back", row.id, before, {"items": len(out), "named": sorted(given)}, wall_ms
    )
    sweep(connection, now_ms)


def _close(
    connection: Connection, config: Config, actor: Actor, row: Any, left: list[drain.Undrained], force: str,
    now_ms: int, wall_ms: int,
) -> dict[str, Any]:  # fmt: skip
    number, ended, kept = numbers.change_hands(
        connection, config, row.kit, f"booking {row.id} was closed", now_ms
    )
    borne = _borne(connection, row, left, force, now_ms) if left else None
    rows.move_booking(
        connection, row, "close", now_ms, closed_ms=now_ms, borne="" if borne is None else json.dumps(borne)
    )
    read = f"read back: the kit is in rental {number}, credentials of {row.rental} open nothing"
    good = numbers.opens(connection, row.kit, number)
    for host in [one for one in ended if one not in good]:
        note_wiped(connection, row, "host credential", [host], actor.name, read, True, now_ms)
    made = {
        "closed": True, **rows.shown(rows.booking(connection, row.id), now_ms),
        "undrained": [one.as_json(now_ms) for one in left],
        "credentials_ended": ended, "hosts_of_keys_json": kept,
        "steps": [one.as_json(now_ms) for one in steps.opened(connection, config, row.kit)],
    }  # fmt: skip
    after = {"credentials_ended": ended, "borne": borne, "reason": force}
    rows.note(connection, actor, "force" if left else "close", row.id, states.RETURNED, after, wall_ms)
    return made


def _borne(
    connection: Connection, row: Any, left: list[drain.Undrained], why: str, now_ms: int
) -> dict[str, Any]:
    """What of rights may have been spent in records that are not here, at most, and whose it is."""
    most = [
        {"rule": one.rule, "unit": one.unit, "most": one.most, "until_ms": one.until_ms}
        for one in stops.exposed(connection, now_ms, [row.kit])
    ]
    return {
        "by": f"rental {row.rental}, renter {row.renter}", "reason": why,
        "most": most, "undrained": [one.text for one in left],
    }  # fmt: skip


def _missing(connection: Connection, config: Config, actor: Actor, one: Seen, now_ms: int) -> None:
    """A brick that is not in the box is nobody's any more: revoked, so that no directive and no slice is for it."""
    kind, _, id = one.item.partition(":")
    if one.what != custody.MISSING:
        return
    if kind == "brick":
        decide.end_brick(connection, config, actor, bytes.fromhex(id), "missing at take-back", now_ms)
    elif kind == "host":
        lent = Actor(
            actor.name, actor.tenant, frozenset({"technician"}), None, actor.hubs, actor.tags, actor.how
        )
        decide.revoke_host(connection, config, lent, bytes.fromhex(id), "missing at take-back", now_ms)


def _end_all(
    connection: Connection, config: Config, actor: Actor, kit: bytes, why: str, wall_ms: int, now_ms: int
) -> None:
    merged = enrolled.merged(connection, config)
    ended, gone = enrolled.revoked(enrolled.every(connection).items()), decide.ends(connection)
    for brick in [one.brick for one in merged.bricks if one.kit == kit and not one.lane]:
        if brick not in ended:
            decide.end_brick(connection, merged, actor, brick, why, now_ms)
    lent = Actor(actor.name, actor.tenant, frozenset({"technician"}), None, actor.hubs, actor.tags, actor.how)
    for host in [one.host for one in merged.hosts if one.kit == kit and one.host not in gone]:
        decide.revoke_host(connection, merged, lent, host, why, wall_ms)
