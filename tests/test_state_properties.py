"""The state of version 2 under made-up days: restarts, repeats, late and lost messages; a plain model agrees."""

import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent / "core"))

import statekit
from rulekit import HOUR, MINUTE, START, subject
from stallmark import columns, people, state
from stallmark import registry as reg
from stallmark.counters import Table
from statekit import Books, digest, over, rule

BOUNDED = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
SLOTS = [[START, START + 2 * HOUR], [START + HOUR, START + 3 * HOUR], [START + 3 * HOUR, START + 4 * HOUR]]
END = 4 * HOUR
VALUES = [
    [20, 0, HOUR, 0],
    [20, 1, 8 * MINUTE, 0],
    [20, 2, 20 * MINUTE, 0],
    [25, 0, HOUR, 0, 0],
    [25, 1, 40 * MINUTE, 0, 1],
    [25, 2, 7 * MINUTE, 0, 2],
    [26, 5, 30 * MINUTE],
]
PEOPLE = (0, 1, 2)
EVENTS = (3, 4, 5)
SEEN = 6
LOYAL = len(VALUES)
TOKENS = [[8, 2, None]]


def _ruleset(scope: int = 0, capacity: int = 100) -> Any:
    found = []
    for number, value in enumerate(VALUES):
        asked = [*value[:3], scope, *value[4:]] if value[0] != 26 else value
        found.append(
            rule(f"rule-{number}", over(asked), slots=[number % 3], people_trust=0, limits=[[0, 9], [1, 9]])
        )
    loyal = [1, over([29]), over([30]), over([21])]
    found.append(
        rule("loyal", loyal, slots=[0, 2], grants=[[8, 2, 0, 30]], offline=[14, 2, 2, 4], people_trust=0)
    )
    made = statekit.ruleset(*found, slots=SLOTS, people=capacity)
    assert [counter[0] for counter in made.counters] == [value[0] for value in VALUES]
    return made


KIT = _ruleset()
ALONE = _ruleset(scope=1)


class Visit(NamedTuple):
    """Somebody at a brick."""

    who: int | None
    at: int
    kind: int
    rule: int
    type: int

    def write(self, books: Books) -> None:
        """Its record."""
        other = {"f12": TOKENS} if self.kind == reg.KIND_GRANT and self.rule == LOYAL else {}
        books.visit(self.who, self.at, self.kind, self.rule, 3, self.type, **other)


