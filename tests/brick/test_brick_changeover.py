"""New rules on a brick whose memory does not hold two states: what it remembers is what it remembers after a restart."""

import asyncio
from types import SimpleNamespace

import pytest
from books import START_MS, Books
from brick import assembly, shortage
from brick import counters as count
from bricklab import rule2, ruleset2
from ramflash import RamFlash
from stallmark import registry as reg
from stallmark.state import State

SECTOR = 4096
MANY = 80  # people: more than one piece of a table holds
DATA = ruleset2(
    rule2("crowd", [11, [20, 0, 864_000_000, 0], 1], [[reg.GRANT_PERCENT_NOW, 1500, 300]], [reg.UNIT_MINOR])
)


class Brick(assembly.Brick):
    """Only what a change of rules needs of it."""

    def __init__(self, books):
        self.books = books
        self._decider = books.decider
        self._journal = books.journal
        self._outbox = SimpleNamespace(host_seq=0)
        self._counters = books.counters
        self._port = SimpleNamespace(watchdog=SimpleNamespace(feed=lambda: None))
        self._people = None
        self._allotment = SimpleNamespace(renew=lambda: None)
        self.sessions = 0
        self._uplink = SimpleNamespace(anew=self._anew)

    def _anew(self):
        self.sessions += 1

    def _record_boot(self):
        pass


class Pieces(list):
    """Of a table: memory for all of it only where no other state is remembered."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def append(self, piece):
        if not self.room():
            raise MemoryError
        super().append(piece)


@pytest.mark.parametrize("raising", [False, True])
def test_without_room_for_two_states_the_new_one_remembers_everybody_all_the_same(monkeypatch, raising):
    books = Books(RamFlash(6 * SECTOR), RamFlash(2 * SECTOR), DATA, [], 1)
    brick = Brick(books)
    for number in range(40):
        books.decider.decide(books.event(b"%06dxx" % number))
        books.source.now += 1000
    before = books.decider.state
    known = before._people.table.used
    assert known > 20

    def alone():
        return books.decider.ruleset is None

    class Short(State):
        def __init__(self, ruleset=None, capacity=None):
            if raising and ruleset is not None and not alone():
                raise MemoryError
            super().__init__(ruleset, capacity)
            if ruleset is not None:
                people = self._people
                people._pieces = people._grants.pieces = people.table.pieces = Pieces(alone)

    monkeypatch.setattr(assembly, "State", Short)
    asyncio.run(brick._activate(before.ruleset))
    after = books.decider.state
    assert after is not before and after.ruleset is before.ruleset
    assert not after.short and after._people.table.used == known
    for number in range(40):
        slot = before.open_slots(START_MS)[0]
        assert (after.person(slot, b"%06dxx" % number) >= 0) == (before.person(slot, b"%06dxx" % number) >= 0)


def test_who_was_revoked_stays_revoked_by_other_rules():
    books = Books(RamFlash(6 * SECTOR), RamFlash(2 * SECTOR), DATA, [], 1)
    brick = Brick(books)
    books.decider.state.revoke(True, b"000001")
    before = books.decider.state
    asyncio.run(brick._activate(before.ruleset))
    assert books.decider.state is not before and books.decider.state.revoked(b"000001xx")
    assert not books.decider.state.revoked(b"000002xx")


@pytest.fixture
def crowded(monkeypatch):
    """(a brick without memory for the last of its people, their names, what says that there is some again, time, Shortage, …)."""
    books = Books(RamFlash(12 * SECTOR), RamFlash(2 * SECTOR), DATA, [], 1)
    brick = Brick(books)
    free = [False]
    names = [b"%06dxx" % number for number in range(MANY)]
    people = books.decider.state._people
    for number, name in enumerate(names):
        if number == 30:
            people._pieces = people._grants.pieces = people.table.pieces = Kept(people.table.pieces, free)
        books.decider.decide(books.event(name))
        books.source.now += 1000
    made = assembly.State

    class Scarce(made):
        def __init__(self, ruleset=None, capacity=None):
            super().__init__(ruleset, capacity)
            if ruleset is not None:
                people = self._people
                people._pieces = people._grants.pieces = people.table.pieces = Kept([], free)

    monkeypatch.setattr(assembly, "State", Scarce)
    monkeypatch.setattr(shortage, "_enough", lambda: free[0])
    said = []
    watch = shortage.Shortage(
        books.decider, lambda ms: books.source.now - quiet_since[0] >= ms, books.counters, books.source.uptime_ms,
        lambda: said.append(True),
    )  # fmt: skip
    quiet_since = [books.source.now]
    watch.remember = brick._remember
    return brick, names, free, quiet_since, watch, said


class Kept(list):
    """Pieces of a table, and no memory for another one unless `free` says so."""

    def __init__(self, pieces, free):
        super().__init__(pieces)
        self.free = free

    def append(self, piece):
        if not self.free[0]:
            raise MemoryError
        super().append(piece)


def _remembered(brick, names):
    state = brick.books.decider.state
    slot = state.open_slots(START_MS)[0]
    return sum(state.person(slot, name) >= 0 for name in names)


def test_whoever_found_no_memory_is_remembered_once_there_is_some_and_nobody_is_there(crowded):
    brick, names, free, quiet_since, watch, said = crowded
    counters, source = brick.books.counters, brick.books.source
    before = brick.books.decider.state
    assert before.short and 0 < _remembered(brick, names) < MANY
    before.revoke(True, b"000001")
    watch.look()
    watch.look()
    assert counters.get(count.MEMORY_SHORT) == 1 and said == [True]

    def later(ms):
        source.now += ms
        asyncio.run(watch.after_collecting())
        watch.look()
        return brick.books.decider.state is before

    assert later(120_000), "no memory yet"
    free[0] = True
    quiet_since[0] = source.now
    assert later(59_000), "somebody came a moment ago"
    assert not later(2_000)
    after = brick.books.decider.state
    assert not after.short and _remembered(brick, names) == MANY and after.revoked(b"000001xx")
    assert counters.get(count.MEMORY_AGAIN) == 1 and counters.get(count.MEMORY_SHORT) == 1 and len(said) == 2
    assert brick.sessions == 1, "the host tells again what it told"
    later(600_000)
    assert brick.books.decider.state is after, "once is enough"


def test_a_journal_that_cannot_be_remembered_is_read_ever_seldomer(crowded, monkeypatch):
    brick, names, _free, _quiet_since, watch, _said = crowded
    monkeypatch.setattr(shortage, "_enough", lambda: True)
    watch.look()
    tries = 0
    states = {id(brick.books.decider.state): brick.books.decider.state}
    for _ in range(24 * 60):
        brick.books.source.now += 60_000
        asyncio.run(watch.after_collecting())
        watch.look()
        states[id(brick.books.decider.state)] = brick.books.decider.state
    tries = len(states) - 1
    assert 20 <= tries <= 32, tries
    assert brick.books.decider.state.short and brick.books.decider.ruleset is not None
    assert brick.books.counters.get(count.MEMORY_SHORT) == 1
    assert _remembered(brick, names) == 0, "a state of which nobody is left to forget, and which says so"
