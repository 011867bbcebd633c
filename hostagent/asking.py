"""Questions of bricks: what one asks before it grants is answered here at once; what stays uncertain, by a person.

Automatic answers look at what the kit knows and one brick cannot: the person's limits, vouchers paid elsewhere,
revocations, and in strict mode conditions that others could make false. What was just said yes to counts until its
record is here, so two bricks asking at once get one yes.
"""

import asyncio
import contextlib
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from hostagent.bricks import Brick
from hostagent.clock import Clock, monotonic_ms
from hostagent.core import Fields, FormatError, event, explain, expr, people, reg, ruleform
from hostagent.kitcondition import Expected, truth
from hostagent.store.records import Stored

# A brick may ask so often; what comes faster is not looked at, and the brick goes by its rule's own policy.
ASKS_PER_S = 20
ASKS_AT_ONCE = 40
# How long a yes stands without a record: a brick that asked has granted or given back long before.
PROMISE_MS = 10_000
PROMISES = 1_024
OPEN_QUESTIONS = 64
# Of one place and one trust: whoever scans a made-up code again and again pushes out his own questions, nobody else's.
QUESTIONS_EACH = 12
# After this a customer is gone.
QUESTION_MS = 30 * 60_000
ENDS = (reg.KIND_GRANT, reg.KIND_REDEEM, reg.KIND_RELEASE)
# Records that count somebody.
COUNTED = (reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_GHOST, reg.KIND_UNCERTAIN, reg.KIND_REDEEM)
Claim = Callable[[bytes, bytes, bytes, int], "Future[bool]"]
log = logging.getLogger("hostagent.asking")


@dataclass
class _Bucket:
    """How much a brick may still ask."""

    left: float = ASKS_AT_ONCE
    at_ms: int = 0

    def take(self, now_ms: int) -> bool:
        self.left = min(ASKS_AT_ONCE, self.left + (now_ms - self.at_ms) * ASKS_PER_S / 1000)
        self.at_ms = now_ms
        if self.left < 1:
            return False
        self.left -= 1
        return True


class _Promise(NamedTuple):
    brick: bytes
    at_ms: int


