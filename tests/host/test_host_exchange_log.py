"""The exchange's books in memory: entries by source, cursors over dropping, lists of heads."""

import random
from pathlib import Path

import pytest
from stallmark import cbor
from stallmark.crypt import sha256

from hostagent.exchangelog import MAYBE, MOST, SIZE, Heads, Lists, Log, digest16, encoded
from hostagent.store import heads as store_heads
from hostagent.store import open_store
from hostagent.store.heads import HeadsTold, Standing, Told


def entries(number: int, count: int = 1) -> bytes:
    return number.to_bytes(SIZE) * count


def test_a_log_hands_out_whole_records_at_most_a_message_at_a_time():
    log = Log()
    for seq in range(1, 101):
        log.add(seq, entries(seq, 1 + seq % 3))
    cursor, seen = 0, b""
    while True:
        part = log.after(cursor)
        if not part.entries:
            break
        assert len(part.entries) <= SIZE * MOST
        cursor, seen = part.cursor, seen + part.entries
    assert seen == b"".join(entries(seq, 1 + seq % 3) for seq in range(1, 101)) and part.up_to == 100


def test_repeats_are_passed_over_and_records_without_people_move_the_head():
    log = Log()
    log.add(5, entries(5))
    log.add(5, entries(9))
    log.add(3, entries(9))
    log.add(9, b"")
    assert log.after(0) == (1, 9, entries(5)) and log.after(1) == (1, 9, b"")


@pytest.mark.parametrize("seed", range(5))
def test_what_is_dropped_is_counted_and_cursors_stand(seed: int):
    print("seed", seed)
    chance = random.Random(seed)
    log, cursor, told = Log(kept=50), 0, []
    for seq in range(1, 400):
        log.add(seq, entries(seq) if chance.random() < 0.8 else b"")
        if chance.random() < 0.2:
            part = log.after(cursor)
            cursor = part.cursor
            told += [int.from_bytes(part.entries[at : at + SIZE]) for at in range(0, len(part.entries), SIZE)]
    assert told == sorted(set(told)) and log.dropped > 0
    assert log.end - log.dropped <= 50


def told(lists: Lists, all_heads: list[dict[bytes, int]], brick: bytes = b"brick--a") -> list[Told]:
    return [lists.note(brick, heads) for heads in all_heads]


def test_heads_as_the_brick_hashes_them_are_found_even_where_a_link_ended_in_between():
    lists = Lists()
    heads = Heads()
    told(lists, heads.sent(b"brick--b", 7))
    told(lists, heads.sent(b"brick--c", 3))
    heads.resumed()
    assert len(told(lists, heads.sent(b"brick--d", 1))) == 2
    for list_ in (
        [[b"brick--b", 7]],
        [[b"brick--b", 7], [b"brick--c", 3]],
        [[b"brick--b", 7], [b"brick--d", 1]],
        [[b"brick--b", 7], [b"brick--c", 3], [b"brick--d", 1]],
    ):
        data = cbor.encode(list_)
        assert lists.get(sha256(b"stallmark/heads/1\0", data)[:16]) == data
    heads.restarted()
    told(lists, heads.sent(b"brick--c", 9))
    assert lists.get(digest16(encoded({b"brick--c": 9}))) is not None
    assert lists.get(bytes(16)) is None
    assert heads.sent(b"brick--c", 9) == [], "what it has is not told to be kept again"


def test_heads_go_on_in_another_program_where_this_one_ended():
    heads = Heads()
    heads.sent(b"brick--b", 7)
    heads.sent(b"brick--c", 3)
    other = Heads.restored(heads.possible())
    other.resumed()
    after = other.sent(b"brick--d", 1)
    assert after == [{b"brick--b": 7, b"brick--c": 3, b"brick--d": 1}, {b"brick--b": 7, b"brick--d": 1}]


def test_lists_are_bounded_for_each_receiver_and_what_goes_early_is_counted():
    lists = Lists(kept=10)
    told(lists, [{b"brick--b": 5}], b"brick--c")
    told(lists, [{b"brick--b": number} for number in range(100)])
    assert len(lists) == 11 and lists.dropped == 90
    assert lists.get(digest16(encoded({b"brick--b": 99}))) is not None
    assert lists.get(digest16(encoded({b"brick--b": 5}))) is not None, "the other one's"


def test_a_list_stays_until_a_batch_has_a_later_record_of_its_receiver():
    lists = Lists()
    one, two, again = told(lists, [{b"brick--b": 1}, {b"brick--b": 2}, {b"brick--b": 1}])
    lists.in_batch(b"brick--a", two.digest)
    assert len(lists) == 2 and lists.get(one.digest) == again.heads, "told a second time: may yet be named"
    lists.in_batch(b"brick--c", one.digest)
    lists.in_batch(b"brick--a", bytes(16))
    assert len(lists) == 2, "of others nothing goes"
    lists.in_batch(b"brick--a", one.digest)
    assert len(lists) == 1 and lists.get(two.digest) is None
    assert Lists([again]).note(b"brick--a", {}).number > again.number


def test_lists_of_a_store_are_bounded_too_and_what_is_too_much_goes_from_it(tmp_path: Path):
    noted = [Told(b"brick--a", number, digest16(b"%d" % number), b"%d" % number) for number in range(1, 41)]
    lists = Lists([*noted, Told(b"brick--c", 41, bytes(16), b"")], kept=10)
    assert (len(lists), lists.dropped) == (11, 30)
    assert lists.gone(b"brick--a") == 30 and lists.gone(b"brick--c") == lists.gone(b"brick--d") == 0
    newest = lists.note(b"brick--a", {})
    assert lists.gone(b"brick--a") == 31
    store = open_store(tmp_path / "host.db", bytes(32)).store
    try:
        kept = HeadsTold(store)
        kept.note(noted, Standing(b"brick--a", 1, bytes(8), b"")).result()
        kept.note([newest], Standing(b"brick--a", 1, bytes(8), b""), lists.gone(b"brick--a")).result()
        assert [told.number for told in kept.load().result()[0]] == [*range(32, 41), newest.number]
        plan = store.read(
            lambda sql: sql.execute(f"EXPLAIN QUERY PLAN {store_heads._FORGET}", (1, b"")).fetchall()
        ).result()
        assert "heads_told_list (brick=? AND digest=?)" in str(plan), (
            "the rows of one list, not all of the brick"
        )
    finally:
        store.close()


def test_what_a_flapping_link_makes_too_many_of_is_counted():
    seen = Heads()
    for number in range(12):
        seen.sent(b"brick--%d" % (number % 10), number + 1)
        seen.resumed()
    assert seen.dropped > 0 and seen.copy().dropped == seen.dropped
    before = seen.dropped
    assert len(cbor.decode(seen.possible())) <= 2 * MAYBE and seen.dropped == before
