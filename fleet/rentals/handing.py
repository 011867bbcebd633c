"""Packing, swapping, handing over. What stands in the way is said before anything is changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from fleet import enrolled
from fleet.config import Config
from fleet.db.tables_rentals import bookings, rental_kits
from fleet.desired import rows as desired_rows
from fleet.desired.desired import known
from fleet.enrolment import decide
from fleet.errors import Refused
from fleet.people.actors import Actor
from fleet.rentals import custody, numbers, occupied, rows, states, steps
from fleet.rentals.custody import Seen
from fleet.rentals.overdue import sweep
from fleet.rentals.words import ago, when


def pack(
    connection: Connection,
    config: Config,
    actor: Actor,
    id: str,
    found: tuple[Seen, ...],
    now_ms: int,
    wall_ms: int,
) -> dict[str, Any]:
    """Binds the kit's bricks and hosts to a booking, and notes how they are; without items, all that the kit has.
    Raises Refused 403, 404, 409, 422."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    custody.check(found)
    sweep(connection, now_ms)
    if row.state != states.RESERVED:
        raise Refused(
            409, f"booking {id} is {row.state} {ago(row.since_ms, now_ms)}: pack is for one that is RESERVED"
        )
    members = members_of(connection, config, row.kit)
    given = {one.item: one for one in found}
    strangers = [item for item in given if item.startswith(("brick:", "host:")) and item not in members]
    if strangers:
        raise Refused(409, f"{strangers[0]} is not of this kit, or was revoked")
    if any(one.what == custody.MISSING for one in found):
        raise Refused(
            409, "what is missing cannot be packed: replace it first (`stallmark fleet enrol replace`)"
        )
    rows.move_kit(connection, config, actor, row.kit, "pack", now_ms, note=id)
    things = [item for item in members if item.startswith("brick:")]
    occupied.take(connection, id, things, row.from_ms, row.to_ms + row.buffer_ms, now_ms)
    items = [given.get(item, Seen(item)) for item in ["kit", *members]]
    for one in [*items, *(one for one in found if one.item not in members and one.item != "kit")]:
        custody.add(connection, id, row.kit, custody.PACKED, one, actor.name, now_ms)
    made = {"booking": id, "kit": row.kit.hex(), "items": [one.item for one in items]}
    rows.note(connection, actor, "pack", id, row.state, made, wall_ms)
    return made


def unpack(
    connection: Connection, config: Config, actor: Actor, id: str, now_ms: int, wall_ms: int
) -> dict[str, Any]:
    """Takes packing back; its rows of custody stay. Raises Refused 403, 404, 409."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    _packed_for(connection, config, row.kit, id, now_ms)
    rows.move_kit(connection, config, actor, row.kit, "unpack", now_ms)
    for thing in occupied.of(connection, id):
        if thing.startswith("brick:"):
            occupied.give_back(connection, id, thing)
    rows.note(connection, actor, "unpack", id, states.PACKED, states.RESERVED, wall_ms)
    return {"booking": id, "kit": row.kit.hex()}


def swap(
    connection: Connection,
    config: Config,
    actor: Actor,
    id: str,
    old: str,
    new: Seen,
    now_ms: int,
    wall_ms: int,
) -> dict[str, Any]:
    """Another brick or host of the kit in the place of one that was packed; time is asked for anew. Raises Refused … 422."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    custody.check((new, Seen(old)))
    before = custody.newest(connection, id).get(old)
    gone = (custody.SWAPPED_OUT, custody.MISSING)
    if row.state not in (states.RESERVED, *states.AWAY) or before is None or before["what"] in gone:
        raise Refused(409, f"{old} is not in booking {id}, which is {row.state} {ago(row.since_ms, now_ms)}")
    if old.partition(":")[0] != new.item.partition(":")[0]:
        raise Refused(422, "a brick takes a brick's place, a host a host's")
    members = members_of(connection, config, row.kit)
    if new.item.startswith(("brick:", "host:")) and new.item not in members:
        raise Refused(
            409, f"{new.item} is not of this kit, or was revoked: `stallmark fleet enrol replace` puts it in"
        )
    if new.item.startswith("brick:"):
        occupied.take(connection, id, [new.item], row.from_ms, row.to_ms + row.buffer_ms, now_ms)
        occupied.give_back(connection, id, old)
    custody.add(connection, id, row.kit, custody.SWAPPED_OUT, Seen(old), actor.name, now_ms)
    custody.add(connection, id, row.kit, custody.SWAPPED_IN, new, actor.name, now_ms)
    made = {"booking": id, "out": old, "in": new.item}
    rows.note(connection, actor, "swap", id, {"item": old}, {"item": new.item}, wall_ms)
    return made


