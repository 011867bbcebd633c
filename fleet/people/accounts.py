"""Accounts: rows over a connection, each change with its line in the audit log."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from fleet.db import tables_people as t
from fleet.errors import Refused
from fleet.people import audit
from fleet.people.actors import EVERY, MAIN, Actor
from fleet.people.roles import FLEET_ADMIN, ROLES

NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
TENANT = re.compile(r"\*|[a-z][a-z0-9-]{0,31}")
TAG = re.compile(r"[a-z0-9][a-z0-9:._-]{0,31}")
HUB = re.compile(r"[0-9a-f]{16}")
MOST = 5000  # accounts of a controller
MOST_LISTED = 64  # hubs, tags of one account


@dataclass(frozen=True, slots=True)
class Account:
    """A person (or a program that has no person) and what they are here."""

    name: str
    tenant: str
    shown: str
    roles: frozenset[str]
    hubs: frozenset[str]
    tags: frozenset[str]
    handle: bytes
    has_password: bool
    made_ms: int
    disabled_ms: int | None

    def actor(self, how: str = "session", scopes: frozenset[str] | None = None) -> Actor:
        """Who acts when this account does."""
        return Actor(self.name, self.tenant, self.roles, scopes, self.hubs, self.tags, how)

    def as_json(self) -> dict[str, object]:
        """For programs and for the audit log: nothing secret."""
        return {
            "name": self.name,
            "tenant": self.tenant,
            "shown": self.shown,
            "roles": sorted(self.roles),
            "hubs": sorted(self.hubs),
            "tags": sorted(self.tags),
            "signs_in_with_words": self.has_password,
            "made_ms": self.made_ms,
            "disabled_ms": self.disabled_ms,
        }


def find(connection: Connection, name: str) -> Account | None:
    """An account by its name."""
    row = connection.execute(select(t.accounts).where(t.accounts.c.name == name.lower())).first()
    return None if row is None else _account(row)


def by_handle(connection: Connection, handle: bytes) -> Account | None:
    """The account whose passkeys store this handle."""
    row = connection.execute(select(t.accounts).where(t.accounts.c.handle == handle)).first()
    return None if row is None else _account(row)


def every(connection: Connection, actor: Actor) -> list[Account]:
    """All that this actor's tenant has, by name."""
    rows = connection.execute(select(t.accounts).order_by(t.accounts.c.name))
    return [one for one in map(_account, rows) if actor.tenant in (EVERY, one.tenant)]


def password_of(connection: Connection, name: str) -> str | None:
    """The stored hash."""
    return connection.execute(
        select(t.accounts.c.password).where(t.accounts.c.name == name)
    ).scalar_one_or_none()


def renew_hash(connection: Connection, name: str, old: str, new: str) -> None:
    """The same password hashed anew, unless it was changed meanwhile."""
    mine = (t.accounts.c.name == name) & (t.accounts.c.password == old)
    connection.execute(update(t.accounts).where(mine).values(password=new))


def add(
    connection: Connection,
    actor: Actor,
    name: str,
    roles: Iterable[str],
    now_ms: int,
    tenant: str = MAIN,
    shown: str = "",
    hubs: Iterable[str] = (),
    tags: Iterable[str] = (),
) -> Account:
    """A new account, without a way to sign in yet. Raises Refused 422 (malformed), 403 (not this actor's to give), 409 (the
    name was ever used, or there are too many)."""
    name = name.lower()
    if not NAME.fullmatch(name):
        raise Refused(
            422, "a name has 2 to 32 letters, digits, dots, dashes or strokes, and begins with a letter"
        )
    shown = shown or name
    if not TENANT.fullmatch(tenant) or len(shown) > 64 or not shown.isprintable():
        raise Refused(
            422, "a tenant has at most 32 small letters, digits and dashes, a shown name 64 characters"
        )
    found = _belonging(actor, tenant, roles, hubs, tags)
    names = connection.execute(select(t.accounts.c.name)).scalars().all()
    if name in names:
        raise Refused(409, f"there is an account {name} already, or was one: names are not given twice")
    if len(names) >= MOST:
        raise Refused(409, f"a controller holds at most {MOST} accounts")
    connection.execute(
        insert(t.accounts).values(
            name=name,
            tenant=tenant,
            shown=shown,
            password=None,
            handle=secrets.token_bytes(32),
            made_ms=now_ms,
            **found,
        )
    )
    made = find(connection, name)
    assert made is not None
    audit.record(connection, actor, "people.add", f"account {name}", None, made.as_json(), now_ms)
    return made


def change(
    connection: Connection,
    actor: Actor,
    name: str,
    now_ms: int,
    roles: Iterable[str] | None = None,
    hubs: Iterable[str] | None = None,
    tags: Iterable[str] | None = None,
) -> Account:
    """Other roles, hubs or tags; what is None stays. Counts from the next request on. Raises Refused 403, 404, 409, 422."""
    before = within(connection, actor, name)
    if actor.how != "command" and actor.name == before.name:
        raise Refused(403, "nobody changes their own roles: another fleet admin does")
    found = _belonging(
        actor,
        before.tenant,
        before.roles if roles is None else roles,
        before.hubs if hubs is None else hubs,
        before.tags if tags is None else tags,
    )
    if FLEET_ADMIN in before.roles and FLEET_ADMIN not in json.loads(found["roles"]):
        _demand_another_admin(connection, actor, before)
    connection.execute(update(t.accounts).where(t.accounts.c.name == before.name).values(**found))
    after = demand(connection, actor, name)
    audit.record(
        connection,
        actor,
        "people.role",
        f"account {before.name}",
        before.as_json(),
        after.as_json(),
        now_ms,
    )
    return after


