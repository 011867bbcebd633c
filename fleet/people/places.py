"""Where a kit belongs: tenant, hub, tags. A kit that nobody placed is of tenant main and of no hub."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from fleet.db import tables_people as t
from fleet.errors import Refused
from fleet.people import audit
from fleet.people.accounts import HUB, TAG, TENANT
from fleet.people.actors import ANYTHING, EVERY, Actor, Thing, refusal


def place_of(connection: Connection, kit: bytes) -> Thing:
    """A kit as a thing that something is done to."""
    row = connection.execute(select(t.kit_places).where(t.kit_places.c.kit == kit)).first()
    return ANYTHING if row is None else Thing(row.tenant, row.hub, frozenset(json.loads(row.tags)))


def places(connection: Connection) -> dict[bytes, Thing]:
    """Every kit that was placed."""
    return {
        row.kit: Thing(row.tenant, row.hub, frozenset(json.loads(row.tags)))
        for row in connection.execute(select(t.kit_places))
    }


def place(
    connection: Connection,
    actor: Actor,
    kit: bytes,
    tenant: str,
    hub: str,
    tags: Iterable[str],
    now_ms: int,
) -> Thing:
    """Says where a kit belongs from now on. Raises Refused 403, 422."""
    words = sorted(set(tags))
    if not TENANT.fullmatch(tenant) or tenant == EVERY or (hub and not HUB.fullmatch(hub.lower())):
        raise Refused(422, "a kit has one tenant, and a hub of 16 hex characters or none")
    if len(words) > 64 or not all(map(TAG.fullmatch, words)):
        raise Refused(422, "tags have at most 32 small letters, digits, : . _ -")
    before, after = place_of(connection, kit), Thing(tenant, hub.lower(), frozenset(words))
    why = refusal(actor, "kits.write", before) or refusal(actor, "kits.write", after)
    if why is not None:
        raise Refused(403, why)
    values = {"tenant": after.tenant, "hub": after.hub, "tags": json.dumps(words)}
    known = t.kit_places.c.kit == kit
    if connection.execute(update(t.kit_places).where(known).values(**values)).rowcount == 0:
        connection.execute(insert(t.kit_places).values(kit=kit, **values))
    audit.record(connection, actor, "kits.place", f"kit {kit.hex()}", _json(before), _json(after), now_ms)
    return after


def _json(thing: Thing) -> dict[str, object]:
    return {"tenant": thing.tenant, "hub": thing.hub, "tags": sorted(thing.tags)}
