"""What the host tells of the kit, at a brick: people of others, signals, balances, open values, passes, practice."""

from typing import Any

import pytest
from books import KIT, START_MS, Books
from brick import counters as count
from brick import indicator
from bricklab import rule2, ruleset2
from hypothesis import given, settings
from hypothesis import strategies as st
from ports import Random
from ramflash import RamFlash
from stallmark import people, rights
from stallmark import registry as reg
from stallmark.errors import FormatError

SECTOR = 4096
CROWD = [10, [20, 0, 864_000_000, 0], 20]
OPEN = [[3, 1, 9, 4, "cups"]]
DATA = ruleset2(
    rule2("crowd", CROWD, [[reg.GRANT_PERCENT_NOW, 1500, 300]], [reg.UNIT_MINOR], f5=True),
    f13=[["mentions", reg.EVENT_SOCIAL_MENTION, 3600]],
    f14=OPEN,
)
OTHER = b"brick-02"


def books(data: bytes = DATA, flash: RamFlash | None = None, seed: int = 1) -> Books:
    slices = [rights.Slice(1, rights.rule8("crowd"), reg.UNIT_MINOR, 30_000, KIT, 1, START_MS * 2)]
    return Books(flash or RamFlash(6 * SECTOR), RamFlash(2 * SECTOR), data, slices, seed)


def entry(now: Books, number: int, since: int = 0, kind: int = reg.KIND_DENY) -> bytes:
    slot = now.ruleset.slots[0]
    at = now.clock.wall_ms() - slot[0] + since
    return people.entry(subject(number), reg.EVENT_NFC_TAP, 3, kind, 0, 0, at)


def subject(number: int) -> bytes:
    return b"%06dxx" % number


def told(now: Books, numbers: range, up_to: int, source: bytes = OTHER, **more: Any) -> None:
    entries = b"".join(entry(now, number, index) for index, number in enumerate(numbers))
    now.kitwide.people({0: now.ruleset.digest8, 1: source, 2: up_to, 3: entries} | more)


def tap(now: Books, number: int) -> Any:
    return now.decider.decide(now.event(subject(number)))


def test_twenty_one_people_over_two_bricks_open_the_rule_and_the_record_names_the_heads():
    now = books()
    for number in range(10):
        assert tap(now, number).fields[10] == reg.KIND_DENY
    told(now, range(100, 110), 40)
    last = tap(now, 200)
    assert last.fields[10] == reg.KIND_GRANT and last.fields[13] == [[1, 300]]
    assert last.fields[21] == now.decider.state.evidence()
    latch = next(e for e in now.journal.records() if e.fields[10] == reg.KIND_LATCH)
    assert latch.fields[21] == last.fields[21] and now.decider.state.heads() == [[OTHER, 40]]


def test_one_person_at_two_bricks_is_one_and_never_opens_it():
    now = books()
    for number in range(20):
        tap(now, number)
    told(now, range(20), 40)
    assert tap(now, 3).fields[10] == reg.KIND_DENY


@pytest.mark.parametrize("seed", range(4))
def test_late_doubled_and_reordered_messages_count_nobody_twice(seed: int):
    print("seed", seed)
    random = Random(seed)
    now = books()
    parts = [(range(at, at + 3), at + 3) for at in range(0, 18, 3)]
    for _ in range(40):
        numbers, up_to = parts[random.below(len(parts))]
        told(now, numbers, up_to)
        tap(now, random.below(18))
    assert all(e.fields[10] != reg.KIND_GRANT for e in now.journal.records()), "18 people at most"
    assert now.decider.state.count(0, 0, now.clock.wall_ms()) <= 18


def test_alone_a_brick_keeps_its_own_lower_bound():
    now = books()
    grants = [tap(now, number).fields[10] for number in range(25)].count(reg.KIND_GRANT)
    assert grants == 5 and now.decider.state.evidence() is None
    assert all(21 not in e.fields for e in now.journal.records())


def test_what_is_of_another_ruleset_or_says_it_is_our_own_is_ignored():
    now = books()
    told(now, range(100, 120), 40)
    other = books()
    entries = b"".join(entry(other, number) for number in range(100, 120))
    other.kitwide.people({0: b"elsewise", 1: OTHER, 2: 40, 3: entries})
    other.kitwide.people({0: other.ruleset.digest8, 1: b"brick-01", 2: 40, 3: entries})
    assert other.decider.state.heads() == [] and tap(other, 1).fields[10] == reg.KIND_DENY
    assert other.counters.get(count.EXCHANGE_OTHER) == 1 and tap(now, 1).fields[10] == reg.KIND_GRANT


