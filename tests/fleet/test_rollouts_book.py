"""Rollouts in the database: one leader, logs that replay, crashes between writing and ordering, a database of yesterday."""

import shutil

import pytest
from sqlalchemy import select, update

from fleet.db.engine import Database
from fleet.db.tables_rollouts import leases, rollout_events, rollout_snapshots
from fleet.errors import ConfigError
from fleet.rollouts import book, engine, facts, lease
from fleet.rollouts.highwater import HighWater
from fleet.rollouts.leading import Leading
from tests.fleet.rolling import MINUTE, NEW, OLD, START, kit_name, plan


class Paper:
    """Kits on paper as the target: they take what is ordered and report it, once somebody asks."""

    def __init__(self, kits):
        self.kits = {kit: "" for kit in kits}  # what each runs
        self.orders = {}
        self.given = []
        self.broken = False
        self.number = 0

    def obey(self, state, commands):
        if self.broken:
            raise OSError("no disk")
        for one in commands:
            if isinstance(one, facts.Deliver | facts.Withdraw):
                if self.orders.get(one.kit, (0,) * 9)[:-1] != one[:-1]:
                    self.given.append(one)
                self.orders[one.kit] = one

    def heard(self, state, now_ms):
        found = engine.sights(state, lambda kit: now_ms, now_ms)
        for kit in state.flying:
            order = self.orders.get(kit)
            if isinstance(order, facts.Deliver):
                self.kits[kit] = OLD if order.back else NEW
                self.number += 1
                found.append(facts.Reported(kit, "ok", self.kits[kit], now_ms, self.number))
        return found


class World:
    def __init__(self, folder, kits=8):
        self.folder = folder
        self.market = START
        self.machine = 1_000_000
        self.paper = Paper([kit_name(n) for n in range(1, kits + 1)])
        self.database = Database(folder / "fleet.db")

    def leading(self, holder="a", target=None):
        high = HighWater(self.folder / "ledger.rollouts")
        return Leading(
            self.database, target or self.paper, high, holder, lambda: self.market, lambda: self.machine
        )

    def create(self, name="spring", **more):
        fleet = {kit: ({}, []) for kit in self.paper.kits}
        waves = [{"size": "2", "soak_s": 60}, {"size": "100%", "soak_s": 60}]
        with self.database.write() as connection:
            book.create(connection, name, plan(waves, {"in_flight": 2}, **more), fleet, "ada", self.market)

    def ask(self, verb, name="spring", **more):
        with self.database.write() as connection:
            return book.ask(connection, name, facts.Verb(verb, "ada", **more), self.market)

    def load(self, name="spring", **more):
        with self.database.read() as connection:
            return book.load(connection, name, **more)

    def pass_by(self, seconds=10):
        self.market += seconds * 1000
        self.machine += seconds * 1000


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.database.close()


def run(world, leading, rounds=80):
    for _ in range(rounds):
        assert leading.tick()
        world.pass_by()


def test_an_idle_controller_writes_nothing(world):
    leading = world.leading()
    assert not leading.tick()
    with world.database.read() as connection:
        assert connection.execute(select(leases)).first() is None
    assert not (world.folder / "ledger.rollouts").exists()


def test_a_rollout_goes_through_in_the_database(world):
    world.create()
    leading = world.leading()
    leading.tick()
    assert not world.paper.orders
    number = world.ask("start")
    run(world, leading)
    state, n = world.load()
    assert state.phase == "complete" and set(world.paper.kits.values()) == {NEW}
    assert leading.states["spring"] == state == world.load(snapshots=False)[0]
    with world.database.read() as connection:
        assert book.answered(connection, number) == 1
        assert book.asks(connection, "spring") == []
    assert HighWater(world.folder / "ledger.rollouts").events == {"spring": n}


def test_two_controllers_have_one_lease_and_the_one_that_lost_it_writes_nothing(world):
    world.create()
    world.ask("start")
    one, two = world.leading("one"), world.leading("two", Paper(world.paper.kits))
    assert one.tick() and not two.tick()
    state, n = world.load()
    world.pass_by(60)  # one stands still
    assert two.tick()
    assert not one.tick() and not one.states
    with world.database.write() as connection, pytest.raises(lease.LostLease):
        book.append(connection, 1, state, n + 1, [], START)
    world.pass_by(1)
    assert two.tick() and not one.tick()
    two.close()
    assert one.tick()


def test_what_is_written_and_not_ordered_is_ordered_after_the_restart(world):
    """Killed after every event, before its orders were given: the kits get what they would have got."""
    world.create()
    world.ask("start")
    for n in range(200):
        world.paper.broken = n % 2 == 0
        leading = world.leading(f"process {n}")
        try:
            leading.tick()
        except OSError:
            assert world.paper.broken
        world.paper.broken = False
        world.pass_by(20)
        if world.load()[0].phase == "complete":
            break
    assert set(world.paper.kits.values()) == {NEW}
    state, _ = world.load(snapshots=False)
    for kit, want in engine.orders(state):
        assert engine.command(kit, want, "")[:-1] == world.paper.orders[kit][:-1]


