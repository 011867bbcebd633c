"""What bricks are told of balances: counted up to where they are, and not older than they are on a quiet day."""

import asyncio
from collections import Counter
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from exchangekit import subject
from stallmark import registry as reg

from hostagent import openvalues, telling
from hostagent.openvalues import OpenValues
from hostagent.signals import MOST
from hostagent.telling import Telling

TOKENS = [[reg.GRANT_TOKENS, 2, 0]]


class Kit:
    """A Telling with nothing around it: what was read of the store is what `read` was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = 1_000_000
        self.host_seq = 0
        monkeypatch.setattr(telling, "monotonic_ms", lambda: self.ms)
        self.asks = True
        self.brick = self.one(b"brick--a")
        self.exchange: Any = SimpleNamespace(
            caught_up=True, status=lambda *_: None, next_for=lambda _: None, asks_balance=lambda _: self.asks
        )
        self.lane: Any = None
        clock: Any = SimpleNamespace(now_ms=lambda: self.ms)
        store: Any = SimpleNamespace(meta={})
        nothing: Any = None
        self.telling = Telling(
            store,
            {self.brick.brick: self.brick},
            clock,
            self.exchange,
            nothing,
            lambda: self.lane,
            lambda _: None,
        )
        self.telling.openvalues = SimpleNamespace(due=lambda _: None)  # type: ignore[assignment]

    @staticmethod
    def one(name: bytes) -> Any:
        return SimpleNamespace(brick=name, durable_seq=0, status=None, counters=Counter())

    def link(self) -> None:
        self.telling.link_up(self.brick)
        self.telling.status(self.brick)
        while self.telling.soon(self.brick) is not None:
            pass

    def read(self, brick8: bytes, seq: int, person: int = 1, grants: Any = TOKENS) -> None:
        fields = {0: 0, 2: seq, 10: reg.KIND_GRANT, 12: grants}
        record = SimpleNamespace(seq=seq, fields=fields, private_fields={1: subject(person)})
        self.host_seq += 1
        stored: Any = SimpleNamespace(brick=brick8, record=record, host_seq=self.host_seq)
        self.telling.recorded(stored)


def test_balances_count_a_bricks_records_as_far_as_they_were_read(monkeypatch: pytest.MonkeyPatch):
    kit = Kit(monkeypatch)
    kit.link()
    kit.telling.idle(kit.brick)
    kit.read(kit.brick.brick, 4)
    kit.brick.durable_seq = 6  # two more are on the disk, and not in the sums
    kit.read(b"brick--b", 9)
    kind, value = kit.telling.idle(kit.brick) or (0, {})
    assert kind == reg.MSG_BALANCES
    assert (value[1], value[2]) == (4, subject(1)[:6] + b"\0\0\0\x04")


def test_sums_that_are_not_whole_are_told_to_nobody(monkeypatch: pytest.MonkeyPatch):
    kit = Kit(monkeypatch)
    kit.exchange.caught_up = False
    kit.link()
    kit.read(kit.brick.brick, 4)
    assert kit.telling.idle(kit.brick) is None
    kit.exchange.caught_up = True
    told = kit.telling.idle(kit.brick)
    assert told is not None and told[1][2] == subject(1)[:6] + b"\0\0\0\x02", "of before its restart, too"


def test_a_brick_with_other_rules_is_told_all_balances_again(monkeypatch: pytest.MonkeyPatch):
    kit = Kit(monkeypatch)
    kit.brick.status = SimpleNamespace(ruleset8=b"rules--1")
    kit.read(b"brick--b", 9)
    kit.link()
    whole = subject(1)[:6] + b"\0\0\0\x02"
    told = kit.telling.idle(kit.brick)
    assert told is not None and told[1][2] == whole
    kit.telling.status(kit.brick)
    kit.ms += 60_000
    told = kit.telling.idle(kit.brick)
    assert told is not None and told[1][2] == b"", "nothing is new"
    kit.brick.status = SimpleNamespace(ruleset8=b"rules--2")
    kit.telling.status(kit.brick)
    told = kit.telling.idle(kit.brick)
    assert told is not None and told[1][2] == whole, "its new state takes nobody's for nothing"


def test_on_a_quiet_day_balances_do_not_grow_old(monkeypatch: pytest.MonkeyPatch):
    kit = Kit(monkeypatch)
    kit.link()
    ages: list[int] = []
    for _ in range(100):
        told = kit.telling.idle(kit.brick)
        if told is not None:
            assert told[0] == reg.MSG_BALANCES and told[1][2] == b""
            ages.append(told[1][0])
        kit.ms += 1_000
    assert len(ages) == 5 and ages[1] - ages[0] == telling.BALANCES_FRESH_MS
    kit.asks = False
    kit.ms += 60_000
    assert kit.telling.idle(kit.brick) is None, "no rule there asks"


def test_the_lanes_balances_do_not_grow_old_either(monkeypatch: pytest.MonkeyPatch):
    kit = Kit(monkeypatch)
    heard: list[tuple[int, int, bytes]] = []
    state = SimpleNamespace(balances=lambda *told: heard.append(told))
    kit.lane = SimpleNamespace(brick8=b"brick--l", brick=kit.one(b"brick--l"), state=state, ruleset=None)
    kit.read(b"brick--l", 3)
    kit.telling.news()
    assert heard == [(kit.ms, 3, b"")]
    kit.read(b"brick--a", 7)
    assert heard[-1] == (kit.ms, 3, subject(1)[:6] + b"\0\0\0\x04")


def test_whoever_stops_setting_an_open_value_is_not_held_up_by_its_answer():
    async def scenario() -> None:
        brick = Kit.one(b"brick--a")
        sent: list[Any] = []
        nothing: Any = None
        store: Any = SimpleNamespace(meta={})
        values = OpenValues(
            store, lambda: [brick], nothing, nothing, lambda *told: bool(sent.append(told) or True), nothing
        )
        values._wanted = openvalues.Wanted(b"rules--8", {})
        setting = asyncio.create_task(values._set_at(brick, {0: 7}, "Ana"))
        await asyncio.sleep(0)
        values.answered(brick, {0: sent[0][2][3], 1: reg.PARAMETERS_OK})
        setting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await setting

    asyncio.run(scenario())


def test_a_signal_goes_only_to_bricks_that_decide_by_rules_that_look_at_it(monkeypatch: pytest.MonkeyPatch):
    kit = Kit(monkeypatch)
    new, old = b"new----8", b"old----8"
    kit.brick.status = SimpleNamespace(ruleset8=old)
    kit.link()
    rules = {
        old: SimpleNamespace(signals=[("noise", reg.EVENT_SOCIAL_MENTION, 600)]),
        new: SimpleNamespace(signals=[("x", 1, 60), ("footfall", reg.EVENT_SOCIAL_MENTION, 600)]),
    }
    kit.telling.rules = rules.get
    heard: list[Any] = []
    state = SimpleNamespace(signals=lambda *signal: heard.append(signal), balances=lambda *_: None)
    kit.lane = SimpleNamespace(brick8=b"brick--l", ruleset=rules[new], state=state)

    def record(
        value: int, flags: int = 0, brick: bytes = b"brick--l", ms: int | None = None, age: int = 0
    ) -> Any:
        at = kit.ms if ms is None else ms
        fields = {0: flags, 5: at, 10: reg.KIND_DENY, 11: reg.EVENT_SOCIAL_MENTION << 4}
        made = SimpleNamespace(seq=1, fields=fields, private_fields={8: ["footfall", value, age]})
        return SimpleNamespace(brick=brick, record=made, host_seq=1)

    kit.telling.recorded(record(57))
    assert kit.telling.soon(kit.brick) is None, "signal 0 means something else there"
    kit.brick.status = SimpleNamespace(ruleset8=new)
    kit.telling.status(kit.brick)
    assert kit.telling.soon(kit.brick) == (reg.MSG_SIGNALS, {0: [[1, 57, kit.ms]], 1: new})
    for passed_over in (record(1, reg.FLAG_TRAINING), record(1, brick=kit.brick.brick), record(1, age=9)):
        kit.telling.recorded(passed_over)
    assert kit.telling.soon(kit.brick) is None, "practice, another brick's word and old news"
    kit.telling.recorded(record(58))
    assert kit.telling.soon(kit.brick) == (reg.MSG_SIGNALS, {0: [[1, 58, kit.ms]], 1: new})
    assert heard[-1] == (1, 58, kit.ms), "the lane knows it too"
    kit.telling.status(kit.brick)
    assert kit.telling.soon(kit.brick) is None


class Signalling(Kit):
    """… whose lane hears signals: records of it, one after another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        super().__init__(monkeypatch)
        rules = SimpleNamespace(signals=[(name, reg.EVENT_SOCIAL_MENTION, 600) for name in names])
        self.telling.rules = {b"rules--8": rules}.get
        self.telling.rulesets = lambda: [rules]
        state = SimpleNamespace(signals=lambda *_: None)
        self.lane = SimpleNamespace(brick8=b"brick--l", ruleset=rules, state=state)
        self.brick.status = SimpleNamespace(ruleset8=b"rules--8")

    def hear(self, name: str, value: int) -> None:
        self.ms += 1
        fields = {0: 0, 2: 1, 5: self.ms, 10: reg.KIND_DENY, 11: reg.EVENT_SOCIAL_MENTION << 4}
        record = SimpleNamespace(seq=1, fields=fields, private_fields={8: [name, value, 0]})
        stored: Any = SimpleNamespace(brick=b"brick--l", record=record, host_seq=1)
        self.telling.recorded(stored)

    def sent(self) -> list[Any]:
        return list(iter(lambda: self.telling.soon(self.brick), None))