def hand_over(
    connection: Connection,
    config: Config,
    actor: Actor,
    id: str,
    holder: str,
    hosts: list[bytes],
    now_ms: int,
    wall_ms: int,
    force: str = "",
) -> dict[str, Any]:
    """The kit leaves the hub: a new rental number, its bricks are ordered to step to it, credentials of the one before end,
    those of `hosts` are given anew. `holder`: who signs for it, the hub's own reference. `force`: a reason to hand over although
    a brick still has the keys of an earlier rental, for whoever has rentals.force. Raises Refused 403, 404, 409, 422."""
    row = rows.booking(connection, id)
    rows.may(connection, actor, "rentals.write", row.kit)
    if force:
        rows.may(connection, actor, "rentals.force", row.kit)
        force = rows.reason(force)
    if not holder.strip() or len(holder) > 80 or not holder.isprintable():
        raise Refused(422, "who takes the kit: the hub's own reference, at most 80 printable characters")
    sweep(connection, now_ms)
    _packed_for(connection, config, row.kit, id, now_ms)
    stopped = [one for one in gates(connection, config, row.kit, now_ms) if one[0]]
    if stopped:
        raise Refused(409, stopped[0][1])
    behind = [one.text(now_ms) for one in steps.opened(connection, config, row.kit)]
    if behind and not force:
        raise Refused(
            409,
            f"{'; '.join(behind)}: switch it on beside its host until it has, take it out of the kit "
            "(`stallmark fleet bricks revoke`), or hand over with --force REASON",
        )
    if now_ms >= row.to_ms:
        raise Refused(409, f"this booking ended at {when(row.to_ms)}: extend it first, or cancel it")
    if now_ms < row.from_ms:  # early: the time before must be free, too
        occupied.move(connection, id, now_ms, row.to_ms + row.buffer_ms, now_ms)
        connection.execute(update(bookings).where(bookings.c.id == id).values(from_ms=now_ms))
    number, ended, kept = numbers.change_hands(
        connection, config, row.kit, f"handed over for booking {id}", now_ms
    )
    given = numbers.accept_again(connection, config, actor, row.kit, hosts, wall_ms)
    rows.move_kit(connection, config, actor, row.kit, "hand-over", now_ms, note=id)
    rows.move_booking(
        connection, row, "hand-over", now_ms, rental=number, out_ms=now_ms, flag="", flag_ms=None
    )
    for item, last in custody.newest(connection, id).items():
        if last["what"] in (custody.PACKED, custody.SWAPPED_IN):
            seen = Seen(item, last["grade"], tuple(last["photos"]), tuple(last["seals"]), f"to {holder}")
            custody.add(connection, id, row.kit, custody.OUT, seen, actor.name, now_ms)
    made = {
        "booking": id, "kit": row.kit.hex(), "rental": number, "to_ms": row.to_ms, "credentials_ended": ended,
        "credentials_given": [one["host"] for one in given], "hosts_of_keys_json": kept,
        "steps": [one.as_json(now_ms) for one in steps.opened(connection, config, row.kit)],
        "borne": {"by": f"the hub, {actor.name}", "reason": force, "behind": behind} if behind else None,
        "notes": [text for _, text in gates(connection, config, row.kit, now_ms)],
    }  # fmt: skip
    rows.note(connection, actor, "hand-over", id, row.state, {**made, "holder": holder}, wall_ms)
    return made


def members_of(connection: Connection, config: Config, kit: bytes) -> list[str]:
    """The living bricks and hosts of a kit, as items."""
    merged = enrolled.merged(connection, config)
    ended = enrolled.revoked(enrolled.every(connection).items())
    gone = decide.ends(connection)
    bricks = [
        one.brick for one in merged.bricks if one.kit == kit and not one.lane and one.brick not in ended
    ]
    hosts = [one.host for one in merged.hosts if one.kit == kit and one.host not in gone]
    return [
        *(f"brick:{one.hex()}" for one in sorted(bricks)),
        *(f"host:{one.hex()}" for one in sorted(hosts)),
    ]


def gates(connection: Connection, config: Config, kit: bytes, now_ms: int) -> list[tuple[bool, str]]:
    """(whether it stops a hand-over, words) of how the kit stands."""
    heads = {one.kit: one for one in desired_rows.heads(connection) if one.kit == kit}
    facts = known(connection, enrolled.merged(connection, config), now_ms, [kit], heads, {}, [kit])[0]
    found: list[tuple[bool, str]] = []
    if facts.head is None:
        found.append((False, "this kit has no directive: its bricks run what they were given at the bench"))
        return found
    if facts.halted:
        since = ago(facts.head.made_ms, now_ms)
        found.append(
            (
                True,
                f"the kit is stopped {since} ({facts.head.order.reason}): lift that first, `stallmark fleet why`",
            )
        )
    if facts.expired:
        since = ago(facts.head.order.expires_ms, now_ms)
        found.append(
            (True, f"the kit's directive ran out {since}: let the running controller make a new one")
        )
    if facts.differing() and not facts.halted:
        names = ", ".join(item.brick.hex() for item in facts.differing())
        found.append((False, f"did not prove yet to run what they should: {names}"))
    if not facts.reachable:
        said = "was never heard" if facts.seen_ms is None else f"was not heard {ago(facts.seen_ms, now_ms)}"
        found.append((False, f"the kit's host {said}"))
    return found


def _packed_for(connection: Connection, config: Config, kit: bytes, id: str, now_ms: int) -> None:
    row = rows.kit(connection, config, kit, now_ms)
    if row.state != states.PACKED or row.note != id:
        whose = f" for booking {row.note}" if row.note and row.state in (states.PACKED, states.OUT) else ""
        raise Refused(
            409, f"the kit is {row.state}{whose} {ago(row.since_ms, now_ms)}: pack it for {id} first"
        )


def booked_kits(connection: Connection) -> dict[bytes, str]:
    """The state of every kit that was ever booked."""
    return {row.kit: str(row.state) for row in connection.execute(select(rental_kits))}
