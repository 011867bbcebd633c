"""Tags at the host: sealed keys are passed on unread; one message taken at two bricks, or a counter that went back, is found."""

import json
from pathlib import Path
from typing import Any

from stallmark import record
from stallmark import registry as reg

from hostagent.bricks import Brick
from hostagent.store.records import Stored
from hostagent.tagside import AT_ONCE, KEPT, TagSide

ONE, TWO = b"brick-01", b"brick-02"
SUBJECT = b"subject1"
WALL = 1_790_000_000_000


def brick(number: bytes) -> Brick:
    return Brick(1, number, number.decode(), 1, None, 0, None, None)


def taken(
    counter: int,
    at: bytes = ONE,
    seq: int = 1,
    trust: int = reg.TRUST_SDM,
    subject: bytes = SUBJECT,
    wall: int | None = WALL,
    why: list[int] | None = None,
) -> Stored:
    """A durable record of a tap."""
    fields = {1: at, 2: seq, 3: 0, 4: 1, 5: wall, 6: 1, 10: reg.KIND_DENY, 11: 16 + trust, 14: why or [20]}
    made = record.Record(seq, b"", b"", b"", fields)
    made._private = {0: bytes(16), 1: subject, 5: counter}
    return Stored(seq, at, made, bytes(16), None)


def side(folder: Path) -> TagSide:
    return TagSide(folder, lambda number: number.decode())


def told(tags: TagSide, to: Brick) -> dict[bytes, int]:
    """Everything that waits for a brick."""
    found: dict[bytes, int] = {}
    while (message := tags.next_for(to)) is not None:
        kind, value = message
        entries: bytes = value[0]
        assert kind == reg.MSG_TAG_COUNTERS and 0 < len(entries) <= AT_ONCE * 9
        for at in range(0, len(entries), 9):
            found[entries[at : at + 6]] = int.from_bytes(entries[at + 6 : at + 9], "big")
    return found


def test_what_one_brick_saw_the_others_are_told(tmp_path: Path) -> None:
    tags, one, two = side(tmp_path), brick(ONE), brick(TWO)
    tags.linked(one)
    tags.linked(two)
    assert tags.next_for(two) is None
    tags.recorded(taken(7))
    assert told(tags, two) == {SUBJECT[:6]: 7}
    assert told(tags, one) == {}, "it knows what it saw itself"
    tags.recorded(taken(9, TWO, 4, reg.TRUST_LIVE))
    assert told(tags, one) == {SUBJECT[:6]: 9} and told(tags, two) == {}
    tags.linked(one)
    assert told(tags, one) == {SUBJECT[:6]: 9}, "with a new link everything once more"


def test_many_tags_go_in_pieces_and_the_oldest_are_forgotten(tmp_path: Path) -> None:
    tags, two = side(tmp_path), brick(TWO)
    tags.linked(two)
    names = [number.to_bytes(8, "big") + b"" for number in range(KEPT + 10)]
    names = [name[2:] + b"\0\0" for name in names]
    for number, name in enumerate(names):
        tags.recorded(taken(number % 1000, seq=number + 1, subject=name))
    assert tags.report()["known"] == KEPT
    found = told(tags, two)
    assert len(found) == KEPT and names[0][:6] not in found
    tags.linked(two)
    assert len(told(tags, two)) == 400


def test_a_new_link_is_told_of_tags_however_often_one_of_them_changed(tmp_path: Path) -> None:
    tags, two = side(tmp_path), brick(TWO)
    for number in range(50):
        tags.recorded(taken(7, seq=number + 1, subject=bytes((number,)) * 8))
    for number in range(400):
        tags.recorded(taken(number + 1, seq=100 + number, subject=b"steward!"))
    tags.linked(two)
    found = told(tags, two)
    assert len(found) == 51 and found[b"stewar"] == 400


def test_a_brick_with_another_journal_is_told_what_it_once_saw_itself(tmp_path: Path) -> None:
    tags, one = side(tmp_path), brick(ONE)
    tags.linked(one)
    tags.recorded(taken(7))
    assert told(tags, one) == {}
    tags.linked(one)
    assert told(tags, one) == {SUBJECT[:6]: 7}
    tags.recorded(taken(8, seq=2))
    assert told(tags, one) == {}, "what it sees from now on it knows"


def test_the_same_message_at_two_bricks_is_found(tmp_path: Path) -> None:
    tags = side(tmp_path)
    tags.recorded(taken(7, ONE, 3))
    tags.recorded(taken(7, ONE, 3))
    assert tags.found == 0, "a record that is read twice is one record"
    tags.recorded(taken(7, TWO, 5))
    report: Any = tags.report()
    assert report["findings"] == 1
    [finding] = report["newest_findings"]
    assert finding["records"] == [{"brick": "brick-02", "seq": 5}, {"brick": "brick-01", "seq": 3}]
    assert "copy" in finding["what"]


def test_live_authentication_may_show_the_same_counter(tmp_path: Path) -> None:
    tags = side(tmp_path)
    for seq in (1, 2, 3):
        tags.recorded(taken(7, ONE if seq < 3 else TWO, seq, reg.TRUST_LIVE, wall=WALL + seq * 60_000))
    assert tags.found == 0


def test_a_counter_that_went_back_is_found_but_not_a_record_that_comes_late(tmp_path: Path) -> None:
    tags = side(tmp_path)
    tags.recorded(taken(9, ONE, 1, wall=WALL + 60_000))
    tags.recorded(taken(8, TWO, 1, wall=WALL))
    tags.recorded(taken(7, TWO, 2, wall=None))
    assert tags.found == 0, "taken earlier at a brick that was away"
    tags.recorded(taken(6, TWO, 3, wall=WALL + 120_000))
    assert tags.found == 1


def test_refused_replays_are_counted_and_teach_nothing(tmp_path: Path) -> None:
    tags, two = side(tmp_path), brick(TWO)
    tags.linked(two)
    tags.recorded(taken(9, trust=reg.TRUST_BARE, why=[reg.REASON_TAG_COUNTER]))
    assert tags.report()["refused"] == 1 and told(tags, two) == {}


def test_keys_are_passed_on_as_they_are(tmp_path: Path) -> None:
    tags = side(tmp_path)
    assert tags.keys_for(ONE) == [] and tags.trouble is None, "a kit without such tags"
    entry = {"brick": ONE.hex(), "nonce": "00" * 12, "sealed": "aabb", "tag": "11" * 16}
    file = tmp_path / "tag-keys.json"
    file.write_text(json.dumps({"bricks": [entry]}))
    assert tags.keys_for(ONE) == [(reg.MSG_TAG_KEYS, {0: bytes(12), 1: b"\xaa\xbb", 2: b"\x11" * 16})]
    assert tags.keys_for(TWO) == []


def test_a_damaged_file_is_said_and_nothing_else_stops(tmp_path: Path) -> None:
    tags = side(tmp_path)
    file = tmp_path / "tag-keys.json"
    for text in ("", "[]", "{}", '{"bricks": [{}]}', '{"bricks": [{"brick": "zz"}]}', '{"bricks": [7]}'):
        file.write_text(text)
        assert tags.keys_for(ONE) == []
        assert tags.trouble is not None and "tag-keys.json" in tags.trouble
    file.write_text('{"bricks": []}')
    assert tags.keys_for(ONE) == [] and tags.trouble is None
