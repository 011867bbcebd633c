"""A lost pass: the loyalty tokens that it had go to a new one, once. The lane writes them down as a person's grant."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from hostagent.core import Fields, reg
from hostagent.errors import HostError
from hostagent.intake import Statements
from hostagent.lane.answers import LaneAnswer
from hostagent.lane.draft import Draft
from hostagent.store.store import Store

META = "moved"
KEEP = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
SUBJECT = 6
# Old passes that are remembered, so that none is moved twice; as many as are kept as revoked (hostagent.telling).
MOST = 1_024
REASON = "balance of a lost pass"
READ_S = 5.0


class NotMoved(HostError):
    """The balance stays with the old pass; the message says why and what to do."""


class Moving:
    """One for a host. `lane()` is the host's own lane or None; `revoke(subject8, who)` takes a pass out of use;
    `whole()` returns when everything durable is counted; `tokens(subject8)` is what is known of a subject then, and
    `revoked(subject8)` whether it is out of use."""

    def __init__(
        self,
        store: Store,
        lane: Callable[[], Any],
        revoke: Callable[[bytes, str], Awaitable[None]],
        whole: Callable[[], Awaitable[None]],
        tokens: Callable[[bytes], int],
        revoked: Callable[[bytes], bool],
    ) -> None:
        self._store = store
        self._lane = lane
        self._revoke = revoke
        self._whole = whole
        self._tokens = tokens
        self._revoked = revoked
        self._one_at_a_time = asyncio.Lock()

    def moved(self, old: bytes) -> bool:
        """Whether the balance of this subject (8 bytes) was moved before."""
        kept = self._kept()
        return old[:SUBJECT] in [kept[at : at + SUBJECT] for at in range(0, len(kept), SUBJECT)]

    async def move(self, old: bytes, new: bytes, who: str) -> int:
        """Revokes the subject `old` (8 bytes) and grants `new` the tokens that it had; how many. Durable on return.

        What a brick gave and has not handed over yet is not among them. Raises NotMoved (then `old` may be revoked
        all the same), LaneUnready, StoreUnavailable."""
        async with self._one_at_a_time:
            self._check(old, new)
            await self._revoke(old, who)
            # Behind everything that is on its way to the disk: a grant to the old pass among it.
            await asyncio.wrap_future(self._store.set_meta({}))
            try:
                async with asyncio.timeout(READ_S):
                    await self._whole()
            except TimeoutError:
                raise NotMoved(
                    "the records of this host are still being read: try again in a minute"
                ) from None
            tokens = self._tokens(old)
            if not tokens:
                raise NotMoved("no loyalty tokens are known of the old pass: there is nothing to move")
            return await self._write(old, new, tokens, who)

    def _check(self, old: bytes, new: bytes) -> None:
        lane = self._lane()
        if lane is None:
            raise NotMoved("this host has no lane of its own, which would write it down (docs/till.md)")
        lane.check()
        if old[:SUBJECT] == new[:SUBJECT]:
            raise NotMoved("the old and the new pass are the same: give the number of the new one")
        if self._revoked(new):
            raise NotMoved("the new pass is revoked itself: make another one")
        if self.moved(old):
            raise NotMoved("the balance of this pass was moved before; that is done once")
        if len(self._kept()) >= SUBJECT * MOST:
            raise NotMoved(f"{MOST} balances were moved at this host already: ask the hub")
        if lane.training:
            raise NotMoved("practice is on: end it first, nothing counts while it lasts")
        if rule_with_tokens(lane.ruleset) is None:
            raise NotMoved("none of the rules in use gives loyalty tokens: move it under rules that do")

    async def _write(self, old: bytes, new: bytes, tokens: int, who: str) -> int:
        lane = self._lane()
        rule = rule_with_tokens(lane.ruleset)
        if rule is None:
            raise NotMoved("the rules have just changed, and the new ones give no loyalty tokens")
        kept = self._kept() + old[:SUBJECT]
        fields: Fields = {
            8: lane.ruleset.digest8,
            9: rule,
            # Not somebody who came: whoever has a new pass is counted when they use it.
            11: reg.EVENT_OPERATOR_ENTRY * 16 + reg.TRUST_ANONYMOUS,
            12: [[reg.GRANT_TOKENS, tokens, 0]],
            14: [reg.REASON_PERSON, rule],
            15: os.urandom(8),
            24: [lane.brick8, 0, lane.staff.label(who), None],
        }

        def also(_: LaneAnswer) -> Statements:
            return [(KEEP, (META, kept))]

        pending = lane.answer(
            [Draft(reg.KIND_GRANT, fields, {1: new, 7: REASON})], [], None, fields[15], also
        )
        # From here on it counts as moved: it is in the same transaction.
        self._store.meta[META] = kept
        await asyncio.shield(pending.durable)
        return tokens

    def _kept(self) -> bytes:
        kept = self._store.meta.get(META)
        return kept if isinstance(kept, bytes) else b""


def rule_with_tokens(ruleset: Any) -> int | None:
    """Index of a rule that gives tokens, if there is one; better one whose limits the move does not use up."""
    if ruleset is None:
        return None
    found = [
        (bool(rule.limit_ever), bool(rule.limit), index)
        for index, rule in enumerate(ruleset.rules)
        if any(grant[0] == reg.GRANT_TOKENS for grant in rule.grants)
    ]
    return min(found)[2] if found else None
