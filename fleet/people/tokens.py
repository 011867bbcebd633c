"""API tokens: for programs, limited to scopes, stored as digests, named by their beginning.

A token `sma_NUMBER_SECRET` may do what its scopes and its account's roles both allow at that moment. It never makes accounts,
tokens or passkeys: whoever finds one gets no second one by it."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, insert, select, update

from fleet.db import tables_people as t
from fleet.errors import Refused
from fleet.people import accounts, audit, roles
from fleet.people.actors import Actor

FORM = re.compile(r"(sma_[0-9a-z]{8})_[A-Za-z0-9_-]{43}")
LONGEST_MS = 400 * 86_400_000
MOST = 50  # live ones of one account
USED_MS = 60_000  # between two notes that it was used
NEVER = frozenset({"people.write"})  # no token's scope
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def make(
    connection: Connection,
    actor: Actor,
    account: str,
    what: str,
    scopes: Iterable[str],
    life_ms: int,
    now_ms: int,
) -> str:
    """A new token: shown once, here. Raises Refused 403, 404, 409, 422."""
    owner = accounts.within(connection, actor, account)
    wanted = sorted(set(scopes))
    if owner.disabled_ms is not None:
        raise Refused(409, f"the account {owner.name} is disabled")
    if not wanted or not 0 < len(what) <= 64 or not what.isprintable() or not 0 < life_ms <= LONGEST_MS:
        raise Refused(
            422, "a token has a purpose of at most 64 characters, at least one scope, and at most 400 days"
        )
    for scope in wanted:
        if scope not in roles.PERMISSIONS or scope in NEVER:
            raise Refused(422, f"{scope[:32]!r} is no scope of a token: they are named by `people roles`")
        if scope not in owner.actor().permissions:
            raise Refused(403, f"{owner.name} may not {scope} itself, so its token may not either")
    mine = t.api_tokens.c.account == owner.name
    live = connection.execute(
        select(t.api_tokens.c.number).where(
            mine, t.api_tokens.c.ended_ms.is_(None), t.api_tokens.c.expires_ms > now_ms
        )
    ).all()
    if len(live) >= MOST:
        raise Refused(409, f"an account has at most {MOST} tokens that count: end some first")
    number = "sma_" + "".join(secrets.choice(_DIGITS) for _ in range(8))
    token = f"{number}_{secrets.token_urlsafe(32)}"
    facts = {"account": owner.name, "what": what, "made_ms": now_ms, "expires_ms": now_ms + life_ms}
    connection.execute(
        insert(t.api_tokens).values(number=number, digest=_digest(token), scopes=json.dumps(wanted), **facts)
    )
    audit.record(
        connection,
        actor,
        "people.token.make",
        f"credential {number}",
        None,
        {**facts, "scopes": wanted},
        now_ms,
    )
    return token


def find(connection: Connection, token: str, now_ms: int) -> tuple[Actor, str, bool] | None:
    """(actor, number, whether its use is to be noted) of a token that counts."""
    form = FORM.fullmatch(token)
    row = (
        None
        if form is None
        else connection.execute(select(t.api_tokens).where(t.api_tokens.c.number == form[1])).first()
    )
    if row is None or not secrets.compare_digest(row.digest, _digest(token)):
        return None
    owner = accounts.find(connection, row.account)
    if row.ended_ms is not None or row.expires_ms <= now_ms or owner is None or owner.disabled_ms is not None:
        return None
    stale = row.last_ms is None or now_ms - row.last_ms > USED_MS
    return owner.actor("token", frozenset(json.loads(row.scopes))), row.number, stale


def used(connection: Connection, number: str, now_ms: int) -> None:
    """Notes that a token was used."""
    connection.execute(update(t.api_tokens).where(t.api_tokens.c.number == number).values(last_ms=now_ms))


def every(connection: Connection, actor: Actor, account: str | None = None) -> list[dict[str, Any]]:
    """Tokens of an account, or of all in the actor's tenant, by age; never what opens anything."""
    mine = {one.name for one in accounts.every(connection, actor)}
    rows = connection.execute(select(t.api_tokens).order_by(t.api_tokens.c.made_ms)).all()
    return [
        {
            "number": row.number,
            "account": row.account,
            "what": row.what,
            "scopes": json.loads(row.scopes),
            "made_ms": row.made_ms,
            "expires_ms": row.expires_ms,
            "last_ms": row.last_ms,
            "ended_ms": row.ended_ms,
        }
        for row in rows
        if row.account in mine and account in (None, row.account)
    ]


def end(connection: Connection, actor: Actor, number: str, now_ms: int) -> dict[str, Any]:
    """Ends a token at once. Raises Refused 403 (its account sees more than the actor), 404."""
    found = next((one for one in every(connection, actor) if one["number"] == number), None)
    if found is None:
        raise Refused(404, f"there is no token {number[:16]}")
    accounts.within(connection, actor, found["account"])
    if found["ended_ms"] is None:
        connection.execute(
            update(t.api_tokens).where(t.api_tokens.c.number == number).values(ended_ms=now_ms)
        )
        audit.record(
            connection,
            actor,
            "people.token.end",
            f"credential {number}",
            found,
            {**found, "ended_ms": now_ms},
            now_ms,
        )
    return {**found, "ended_ms": found["ended_ms"] or now_ms}


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