def values(now: Books, pairs: list[Any], nonce: bytes = b"nonce--1", ruleset8: bytes | None = None) -> int:
    now.kitwide.parameters({0: ruleset8 or now.ruleset.digest8, 1: pairs, 2: "Ana", 3: nonce})
    kind, result = now.posts[-1]
    assert kind == reg.MSG_PARAMETERS_RESULT and result[0] == nonce
    return result[1]


def test_open_values_are_taken_within_bounds_once_and_hold_over_restart_and_a_ring_gone_round():
    flash = RamFlash(6 * SECTOR)
    now = books(flash=flash)
    assert values(now, [[0, 10]]) == reg.PARAMETERS_BOUNDS
    assert values(now, [[1, 5]], b"nonce--2") == reg.PARAMETERS_BOUNDS
    assert values(now, [[0, 5]], b"nonce--3", b"elsewise") == reg.PARAMETERS_OTHER_RULESET
    assert now.decider.state.parameter(0) == 4
    assert values(now, [[0, 7]], b"nonce--4") == reg.PARAMETERS_OK
    before = now.journal.next_seq
    assert values(now, [[0, 7]], b"nonce--4") == reg.PARAMETERS_OK
    assert now.journal.next_seq == before, "asked twice, written once"
    assert now.decider.state.parameter(0) == 7 and now.counters.get(count.PARAMETERS_REFUSED) == 3
    now = books(flash=flash, seed=2)
    assert now.decider.state.parameter(0) == 7
    for number in range(400):
        now.source.now += 61_000
        tap(now, number)
        head = now.journal.next_seq - 1
        now.journal.mark(head, head)
        now.journal.erase_ahead()
    assert now.journal.oldest_seq > 100
    assert books(flash=flash, seed=3).decider.state.parameter(0) == 7


def test_practice_is_flagged_and_changes_nothing():
    now = books()
    for number in range(20):
        tap(now, number)
    now.kitwide.training({0: True, 1: "Ana"})
    before = now.decider.state.slices_left()
    for number in range(30, 51):
        practised = tap(now, number)
        assert practised.fields[0] & reg.FLAG_TRAINING and 13 not in practised.fields
    assert practised.fields[10] == reg.KIND_GRANT and now.lamp.shown[-1] is indicator.GRANTED
    assert now.counters.get(count.PRACTISED) == 21 and now.decider.state.slices_left() == before
    now.kitwide.training({0: False, 1: "Ana"})
    now.source.now += 61_000
    assert tap(now, 19).fields[10] == reg.KIND_DENY, "nobody of the practice counts"
    assert now.rebuilt().count(0, 0, now.clock.wall_ms()) == 20
    assert tap(now, 60).fields[10] == reg.KIND_GRANT


def test_a_revoked_person_gets_nothing_and_signals_and_balances_are_taken():
    now = books()
    now.kitwide.revoked({0: True, 1: subject(1)[:6] + subject(2)[:6]})
    assert tap(now, 1).fields[14] == [reg.REASON_REVOKED]
    now.kitwide.revoked({0: True, 1: b""})
    assert tap(now, 2).fields[14][0] != reg.REASON_REVOKED
    wall = now.clock.wall_ms()
    ours = now.decider.ruleset.digest8
    now.kitwide.signals({0: [[0, 12, wall], [5, 1, wall]], 1: ours})
    assert now.decider.state.signal(0, wall) == (12, 0)
    now.kitwide.signals({0: [[0, 57, wall + 1]], 1: b"other--8"})
    assert now.decider.state.signal(0, wall + 1) == (12, 0), "signal 0 of other rules is another signal"
    with pytest.raises(FormatError):
        now.kitwide.signals({0: [[0, 57, wall]]})
    now.kitwide.balances({0: wall, 1: 0, 2: subject(1)[:6] + b"\0\0\0\x05"})


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 5), inner, max_size=5),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(ANY | st.fixed_dictionaries({0: ANY, 1: ANY, 2: ANY, 3: ANY}))
def test_no_message_does_anything_but_be_refused_or_taken(value: Any):
    now = _fuzzed
    part = now.kitwide
    for handler in (
        part.people, part.signals, part.balances, part.revoked, part.parameters, part.training, now.asking.answered
    ):  # fmt: skip
        try:
            handler(value)
        except FormatError:
            continue
    part.training({0: False, 1: ""})


_fuzzed = books()