def test_many_signals_push_nothing_out_and_a_slow_link_gets_only_the_newest(monkeypatch: pytest.MonkeyPatch):
    kit = Signalling(monkeypatch, "footfall")
    kit.link()
    for message in Telling._revocations(b"REVOKE", False):
        assert kit.telling.tell(kit.brick.brick, *message)
    for value in range(3 * telling.SHORT):
        kit.hear("footfall", value)
    assert kit.sent() == [
        (reg.MSG_REVOKED, {0: False, 1: b"REVOKE"}),
        (reg.MSG_SIGNALS, {0: [[0, value, kit.ms]], 1: b"rules--8"}),
    ]


def test_more_short_messages_than_have_room_become_everything_that_holds(monkeypatch: pytest.MonkeyPatch):
    kit = Kit(monkeypatch)
    kit.telling._store.set_meta = _kept  # type: ignore[method-assign]
    kit.link()

    async def revoke() -> None:
        for number in range(telling.SHORT + 5):
            await kit.telling.revoke(number.to_bytes(6, "big") + b"--", "Ana")

    asyncio.run(revoke())
    assert kit.brick.counters["told_anew"] == 1
    sent = list(iter(lambda: kit.telling.soon(kit.brick), None))
    assert len(sent) <= telling.SHORT and sent[0][0] == reg.MSG_TRAINING
    told = b"".join(value[1] for kind, value in sent if kind == reg.MSG_REVOKED)
    assert {told[at : at + 6] for at in range(0, len(told), 6)} == set(kit.telling._subjects())
    assert [value[0] for kind, value in sent if kind == reg.MSG_REVOKED][:2] == [True, False], (
        "from scratch, once"
    )


def _kept(_: Any) -> Any:
    done: Future[None] = Future()
    done.set_result(None)
    return done


def test_a_name_that_no_rules_look_at_is_told_to_nobody_and_pushes_nothing_out(
    monkeypatch: pytest.MonkeyPatch,
):
    kit = Signalling(monkeypatch, "sun", "footfall")
    kit.link()
    kit.hear("sun", 5)
    at = kit.ms
    assert kit.sent() == [(reg.MSG_SIGNALS, {0: [[0, 5, at]], 1: b"rules--8"})]
    flushed: list[bytes] = []
    kit.telling._flush = flushed.append
    for number in range(200):
        kit.hear(f"odd {number}", 1)
    assert flushed == [] and kit.sent() == []
    assert len(kit.telling._heard._newest) == MOST
    kit.hear("sun", 5)
    again = kit.ms
    assert kit.sent() == [(reg.MSG_SIGNALS, {0: [[0, 5, again]], 1: b"rules--8"})]
    kit.telling.link_up(kit.brick)
    kit.telling.status(kit.brick)
    assert (reg.MSG_SIGNALS, {0: [[0, 5, again]], 1: b"rules--8"}) in kit.sent(), (
        "known to a brick that links later"
    )
