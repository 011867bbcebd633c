"""The lane: a brick in software. It decides what tills ask, and writes down what people at the stall do."""

import asyncio
import hmac
from collections.abc import Sequence
from typing import Any

from hostagent.core import Fields, byperson, reg
from hostagent.lane import reversal, slips
from hostagent.lane.answering import Answering
from hostagent.lane.answers import LaneAnswer
from hostagent.lane.draft import Draft, LaneUnready, Pending

STOPPED = "this kit is stopped: nothing may be given until the hub lifts that"


class Lane(Answering):
    """One for a host. `run` beside everything else starts it; nothing is decided before.

    Below it: rules and rights (ruled), how an event is decided and answered (answering), records (writing).
    """

    # --- the day's end and the operator's acts

    async def closing(self, who: str) -> LaneAnswer:
        """The close record of the day; the record key advances after it. Of `who` a label stands in the record."""
        return await self.act([Draft(reg.KIND_CLOSE, {24: [self.staff.label(who)]})], "closed")

    async def act(self, drafts: list[Draft], outcome: str) -> LaneAnswer:
        """Writes records that answer no customer."""
        self.check()
        return await self._done(self.answer(drafts, [], None, bytes(8), None, outcome))

    async def _done(self, pending: Pending) -> LaneAnswer:
        await asyncio.shield(pending.durable)
        return pending.answer

    async def operator(
        self,
        event: Any,
        rule_index: int | None,
        question: tuple[bytes, int, int | None],
        who: str,
        reason: str,
        granted: bool,
    ) -> LaneAnswer:
        """A person's answer to a question (brick8, seq, its wall ms or None): conditions are waived, rights, arms and
        the limits of the slot in which it was asked hold. Of `who` a label stands in the record; `reason` (60 bytes of it)
        is in its private part."""
        if self.ruleset is None or rule_index is None:
            raise LaneUnready("no rule of those in use here asked this")
        if granted and self.halted():
            raise LaneUnready(STOPPED)
        event = self.stamp(event)
        decided: Any = byperson.operator(
            self.ruleset, self.state, event, rule_index, question, self.staff.label(who), granted
        )
        return await self._done(self.record(event, [decided], note=reason))

    async def parameters(self, values: dict[int, int], who: str) -> LaneAnswer:
        """Sets open values by index, within the authors' bounds. Raises LaneUnready for one that is out of them."""
        if self.ruleset is None:
            raise LaneUnready("no rules are in use here yet")
        known = self.ruleset.open_values
        for index, value in values.items():
            if not 0 <= index < len(known) or not known[index][1] <= value <= known[index][2]:
                raise LaneUnready(f"open value {index}: {value} is not within what the authors signed")
        pairs = [[index, value] for index, value in sorted(values.items())]
        fields: Fields = {8: self.ruleset.digest8, 24: [pairs, self.staff.label(who)]}
        return await self.act([Draft(reg.KIND_PARAMETERS, fields)], "set")

    async def reverse(
        self, seq_or_link: int | str, kind: int, minor: int | None, who: str, reason: str
    ) -> LaneAnswer:
        """Takes back what the lane's record `seq`, or the event of a receipt link, granted (reversal.begin).

        Raises LaneUnready, NothingGiven."""
        if isinstance(seq_or_link, str):
            given = await reversal.by_link(self, self._records, seq_or_link)
        else:
            stored = await asyncio.wrap_future(self._records.of(self.brick8, (seq_or_link, seq_or_link)))
            given = await reversal.known(self, [one for one in stored if one.record.fields[10] in reversal.GRANTED])
        return await self._done(await reversal.begin(self, given, kind, minor, who, reason))

    async def withdraw(self, public: Fields, nonce: bytes) -> tuple[list[bytes], list[int]]:
        """Promised.withdraw, of a grant that this lane takes back."""
        return ([], []) if self.promised is None else await self.promised.withdraw(public, self.brick8, nonce)

    async def keep_vouchers(self, nonce: bytes) -> None:
        """Promised.keep: it was not taken back after all."""
        if self.promised is not None:
            await self.promised.keep(self.brick8, nonce)

    # --- slips

    async def reserve_slips(self, rule_index: int, count: int, who: str) -> list[slips.Slip]:
        """Sets rights aside for numbered paper slips. Raises NoSlip where they do not go round, LaneUnready."""
        if self.halted():
            raise LaneUnready(STOPPED)
        made, pending = slips.reserve(self, rule_index, count, who)
        await self._done(pending)
        return made

    async def release_slips(self, numbers: Sequence[int]) -> LaneAnswer:
        """Gives back what unused slips set aside."""
        return await self._done(slips.give_back(self, numbers))

    async def pay_slip(self, text: str, who: str) -> LaneAnswer:
        """A slip comes back: granted once."""
        return await self._done(slips.pay(self, text, who))

    def slip_code(self, number: int) -> str:
        """What a slip of this number says."""
        return slips.code(self._config.keys.handle_key, self.brick8, number)

    def pseudonym(self, nonce: bytes) -> bytes:
        """Of whoever holds a slip: nobody that is known from elsewhere."""
        return hmac.digest(self._config.keys.handle_key, b"stallmark/slip-subject/1\0" + nonce, "sha256")[:8]
