"""Who does something to what, and whether they may: values and one pure check.

`refusal` is the only place that decides; `allowed` is the same as yes or no. What somebody's token or session may is never
more than their account may now."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleet.people import roles

EVERY = "*"  # a tenant's name that stands for all: accounts that run the controller
MAIN = "main"  # the tenant of everything that nobody placed


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a program of theirs. `scopes`: permissions that a token is limited to, None without a limit; `hubs` and
    `tags`: what they see, empty for all of the tenant; `how`: session, token, command, development."""

    name: str
    tenant: str = MAIN
    roles: frozenset[str] = field(default_factory=frozenset[str])
    scopes: frozenset[str] | None = None
    hubs: frozenset[str] = field(default_factory=frozenset[str])
    tags: frozenset[str] = field(default_factory=frozenset[str])
    how: str = "session"

    @property
    def permissions(self) -> frozenset[str]:
        """All that roles give and scopes leave."""
        given = frozenset[str]().union(*(roles.of_role(role) for role in self.roles))
        return given if self.scopes is None else given & self.scopes


@dataclass(frozen=True, slots=True)
class Thing:
    """What something is done to. `hub` is empty where it belongs to no hub, `author` where nobody wrote it; `production`
    says that it reaches stalls with customers."""

    tenant: str = MAIN
    hub: str = ""
    tags: frozenset[str] = field(default_factory=frozenset[str])
    author: str = ""
    production: bool = False


def device(kind: str, name: str) -> Actor:
    """A bench or a host in the log: a device with a credential of its own, and no permission here."""
    return Actor(f"{kind} {name}", how=kind)


ANYTHING = Thing()
COMMAND = Actor("command line", EVERY, frozenset(roles.ROLES), how="command")


def refusal(actor: Actor, permission: str, thing: Thing | None = None) -> str | None:
    """Why this actor may not do that to this thing, in plain words; None where they may. Without a thing only the
    permission is asked: what is then listed must be filtered by `sees`."""
    if permission not in roles.PERMISSIONS:
        return f"there is no permission {permission!r}"
    if permission not in actor.permissions:
        if actor.scopes is not None and permission in Actor(actor.name, roles=actor.roles).permissions:
            return f"this token is not for that: it lacks the scope {permission}"
        return f"this needs one of the roles {', '.join(roles.who_may(permission))}"
    if thing is None:
        return None
    if not sees(actor, thing):
        return "this belongs to another tenant, or to a hub or a tag that is not yours"
    if permission == "rollouts.approve" and thing.production and thing.author == actor.name:
        return "whoever wrote it does not approve it for production: somebody else must"
    return None


def allowed(actor: Actor, permission: str, thing: Thing | None = None) -> bool:
    """Whether this actor may do that to this thing."""
    return refusal(actor, permission, thing) is None


def sees(actor: Actor, thing: Thing) -> bool:
    """Whether a thing is within an actor's tenant, hubs and tags."""
    if actor.tenant not in (EVERY, thing.tenant):
        return False
    if actor.hubs and thing.hub not in actor.hubs:
        return False
    return not actor.tags or bool(actor.tags & thing.tags)
