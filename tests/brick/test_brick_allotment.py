"""Slices that a brick has no use for cost it no signature, and keep nobody waiting."""

from types import SimpleNamespace

from books import KIT
from books import START_MS as START
from brick.allotment import Allotment
from brick.counters import Counters
from bricklab import rule2, ruleset2
from stallmark import numbers, rights
from stallmark.rules import Ruleset
from stallmark.state import State

NEW = rule2(
    "new", [11, [20, 0, 864_000_000, 0], 1], [[numbers.GRANT_PERCENT_NOW, 1500, 300]], [numbers.UNIT_MINOR]
)


def message(number, name, expires=START * 2):
    return {
        0: rights.encode_slice(number, rights.rule8(name), numbers.UNIT_MINOR, 500, KIT, 1, expires),
        1: bytes(64),
    }


def test_of_hundreds_of_old_slices_only_the_one_with_a_rule_is_checked():
    state = State(Ruleset(ruleset2(NEW)))
    checked, said = [], []
    allotment = Allotment(
        SimpleNamespace(kit8=KIT, rental=1), SimpleNamespace(directors=[b"d"]), lambda *parts: checked.append(parts) or True,
        lambda piece: state.add_slice(piece, START), lambda _, value: said.append((value[0], value[1])), lambda: None,
        Counters(), lambda: 0,
    )  # fmt: skip
    allotment.refuses = lambda piece: state.refuses(piece, START)
    for number in range(1, 301):
        allotment.received(message(number, "old"))
        if number == 150:
            allotment.received(message(1000, "new"))
            allotment.received(message(1001, "new", START - 1))
            assert allotment.step() is True and len(checked) == 1
        elif number % 20 == 0:
            assert allotment.step() is False
    assert allotment.waiting_since is None and len(checked) == 1
    assert (1000, numbers.SLICE_OK) in said and (1001, numbers.SLICE_EXPIRED) in said
    assert sorted(one for one, result in said if result == numbers.SLICE_UNKNOWN_RULE) == list(range(1, 301))
    assert state.slices_left() == [[1000, 500]]


def test_before_the_first_rules_a_slice_is_checked_and_kept_for_them():
    piece = rights.decode_slice(message(1, "new")[0])
    assert (
        State().refuses(piece, START) is None and State(Ruleset(ruleset2(NEW))).refuses(piece, START) is None
    )
    assert State().refuses(piece, START * 2) == numbers.SLICE_EXPIRED