class Asking:
    """One for a host. `kitwide()` gives (ruleset, state) of everything known in the kit, or None."""

    def __init__(self, kitwide: Callable[[], tuple[Any, Any] | None], claim: Claim, clock: Clock) -> None:
        """`claim`: Spent.claim, which promises a voucher to one question and makes that durable."""
        self._kitwide = kitwide
        self._claim = claim
        self._clock = clock
        self._buckets: dict[bytes, _Bucket] = {}
        # What a yes has set aside, by window, person, rule and number.
        self._promised: OrderedDict[tuple[Any, ...], _Promise] = OrderedDict()
        # Answers given, by (brick, nonce): a question that comes twice is answered alike.
        self._given: OrderedDict[tuple[bytes, bytes], Fields] = OrderedDict()
        self._expected = Expected()
        self.counts: Counter[str] = Counter()
        # Whether the kit is stopped: then the answer to everything is no.
        self.halted: Callable[[], bool] = lambda: False

    def ask(self, brick: Brick, value: Fields, reply: Callable[[Fields], None]) -> None:
        """Replies to a question (message 7) with its answer (message 44): at once, or for a voucher when its promise
        is durable. No reply where it is no question, came too fast, or nothing is known here: the brick then waits
        its 150 ms and goes by its rule."""
        nonce, data, rule8 = value.get(0), value.get(1), value.get(2)
        if type(nonce) is not bytes or len(nonce) != 8 or type(data) is not bytes or type(rule8) is not bytes:
            brick.counters["unreadable"] += 1
            return
        if not self._buckets.setdefault(brick.brick, _Bucket()).take(monotonic_ms()):
            brick.counters["asks_dropped"] += 1
            return
        known = self._given.get((brick.brick, nonce))
        if known is not None:
            reply(known)
            return
        try:
            asked = event.decode(data)
        except FormatError:
            brick.counters["unreadable"] += 1
            return
        if self.halted():
            self.counts["halted"] += 1
            reply({0: nonce, 1: reg.ANSWER_NO, 2: reg.REASON_HALTED})
            return
        kit = self._kitwide()
        if (
            kit is None
            or rule8 not in kit[0].rule8
            or (brick.status and brick.status.ruleset8 != kit[0].digest8)
        ):
            self.counts["unknown"] += 1
            return

        rule = list(kit[0].rule8).index(rule8)
        condition = expr.TRUE
        if kit[0].rules[rule].mode == ruleform.MODE_STRICT:
            others = self._expected.others(asked, monotonic_ms())
            condition = truth(kit[0], kit[1], asked, rule, others)
        if condition == expr.UNKNOWN:
            self.counts["unsure"] += 1
            return

        def answer(reason: int | None) -> None:
            self.counts["yes" if reason is None else "no"] += 1
            if reason is None:
                self._expected.said_yes(asked, monotonic_ms())
            found: Fields = {0: nonce, 1: reg.ANSWER_YES if reason is None else reg.ANSWER_NO}
            if reason is not None:
                found[2] = reason
            self._given[brick.brick, nonce] = found
            while len(self._given) > PROMISES:
                self._given.popitem(last=False)
            reply(found)

        if condition == expr.FALSE:
            answer(reg.REASON_CONDITION)
            return
        reason = self._against(brick.brick, kit[0].rules[rule], rule, kit[1], asked)
        if reason is not None or kit[0].rules[rule].redeems is None:
            answer(reason)
            return
        self._claim_voucher(brick.brick, asked, answer)

    def _claim_voucher(self, brick: bytes, asked: Any, answer: Callable[[int | None], None]) -> None:
        """Yes once the promise is on the disk; no answer where the disk does not take it."""
        loop = asyncio.get_running_loop()
        serial = _serial(asked.reference)
        assert serial is not None

        def claimed(done: "Future[bool]") -> None:
            if done.exception() is not None:
                log.warning("a voucher is not answered for: %s", done.exception())
                return
            with contextlib.suppress(RuntimeError):  # the loop is gone when the program ends meanwhile
                reason = None if done.result() else reg.REASON_VOUCHER_SPENT
                loop.call_soon_threadsafe(answer, reason)

        self._claim(serial, brick, asked.nonce, self._clock.now_ms()).add_done_callback(claimed)

    def _against(self, brick: bytes, rule: Any, index: int, state: Any, asked: Any) -> int | None:
        """Reason code of what speaks against a grant, or None; then the person's limits count it as given."""
        now = monotonic_ms()
        while self._promised and now - next(iter(self._promised.values())).at_ms > PROMISE_MS:
            self._promised.popitem(last=False)
        if asked.subject is not None and state.revoked(asked.subject):
            return reg.REASON_REVOKED
        if rule.redeems is not None:
            serial = _serial(asked.reference)
            if serial is None:
                return reg.REASON_VOUCHER_FALSE
            if state.spent(serial, asked.subject):
                return reg.REASON_VOUCHER_SPENT
        keys: list[tuple[Any, ...]] = []
        for key, had, most in _limits(state, rule, index, asked):
            free = [(*key, number) for number in range(most) if (*key, number) not in self._promised]
            if had + most - len(free) >= most:
                return reg.REASON_ALREADY_HAD
            keys.append(free[0])
        for key in keys:
            self._promised[key] = _Promise(brick, now)
        while len(self._promised) > PROMISES:
            self._promised.popitem(last=False)
        return None

    def recorded(self, stored: Stored) -> None:
        """A record is here: what it was promised for counts as itself from now on."""
        fields: Fields = stored.record.fields
        private: Fields = stored.record.private_fields or {}
        subject = private.get(1)
        if fields[10] in COUNTED:
            self._expected.recorded(fields.get(15))
        if not self._promised or subject is None or fields[10] not in ENDS:
            return
        for key, promise in list(self._promised.items()):
            if promise.brick == stored.brick and key[1] == subject[:6] and key[2] == fields.get(9):
                del self._promised[key]


def _serial(reference: str | None) -> bytes | None:
    try:
        serial = bytes.fromhex(reference or "")
    except ValueError:
        return None
    return serial if len(serial) == 8 else None


def _limits(state: Any, rule: Any, index: int, asked: Any) -> list[tuple[tuple[Any, ...], int, int]]:
    """(key, grants so far, most) of each limit of a rule on this person."""
    if asked.subject is None:
        return []
    person = asked.subject[:6]
    found: list[tuple[tuple[Any, ...], int, int]] = []
    if rule.limit:
        slot = next((slot for slot in state.open_slots(asked.wall_ms) if slot in rule.slots), None)
        if slot is not None:
            place = state.person(slot, asked.subject)
            found.append(
                (("slot", person, index, slot), 0 if place < 0 else state.granted(place, index), rule.limit)
            )
    if rule.limit_ever:
        found.append(
            (("ever", person, index), state.granted_ever(asked.subject, index) or 0, rule.limit_ever)
        )
    return found


class Question(NamedTuple):
    """An uncertain record that a person can answer. `rule`: the name of its rule or None; `fields`: its public part."""

    brick: bytes
    seq: int
    at_ms: int
    rule: str | None
    sentence: str
    subject8: bytes | None
    fields: Fields


