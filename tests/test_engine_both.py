"""Same events, same ruleset: the same decision, byte for byte, on both interpreters; a plain model agrees."""

import operator
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from virtualkit import interpreter

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "tests" / "core"
sys.path.insert(0, str(CORE))

import engine_peer  # noqa: E402
import rulekit  # noqa: E402
from stallmark import cbor, event  # noqa: E402

BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
START, HOUR = rulekit.START, rulekit.HOUR
SLOTS = [[START, START + HOUR], [START + 2 * HOUR, START + 3 * HOUR], [START + HOUR // 2, START + 4 * HOUR]]
FALSE, UNKNOWN, TRUE = 0, 1, 2


class Peer:
    """The engine in a MicroPython process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [interpreter.find(), "-X", "heapsize=4M", CORE / "engine_peer.py"],
            env={**os.environ, "MICROPYPATH": f"{ROOT}/firmware:{CORE}:.frozen"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def answer(self, line: str) -> str:
        """One line of the peer's; AssertionError when it is gone."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer.endswith("\n"), f"MicroPython ended at {line}: {answer}"
        return answer.rstrip("\n")

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """One process for all examples."""
    process = Peer()
    yield process
    process.close()


# --- made-up rulesets and streams

_shared = st.one_of(
    st.tuples(st.just(20), st.sampled_from([HOUR // 4, HOUR, 3 * HOUR])).map(list), st.just([24])
)
_values = st.one_of(_shared, st.sampled_from([[21], [22], [23]]))
_numbers = st.one_of(st.integers(0, 6), st.sampled_from([500, 1000, HOUR // 4, HOUR]))


def _conditions(values: st.SearchStrategy[list[int]]) -> st.SearchStrategy[Any]:
    leaf = st.one_of(
        st.tuples(st.integers(10, 14), values, _numbers).map(list),
        st.tuples(st.integers(10, 14), _numbers, values).map(list),
        st.tuples(st.integers(10, 14), values, values).map(list),
        st.just([0]),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: [1, *parts]),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: [2, *parts]),
            inner.map(lambda part: [3, part]),
        ),
        max_leaves=5,
    )


_grants = st.sampled_from(
    [
        ([[1, 1500, 500]], [[1, 500]]),
        ([[2, 1, 200]], [[1, 250]]),
        ([[5, 1, 0]], [[2, 1]]),
        ([[5, 2, 0], [1, 500, 100]], [[2, 2], [1, 100]]),
    ]
)


@st.composite
def _rules(draw: st.DrawFn, number: int) -> dict[int, Any]:
    latch = draw(st.booleans())
    grants, need = draw(_grants)
    slots = draw(st.sampled_from([[0], [1], [2], [0, 1], [1, 0]]))
    return rulekit.rule(
        f"rule-{number}",
        events=draw(st.sampled_from([[1], [1, 2], [2, 1, 3]])),
        trust=draw(st.sampled_from([0, 2, 3, 3, 3])),
        slots=slots,
        when=draw(_conditions(_shared if latch else _values)),
        latch=latch,
        grants=grants,
        need=need,
        limit=draw(st.sampled_from([0, 1, 1, 2])),
        policy=draw(st.sampled_from([2, 14])),
        messages=draw(st.sampled_from([{}, {0: "ja", 1: "nein"}])),
        people_trust=draw(st.sampled_from([3, 3, 4])),
    )


@st.composite
def _rulesets(draw: st.DrawFn) -> bytes:
    count = draw(st.integers(1, 4))
    found = [draw(_rules(number)) for number in range(count)]
    return rulekit.data(*found, slots=SLOTS, people=60)


_maybe = st.one_of(st.none(), st.sampled_from([0, 3, 5, 499, 500, 1000]))
_events = st.builds(
    lambda person, at, trust, kind, quality, basket, tip: rulekit.tap(
        person if trust else None, at, trust, kind, quality, basket_minor=basket, tip_minor=tip
    ),
    st.integers(0, 12),
    st.one_of(
        st.integers(0, 4 * HOUR),
        st.integers(0, HOUR),
        st.sampled_from([0, HOUR - 1, HOUR, 2 * HOUR, -1]),
    ),
    st.sampled_from([0, 1, 2, 3, 3, 3, 3, 4]),
    st.sampled_from([1, 1, 1, 2, 3]),
    st.sampled_from([0, 1, 2, 2, 2, 2, 3]),
    _maybe,
    _maybe,
)
_slices = st.tuples(
    st.integers(1, 9),
    st.integers(0, 3),
    st.sampled_from([1, 2]),
    st.integers(1, 1200),
    st.integers(START, START + 5 * HOUR),
    st.sampled_from([0, 0, 0, START + HOUR]),
)


@st.composite
def _steps(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Slices first, then events with a slice or a restart now and then."""
    steps: list[tuple[str, Any]] = [("S", piece) for piece in draw(st.lists(_slices, max_size=8))]
    for happened in draw(st.lists(_events, min_size=1, max_size=40)):
        steps.append(("E", happened))
        extra = draw(st.integers(0, 12))
        if extra == 0:
            steps.append(("S", draw(_slices)))
        elif extra == 1:
            steps.append(("B", draw(st.sampled_from([1, 1, 5]))))
    return steps


def _line(step: tuple[str, Any]) -> str:
    kind, value = step
    if kind == "B":
        return f"B {value}"
    if kind == "E":
        return "E " + event.encode(value).hex()
    number, rule, unit, amount, expires, floor = value
    return "S " + cbor.encode([number, f"rule-{rule}", unit, amount, expires, floor]).hex()


@given(ruleset=_rulesets(), people=st.sampled_from([0, 3, 8, 60]), steps=_steps(), functions=st.booleans())
@BOUNDED
def test_both_interpreters_decide_the_same_byte_for_byte(
    peer: Peer, ruleset: bytes, people: int, steps: list[tuple[str, Any]], functions: bool
) -> None:
    """By hand on MicroPython, by hand or with a function for each rule (stallmark.judge) on CPython."""
    here = engine_peer.Session()
    start = f"R {ruleset.hex()} {people}"
    read = here.answer(start)
    assert peer.answer(start) == read
    assert read != "ok" or not functions or here.answer("J") == "ok"
    for line in map(_line, steps):
        ours = here.answer(line)
        assert not ours.startswith("CRASH"), f"CPython: {ours} for {line}"
        assert peer.answer(line) == ours, line


# --- a plain model, from the words of the page


class Model:
    """The page in sets and lists: no tables, no bounds, no explanation; kind and rule only."""

    def __init__(self, ruleset: dict[int, Any]) -> None:
        self.ruleset = ruleset
        self.visits: list[tuple[Any, int]] = []  # event, rule granted or -1
        self.latched: set[tuple[int, int]] = set()
        self.slices: dict[int, list[Any]] = {}

    def add(self, piece: tuple[int, int, int, int, int, int]) -> None:
        number, rule, unit, amount, expires, _floor = piece
        rules = self.ruleset[5]
        if number not in self.slices and rule < len(rules) and unit in [need[0] for need in rules[rule][7]]:
            self.slices[number] = [expires, number, rule, unit, amount]

    def _slot(self, rule: dict[int, Any], wall: int) -> int:
        for slot in rule[3]:
            if self.ruleset[4][slot][0] <= wall < self.ruleset[4][slot][1]:
                return slot
        return -1

    def _inside(self, slot: int, now: Any) -> list[tuple[Any, int]]:
        """Visits of known people in a slot, with the one of now."""
        start, end = self.ruleset[4][slot]
        seen = [(e, granted) for e, granted in self.visits if e.quality >= 2 and start <= e.wall_ms < end]
        return [(e, granted) for e, granted in [*seen, (now, -1)] if e.subject is not None]

    def _value(self, value: Any, rule: dict[int, Any], slot: int, now: Any) -> int | None:
        if isinstance(value, int):
            return value
        start = self.ruleset[4][slot][0]
        if value[0] == 20:
            found = [e for e, _ in self._inside(slot, now) if e.trust >= rule[12]]
            return len({e.subject for e in found if e.wall_ms - start < value[1]})
        if value[0] == 21:
            if now.subject is None:
                return None
            mine = [e for e, _ in self._inside(slot, now) if e.subject == now.subject]
            return sum(1 for e in mine if e.trust >= self.least())
        return {22: now.basket_minor, 23: now.tip_minor, 24: now.wall_ms - start}[value[0]]

    def least(self) -> int:
        """Visits are remembered of tokens that some rule has a use for."""
        least = 15
        for rule in self.ruleset[5]:
            text = str(rule[4])
            if "[20," in text:
                least = min(least, rule[12])
            if rule[8] or "[21]" in text:
                least = min(least, rule[2])
        return least

    def _truth(self, expr: Any, rule: dict[int, Any], slot: int, now: Any) -> int:
        op = expr[0]
        if op == 0:
            return TRUE
        if op in (1, 2, 3):
            parts = [self._truth(child, rule, slot, now) for child in expr[1:]]
            return {1: min, 2: max, 3: lambda p: TRUE - p[0]}[op](parts)
        left, right = (self._value(side, rule, slot, now) for side in expr[1:])
        if left is None or right is None:
            return UNKNOWN
        compare = {10: operator.gt, 11: operator.ge, 12: operator.lt, 13: operator.le, 14: operator.eq}
        return TRUE if compare[op](left, right) else FALSE

    def _cover(self, rule: int, need: list[list[int]]) -> bool:
        """Whether one or two slices cover each need."""
        for unit, amount in need:
            left = sorted(s[4] for s in self.slices.values() if s[2] == rule and s[3] == unit)[-2:]
            if sum(left) < amount:
                return False
        return True

    def decide(self, now: Any, told: list[list[int]]) -> tuple[int, int | None]:
        """Kind and rule index; `told` are the engine's rights, taken over after they were checked."""
        known = now.quality >= 2
        for index, rule in enumerate(self.ruleset[5]):
            slot = self._slot(rule, now.wall_ms) if known else -1
            if slot >= 0 and rule[5] and self._truth(rule[4], rule, slot, now) == TRUE:
                self.latched.add((index, slot))
        unsure = False
        winner = None
        for index, rule in enumerate(self.ruleset[5]):
            if now.type not in rule[1]:
                continue
            truth = [TRUE if now.trust >= rule[2] else FALSE, TRUE if self._cover(index, rule[7]) else FALSE]
            if not known:
                truth.append(UNKNOWN)
            else:
                slot = self._slot(rule, now.wall_ms)
                truth.append(TRUE if slot >= 0 else FALSE)
                if slot >= 0:
                    latched = (index, slot) in self.latched
                    truth.append(TRUE if latched else self._truth(rule[4], rule, slot, now))
                    if rule[8]:
                        truth.append(self._limit(index, rule, slot, now))
            if min(truth) == TRUE:
                winner = index
                break
            unsure = unsure or (min(truth) == UNKNOWN and rule[9] == 14)
        for number, amount in told:
            self.slices[number][4] -= amount
            assert self.slices[number][4] >= 0, "overspent"
            assert winner is not None and self.slices[number][2] == winner
        self.visits.append((now, -1 if winner is None else winner))
        if winner is not None:
            return 1, winner
        return (14 if unsure else 2), None

    def _limit(self, index: int, rule: dict[int, Any], slot: int, now: Any) -> int:
        if now.subject is None:
            return UNKNOWN
        had = [e for e, granted in self._inside(slot, now) if granted == index and e.subject == now.subject]
        return TRUE if len(had) < rule[8] else FALSE


@given(ruleset=_rulesets(), steps=_steps())
@BOUNDED
def test_a_plain_model_of_the_page_decides_the_same(ruleset: bytes, steps: list[tuple[str, Any]]) -> None:
    here = engine_peer.Session()
    assert here.answer(f"R {ruleset.hex()} 60") == "ok"
    model = Model(cbor.decode(ruleset, 16, 4096))
    for step in steps:
        if step[0] == "B" or (step[0] == "S" and step[1][5]):
            continue  # restarts and expiry have tests of their own
        answer = here.answer(_line(step))
        if step[0] == "S":
            if answer == "1":
                model.add(step[1])
            continue
        decision = cbor.decode(bytes.fromhex(answer))[0]
        kind, rule = model.decide(step[1], decision[3])
        assert decision[0] == kind and (kind != 1 or decision[1] == rule), decision


# --- what must never happen, whatever is lost


@given(
    more_than=st.integers(0, 6),
    people=st.integers(0, 12),
    stream=st.lists(
        st.tuples(
            st.integers(0, 9), st.integers(0, 2 * HOUR), st.sampled_from([2, 3, 3, 4]), st.integers(0, 30)
        ),
        max_size=60,
    ),
)
@BOUNDED
def test_count_over_k_never_grants_wrongly_however_much_is_forgotten(
    more_than: int, people: int, stream: list[tuple[int, int, int, int]]
) -> None:
    """A brick sees a part of the people and may forget some: stale counts only delay."""
    when = [10, [20, HOUR], more_than]
    brick = rulekit.Brick(rulekit.data(rulekit.rule(when=when, limit=0), people=60), people)
    brick.slice(1, "surprise-15", 1, 1_000_000)
    came: set[int] = set()
    for person, at, trust, restart in stream:
        if restart == 0:
            brick.restart(from_seq=1 + at % (len(brick.journal) + 1))
            brick.slice(1, "surprise-15", 1, 1_000_000)
        if trust >= 3 and at < HOUR:
            came.add(person)
        if brick.tap(person, at=at, trust=trust).kind == 1:
            assert len(came) > more_than


@given(
    amounts=st.lists(st.integers(1, 900), min_size=1, max_size=6),
    cap=st.integers(1, 700),
    restarts=st.lists(st.integers(0, 5), max_size=40),
)
@BOUNDED
def test_no_slice_is_ever_overspent_over_restarts_and_erased_records(
    amounts: list[int], cap: int, restarts: list[int]
) -> None:
    found = rulekit.rule(when=[0], latch=False, grants=[[2, 1, cap]], need=[[1, cap]], limit=0)
    brick = rulekit.Brick(rulekit.data(found))
    spent: dict[int, int] = {}
    oldest = 1
    for number, chance in enumerate([5, *restarts]):
        if chance == 0:
            brick.restart(from_seq=oldest)
        elif chance == 1:
            before = len(brick.journal) + 1
            while due := brick.state.carry_forward(before_seq=before):
                brick.write({10: 10, 13: due})
            oldest = before
        for index, amount in enumerate(amounts):
            brick.slice(index + 1, "surprise-15", 1, amount)
        for slice_id, amount in brick.tap(number).rights:
            spent[slice_id] = spent.get(slice_id, 0) + amount
            assert spent[slice_id] <= amounts[slice_id - 1]