def disable(connection: Connection, actor: Actor, name: str, now_ms: int, reason: str = "") -> Account:
    """Ends an account, its sessions and its tokens at once; what it did stays in the log under its name. Raises Refused."""
    before = within(connection, actor, name)
    if before.disabled_ms is not None:
        return before
    if FLEET_ADMIN in before.roles:
        _demand_another_admin(connection, actor, before)
    connection.execute(update(t.accounts).where(t.accounts.c.name == before.name).values(disabled_ms=now_ms))
    connection.execute(delete(t.sessions).where(t.sessions.c.account == before.name))
    live = (t.api_tokens.c.account == before.name) & t.api_tokens.c.ended_ms.is_(None)
    connection.execute(update(t.api_tokens).where(live).values(ended_ms=now_ms))
    after = demand(connection, actor, name)
    audit.record(
        connection,
        actor,
        "people.disable",
        f"account {before.name}",
        before.as_json(),
        after.as_json() | {"reason": reason[:256]},
        now_ms,
    )
    return after


def set_password(connection: Connection, actor: Actor, name: str, stored: str | None, now_ms: int) -> None:
    """A new password's hash (None takes it away) and the end of every session. Raises Refused."""
    before = within(connection, actor, name)
    connection.execute(update(t.accounts).where(t.accounts.c.name == before.name).values(password=stored))
    connection.execute(delete(t.sessions).where(t.sessions.c.account == before.name))
    audit.record(
        connection,
        actor,
        "people.password",
        f"account {before.name}",
        {"set": before.has_password},
        {"set": stored is not None},
        now_ms,
    )


def demand(connection: Connection, actor: Actor, name: str) -> Account:
    """An account of this actor's tenant. Raises Refused 404: of other tenants nobody learns even that there is one."""
    found = find(connection, name)
    if found is None or actor.tenant not in (EVERY, found.tenant):
        raise Refused(404, f"there is no account {name.lower()[:32]}")
    return found


def within(connection: Connection, actor: Actor, name: str) -> Account:
    """The same for whoever changes it: oneself, or an account whose hubs and tags are among one's own, so that nobody takes
    over an account that sees more. Raises Refused 403, 404."""
    found = demand(connection, actor, name)
    narrower = (not actor.hubs or (found.hubs and found.hubs <= actor.hubs)) and (
        not actor.tags or (found.tags and found.tags <= actor.tags)
    )
    if found.name != actor.name and not narrower:
        raise Refused(
            403, f"{found.name} sees more than you do: a fleet admin without hubs and tags changes it"
        )
    return found


def _belonging(
    actor: Actor, tenant: str, roles: Iterable[str], hubs: Iterable[str], tags: Iterable[str]
) -> dict[str, str]:
    """Roles, hubs and tags as columns. Raises Refused where they are none, or not this actor's to give."""
    wanted, places, words = sorted(set(roles)), sorted({one.lower() for one in hubs}), sorted(set(tags))
    for role in wanted:
        if role not in ROLES:
            raise Refused(422, f"there is no role {role[:32]!r}; roles are {', '.join(ROLES)}")
    if not all(map(HUB.fullmatch, places)) or not all(map(TAG.fullmatch, words)):
        raise Refused(422, "hubs are 16 hex characters each, tags at most 32 small letters, digits, : . _ -")
    if max(len(places), len(words)) > MOST_LISTED:
        raise Refused(422, f"an account has at most {MOST_LISTED} hubs and as many tags")
    if actor.tenant not in (EVERY, tenant):
        raise Refused(403, "accounts of another tenant are not yours to make or change")
    if (actor.hubs and not (places and actor.hubs >= set(places))) or (
        actor.tags and not (words and actor.tags >= set(words))
    ):
        raise Refused(403, "you may give only hubs and tags that you have yourself")
    return {"roles": json.dumps(wanted), "hubs": json.dumps(places), "tags": json.dumps(words)}


def _demand_another_admin(connection: Connection, actor: Actor, account: Account) -> None:
    """Over the network nobody takes the last fleet admin of a tenant away: the command line beside the controller can."""
    if actor.how == "command":
        return
    others = [
        one
        for one in every(connection, Actor("", EVERY))
        if one.name != account.name
        and one.tenant in (EVERY, account.tenant)
        and FLEET_ADMIN in one.roles
        and not one.hubs
        and not one.tags
        and one.disabled_ms is None
    ]
    if not others:
        raise Refused(409, f"{account.name} is the last fleet admin: make another one first")


def _account(row: Row[Any]) -> Account:
    return Account(
        row.name,
        row.tenant,
        row.shown,
        frozenset(json.loads(row.roles)),
        frozenset(json.loads(row.hubs)),
        frozenset(json.loads(row.tags)),
        row.handle,
        row.password is not None,
        row.made_ms,
        row.disabled_ms,
    )