class Unanswerable(Exception):
    """A question cannot be answered; the message says why and what to do."""


class Questions:
    """The open questions of a kit, newest last. `lane()` decides, or is None; `ruleset(digest8)` gives words."""

    def __init__(self, clock: Clock, lane: Callable[[], Any], ruleset: Callable[[bytes], Any]) -> None:
        self._clock = clock
        self._lane = lane
        self._ruleset = ruleset
        self._open: OrderedDict[tuple[bytes, int], Question] = OrderedDict()
        self._events: dict[tuple[bytes, int], Fields] = {}
        self._answered: deque[tuple[bytes, int]] = deque(maxlen=1_024)
        self._busy: set[tuple[bytes, int]] = set()

    def open(self) -> list[Question]:
        """Questions that wait for a person, oldest first: at most 64, at most 12 of one place and trust, none over half an
        hour old."""
        limit = self._clock.now_ms() - QUESTION_MS
        for key in [key for key, question in self._open.items() if question.at_ms < limit]:
            self._close(key)
        return list(self._open.values())

    def recorded(self, stored: Stored) -> None:
        """A record is here: a question, or somebody's answer to one."""
        fields: Fields = stored.record.fields
        if fields[10] in COUNTED and people.answers(fields):
            detail = cast(list[Any], fields[24])[fields[10] == reg.KIND_REDEEM :]
            self._answered.append((detail[0], detail[1]))
            self._close((detail[0], detail[1]))
            return
        key = stored.brick, fields[2]
        practice = fields[0] & (reg.FLAG_TRAINING | reg.FLAG_SHADOW)
        if fields[10] != reg.KIND_UNCERTAIN or fields[5] is None or practice or key in self._answered:
            return
        if self._clock.now_ms() - fields[5] > QUESTION_MS:
            return
        private: Fields = stored.record.private_fields or {}
        ruleset = self._ruleset(fields[8]) if 8 in fields else None
        index = fields.get(9)
        self._open[key] = Question(
            stored.brick,
            fields[2],
            fields[5],
            None if ruleset is None or index is None else str(ruleset.rules[index].id),
            str(explain.sentence(fields, ruleset)),
            private.get(1),
            fields,
        )
        self._events[key] = private
        self._make_room(key)

    async def answer(self, question: Question, granted: bool, who: str, reason: str) -> Any:
        """A person's answer, recorded by the host's lane; its LaneAnswer. `who` at most 24 bytes, `reason` at most 60
        and never empty. Raises Unanswerable, LaneUnready."""
        key = question.brick, question.seq
        if not who.strip() or not reason.strip():
            raise Unanswerable("who answers, and why, goes into the record: say both")
        if key not in self._open or key in self._busy:
            raise Unanswerable(
                "this question is answered already, or too old: the newest ones are in the list"
            )
        lane = self._lane()
        if lane is None:
            raise Unanswerable(
                "this host has no lane of its own to record the answer: give it a lane key (docs/till.md)"
            )
        if lane.ruleset is None or question.fields.get(8) != lane.ruleset.digest8:
            raise Unanswerable("the rules changed since: let the customer present the token again")
        self._busy.add(key)
        try:
            known = question.fields[7][0] >= reg.QUALITY_HOST
            asked = *key, question.at_ms if known else None
            answer = await lane.operator(
                self._event(question), question.fields.get(9), asked, who, reason, granted
            )
        finally:
            self._busy.discard(key)
        self._answered.append(key)
        self._close(key)
        return answer

    def _event(self, question: Question) -> Any:
        """What the brick had before it, as far as its record says."""
        private = self._events.get((question.brick, question.seq), {})
        type_, trust = divmod(question.fields.get(11, 0), 16)
        basket, items = private.get(2) or [None, None]
        return event.make(
            type=type_,
            trust=trust,
            subject=question.subject8,
            nonce=question.fields.get(15) or bytes(8),
            basket_minor=basket,
            items=items,
            tip_minor=private.get(3),
        )

    def _make_room(self, newest: tuple[bytes, int]) -> None:
        """The oldest of the same place and trust goes, where those are too many; in all, the weakest trust first."""
        trusts = {key: one.fields.get(11, 0) % 16 for key, one in self._open.items() if key not in self._busy}
        alike = [key for key in trusts if key[0] == newest[0] and trusts[key] == trusts[newest]]
        if len(alike) > QUESTIONS_EACH:
            self._close(alike[0])
        elif len(self._open) > OPEN_QUESTIONS:
            self._close(min(trusts, key=lambda key: trusts[key]))  # the oldest of equals: they stand in order

    def _close(self, key: tuple[bytes, int]) -> None:
        self._open.pop(key, None)
        self._events.pop(key, None)
