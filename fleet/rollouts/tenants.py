"""Whose a rollout is: its kits' tenant, and where they are of several, of whoever sees every tenant (`*`) alone.

Asked anew each time: a kit that was placed elsewhere since takes its rollouts with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from fleet.people.actors import ANYTHING, EVERY, MAIN, Actor, Thing
from fleet.people.places import places


def tenant_of(where: Mapping[bytes, Thing], kits: Iterable[str]) -> str:
    """The tenant of these kits (ids in hex), `*` where there are several. `where`: fleet.people.places.places."""
    if not where:
        return MAIN
    found = {where.get(bytes.fromhex(kit), ANYTHING).tenant for kit in kits}
    return found.pop() if len(found) == 1 else EVERY if found else MAIN


def sees(actor: Actor, tenant: str) -> bool:
    """Whether a rollout of this tenant is this actor's, who has neither hubs nor tags."""
    return actor.tenant in (EVERY, tenant)


def only(connection: Connection, kits: Iterable[str], tenant: str) -> set[str]:
    """Of these kits those that belong to a tenant."""
    where = places(connection)
    return {kit for kit in kits if where.get(bytes.fromhex(kit), ANYTHING).tenant == tenant}
