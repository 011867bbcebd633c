"""The second person at a rollout's start: what they agree to, who may not, whether they did. Only where people are configured.

Whoever planned a rollout does not approve it. A plan made on the command line names nobody who proved who they are: such a
one needs two others, so that at least one of them did not sit there. An agreement counts while whoever gave it still has
the role. The leader looks again when it takes the start up (fleet.rollouts.leading), whoever wrote the start down."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from sqlalchemy import Connection, select

from fleet.config import Config
from fleet.db.tables_rollouts import rollouts
from fleet.people import accounts, approvals
from fleet.people.actors import EVERY, Actor, Thing, allowed
from fleet.people.approvals import AGREED, WAITING, Approval
from fleet.people.places import places
from fleet.people.roles import who_may
from fleet.rollouts import book, showing
from fleet.rollouts.book import BookError
from fleet.rollouts.tenants import tenant_of
from fleet.rollouts.why import Reason

KIND = "rollout"
PERMISSION = "rollouts.approve"
_DOMAIN = b"stallmark/rollout-start/1\0"
_AS_COMMAND = "command line"  # no account has such a name


class Planned(NamedTuple):
    """Who planned it (an account, or who sat at the command line), the SHA-256 of exactly what, and whose kits they are."""

    by: str
    digest: bytes
    tenant: str


def beside(user: str) -> str:
    """Who plans on the command line without proving who they are."""
    return f"{_AS_COMMAND} ({user})"


def planned(connection: Connection, name: str) -> Planned:
    """Of a rollout: its name, plan and kits as they were planned; a plan never changes. Raises BookError."""
    row = connection.execute(select(rollouts).where(rollouts.c.id == name)).one_or_none()
    if row is None:
        raise BookError(f"there is no rollout {name}")
    parts = (row.id.encode(), row.plan.encode(), row.fleet.encode())
    whole = _DOMAIN + b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    tenant = tenant_of(places(connection), json.loads(row.fleet))
    return Planned(row.made_by, hashlib.sha256(whole).digest(), tenant)


def ask(connection: Connection, actor: Actor, name: str, wall_ms: int) -> Approval:
    """The agreement to start it, or what waits for one: asked for now if nobody did. Raises BookError, Refused."""
    what = planned(connection, name)
    found = _agreed(connection, name, what)
    if found is not None:
        return found
    needed = 1 if accounts.find(connection, what.by) is not None else 2
    return approvals.ask(connection, actor, KIND, name, what.digest, wall_ms, Thing(what.tenant), needed)


def missing(connection: Connection, name: str, wall_ms: int) -> str:
    """Why a start does not count yet; empty where it does. Raises BookError."""
    what = planned(connection, name)
    if _agreed(connection, name, what) is not None:
        return ""
    found = approvals.of(connection, KIND, name, what.digest)
    return words(connection, found[0] if found else None, what, wall_ms)


def reason(connection: Connection, name: str, wall_ms: int, now_ms: int) -> Reason | None:
    """The same for the list of reasons of a rollout that is planned; None where nobody has asked to start it. `now_ms`:
    market time, by which that list counts ages."""
    what = planned(connection, name)
    found = approvals.of(connection, KIND, name, what.digest)
    if not found:
        return None
    good = _agreed(connection, name, what)
    newest = good or found[0]
    code, text = "agreed", f"{newest.sentence(wall_ms)}: it can be started"
    if good is None:
        code, text = "second person", words(connection, newest, what, wall_ms)
    since = max((vote.at_ms for vote in newest.votes), default=newest.made_ms)
    return Reason(code, text, now_ms - max(0, wall_ms - since))


def words(connection: Connection, found: Approval | None, what: Planned, wall_ms: int) -> str:
    """What is missing, who can give it."""
    if found is None:
        return "it needs a second person: ask to start it, and somebody else agrees"
    state = found.state(wall_ms)
    if state == AGREED:
        return "whoever agreed may not any more: ask to start it again"
    if state != WAITING:
        return f"{found.sentence(wall_ms)}; ask to start it again"
    open_ = found.needed - sum(vote.yes for vote in found.votes)
    out = {found.author, what.by, *(vote.account for vote in found.votes)}
    may = [
        one.name
        for one in accounts.every(connection, Actor("", EVERY))
        if one.name not in out and _may(connection, one.name, what)
    ]  # fmt: skip
    roles = " or ".join(who_may(PERMISSION))
    which = "the second person"
    if found.needed > 1:  # nobody knows who sat at the command line
        which = f"{open_} of {found.needed} others, as a command planned it"
    text = f"waiting for {which}: anybody with the role {roles}; asked by {found.author}"
    return (
        text
        if len(may) >= open_
        else f"{text}. Too few here may: `stallmark fleet people role NAME --role {roles}`"
    )


def kind(config: Config) -> approvals.Kind:
    """What the approvals' routes need to know of this kind."""
    names = {one.kit.hex(): one.name for one in config.kits}

    def told(connection: Connection, found: Approval) -> list[str]:
        try:
            what = planned(connection, found.thing)
            state, _ = book.load(connection, found.thing)
        except BookError as gone:
            return [str(gone)]
        release = state.plan.release
        named = f"{release.name}, revision {release.rev}".removeprefix(", ")
        lines = [f"Start of the rollout {found.thing}, planned by {what.by}: {named}"]
        if what.digest != found.digest:
            lines.append("This is about an earlier plan of this name: it starts nothing any more.")
        lines += showing.plan_words(state, names)
        return [
            *lines,
            f"release {release.digest}",
            *([f"with host release {release.host}"] if release.host else []),
        ]

    def barred(connection: Connection, found: Approval) -> frozenset[str]:
        try:
            return frozenset({planned(connection, found.thing).by})
        except BookError:
            return frozenset()

    return approvals.Kind(PERMISSION, told, barred)


def _agreed(connection: Connection, name: str, what: Planned) -> Approval | None:
    """An agreement to exactly this, by enough people who may still give one."""
    for found in approvals.of(connection, KIND, name, what.digest):
        if any(not vote.yes for vote in found.votes):
            continue
        good = [
            vote for vote in found.votes if vote.account != what.by and _may(connection, vote.account, what)
        ]
        if len(good) >= found.needed:
            return found
    return None


def _may(connection: Connection, name: str, what: Planned) -> bool:
    account = accounts.find(connection, name)
    if account is None or account.disabled_ms is not None:
        return False
    return allowed(account.actor(), PERMISSION, Thing(what.tenant))
