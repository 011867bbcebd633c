"""What waits for a second person: a thing, exactly what of it, who asked, who agreed, until when.

`Approval` and `state` are pure. Nobody agrees to what they asked for; each person counts once, and so does each offline key
where a kind wants signatures. A vote is over the SHA-256 of what was shown: a thing that changed needs a new approval."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from fleet.db import tables_people as t
from fleet.errors import Refused
from fleet.people import audit
from fleet.people.actors import Actor, Thing, refusal

LIFE_MS = 7 * 86_400_000
LONGEST_MS = 30 * 86_400_000
MOST_OPEN = 1000
MOST_NEEDED = 4
SHOWN = 500  # of a list
ORDINALS = ("first", "second", "third", "fourth")
WAITING, AGREED, REFUSED, EXPIRED = "waiting", "agreed", "refused", "expired"

# (kid, message, signature) -> whether that offline key may sign this kind and did
Verify = Callable[[bytes, bytes, bytes], bool]


class Kind(NamedTuple):
    """A kind that is agreed to without a signature. `permission`: who may; `words`: what is agreed to, in plain words, for a
    page; `barred`: accounts that may not say yes besides whoever asked, such as whoever wrote it."""

    permission: str
    words: Callable[[Connection, Approval], list[str]]
    barred: Callable[[Connection, Approval], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's word, with the offline key that signed where one must."""

    account: str
    yes: bool
    at_ms: int
    words: str = ""
    kid: bytes | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A thing that waits, or waited. `needed`: how many others must agree."""

    number: int
    kind: str
    thing: str
    tenant: str
    hub: str
    digest: bytes
    author: str
    needed: int
    made_ms: int
    expires_ms: int
    votes: tuple[Vote, ...] = ()

    def message(self) -> bytes:
        """What an offline key signs: this approval and no other."""
        return b"stallmark/approval/1\0" + self.kind.encode() + b"\0" + self.digest

    def state(self, now_ms: int) -> str:
        """waiting, agreed, refused or expired. What was agreed in time stays agreed."""
        if any(not vote.yes for vote in self.votes):
            return REFUSED
        if sum(vote.yes for vote in self.votes) >= self.needed:
            return AGREED
        return EXPIRED if now_ms >= self.expires_ms else WAITING

    def sentence(self, now_ms: int, signatures: bool = False) -> str:
        """The state in words; whoever asked stands for the first signature."""
        state = self.state(now_ms)
        if state == WAITING:
            which = ORDINALS[min(1 + sum(vote.yes for vote in self.votes), len(ORDINALS) - 1)]
            return f"waiting for the {which} {'signature' if signatures else 'approval'}"
        if state == REFUSED:
            no = next(vote for vote in self.votes if not vote.yes)
            return f"refused by {no.account}" + (f": {no.words}" if no.words else "")
        if state == AGREED:
            return "agreed by " + ", ".join(vote.account for vote in self.votes)
        return "nobody agreed in time: ask again"

    def as_json(self, now_ms: int) -> dict[str, Any]:
        """For programs and pages."""
        votes = [
            {
                "account": vote.account, "yes": vote.yes, "at_ms": vote.at_ms, "words": vote.words,
                "kid": None if vote.kid is None else vote.kid.hex(),
            }
            for vote in self.votes
        ]  # fmt: skip
        return {
            "number": self.number, "kind": self.kind, "thing": self.thing, "digest": self.digest.hex(),
            "author": self.author, "needed": self.needed, "made_ms": self.made_ms, "expires_ms": self.expires_ms,
            "state": self.state(now_ms), "sentence": self.sentence(now_ms), "votes": votes,
        }  # fmt: skip


def refusal_of(approval: Approval, vote: Vote, now_ms: int) -> str | None:
    """Why a vote does not count; None where it does."""
    state = approval.state(now_ms)
    if state != WAITING:
        return f"this waits no more: {approval.sentence(now_ms)}"
    if vote.account == approval.author and vote.yes:
        return "whoever asked does not agree to it: somebody else must"
    if any(one.account == vote.account for one in approval.votes):
        return "you have voted on this already"
    if vote.kid is not None and any(one.kid == vote.kid for one in approval.votes):
        return "this key has signed it already: another one must"
    return None


def against(
    found: Approval, actor: Actor, permission: str, barred: Collection[str], now_ms: int
) -> str | None:
    """Why this actor's yes would not count, for pages; None where it would."""
    return _not_theirs(found, actor, permission, barred, True) or refusal_of(
        found, Vote(actor.name, True, now_ms), now_ms
    )


def _not_theirs(
    found: Approval, actor: Actor, permission: str, barred: Collection[str], yes: bool
) -> str | None:
    why = refusal(actor, permission, Thing(found.tenant, found.hub, author=found.author, production=yes))
    if why is None and yes and actor.name in barred:
        return "whoever planned it does not agree to it: somebody else must"
    return why


