"""Made-up rules of version 2 and streams of everything: both interpreters give the same decisions, words and state."""

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

import decide_peer  # noqa: E402
import deckit  # noqa: E402
from stallmark import cbor, event  # noqa: E402

BOUNDED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
START, HOUR, MINUTE = deckit.START, deckit.HOUR, deckit.MINUTE
SLOTS = [[START, START + HOUR], [START + 2 * HOUR, START + 3 * HOUR], [START + HOUR // 2, START + 4 * HOUR]]
TOP = {
    "languages": ["en", "de"],
    "experiments": [["halves", b"salt---1", [5000, 5000], 0], ["thirds", b"salt---2", [3000, 3000, 4000], 1]],
    "groups": [[1, False, 0], [2, True, 0], [3, False, 500]],
    "signals": [["rain", 0, 600], ["crowd", 6, 3600]],
    "open_values": [
        [1, 0, 3000, 1500, "percent"],
        [2, 0, 900, 500, "cap"],
        [3, 0, 5, 1, "pieces"],
        [4, 0, 4 * HOUR, HOUR, "until"],
    ],
}
TEXTS = ["{percent} now, {amount}: {what}", "{missing} of {need}", "{have} in {minutes}", "ja", None, None]


class Peer:
    """The engine in a MicroPython process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [interpreter.find(), "-X", "heapsize=8M", CORE / "decide_peer.py"],
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


# --- made-up rules

_ms = st.sampled_from([MINUTE, 8 * MINUTE, HOUR // 4, HOUR, 3 * HOUR])
_scopes = st.sampled_from([0, 0, 1])
_plain = st.one_of(
    st.tuples(st.just(20), st.integers(0, 2), _ms, _scopes).map(list),
    st.tuples(st.just(25), st.integers(0, 2), _ms, _scopes, st.sampled_from([0, 1, 3])).map(list),
    st.tuples(st.just(26), st.sampled_from([1, 3, 5]), _ms).map(list),
    st.sampled_from([[name] for name in (21, 22, 23, 24, 27, 29, 30, 31, 34, 35, 36)]),
    st.sampled_from(
        [[28, "tea"], [28, 7], [32, 0], [32, 1], [33, 0], [33, 1], [37, 0], [37, 1], [40, 1], [40, 3]]
    ),
)
_numbers = st.one_of(
    st.integers(0, 6), st.sampled_from([500, 1000, HOUR // 4, HOUR, -1, 2**62, -(2**63), 2**63 - 1])
)  # fmt: skip
_values = st.recursive(
    _plain,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from([50, 51, 52, 53, 54]), inner, st.one_of(inner, _numbers)).map(list),
        st.tuples(st.just(55), inner, st.sampled_from([1, 2, 100])).map(list),
    ),
    max_leaves=3,
)
_leaf = st.one_of(
    st.tuples(st.sampled_from([10, 10, 11, 11, 12, 13, 14]), _values, st.one_of(_numbers, _values)).map(list),
    st.tuples(st.integers(10, 14), _numbers, _values).map(list),
    st.tuples(st.just(15), _values, st.integers(0, 5), st.integers(5, 1000)).map(list),
    st.tuples(st.just(16), _values, st.integers(0, 5), st.integers(0, 5)).map(list),
    st.just([0]),
)
_conditions = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: [1, *parts]),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: [2, *parts]),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: [4, 2, *parts]),
        inner.map(lambda part: [3, part]),
    ),
    max_leaves=5,
)
_grants = st.sampled_from(
    [
        ([[1, 1500, 500]], [1]), ([[2, 1, 200]], [1, 3]), ([[5, 1, 0]], [2]), ([[1, [40, 0], [40, 1]]], [1]),
        ([[6, [40, 2], 0, "large"], [3, 1000, 300, 30]], [1, 2]), ([[7, 10000, 200, "creator"]], [1]), ([[8, 2, 0, 90]], []),
        ([[10, 1, 0, "chat"], [11, 500, 100, "school"]], [1]), ([[12, 3000, 900, "creator"]], []), ([[9, 7, 250, 30]], [1]),
    ]
)  # fmt: skip


_easy = st.sampled_from(
    [[0], [0], [11, [20, 0, HOUR, 0], 2], [1, [11, [21], 1], [11, [35], 3]], [2, [11, [22], 500], [15, [24], 0, 2 * HOUR]],
     [14, [33, 0], 1], [4, 2, [11, [22], 500], [11, [29], 1], [12, [34], 1]], [11, [25, 1, HOUR // 4, 0, 0], 2],
     [3, [11, [32, 0], 4]], [11, [30], 3]]
)  # fmt: skip


@st.composite
def _rules(draw: st.DrawFn, number: int) -> dict[int, Any]:
    grants, need = draw(_grants)
    latch = draw(st.sampled_from([False, False, True]))
    redeems = draw(st.sampled_from([None, None, None, None, 7]))
    if redeems is not None:
        grants, need = [[2, 1, 0]], []
    counted = st.sampled_from(
        [[10, [20, 0, HOUR, 0], 2], [11, [20, 1, HOUR, 0], 2], [10, [25, 2, HOUR // 2, 0, 0], 3]]
    )
    strict = draw(st.sampled_from([1, 1, 2, 3, 3]))
    return deckit.rule(
        f"rule-{number}",
        events=draw(st.sampled_from([[1], [1, 2], [1, 2, 3], [3, 5]])),
        trust=draw(st.sampled_from([0, 2, 3, 3])),
        slots=draw(st.sampled_from([[0], [0, 1], [2], [0, 1]])),
        when=draw(counted if latch else st.one_of(_easy, _easy, _conditions)),
        latch=latch,
        grants=grants,
        need=need,
        limits=draw(st.sampled_from([[], [], [[0, 1]], [[1, 2]], [[0, 1], [1, 2]]])),
        offline=[draw(st.sampled_from([2, 14])), strict, 1, 3],
        messages=[draw(st.tuples(*[st.sampled_from(TEXTS)] * 3)) for _ in range(2)],
        group=draw(st.sampled_from([None, None, 0, 1, 2])),
        experiment=draw(st.sampled_from([None, None, None, [0, 1], [1, 0]])),
        early=draw(st.sampled_from([[], [], [[1, HOUR // 2]], [[5, HOUR], [1, MINUTE]]])),
        flags=draw(st.sampled_from([0, 0, 0, 1, 2])),
        redeems=redeems,
        stale=draw(st.sampled_from([None, None, 60, 1800])),
    )


@st.composite
def _rulesets(draw: st.DrawFn) -> bytes:
    found = [draw(_rules(number)) for number in range(draw(st.integers(1, 5)))]
    for one in found:
        one[10] = [list(texts) for texts in one[10]]
    holdout = draw(st.sampled_from([None, None, [b"salt---3", 3000]]))
    return deckit.data(
        *found, slots=SLOTS, holdout=holdout, basket_cap=draw(st.sampled_from([0, 0, 400])), **TOP
    )


# --- made-up days

_maybe = st.one_of(st.none(), st.sampled_from([0, 3, 5, 499, 500, 1000, 2**63 - 1]))
_vouchers = st.tuples(st.just("voucher:7"), st.sampled_from([0, 250]), st.just(0)).map(list)


@st.composite
def _events(draw: st.DrawFn) -> bytes:
    trust = draw(st.sampled_from([3, 3, 3, 3, 0, 2, 4]))
    lines = draw(st.sampled_from([None, None, [["tea", 2, 500], [7, 1, 300]]]))
    happened = list(
        deckit.tap(
            draw(st.integers(0, 5)) if trust else None,
            draw(
                st.one_of(
                    st.integers(0, HOUR),
                    st.integers(HOUR // 2, HOUR),
                    st.sampled_from([0, HOUR - 1, HOUR, -1, 3 * HOUR]),
                )
            ),
            trust,
            draw(st.sampled_from([1, 1, 1, 1, 2, 3, 5])),
            draw(st.sampled_from([2, 2, 2, 2, 2, 3, 0])),
            basket_minor=draw(_maybe),
            tip_minor=draw(_maybe),
            items=draw(_maybe),
            lines=lines,
            signal=draw(_vouchers) if trust == 4 else draw(st.sampled_from([None, None, ["rain", 5, 30]])),
            reference=f"{draw(st.integers(0, 3)):016X}" if trust == 4 else None,
        )
    )
    happened[7] = draw(st.integers(1, 2**40)).to_bytes(8, "big")
    return event.encode(event.Event(*happened))


_answers = st.tuples(
    st.sampled_from([None, 1, 1, 2]), st.sampled_from([None, 3]), st.sampled_from([None, 0, 2]), st.booleans()
)
_told = st.one_of(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4).map(
        lambda people: [
            0,
            START,
            0,
            b"".join(deckit.subject(n)[:6] + t.to_bytes(4, "big") for n, t in people),
        ]
    ),
    st.tuples(st.just(1), st.integers(0, 1), st.integers(-3, 9), st.integers(START, START + HOUR)).map(list),
    st.lists(st.integers(0, 9), max_size=2).map(
        lambda people: [2, True, b"".join(deckit.subject(n)[:6] for n in people)]
    ),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)).map(list), min_size=1, max_size=2).map(
        lambda v: [3, START, v]
    ),
    st.integers(0, 40).map(lambda seq: [4, seq]),
)


@st.composite
def _lines(draw: st.DrawFn) -> list[str]:
    out: list[str] = []
    for kind in draw(st.lists(st.sampled_from("EEEEEEEEOOHFPB"), min_size=8, max_size=36)):
        if kind == "B":
            out.append(f"B {draw(st.sampled_from([1, 1, 5]))}")
        elif kind == "H":
            out.append(f"H {START + draw(st.integers(0, 2 * HOUR))}")
        else:
            if kind == "E":
                value = [draw(_events()), *draw(_answers)]
            elif kind == "O":
                value = [draw(_events())]
            elif kind == "P":
                value = [draw(_events()), draw(st.integers(0, 4)), draw(st.booleans())]
            else:
                value = draw(_told)
            out.append(f"{kind} {cbor.encode(value).hex()}")
    return out


@given(ruleset=_rulesets(), lines=_lines(), functions=st.sampled_from([(), ("here",), ("here",), ("there",)]))
@BOUNDED
def test_both_interpreters_decide_version_2_the_same_byte_for_byte(
    peer: Peer, ruleset: bytes, lines: list[str], functions: tuple[str, ...]
) -> None:
    """By hand on both, or with a function for each rule (stallmark.judge) on one of them."""
    here = decide_peer.Session()
    start = f"R {ruleset.hex()}"
    read = here.answer(start)
    assert peer.answer(start) == read
    for where in functions if read == "ok" else ():
        assert (here if where == "here" else peer).answer("J") == "ok"
    for line in lines:
        ours = here.answer(line)
        assert not ours.startswith("CRASH"), f"CPython: {ours} for {line}"
        assert peer.answer(line) == ours, line


# --- monotone conditions never grant wrongly, whatever order things come in


@given(
    more_than=st.integers(0, 5),
    windows=st.sampled_from([0, 0, 1, 2]),
    stream=st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 7), st.integers(0, 2 * HOUR), st.sampled_from([2, 3, 3, 4])
        ),
        max_size=40,
    ),
    told=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 60), st.integers(0, 60)), max_size=12
    ),
    people=st.sampled_from([2, 4, 60]),
)
@BOUNDED
def test_a_kit_wide_count_never_grants_wrongly_in_any_order_of_delivery(
    more_than: int,
    windows: int,
    stream: list[tuple[int, int, int, int]],
    told: list[tuple[int, int, int, int]],
    people: int,
) -> None:
    """Three bricks; messages are cut, repeated, out of order; some people are forgotten. A grant means that so many came."""
    rule = deckit.rule(when=[10, [20, windows, HOUR, 0], more_than], limits=[])
    ruleset = deckit.data(rule, slots=[[START, START + 3 * HOUR]])
    bricks = [deckit.Kit(ruleset, people_capacity=people, brick=b"brick--%d" % n) for n in range(3)]
    came: set[int] = set()
    waiting = list(told)
    for who, person, at, trust in stream:
        if waiting and person % 2:
            source, target, since, wall = waiting.pop()
            if source != target:
                bricks[target].hears(
                    bricks[source], START + wall * MINUTE, since % (1 + len(bricks[source].journal))
                )
        if trust >= 3 and (windows or at < HOUR):
            came.add(person)
        for decision in bricks[who].go(person, at, trust=trust):
            assert decision.kind != 1 or len(came) > more_than
