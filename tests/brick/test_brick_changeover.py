"""New rules on a brick whose memory does not hold two states: what it remembers is what it remembers after a restart."""

import asyncio
from types import SimpleNamespace

import pytest
from books import START_MS, Books
from brick import assembly
from bricklab import rule2, ruleset2
from ramflash import RamFlash
from stallmark import registry as reg
from stallmark.state import State

SECTOR = 4096
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