def test_a_halt_that_was_asked_for_comes_before_anything_else(world):
    world.create()
    world.ask("start")
    leading = world.leading()
    leading.tick()
    world.ask("halt", reason="wrong prices")
    world.paper.given.clear()
    run(world, leading, 10)
    assert not [one for one in world.paper.given if isinstance(one, facts.Deliver)]
    assert world.load()[0].phase == "halted"


def test_a_database_of_yesterday_is_noticed_and_goes_on_above(world, tmp_path):
    world.create()
    world.ask("start")
    leading = world.leading("before")
    leading.tick()
    leading.close()
    world.database.close()
    shutil.copy(tmp_path / "fleet.db", tmp_path / "yesterday.db")
    world.database = Database(tmp_path / "fleet.db")
    leading = world.leading("same day")
    run(world, leading, 12)
    world.create("autumn")
    world.ask("start", "autumn")
    leading.tick()
    token = HighWater(tmp_path / "ledger.rollouts").token
    world.database.close()
    for name in ("fleet.db-wal", "fleet.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "yesterday.db", tmp_path / "fleet.db")
    world.database = Database(tmp_path / "fleet.db")
    world.pass_by(60)
    leading = world.leading("after")
    leading.tick()
    state, _ = world.load()
    assert state.phase == "paused" and "an older copy" in state.reason
    assert {type(one) for one in world.paper.orders.values()} == {facts.Withdraw}
    assert set(leading.lost) == {"autumn"}
    with world.database.read() as connection:
        assert connection.execute(select(leases.c.token)).scalar_one() > token
    world.pass_by()
    leading.tick()
    assert world.load()[0] == state  # it is said once
    world.ask("resume", accept=True, reason="looked at all kits")
    run(world, leading)
    assert world.load()[0].phase == "complete"


def test_a_newer_rollout_waits_for_its_turn_and_then_has_the_kits(world):
    world.create("spring")
    world.create("summer")
    leading = world.leading()
    world.ask("start", "spring")
    leading.tick()
    world.ask("start", "summer")
    leading.tick()
    assert world.load("summer")[0].phase == "planned"
    assert "rollout spring is under way" in world.load("summer")[0].words[-1].text
    world.ask("halt", "spring")
    leading.tick()
    world.ask("start", "summer")
    leading.tick()
    assert world.load("summer")[0].phase == "running"
    assert {kit.status for kit in world.load("spring")[0].kits.values()} == {"superseded"}


def test_a_rollout_that_went_back_leaves_its_kits_to_the_next_one(world, monkeypatch):
    """Else both order the same kits, one after the other, for ever. Also where the controller dies in between."""
    world.create("spring")
    world.create("summer")
    leading = world.leading()
    world.ask("start", "spring")
    run(world, leading, 20)
    world.ask("rollback", "spring")
    run(world, leading, 20)
    assert world.load("spring")[0].phase == "rolled back"
    world.ask("start", "summer")
    kept = book.append

    def dies(connection, token, made, *rest):
        if made.rollout == "summer":
            raise OSError("no disk")
        kept(connection, token, made, *rest)

    monkeypatch.setattr(book, "append", dies)
    with pytest.raises(OSError, match="no disk"):
        leading.tick()
    monkeypatch.setattr(book, "append", kept)
    assert world.load("summer")[0].phase == "planned"
    world.pass_by(60)
    world.paper.given.clear()
    leading = world.leading("b")
    run(world, leading, 40)
    assert world.load("summer")[0].phase == "complete"
    assert {kit.status for kit in world.load("spring")[0].kits.values()} == {"superseded"}
    assert world.paper.given and not any(one.back for one in world.paper.given)


def test_gaps_in_a_log_and_later_versions_are_not_read(world):
    world.create()
    world.ask("start")
    run(world, world.leading(), 5)
    with world.database.write() as connection:
        connection.execute(update(rollout_events).where(rollout_events.c.n == 2).values(n=99))
    with pytest.raises(facts.LogError, match="event 2"):
        world.load()
    with pytest.raises(book.BookError, match="never used again"):
        world.create()
    with pytest.raises(book.BookError, match="there are: spring"):
        world.load("winter")
    (world.folder / "ledger.rollouts").write_text("{")
    with pytest.raises(ConfigError, match="restore it"):
        world.leading()


def test_snapshots_are_a_short_cut_and_no_more(world):
    world.create()
    world.ask("start")
    leading = world.leading()
    leading.tick()
    for n in range(70):
        world.ask("pause" if n % 2 else "resume")
        leading.tick()
        world.market += MINUTE
        world.machine += 1000
    with world.database.read() as connection:
        assert connection.execute(select(rollout_snapshots.c.n)).scalar_one() == book.SNAPSHOT_EVERY
    assert world.load() == world.load(snapshots=False)
