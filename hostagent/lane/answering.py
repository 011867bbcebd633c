"""Answering: what the rules say of an event becomes records of one transaction, and they become an answer."""

import asyncio
import os
from typing import Any

from hostagent.core import Fields, FormatError, decide, reg
from hostagent.core import receipt as receipts
from hostagent.intake import Receipted, Statements
from hostagent.lane import answers, taken
from hostagent.lane.answers import LaneAnswer
from hostagent.lane.draft import Also, Draft, NoRecord, Pending, cut
from hostagent.lane.ruled import Ruled
from hostagent.lane.unusual import risk
from hostagent.signals import SIGNAL
from hostagent.store import reversals, spent

# How a voucher stands in an event (stallmark.voucher): what it was worth is in the record's grants.
VOUCHER = "voucher:"
# Item codes kept in a private part: more would not fit a record beside long rules.
CODE_BYTES = 128


class Answering(Ruled):
    """Decides an event as a brick does, and answers when its records are durable on this host."""

    # --- deciding

    async def decide(self, event: Any, also: Also | None = None) -> LaneAnswer:
        """Decides an event (a stallmark Event; time and nonce are the lane's own) and returns when that is durable.

        Raises LaneUnready, StoreUnavailable."""
        pending = self.begin(event, also)
        await asyncio.shield(pending.durable)
        return pending.answer

    def begin(self, event: Any, also: Also | None = None) -> Pending:
        """Decides at once; the answer may be given when `durable` is done. `also` gives statements that belong to
        the answer: they are in the transaction of its records. Raises LaneUnready."""
        event = self.stamp(event)
        return self.record(event, self.decisions(event), also)

    def stamp(self, event: Any) -> Any:
        """The event with this host's time, its uptime and a nonce. Raises LaneUnready where the lane cannot decide."""
        self.check()
        wall, uptime, (quality, spread) = self.book.now()
        return event._replace(
            wall_ms=wall,
            uptime_ms=uptime,
            quality=quality,
            spread_ms=spread,
            nonce=event.nonce or os.urandom(8),
            boot=None,
            seq=None,
        )

    def decisions(self, event: Any) -> list[Any]:
        """What the rules say of a stamped event; the state is read, not changed. Of a stopped kit: no."""
        if self.halted():
            return [decide.plain(reg.KIND_DENY, [reg.REASON_HALTED])]
        decided: list[Any] = risk.decide(
            self.ruleset, self.state, event, self.unusual.score(event), lane=True
        )
        return decided

    def record(
        self,
        event: Any,
        decided: list[Any],
        also: Also | None = None,
        reference: str | None = None,
        note: str | None = None,
    ) -> Pending:
        """Writes decisions on a stamped event; `reference`: the till's own, for the receipts; `note`: a person's
        reason, for the private part."""
        drafts: list[Draft] = []
        opened: set[int] = set()
        for decision in decided:
            drafts += self._drafts(event, decision, opened, reference, note)
        return self.answer(drafts, decided, event.basket_minor, event.nonce, also)

    def _drafts(
        self, event: Any, decision: Any, opened: set[int], reference: str | None, note: str | None
    ) -> list[Draft]:
        """Records of one decision; `opened`: slices that an earlier decision on the same event opens."""
        fields: Fields = decide.record_fields(self.ruleset, event, decision)
        unusual = self.unusual.field(event)
        if unusual is not None:
            fields[22] = unusual
        if decision.kind == reg.KIND_GRANT:
            self.unusual.granted(event)
        drafts: list[Draft] = []
        if not self.training:
            for index, until in zip(decision.latches, decision.until, strict=True):
                same = {name: fields[name] for name in (5, 6, 7, 8)}
                drafts.append(Draft(reg.KIND_LATCH, {**same, 9: index, 24: [until]}))
            opens = [number for number in decision.opens if number not in opened]
            if opens:
                opened.update(opens)
                drafts.append(Draft(reg.KIND_RIGHTS, {13: [[number, 0] for number in opens]}))
        drafts.append(Draft(decision.kind, fields, private_of(event, note), reference))
        return drafts

    # --- answers

    def answer(
        self,
        drafts: list[Draft],
        decided: list[Any],
        basket: int | None,
        nonce: bytes,
        also: Also | None = None,
        outcome: str | None = None,
        vouchers_paid: int = 0,
    ) -> Pending:
        """Writes drafts as one transaction and puts them into an answer. Raises NoRecord for what is none."""
        built: list[LaneAnswer] = []

        def build(made: list[Any], written: Receipted) -> Statements:
            answered = self._answered(made, written, decided, basket, nonce, outcome)
            built.append(answered._replace(vouchers_paid=vouchers_paid))
            paid = [
                statement
                for item in made
                for statement in spent.statements(item.fields[10], item.public, self._clock.now_ms())
            ]
            back = [one for item in made for one in reversals.statements(item.seq, item.fields)]
            return [*paid, *back, *(() if also is None else also(built[0]))]

        try:
            durable = self._write(drafts, build)[1]
        except FormatError as wrong:
            raise NoRecord(f"this event does not fit a record: {wrong}") from wrong
        return Pending(built[0], durable)

    def _answered(
        self,
        made: list[Any],
        written: Receipted,
        decided: list[Any],
        basket: int | None,
        nonce: bytes,
        outcome: str | None,
    ) -> LaneAnswer:
        public = [item.fields for item in made]
        shown = [fields for fields in public if fields[10] in answers.DECISIONS] or public
        main = shown[answers.leading(shown)]
        index = public.index(main)
        handle = self._chain.handle(self.brick8, made[index].seq, made[index].mac)
        currency = next((fields[23] for fields in shown if 23 in fields), None)
        return LaneAnswer(
            decided,
            [(item.seq, item.fields[10]) for item in made],
            outcome or answers.outcome(main[10]),
            answers.credit(shown, basket),
            currency or (None if self.ruleset is None else self.ruleset.currency),
            answers.sentence(shown, self.ruleset),
            receipts.link_text(self._config.public_url, handle),
            written[index][0],
            answers.others(shown),
            (main.get(14) or [None])[0],
            nonce,
            shown,
        )

    def words(self, fields: Fields) -> str:
        """The sentence of a record of the rules in use."""
        return answers.words(fields, self.ruleset)

    def currency_of(self, grants: list[list[Any]]) -> str | None:
        """The currency, where a grant is money."""
        money = any(taken.reg_money(grant[0]) for grant in grants)
        return self.ruleset.currency if money and self.ruleset is not None else None


def private_of(event: Any, note: str | None = None) -> Fields | None:
    """The private part without its salt, or None where nothing is known of a person or a basket."""
    private: Fields = {}
    if event.subject is not None:
        private[1] = event.subject
    if event.basket_minor is not None or event.items is not None:
        private[2] = [event.basket_minor, event.items]
    if event.tip_minor is not None:
        private[3] = event.tip_minor
    codes: list[int | str] = []
    size = 0
    for line in event.lines or ():
        size += len(str(line[0]).encode()) + 2
        if size > CODE_BYTES:
            break
        codes.append(line[0])
    if codes:
        private[4] = codes
    if event.token_counter is not None:
        private[5] = event.token_counter
    if event.staff is not None:
        private[6] = event.staff
    if note:
        private[7] = cut(note, 60)
    if event.signal is not None and not event.signal[0].startswith(VOUCHER):
        private[SIGNAL] = list(event.signal)
    return private or None
