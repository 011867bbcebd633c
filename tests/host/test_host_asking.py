"""Questions of bricks: answered at once from what the kit knows, by a person where nothing is sure."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from exchangekit import CROWD, Thinking, rule, ruleset, signed, subject
from hostkit import OnDemand, host_folder, running, until
from stallmark import event, people
from stallmark import registry as reg
from stallmark.rules import Ruleset
from stallmark.state import State
from test_host_updater import as_config

from hostagent import asking
from hostagent.agent import Agent
from hostagent.asking import Asking, Unanswerable
from tests.world import World

LAN = [reg.KIND_DENY, 2, 0, 9]
UNLOCK = [[reg.GRANT_UNLOCK, 1, 0, "chat"]]
COIN = [[reg.GRANT_FIXED_NOW, 1, 0]]


class Kit:
    """What a host asks of a kit, without bricks: state, spent vouchers, a clock."""

    def __init__(self, *rules: dict[int, Any]) -> None:
        self.world = World()
        self.rules = Ruleset(ruleset(self.world, *rules))
        self.state = State(self.rules)
        self.spent: dict[bytes, tuple[bytes, bytes]] = {}
        self.asking = Asking(lambda: (self.rules, self.state), self._claim, self)
        self.replies: list[dict[int, Any]] = []
        self.numbers = iter(range(1, 10_000))

    def now_ms(self) -> int:
        return self.world.now_ms

    def known(self) -> bool:
        return True

    def _claim(self, serial: bytes, brick: bytes, nonce: bytes, _ms: int) -> "Future[bool]":
        done: Future[bool] = Future()
        done.set_result(self.spent.setdefault(serial, (brick, nonce)) == (brick, nonce))
        return done

    def brick(self, name: bytes = b"brick--a") -> Any:
        return type("Brick", (), {"brick": name, "counters": Counter(), "status": None})()

    def question(self, person: int | None, which: int = 0, **more: Any) -> dict[int, Any]:
        number = next(self.numbers)
        made = event.make(
            type=reg.EVENT_NFC_TAP, trust=3, subject=None if person is None else subject(person), quality=2,
            wall_ms=self.world.now_ms, uptime_ms=1, spread_ms=1, nonce=number.to_bytes(8), **more,
        )  # fmt: skip
        return {0: b"q%07d" % number, 1: event.encode(made), 2: self.rules.rule8[which], 3: [], 4: 2}

    def ask(self, brick: Any, question: dict[int, Any]) -> int | None:
        """0 for yes, the reason of a no, None for no answer."""
        before = len(self.replies)
        self.asking.ask(brick, question, self.replies.append)
        return None if len(self.replies) == before else self.replies[-1].get(2, 0)

    def told(
        self, person: int, kind: int = reg.KIND_GRANT, source: bytes = b"brick--b", seq: int = 1
    ) -> None:
        since = self.world.now_ms - self.rules.slots[0][0]
        entry = people.entry(subject(person), reg.EVENT_NFC_TAP, 3, kind, 0, 0, since)
        self.state.remote(source, seq, entry, self.world.now_ms)


def test_what_another_brick_gave_counts_and_so_does_what_was_just_said_yes_to():
    kit = Kit(rule("once", [0], UNLOCK, [], f9=LAN))
    one, two = kit.brick(), kit.brick(b"brick--b")
    kit.told(1)
    assert kit.ask(one, kit.question(1)) == reg.REASON_ALREADY_HAD
    assert kit.ask(one, kit.question(2)) == 0
    assert kit.ask(two, kit.question(2)) == reg.REASON_ALREADY_HAD, "two bricks at once get one yes"
    assert kit.ask(two, kit.question(3)) == 0
    kit.state.revoke(True, subject(4)[:6])
    assert kit.ask(one, kit.question(4)) == reg.REASON_REVOKED


STRICT = [reg.KIND_DENY, 3, 0, 0]
PEOPLE = [20, 0, 86_400_000, 0]
ALONE = [20, 0, 86_400_000, 1]


def test_a_strict_rule_for_few_people_gets_no_yes_when_many_came_elsewhere():
    kit = Kit(rule("few", [12, PEOPLE, 3], UNLOCK, [], f9=STRICT))
    brick = kit.brick()
    for number in range(10):
        kit.told(number, kind=reg.KIND_DENY, seq=number + 1)
    assert kit.ask(brick, kit.question(99)) == reg.REASON_CONDITION
    unset = kit.question(99)
    unset[1] = event.encode(event.make(type=reg.EVENT_NFC_TAP, trust=3, subject=subject(99), nonce=b"n" * 8))
    assert kit.ask(brick, unset) is None, "without the time nobody knows: no answer"
    assert kit.asking.counts["unsure"] == 1


def test_two_bricks_that_ask_at_once_do_not_make_too_many_people():
    kit = Kit(rule("few", [12, PEOPLE, 3], UNLOCK, [], f8=[], f9=STRICT))
    one, two = kit.brick(), kit.brick(b"brick--b")
    assert kit.ask(one, kit.question(1)) == 0
    assert kit.ask(two, kit.question(2)) == 0
    third = kit.question(3)
    assert kit.ask(one, third) == reg.REASON_CONDITION
    assert kit.ask(two, kit.question(2)) == 0, "the same person again is one person"


def test_what_only_a_brick_knows_and_what_more_people_make_truer_stays_as_the_brick_found_it():
    more = [1, [10, PEOPLE, 20], [10, ALONE, 5]]
    kit = Kit(rule("more", more, UNLOCK, [], f9=STRICT))
    assert kit.ask(kit.brick(), kit.question(1)) == 0, "its own people may not be here yet"
    kit = Kit(rule("few", [1, [12, PEOPLE, 3], [10, ALONE, 5]], UNLOCK, [], f9=STRICT))
    assert kit.ask(kit.brick(), kit.question(1)) == 0
    kit = Kit(rule("either", [2, [12, PEOPLE, 1], [10, ALONE, 5]], UNLOCK, [], f9=STRICT))
    assert kit.ask(kit.brick(), kit.question(1)) is None, (
        "the host cannot tell whether the brick's count says it"
    )
    kit = Kit(rule("basket", [2, [12, PEOPLE, 1], [11, [22], 500]], UNLOCK, [], f9=STRICT))
    assert kit.ask(kit.brick(), kit.question(1, basket_minor=600)) == 0
    assert kit.ask(kit.brick(), kit.question(2, basket_minor=100)) == reg.REASON_CONDITION


def test_the_same_question_again_gets_the_same_answer_and_unknown_rules_none():
    kit = Kit(rule("once", [0], UNLOCK, [], f9=LAN))
    brick = kit.brick()
    question = kit.question(1)
    assert [kit.ask(brick, question) for _ in range(3)] == [0, 0, 0]
    assert kit.ask(brick, question | {0: b"another-"}) == reg.REASON_ALREADY_HAD
    assert kit.ask(brick, kit.question(2) | {2: b"unknown-"}) is None
    for bad in (
        {},
        {0: b"short", 1: b"", 2: bytes(8)},
        kit.question(5) | {1: b"\xff"},
        kit.question(5) | {1: 7},
    ):
        assert kit.ask(brick, bad) is None
    assert brick.counters["unreadable"] == 4


def test_a_promise_ends_with_its_record_or_after_a_while(monkeypatch: pytest.MonkeyPatch):
    kit = Kit(rule("once", [0], UNLOCK, [], f9=LAN))
    one, two = kit.brick(), kit.brick(b"brick--b")
    assert kit.ask(one, kit.question(1)) == 0
    fields = {0: 0, 9: 0, 10: reg.KIND_RELEASE}
    record = type("Record", (), {"fields": fields, "private_fields": {1: subject(1)}})()
    kit.asking.recorded(asking.Stored(1, one.brick, record, b"", None))
    assert kit.ask(two, kit.question(1)) == 0, "what was given back can be given elsewhere"
    now = asking.monotonic_ms()
    monkeypatch.setattr(asking, "monotonic_ms", lambda: now + asking.PROMISE_MS + 1000)
    assert kit.ask(one, kit.question(1)) == 0


def test_a_voucher_is_paid_once_whoever_asks_first():
    async def market() -> None:
        kit = Kit(rule("coin", [0], COIN, [], f2=4, f8=[], f9=LAN, f20=7))
        one, two = kit.brick(), kit.brick(b"brick--b")
        voucher = {"signal": ["voucher:7", 200, 0], "reference": "00" * 7 + "01"}
        first = kit.question(1, **voucher)
        kit.ask(one, first)
        kit.ask(two, kit.question(1, **voucher))
        await until(lambda: len(kit.replies) == 2, "both answers")
        assert [reply[1] for reply in kit.replies] == [reg.ANSWER_YES, reg.ANSWER_NO]
        assert kit.replies[1][2] == reg.REASON_VOUCHER_SPENT
        assert kit.ask(one, first) == 0
        assert (
            kit.ask(one, kit.question(1, signal=["voucher:7", 1, 0], reference="no hex"))
            == reg.REASON_VOUCHER_FALSE
        )
        kit.state.remote(
            b"brick--b", 1, people.entry(subject(2), 2, 4, reg.KIND_REDEEM, 0, 0, 1), kit.world.now_ms
        )
        other = kit.question(2, signal=["voucher:7", 200, 0], reference="00" * 7 + "02")
        assert kit.ask(one, other) == reg.REASON_VOUCHER_SPENT, "paid at another brick of the kit"

    asyncio.run(market())


def test_a_brick_that_floods_is_answered_so_often_and_no_memory_grows():
    kit = Kit(rule("once", [0], UNLOCK, [], f9=LAN))
    hostile, honest = kit.brick(), kit.brick(b"brick--b")
    answers = [kit.ask(hostile, kit.question(person)) for person in range(2_000)]
    answered = len(answers) - answers.count(None)
    assert asking.ASKS_AT_ONCE <= answered < 10 * asking.ASKS_AT_ONCE
    assert hostile.counters["asks_dropped"] == 2_000 - answered
    assert kit.ask(honest, kit.question(5_000)) == 0, "the others do not notice"


@contextlib.asynccontextmanager
async def stall(folder: Path, *rules: dict[int, Any]) -> AsyncIterator[tuple[Agent, Thinking, World]]:
    """A host with a lane and one brick that decides by the same rules."""
    world = World(start_ms=int(time.time() * 1000))
    world.new_lane()
    world.brick()
    data = ruleset(world, *rules)
    controller = OnDemand(world)
    await controller.start()
    controller.bundle = ('"1"', signed(world, data))
    path = host_folder(world, folder, controller.address, authors=as_config(world))
    brick = Thinking(world, 0, folder, data)
    try:
        async with running(path) as agent:
            await until(lambda: agent.lane.ruleset is not None, "the lane's rules")
            brick.plug()
            await until(lambda: agent.session_of(brick.brick.brick8), "the link")
            yield agent, brick, world
            brick.unplug()
    finally:
        await controller.stop()


def test_an_answer_comes_within_twenty_milliseconds_and_the_lanes_people_reach_the_brick(tmp_path: Path):
    async def market() -> None:
        rules = [rule("crowd", CROWD, UNLOCK, [], f5=True, f9=LAN)]
        async with stall(tmp_path, *rules) as (agent, brick, world):
            await agent.lane.decide(_tap(1))
            await until(lambda: agent.lane.brick8 in brick.heads(), "the lane's record at the brick")
            await until(lambda: brick.count() == 1, "its person")
            brick.tap(2)
            await until(lambda: agent.lane.state.heads() == [[brick.brick.brick8, brick.head]], "and back")
            took = []
            for number in range(200):
                made = event.make(
                    type=1, trust=3, subject=subject(50 + number), wall_ms=world.now_ms, nonce=bytes(8)
                )
                begun = time.monotonic()
                nonce = b"q%07d" % number
                brick.send(
                    reg.MSG_ASK, {0: nonce, 1: event.encode(made), 2: brick.rules.rule8[0], 3: [], 4: 1}
                )
                await until(lambda nonce=nonce: {0: nonce, 1: 1} in _got(brick, reg.MSG_ANSWER), "the answer")
                took.append(time.monotonic() - begun)
                # A busy machine takes its own time for some; the three quickest say how long the host needs.
                if number >= 11 and sorted(took)[2] < 0.02:
                    return
            raise AssertionError(f"no answer within 20 ms: {sorted(took)[:9]}")

    asyncio.run(market())


def test_an_uncertain_record_is_answered_by_a_named_person_with_a_reason(tmp_path: Path):
    async def market() -> None:
        rules = [rule("crowd", CROWD, UNLOCK, [], f9=[reg.KIND_UNCERTAIN, 1, 0, 0])]
        async with stall(tmp_path, *rules) as (agent, brick, world):
            more = {
                "f9": 0,
                "f11": 19,
                "f14": [reg.REASON_TOO_MANY_PEOPLE, 0],
                "f23": None,
                "f8": brick.rules.digest8,
            }
            for person in (1, 2, 3):
                brick.note(world.record(reg.KIND_UNCERTAIN, brick.brick, subject=subject(person), **more))
            brick._turn()
            await until(lambda: len(agent.questions.open()) == 3, "the questions")
            question, second, third = agent.questions.open()
            assert question.brick == brick.brick.brick8 and question.rule == "crowd" and question.sentence
            assert question.subject8 == subject(1)
            for who, reason in (("", "known"), ("Ana", " ")):
                with pytest.raises(Unanswerable):
                    await agent.questions.answer(question, True, who, reason)
            answer = await agent.questions.answer(question, True, "Ana", "known from last week")
            assert [kind for _, kind in answer.records][-1] == reg.KIND_GRANT
            said = answer.public[-1]
            assert said[14][0] == reg.REASON_PERSON and said[24][:2] == [question.brick, question.seq]
            label = agent.staff.label("Ana")
            assert said[24][2:] == [label, None, question.at_ms], "no name and no free text in public"
            assert label.startswith("staff-") and agent.staff.named("by " + label) == "by Ana"
            with pytest.raises(Unanswerable):
                await agent.questions.answer(question, True, "Ana", "again")
            refused = await agent.questions.answer(second, False, "Ana", "was here already")
            assert [kind for _, kind in refused.records][-1] == reg.KIND_DENY
            assert agent.questions.open() == [third]

    asyncio.run(market())


def test_a_mention_at_the_lane_is_a_signal_at_every_brick(tmp_path: Path):
    async def market() -> None:
        async with stall(tmp_path, rule("fame", [10, [32, 0], 9], UNLOCK, [])) as (agent, brick, _):
            seen = _tap(1)._replace(type=reg.EVENT_SOCIAL_MENTION, signal=["mentions", 12, 0])
            await agent.lane.decide(seen)
            await until(lambda: brick.state.signal(0, brick.world.now_ms + 5000), "the signal")
            assert brick.tap(2)[-1].fields[10] == reg.KIND_GRANT
            brick.power_on()
            await until(lambda: brick.state.signal(0, brick.world.now_ms + 5000), "again after a restart")

    asyncio.run(market())


def _tap(person: int) -> Any:
    return event.make(type=reg.EVENT_NFC_TAP, trust=3, subject=subject(person), nonce=bytes(8))


def _got(brick: Thinking, kind: int) -> list[Any]:
    return [value for known, value in brick.got if known == kind]