def ask(
    connection: Connection,
    actor: Actor,
    kind: str,
    thing: str,
    digest: bytes,
    now_ms: int,
    where: Thing | None = None,
    needed: int = 1,
    life_ms: int = LIFE_MS,
) -> Approval:
    """Something is to wait for others; asking again for the very same gives the one that waits. Raises Refused 409, 422."""
    place = where or Thing()
    if (
        not 1 <= needed <= MOST_NEEDED
        or not 0 < life_ms <= LONGEST_MS
        or len(digest) != 32
        or len(thing) > 128
    ):
        raise Refused(422, f"an approval needs 1 to {MOST_NEEDED} people and lives for at most 30 days")
    open_now = waiting(connection, now_ms)
    for one in open_now:
        if (one.kind, one.thing, one.digest) == (kind, thing, digest):
            return one
    if len(open_now) >= MOST_OPEN:
        raise Refused(409, f"{MOST_OPEN} things wait for approval already: decide about some first")
    values = {"kind": kind, "thing": thing, "digest": digest, "author": actor.name, "needed": needed}
    values |= {"tenant": place.tenant, "hub": place.hub, "made_ms": now_ms, "expires_ms": now_ms + life_ms}
    number = connection.execute(
        insert(t.approvals).values(**values).returning(t.approvals.c.number)
    ).scalar_one()
    made = demand(connection, number)
    audit.record(connection, actor, "approval.ask", f"{kind} {thing}", None, made.as_json(now_ms), now_ms)
    return made


def vote(
    connection: Connection,
    actor: Actor,
    number: int,
    yes: bool,
    now_ms: int,
    permission: str = "rollouts.approve",
    words: str = "",
    signed: tuple[bytes, bytes] | None = None,
    verify: Verify | None = None,
    barred: Collection[str] = (),
) -> Approval:
    """One person's word. With `verify` a yes needs `signed`: (kid, signature over `message()` by an offline key). `barred`:
    accounts whose yes does not count.

    Raises Refused 403, 404, 409, 422."""
    found = demand(connection, number)
    why = _not_theirs(found, actor, permission, barred, yes)
    if why is not None:
        raise Refused(403, why)
    if len(words) > 256 or not (words or " ").isprintable():
        raise Refused(422, "words are at most 256 printable characters")
    if yes and verify is not None and (signed is None or not verify(signed[0], found.message(), signed[1])):
        raise Refused(422, "this needs a signature by an offline key that counts for it, over exactly this")
    kid = signed[0] if yes and signed is not None and verify is not None else None
    word = Vote(actor.name, yes, now_ms, words, kid)
    late = refusal_of(found, word, now_ms)
    if late is not None:
        raise Refused(409, late)
    connection.execute(
        insert(t.approval_votes).values(
            approval=number,
            account=word.account,
            yes=int(yes),
            kid=kid,
            signature=signed[1] if kid is not None and signed is not None else None,
            words=words,
            at_ms=now_ms,
        )
    )
    after = demand(connection, number)
    verb = "approval.yes" if yes else "approval.no"
    thing = f"{found.kind} {found.thing}"
    audit.record(connection, actor, verb, thing, found.as_json(now_ms), after.as_json(now_ms), now_ms)
    return after


def withdraw(connection: Connection, account: str, now_ms: int) -> list[int]:
    """Takes back every yes of an account whose time is not over, as if it had not been given; returns the approvals' numbers."""
    running = select(t.approvals.c.number).where(t.approvals.c.expires_ms > now_ms)
    c = t.approval_votes.c
    mine = (c.account == account) & (c.yes == 1) & c.approval.in_(running)
    numbers = sorted(connection.execute(select(c.approval).where(mine)).scalars())
    connection.execute(delete(t.approval_votes).where(mine))
    return numbers


def demand(connection: Connection, number: int) -> Approval:
    """An approval by its number. Raises Refused 404."""
    found = _load(connection, t.approvals.c.number == number) if 0 < number < 1 << 31 else []
    if not found:
        raise Refused(404, "there is nothing of this number to agree to")
    return found[0]


def agreed(connection: Connection, kind: str, thing: str, digest: bytes, now_ms: int) -> Approval | None:
    """The approval of exactly this, if it was agreed to."""
    found = [one for one in of(connection, kind, thing, digest) if one.state(now_ms) == AGREED]
    return found[0] if found else None


def of(connection: Connection, kind: str, thing: str, digest: bytes) -> list[Approval]:
    """What was ever asked about exactly this, the newest first; at most SHOWN."""
    c = t.approvals.c
    return _load(connection, c.kind == kind, c.thing == thing, c.digest == digest)


def waiting(connection: Connection, now_ms: int) -> list[Approval]:
    """What waits, the newest first."""
    over = select(t.approval_votes.c.approval).where(t.approval_votes.c.yes == 0)
    live = _load(connection, t.approvals.c.expires_ms > now_ms, t.approvals.c.number.not_in(over), most=None)
    return [one for one in live if one.state(now_ms) == WAITING]


def newest(connection: Connection) -> list[Approval]:
    """The newest first, decided ones too; at most SHOWN."""
    return _load(connection)


def _load(connection: Connection, *which: ColumnElement[bool], most: int | None = SHOWN) -> list[Approval]:
    query = select(t.approvals).where(*which).order_by(t.approvals.c.number.desc()).limit(most)
    rows = connection.execute(query).all()
    votes = select(t.approval_votes).where(t.approval_votes.c.approval.in_([row.number for row in rows]))
    words: dict[int, list[Vote]] = {}
    for row in connection.execute(votes.order_by(t.approval_votes.c.at_ms)):
        word = Vote(row.account, bool(row.yes), row.at_ms, row.words, row.kid)
        words.setdefault(row.approval, []).append(word)
    return [
        Approval(
            row.number, row.kind, row.thing, row.tenant, row.hub, row.digest, row.author, row.needed,
            row.made_ms, row.expires_ms, tuple(words.get(row.number, ())),
        )
        for row in rows
    ]  # fmt: skip
