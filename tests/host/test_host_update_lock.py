"""The update lock: held while a brick is written to, never for ever, and never somebody else's."""

import json
from typing import NamedTuple

import pytest

from hostagent.updatelock import LEASE_S, LONGEST_S, MARK, MOST, NAME, REST_S, Locking, UpdateLock


class Watch:
    """Seconds as a test wants them."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def lock(tmp_path, watch):
    return UpdateLock(tmp_path, watch, lambda: 1_800_000_000_000)


def test_the_file_lies_there_as_long_as_there_is_a_reason_and_says_which(tmp_path, lock):
    file = tmp_path / NAME
    assert lock.hold("a") and lock.hold("b")
    said = json.loads(file.read_text())
    assert (said["who"], said["why"], said["since_ms"]) == (MARK, "a", 1_800_000_000_000)
    lock.release("a")
    lock.release("not a reason")
    assert file.exists() and lock.state()["why"] == ["b"]
    lock.release("b")
    assert not file.exists() and not lock.held


def test_a_lease_ends_by_itself(tmp_path, watch, lock):
    lock.hold("a")
    watch.now += LEASE_S - 1
    lock.hold("a")  # another chunk
    watch.now += LEASE_S - 1
    lock.look()
    assert (tmp_path / NAME).exists()
    watch.now += 1
    lock.look()
    assert not (tmp_path / NAME).exists()


def test_reasons_one_after_the_other_do_not_hold_it_for_ever(tmp_path, watch, lock):
    began = watch.now
    while lock.hold(f"install {int(watch.now)}"):
        watch.now += LEASE_S / 2
        assert watch.now - began <= LONGEST_S + LEASE_S
    assert not (tmp_path / NAME).exists()
    assert lock.state()["ended"] == 1
    watch.now += REST_S
    assert lock.hold("a")


def test_somebody_elses_lock_is_left_alone_and_nothing_new_begins(tmp_path, lock):
    (tmp_path / NAME).write_text("0")
    assert not lock.hold("a") and lock.taken
    with lock.during("a link key moves on"):
        pass  # a short act goes on without it
    lock.close()
    assert (tmp_path / NAME).read_text() == "0"
    assert UpdateLock(tmp_path).taken
    (tmp_path / NAME).unlink()
    assert lock.hold("a") and lock.state()["trouble"] is None


def test_a_lock_of_an_agent_that_was_killed_is_removed_at_the_next_start(tmp_path, lock):
    lock.hold("a")
    again = UpdateLock(tmp_path)
    assert not (tmp_path / NAME).exists() and not again.taken


def test_a_lock_that_was_replaced_meanwhile_is_not_ours_to_remove(tmp_path, lock):
    lock.hold("a")
    (tmp_path / NAME).unlink()
    (tmp_path / "other").write_text("0")  # another inode for sure
    (tmp_path / "other").rename(tmp_path / NAME)
    lock.release("a")
    assert (tmp_path / NAME).read_text() == "0"


def test_a_folder_that_is_not_there_keeps_no_brick_from_its_rules(tmp_path, watch):
    lock = UpdateLock(tmp_path / "nowhere", watch)
    for number in range(2 * MOST):
        assert lock.hold(str(number))
        watch.now += LEASE_S
    assert not lock.held and "cannot be made" in lock.state()["trouble"]


def test_without_a_folder_nothing_happens():
    lock = UpdateLock(None)
    assert lock.hold("a") and not lock.held and lock.state() is None
    lock.close()


class Named(NamedTuple):
    """What of a brick counts here."""

    brick: bytes


class Offers:
    """The bundle on offer."""

    def __init__(self):
        self.results = []

    def offer_for(self, brick):
        return (b"d" * 8, 600, 1)

    def chunk(self, digest8, offset):
        return b"x" if offset < 600 else None

    def on_result(self, brick, digest8, result, text):
        self.results.append(result)


def test_an_installation_holds_it_from_the_first_chunk_to_the_result(tmp_path, lock):
    offers = Offers()
    updates, brick = Locking(offers, lock), Named(b"1" * 8)
    assert updates.offer_for(brick) and not lock.held
    assert updates.chunk(b"d" * 8, 0) and lock.held
    assert "6464646464646464 is being installed" in lock.state()["why"][0]
    updates.on_result(brick, b"d" * 8, 0, "")
    assert offers.results == [0] and not lock.held
    assert updates.chunk(b"d" * 8, 600) is None and not lock.held


def test_one_brick_that_is_through_leaves_it_to_the_others(tmp_path, watch, lock):
    updates, first, second = Locking(Offers(), lock), Named(b"1" * 8), Named(b"2" * 8)
    assert updates.offer_for(first) and updates.offer_for(second)
    assert updates.chunk(b"d" * 8, 0)
    updates.on_result(first, b"d" * 8, 1, "")
    assert lock.held  # the second one may be in the middle of it
    updates.on_result(second, b"d" * 8, 1, "")
    assert not lock.held
    assert updates.offer_for(first) and updates.offer_for(second) and updates.chunk(b"d" * 8, 0)
    updates.on_result(first, b"d" * 8, 1, "")
    watch.now += LEASE_S  # and the second one was only offered it, or is gone
    lock.look()
    assert not (tmp_path / NAME).exists()


def test_no_installation_begins_while_the_host_is_updated(tmp_path, lock):
    (tmp_path / NAME).write_text("0")
    updates = Locking(Offers(), lock)
    assert updates.offer_for(Named(b"1" * 8)) is None
    assert updates.chunk(b"d" * 8, 0) is None
