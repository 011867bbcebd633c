"""Events have the bytes of the vectors, and only what the page names."""

import vectors
from stallmark import event
from stallmark.errors import FormatError

DATA = vectors.load("event.json")


def test_events_come_back_and_have_the_bytes_of_the_vectors():
    for case in DATA["events"]:
        data = bytes.fromhex(case["bytes"])
        found = event.decode(data)
        assert event.encode(found) == data
        assert event.to_fields(found) == vectors.value(case["fields"])


def test_names_are_those_of_the_fields():
    found = event.decode(bytes.fromhex(DATA["events"][2]["bytes"]))
    assert (found.type, found.trust, found.subject) == (3, 7, b"\x51" * 8)
    assert (found.basket_minor, found.items, found.tip_minor, found.reference) == (1800, 3, 100, "Z-0042/17")
    assert found.lines == [["mug", 1, 1300], [4711, 2, 500]] and found.staff == b"\x66" * 8
    assert found.signal is None and found.quality == 0 and found.spread_ms is None


def test_an_event_made_of_names_has_none_for_the_rest():
    made = event.make(type=1, trust=3, nonce=bytes(8), subject=bytes(8))
    assert (made.wall_ms, made.basket_minor, made.seq, made.quality) == (None, None, None, 0)
    assert event.decode(event.encode(made)) == made
    vectors.raises(FormatError, event.make, uid=b"04a1b2c3")
    vectors.raises(FormatError, event.encode, event.make(type=1))


def test_fields_newer_than_this_program_are_let_pass():
    known = event.decode(bytes.fromhex(DATA["events"][0]["bytes"]))
    assert event.decode(bytes.fromhex(DATA["newer"])) == known


def test_what_is_off_is_refused():
    for case in DATA["refused"]:
        vectors.raises(FormatError, event.decode, bytes.fromhex(case["bytes"]))
    vectors.raises(FormatError, event.decode, bytes(2049))