_kinds = st.sampled_from([reg.KIND_DENY, reg.KIND_GRANT, reg.KIND_GRANT, reg.KIND_GHOST, reg.KIND_UNCERTAIN])
_visits = st.builds(
    Visit,
    st.one_of(st.none(), st.integers(0, 6)),
    st.integers(0, END // MINUTE * 4).map(lambda quarter: quarter * MINUTE // 4),
    _kinds,
    st.integers(0, LOYAL),
    st.sampled_from([1, 2, 5]),
)
_days = st.lists(_visits, max_size=40)


def _in_order(day: list[Visit]) -> list[Visit]:
    """The same visits as a clock tells them: later and later, no two in one millisecond."""
    return [
        visit._replace(at=visit.at + number) for number, visit in enumerate(sorted(day, key=lambda v: v.at))
    ]


# --- what is true, counted plainly


def _span(number: int) -> int:
    what, window, ms = VALUES[number][:3]
    return max(ms // 8, 1000) if window == 1 and what != 26 else ms


def _inside(number: int, slot: int, at: int, now: int) -> bool:
    """Whether something at `at` is in a counter's window at `now` (ms after START)."""
    start, end = SLOTS[slot][0] - START, SLOTS[slot][1] - START
    if not start <= at < end:
        return False
    window = VALUES[number][1]
    if window == 0:
        return at - start < VALUES[number][2]
    step, then = (now - start) // _span(number), (at - start) // _span(number)
    return then == step if window == 2 else step - 7 <= then <= step


def _people(number: int, slot: int, visits: Iterable[Visit], now: int) -> set[int]:
    return {v.who for v in visits if v.who is not None and _inside(number, slot, v.at, now)}


def _events(number: int, slot: int, visits: Iterable[Visit], now: int) -> int:
    wanted = VALUES[number][4]
    return sum(_inside(number, slot, v.at, now) and wanted in (0, v.type) for v in visits)


def _truth(number: int, slot: int, visits: list[Visit], now: int) -> int:
    if number in PEOPLE:
        return len(_people(number, slot, visits, now))
    return _events(number, slot, visits, now)


def _open(now: int) -> list[int]:
    return [slot for slot, (start, end) in enumerate(SLOTS) if start <= START + now < end]


def _agrees(found: state.State, visits: list[Visit], now: int) -> None:
    """Every number of the state is the true one."""
    for slot in _open(now):
        for number in PEOPLE + EVENTS:
            assert found.count(slot, number, START + now) == _truth(number, slot, visits, now), (slot, number)
        here = [v for v in visits if SLOTS[slot][0] <= START + v.at < SLOTS[slot][1]]
        for who in range(7):
            mine = [v for v in here if v.who == who]
            place = found.person(slot, subject(who))
            assert (place >= 0) == bool(mine)
            if mine:
                assert found.visits(place) == len(mine)
                fence = [v.at for v in mine if v.type == 5]
                seen = bool(fence) and now - max(fence) <= VALUES[SEEN][2]
                assert found.seen(place, SEEN, slot, START + now) == seen
                for number in PEOPLE:
                    inside = who in _people(number, slot, [max(mine, key=lambda v: v.at)], now)
                    if VALUES[number][1] == 0:
                        inside = who in _people(number, slot, mine, now)
                    assert found.counts(place, number, slot, START + now) == inside
                for limited in found.ruleset.limited:
                    gave = [
                        v for v in mine if v.rule == limited and v.kind in (reg.KIND_GRANT, reg.KIND_GHOST)
                    ]
                    assert found.granted(place, limited) == len(gave)
    for who in range(7):
        days = {s for v in visits if v.who == who for s in _open(v.at)}
        assert found.attended(subject(who)) == len(days)


def _bounded(found: state.State, visits: list[Visit], now: int) -> None:
    """No number of the state is above the true one, whatever was lost or came late."""
    for slot in _open(now):
        here = [v for v in visits if SLOTS[slot][0] <= START + v.at < SLOTS[slot][1]]
        for number in EVENTS:
            assert found.count(slot, number, START + now) <= _truth(number, slot, visits, now)
        for number in PEOPLE:
            assert found.count(slot, number, START + now) <= _truth(number, slot, visits, now)
        for who in range(7):
            mine = [v for v in here if v.who == who]
            place = found.person(slot, subject(who))
            if place >= 0:
                assert 0 <= found.visits(place) <= len(mine)
                for limited in found.ruleset.limited:
                    gave = [
                        v for v in mine if v.rule == limited and v.kind in (reg.KIND_GRANT, reg.KIND_GHOST)
                    ]
                    assert found.granted(place, limited) <= len(gave)
    for who in range(7):
        for limited in found.ruleset.limited_ever:
            gave = [v for v in visits if v.who == who and v.rule == limited]
            assert (found.granted_ever(subject(who), limited) or 0) <= len(gave)


# --- one brick


@BOUNDED
@given(_days, st.sampled_from([KIT, ALONE]))
def test_one_brick_counts_what_is_true_and_a_restart_changes_nothing(day: list[Visit], ruleset: Any) -> None:
    """Restarts happen anywhere; the numbers are those of a plain count, the bytes those of a day without one."""
    books = Books(ruleset)
    done: list[Visit] = []
    for visit in _in_order(day):
        visit.write(books)
        done.append(visit)
        _agrees(books.state, done, visit.at)
    fresh = books.again()
    assert digest(fresh) == digest(books.state)
    for record in books.journal:
        assert not fresh.apply(record)
    assert digest(fresh) == digest(books.state)


@settings(BOUNDED, max_examples=40)
@given(_days)
def test_a_brick_keeps_in_bytes_what_a_host_keeps_in_tuples(day: list[Visit]) -> None:
    """Rules, tables and counters as MicroPython has them, with the same numbers in them."""
    plain = Books(KIT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "PACKED", True)
        packed = Books(_ruleset())
        assert type(packed.state._people.table) is Table is not type(plain.state._people.table)
        assert type(packed.ruleset.rules) is not tuple
        done: list[Visit] = []
        for visit in _in_order(day):
            visit.write(plain)
            visit.write(packed)
            done.append(visit)
            _agrees(packed.state, done, visit.at)
        assert digest(packed.again()) == digest(packed.state) == digest(plain.state)


@BOUNDED
@given(_days)
def test_a_clock_that_jumps_never_makes_a_count_too_high(day: list[Visit]) -> None:
    """Walls come in any order. Where a count may be too low the state says so."""
    books = Books(ALONE)
    done: list[Visit] = []
    for visit in day:
        visit.write(books)
        done.append(visit)
        _bounded(books.state, done, visit.at)
        for slot in _open(visit.at):
            for number in PEOPLE + EVENTS:
                if not books.state.unsure(slot, number, START + visit.at):
                    assert books.state.count(slot, number, START + visit.at) == _truth(
                        number, slot, done, visit.at
                    )
    assert digest(books.again()) == digest(books.state)


@BOUNDED
@given(_days, st.integers(0, 4))
def test_a_small_table_counts_the_least(day: list[Visit], most: int) -> None:
    """Newcomers without room make a slot unsure; numbers stay at or below the truth."""
    books = Books(KIT, people_capacity=most)
    done: list[Visit] = []
    for visit in _in_order(day):
        visit.write(books)
        done.append(visit)
        _bounded(books.state, done, visit.at)
        for slot in _open(visit.at):
            for number in PEOPLE:
                if not books.state.unsure(slot, number, START + visit.at):
                    assert books.state.count(slot, number, START + visit.at) == _truth(
                        number, slot, done, visit.at
                    )
    assert digest(books.again()) == digest(books.state)


# --- several bricks

Message = tuple[bytes, int, bytes]


def _kit(days: list[list[Visit]]) -> list[Books]:
    bricks = []
    for number, day in enumerate(days):
        books = Books(KIT, bytes((number + 1,)) * 8)
        for visit in _in_order(day):
            visit.write(books)
        bricks.append(books)
    return bricks


def _message(books: Books, since: int, until: int) -> Message:
    """Entries of records `since` to `until`, as the host may cut them."""
    out = b""
    for record in books.journal[since:until]:
        out += people.of_record(books.ruleset.slots, record.fields, record.private_fields)
    return books.brick, until, out


def _union(found: state.State) -> list[Any]:
    """What must not depend on the order of messages."""
    out: list[Any] = [found.heads(), found.evidence()]
    for slot in range(3):
        now = SLOTS[slot][1] - 1
        out.append([found.count(slot, number, now) for number in PEOPLE])
        for who in range(7):
            place = found.person(slot, subject(who))
            out.append(place >= 0 and [found.counts(place, number, slot, now) for number in PEOPLE])
            out.append(place >= 0 and found.seen(place, SEEN, slot, now))
    out.append([found.attended(subject(who)) for who in range(7)])
    return out


@BOUNDED
@given(st.lists(_days, min_size=2, max_size=3), st.data())
def test_members_that_heard_the_same_agree_in_whatever_order(
    days: list[list[Visit]], data: st.DataObject
) -> None:
    """Messages cut anywhere, in any order, repeated; own records in between: the union is one, and it is true."""
    bricks = _kit(days)
    own, *others = bricks
    messages: list[Message] = []
    for books in others:
        size = len(books.journal)
        cuts = sorted(data.draw(st.sets(st.integers(0, size), max_size=5)) | {0, size})
        messages += [_message(books, a, b) for a, b in pairwise(cuts)]
        messages.append(_message(books, 0, size))
    members = []
    for _ in range(2):
        steps: list[Any] = data.draw(st.permutations(messages + messages[:2]))
        places = sorted(
            data.draw(
                st.lists(st.integers(0, len(steps)), min_size=len(own.journal), max_size=len(own.journal))
            )
        )
        for place, record in reversed(list(zip(places, own.journal, strict=True))):
            steps.insert(place, record)
        member = state.State(KIT)
        for step in steps:
            if isinstance(step, tuple) and len(step) == 3 and isinstance(step[0], bytes):
                member.remote(*step, START)
            else:
                member.apply(step)
        members.append(member)
    assert _union(members[0]) == _union(members[1])
    together = [visit for day in days for visit in _in_order(day)]
    for slot in range(3):
        now = SLOTS[slot][1] - 1 - START
        for number in PEOPLE:
            if not members[0].unsure(slot, number, START + now):
                assert members[0].count(slot, number, START + now) == _truth(number, slot, together, now)
    _bounded(members[0], together, END - 1)


@BOUNDED
@given(st.lists(_days, min_size=2, max_size=3), st.data())
def test_a_partition_only_lowers_and_in_order_all_is_known(
    days: list[list[Visit]], data: st.DataObject
) -> None:
    """The last brick hears some of the rest, late or twice, and restarts; told in order at last, it knows all."""
    bricks = _kit(days)
    own, *others = bricks
    together = [visit for day in days for visit in _in_order(day)]
    member = own.again()
    for _ in range(data.draw(st.integers(0, 6))):
        books = data.draw(st.sampled_from(others))
        a, b = sorted(data.draw(st.tuples(*[st.integers(0, len(books.journal))] * 2)))
        member.remote(*_message(books, a, b), START)
        _bounded(member, together, data.draw(st.integers(0, END - 1)))
    member = own.again()
    for books in others:
        size = len(books.journal)
        cut = data.draw(st.integers(0, size))
        for message in (
            _message(books, 0, cut),
            _message(books, 0, cut),
            _message(books, max(0, cut - 3), size),
        ):
            member.remote(*message, START)
    last = max([v.at for v in together], default=0)
    if _open(last):
        _agrees(member, together, last)
    for who in range(7):
        for limited in KIT.limited_ever:
            gave = [
                v for v in together
                if v.who == who and v.rule == limited and v.kind in (reg.KIND_GRANT, reg.KIND_GHOST)
            ]  # fmt: skip
            in_slot = [v for v in gave if limited % 3 in _open(v.at)]
            had = member.granted_ever(subject(who), limited)
            assert had is not None and len(in_slot) <= had <= len(gave)


# --- balances, exposure


@BOUNDED
@given(st.lists(_days, min_size=2, max_size=2), st.data())
def test_no_token_is_ever_counted_twice(days: list[list[Visit]], data: st.DataObject) -> None:
    """The host's numbers come late, twice, out of order, before and after a restart."""
    own, other = _kit(days)
    host: list[tuple[int, int, bytes]] = []

    def given_by(books: Books, upto: int) -> dict[int, int]:
        out: dict[int, int] = defaultdict(int)
        for record in books.journal[:upto]:
            if 12 in record.fields and record.private_fields is not None:
                who = next(w for w in range(7) if subject(w) == record.private_fields[1])
                out[who] += 2
        return out

    seen = [0, 0]
    for as_of in range(data.draw(st.integers(0, 5))):
        seen = [
            data.draw(st.integers(low, len(books.journal)))
            for low, books in zip(seen, (own, other), strict=True)
        ]
        mine, theirs = given_by(own, seen[0]), given_by(other, seen[1])
        entries = b"".join(subject(w)[:6] + (mine[w] + theirs[w]).to_bytes(4, "big") for w in range(7))
        host.append((START + as_of * 10, seen[0], entries))
    whole = given_by(own, len(own.journal)), given_by(other, len(other.journal))
    member = own.again()
    for message in data.draw(st.lists(st.sampled_from(host), max_size=8)) if host else []:
        member.balances(*message)
        for who in range(7):
            assert (member.balance(subject(who)) or 0) <= whole[0][who] + whole[1][who]
    if host:
        member.balances(*host[-1])
        for who in range(7):
            told = given_by(other, seen[1])[who]
            assert member.balance(subject(who)) == whole[0][who] + told


@BOUNDED
@given(_days, st.lists(st.integers(0, 50), max_size=10), st.data())
def test_exposure_is_exact_and_a_restart_knows_it(
    day: list[Visit], marks: list[int], data: st.DataObject
) -> None:
    """Grants of the rule that the host does not have, whenever it says what it has."""
    books = Books(KIT)
    host = 0
    for visit in _in_order(day):
        visit.write(books)
        if data.draw(st.booleans()) and marks:
            host = max(host, min(marks.pop(), books.state.seq))
            books.state.reconciled(host)
        open_ = [
            r for r in books.journal[host:]
            if r.fields[10] == reg.KIND_GRANT and r.fields[9] == LOYAL
        ]  # fmt: skip
        assert books.state.exposed(LOYAL) == len(open_)
    fresh = books.again()
    fresh.reconciled(host)
    assert digest(fresh) == digest(books.state)


# --- reserves


_STEPS = st.one_of(
    st.tuples(st.just("reserve"), st.integers(1, 3), st.integers(1, 9)),
    st.tuples(st.just("commit"), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("release"), st.integers(0, 5), st.integers(0, 12)),
    st.tuples(st.just("grant"), st.integers(1, 3), st.integers(1, 9)),
    st.tuples(st.just("void"), st.integers(0, 5), st.integers(0, 12)),
    st.tuples(st.just("restart"), st.just(0), st.just(0)),
)


@BOUNDED
@given(st.lists(_STEPS, min_size=5, max_size=40))
def test_reserves_give_back_once_what_they_took_and_nothing_else(steps: list[tuple[str, int, int]]) -> None:
    """Against a plain account of three slices: what is spent, what is set aside, what is open."""
    books = Books(KIT)
    spent: dict[int, int] = defaultdict(int)
    open_: dict[int, tuple[int, int]] = {}
    past: list[int] = [1]
    for what, a, b in steps:
        if what == "reserve":
            seq = books.write(reg.KIND_RESERVE, {9: 0, 13: [[a, b]], 15: bytes([len(past)]) * 8})
            spent[a] += b
            open_[seq] = a, b
            past.append(seq)
        elif what == "grant":
            books.write(reg.KIND_GRANT, {9: 0, 13: [[a, b]]})
            spent[a] += b
        elif what == "restart":
            fresh = books.again()
            assert digest(fresh) == digest(books.state)
            books.state = fresh
        else:
            seq = past[-1 - a % len(past)]
            taken = open_.get(seq)
            if what == "commit":
                books.write(reg.KIND_GRANT, {9: 0, 20: seq})
                open_.pop(seq, None)
            elif what == "void":
                books.write(reg.KIND_VOID, {13: [[1, b]], 20: seq})
            else:
                named = taken[0] if taken else 1
                books.write(reg.KIND_RELEASE, {13: [[named, b]], 20: seq})
                if taken:
                    spent[taken[0]] -= min(b, taken[1])
                open_.pop(seq, None)
        assert [
            [number, total] for number, total in sorted(spent.items()) if total
        ] == books.state.carry_forward()
        assert books.state.open_reserves() == [(seq, 0, [list(part)]) for seq, part in open_.items()]


# --- any bytes


@BOUNDED
@given(
    st.lists(
        st.tuples(
            st.sampled_from("rbvs"), st.binary(max_size=80), st.integers(0, 2**40), st.integers(-5, 2**33)
        ),
        max_size=12,
    )
)
def test_any_bytes_from_the_link_leave_a_state_that_still_answers(
    told: list[tuple[str, bytes, int, int]],
) -> None:
    """Nothing is raised; own records still count, and no sum is above what was told."""
    books = Books(KIT)
    Visit(0, 0, reg.KIND_GRANT, 0, 1).write(books)
    entries = 0
    for what, data, wall, number in told:
        if what == "r":
            books.state.remote(data[:8], number & 0xFFFFFFFF, data, wall)
            entries += len(data) // people.SIZE
        elif what == "b":
            books.state.balances(wall, number & 0xFFFFFFFF, data)
        elif what == "v":
            books.state.revoke(bool(number & 1), data)
        else:
            books.state.signals(number, wall, wall)
    now = START + MINUTE
    for number in PEOPLE + EVENTS:
        assert books.state.count(0, number, now) <= entries + 1
    assert books.state.count(0, 0, now) >= 1
    assert books.state.person(0, subject(0)) >= 0
    assert books.state.balance(subject(0)) is not None
    assert books.state.evidence() is None or len(books.state.evidence()) == 16
