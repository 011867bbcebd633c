"""An account that somebody else had in hand comes back: everything that signs in as it ends, it gets a new password.

A new password alone leaves passkeys and tokens, perhaps the thief's; disabling is for good, and names are not given twice."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from fleet.db import tables_people as t
from fleet.errors import Refused
from fleet.people import accounts, approvals, audit, passkeys, tokens
from fleet.people.actors import Actor

MAX_REASON = 256


def access_of(connection: Connection, actor: Actor, name: str) -> dict[str, Any]:
    """What opens an account: `{"password", "passkeys", "tokens" (that were not ended), "sessions": how many}`, nothing that
    opens it. Raises Refused 404."""
    owner = accounts.demand(connection, actor, name)
    count = select(func.count()).select_from(t.sessions).where(t.sessions.c.account == owner.name)
    return {
        "password": owner.has_password,
        "passkeys": passkeys.every(connection, owner.name),
        "tokens": [
            one for one in tokens.every(connection, actor, owner.name) if one["ended_ms"] is None
        ],
        "sessions": connection.execute(count).scalar_one(),
    }  # fmt: skip


def recover(
    connection: Connection, actor: Actor, name: str, now_ms: int, stored: str | None = None, reason: str = ""
) -> accounts.Account:
    """Ends an account's passkeys, tokens and sessions, gives it a password's hash (None: no password) and counts it again if
    it was disabled. Roles, hubs and tags stay; what it agreed to counts no more, where that may still be undone. Over the
    network never one's own. Raises Refused 403, 404, 422."""
    before = accounts.within(connection, actor, name)
    if actor.how != "command" and actor.name == before.name:
        raise Refused(403, "nobody recovers their own account: whoever holds this session could be another")
    if len(reason) > MAX_REASON or not (reason or " ").isprintable():
        raise Refused(422, f"a reason has at most {MAX_REASON} printable characters")
    had = access_of(connection, actor, name)
    connection.execute(delete(t.passkeys).where(t.passkeys.c.account == before.name))
    connection.execute(delete(t.sessions).where(t.sessions.c.account == before.name))
    live = (t.api_tokens.c.account == before.name) & t.api_tokens.c.ended_ms.is_(None)
    connection.execute(update(t.api_tokens).where(live).values(ended_ms=now_ms))
    mine = t.accounts.c.name == before.name
    connection.execute(update(t.accounts).where(mine).values(password=stored, disabled_ms=None))
    after = accounts.demand(connection, actor, name)
    ended = {
        "passkeys": [one["passkey"] for one in had["passkeys"]],
        "tokens": len(had["tokens"]),
        "sessions": had["sessions"],
        "agreements": approvals.withdraw(connection, before.name, now_ms),
    }
    line = after.as_json() | {"ended": ended, "reason": reason}
    audit.record(
        connection, actor, "people.recover", f"account {before.name}", before.as_json(), line, now_ms
    )
    return after
