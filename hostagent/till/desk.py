"""The till's desk: one call in, one answer out, the same answer for the same key, durable before it is given."""

import asyncio
import contextlib
import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from hostagent import signer
from hostagent.config import TillKey
from hostagent.core import FormatError, reg, voucher
from hostagent.errors import HostError, StoreUnavailable
from hostagent.lane import reversal, slips
from hostagent.lane.answers import LaneAnswer
from hostagent.lane.draft import Also, Draft, LaneUnready, NoRecord, Pending
from hostagent.lane.lane import Lane
from hostagent.store.records import Records, Stored
from hostagent.till import shown
from hostagent.till.calls import SALE, Call, Calls, Sale
from hostagent.till.limits import Bucket
from hostagent.till.models import NUMBERS, EventIn
from hostagent.till.reading import Reader, Unreadable, check_time, minor

if TYPE_CHECKING:
    from hostagent.agent import Agent

# A disk that takes longer than this: the till is told to ask again, with the same key.
WAIT_S = 10.0
LATE = "the disk does not answer: ask again with the same key, nothing is decided twice"
REVERSALS = {"refund": reg.KIND_REFUND, "void": reg.KIND_VOID}


class Refused(HostError):
    """Not done; `status` of HTTP, and whether to try again."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Answer(NamedTuple):
    """What HTTP sends."""

    status: int
    body: bytes


@dataclass
class _Running:
    """A call whose answer is not there yet."""

    digest: bytes
    done: "asyncio.Future[Answer]"


class Till:
    """One for a host: all its tills."""

    def __init__(self, agent: "Agent", lane: Lane) -> None:
        keys = agent.config.keys
        self._agent = agent
        self._lane = lane
        self._calls = Calls(agent.store, keys.handle_key)
        self._records = Records(agent.store)
        self._reader = Reader(keys.event_key)
        self._tills = {till.token: till for till in keys.tills}
        limits = agent.config.till
        self._buckets = {till.name: Bucket(limits.per_second, limits.burst) for till in keys.tills}
        # Wrong tokens, from everybody together: a guesser waits as well as a till with a wrong setting.
        self._strangers = Bucket(5.0, 20)
        self._running: dict[tuple[str, str], _Running] = {}
        self.counters: Counter[str] = Counter()

    async def load(self) -> None:
        """Learns which calls were answered before this start; until then none is taken."""
        await self._calls.load()

    async def run(self) -> None:
        """Forgets old answers, every hour."""
        while True:
            if self._agent.clock.known():
                try:
                    await self._calls.purge(self._agent.clock.now_ms(), self._lane.brick8)
                except HostError:
                    self.counters["purges_failed"] += 1
            await asyncio.sleep(3600)

    def till(self, token: str) -> TillKey:
        """Whose token this is. Raises Refused."""
        digest = hashlib.sha256(token.encode()).digest()
        for known, till in self._tills.items():
            if hmac.compare_digest(known, digest):
                if self._buckets[till.name].take():
                    return till
                self.counters["too_often"] += 1
                raise Refused(
                    429, "too many calls in a second: wait a moment and ask again with the same key"
                )
        self.counters["wrong_token"] += 1
        if not self._strangers.take():
            raise Refused(429, "too many wrong tokens: wait a moment")
        raise Refused(
            401, "this token is of no till of this host: `stallmark kit new` wrote it, see docs/till.md"
        )

    async def post(self, till: TillKey, key: str, value: Any) -> Answer:
        """One event. `value`: the decoded body. Raises Refused."""
        if not self._calls.loaded:
            raise Refused(
                503, "this host has just started and reads its answers: ask again with the same key"
            )
        digest = self._calls.digest(value)
        running = self._running.get((till.name, key))
        if running is None:
            future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            running = self._running[till.name, key] = _Running(digest, future)
            try:
                answer = await self._first(till, key, digest, value, future)
            except BaseException as failed:
                if not future.done() and (till.name, key) in self._running:
                    del self._running[till.name, key]
                    if isinstance(failed, Refused):
                        future.set_exception(failed)
                        future.exception()
                    else:
                        future.cancel()
                raise
            return answer
        self._same(running.digest, digest)
        self.counters["repeats"] += 1
        try:
            return await self._wait(running.done)
        except asyncio.CancelledError:
            if running.done.cancelled():
                raise Refused(
                    503, "this call was given up before it was decided: ask again with the same key"
                ) from None
            raise

    async def get(self, till: TillKey, number: str) -> Answer:
        """An answer once more. Raises Refused."""
        found = await self._calls.by_id(till.name, number)
        if found is None:
            raise Refused(404, "no event of this till under this id; answers are kept for two days")
        return Answer(found.status, found.answer)

    # --- one call

    async def _first(
        self, till: TillKey, key: str, digest: bytes, value: Any, future: "asyncio.Future[Answer]"
    ) -> Answer:
        found = await self._calls.find(till.name, key)
        if found is not None:
            self._same(found.digest, digest)
            self.counters["repeats"] += 1
            answer = Answer(found.status, found.answer)
            future.set_result(answer)
            del self._running[till.name, key]
            return answer
        try:
            body = EventIn.model_validate(value)
        except ValidationError as wrong:
            self.counters["unreadable"] += 1
            raise Refused(422, shown.complaint(wrong)) from None
        kept: list[Answer] = []
        now_ms = self._agent.clock.now_ms()

        def also(lane: LaneAnswer) -> list[tuple[str, tuple[Any, ...]]]:
            # Without a clock they are on the receipt alone: they last from its own time.
            known = self._agent.clock.known()
            vouchers = self._agent.promised.of_records(lane.public, now_ms) if known else []
            data = shown.event(lane, self._lane.ruleset, vouchers)
            kept.append(Answer(shown.status(lane), data))
            call = Call(digest, lane.nonce.hex(), kept[0].status, data)
            statements = [self._calls.put(till.name, key, call, now_ms)]
            if body.reference is not None and body.type not in REVERSALS:
                first, last = lane.records[0][0], lane.records[-1][0]
                statements.append((SALE, (till.name, body.reference, self._lane.brick8, first, last)))
            return statements

        try:
            pending = await self._begin(till, body, also)
        except (Unreadable, slips.NoSlip, NoRecord, reversal.Practice) as wrong:
            self.counters["unreadable"] += 1
            raise Refused(422, str(wrong)) from None
        except reversal.NothingGiven as wrong:
            raise Refused(404, str(wrong)) from None
        except (LaneUnready, StoreUnavailable) as wrong:
            self.counters["unready"] += 1
            raise Refused(503, str(wrong)) from None
        if pending is None:
            answer = Answer(200, shown.nothing_to_take_back())
            future.set_result(answer)
            del self._running[till.name, key]
            return answer
        self.counters[pending.answer.outcome] += 1
        pending.durable.add_done_callback(lambda done: self._durable((till.name, key), future, done, kept[0]))
        return await self._wait(future)

    def _durable(
        self,
        key: tuple[str, str],
        future: "asyncio.Future[Answer]",
        done: "asyncio.Future[None]",
        answer: Answer,
    ) -> None:
        self._running.pop(key, None)
        failed = done.cancelled() or done.exception() is not None
        if future.done():
            return
        if failed:
            self.counters["disk_failed"] += 1
            future.set_exception(Refused(503, LATE))
            future.exception()
        else:
            future.set_result(answer)

    async def _wait(self, future: "asyncio.Future[Answer]") -> Answer:
        done, _ = await asyncio.wait((future,), timeout=WAIT_S)
        if not done:
            self.counters["disk_late"] += 1
            raise Refused(503, LATE)
        return future.result()

    def _same(self, before: bytes, now: bytes) -> None:
        if before != now:
            self.counters["key_reused"] += 1
            raise Refused(422, "this Idempotency-Key was used for another event: give every event its own")

    # --- what is asked

    async def _begin(self, till: TillKey, body: EventIn, also: Also) -> Pending | None:
        lane = self._lane
        currency = None if lane.ruleset is None else lane.ruleset.currency
        check_time(body, self._agent.clock.now_ms() if self._agent.clock.known() else None)
        if body.type in REVERSALS:
            return await self._reverse(till, body, currency, also)
        if body.amount is not None or body.receipt is not None:
            raise Unreadable("amount and receipt belong to a refund or a void")
        if body.slip is not None:
            return slips.pay(lane, body.slip, till.name, also)
        source = hashlib.sha256(b"stallmark/till/1\0" + till.name.encode()).digest()[:8]
        event = self._reader.event(body, currency, till.names_customers, source)
        if body.voucher is not None:
            return await self._redeem(*self._voucher(event, body.voucher), body.reference, also)
        event = lane.stamp(event)
        return lane.record(event, lane.decisions(event), also, body.reference)

    async def _redeem(self, refused: int | None, event: Any, reference: str | None, also: Also) -> Pending:
        """The lane asks nobody, so it is promised the voucher first: a brick may have its yes already."""
        lane, vouchers = self._lane, self._agent.vouchers
        event = lane.stamp(event)
        if refused is None:
            serial = bytes.fromhex(event.reference)
            if not await vouchers.claim(serial, lane.brick8, event.nonce):
                refused = reg.REASON_VOUCHER_SPENT
        if refused is not None:
            return self._voucher_refused(event, refused, reference, also)
        paid = False
        try:
            decided = lane.decisions(event)
            pending = lane.record(event, decided, also, reference)
            # Practice pays nothing: the voucher stays good.
            paid = not lane.training and any(decision.kind == reg.KIND_REDEEM for decision in decided)
            return pending
        finally:
            if not paid:
                with contextlib.suppress(HostError):  # else it is free again when the host starts
                    await vouchers.free(lane.brick8, event.nonce)

    async def _reverse(
        self, till: TillKey, body: EventIn, currency: str | None, also: Also
    ) -> Pending | None:
        if (body.receipt is None) == (body.reference is None):
            raise Unreadable("a refund or void names its sale: give either reference or receipt")
        part = None if body.amount is None else minor(body.amount, body.currency or currency, "amount")
        if part == 0:
            raise Unreadable("amount: nothing is refunded; leave it out to refund everything")
        if body.receipt is not None:
            given = await reversal.by_link(self._lane, self._records, body.receipt)
        else:
            assert body.reference is not None
            sale = await self._calls.sale(till.name, body.reference, self._lane.brick8)
            stored = None if sale is None else await self._sold(sale, body.reference)
            if stored is None:
                raise reversal.NothingGiven(f"no sale {body.reference} of this till is known here")
            granting = [item for item in stored if item.record.fields[10] in reversal.GRANTED]
            if not granting:
                return None
            given = await reversal.known(self._lane, granting)
        kind, reason = REVERSALS[body.type], body.reason or body.type
        return await reversal.begin(self._lane, given, kind, part, till.name, reason, body.reference, also)

    async def _sold(self, sale: Sale, reference: str) -> list[Stored] | None:
        """The records of a sale; None where it is not known whose they are. Under this lane's numbers another lane's sale
        is somebody else's."""
        span = sale.first_seq, sale.last_seq
        stored = await asyncio.wrap_future(self._records.of(sale.lane or self._lane.brick8, span))
        if sale.lane or any(item.reference == reference for item in stored):
            return stored
        return None

    # --- vouchers

    def _voucher(self, event: Any, text: str) -> tuple[int | None, Any]:
        """(reason of a refusal or None, the event of a voucher's bearer)."""
        try:
            found: Any = voucher.parse(text.strip().encode())
        except FormatError:
            return reg.REASON_VOUCHER_FALSE, event
        lane, config = self._lane, self._agent.config
        known = self._agent.clock.known()
        refused: int | None = voucher.refusal(
            found,
            () if lane.ruleset is None else lane.ruleset.issuers,
            (lane.brick8, config.kit, config.hub),
            0,
            self._agent.clock.now_ms() // 1000 if known else None,
            signer.verify,
        )
        event = event._replace(
            trust=reg.TRUST_VOUCHER,
            subject=self._reader.serial(found.serial),
            signal=voucher.signal(found),
            reference=voucher.reference(found),
        )
        return refused, event

    def _voucher_refused(self, event: Any, reason: int, reference: str | None, also: Also) -> Pending:
        event = self._lane.stamp(event)
        kind = reg.KIND_UNCERTAIN if reason == reg.REASON_CLOCK_UNSET else reg.KIND_DENY
        fields = {11: event.type * 16 + event.trust, 14: [reason], 15: event.nonce}
        if self._lane.ruleset is not None:
            fields[8] = self._lane.ruleset.digest8
        return self._lane.answer([Draft(kind, fields, None, reference)], [], None, event.nonce, also)


__all__ = ["NUMBERS", "Answer", "Refused", "Till"]
