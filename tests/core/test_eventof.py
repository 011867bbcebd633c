"""What was decided, read back as the event that it was decided on."""

from stallmark import event, eventof
from stallmark import registry as reg


def fields(kind=reg.KIND_GRANT, nonce=b"12345678", **more):
    out = {
        0: 0, 2: 7, 4: 2, 5: 1000, 6: 500, 7: [2, 40], 10: kind, 11: reg.EVENT_NFC_TAP * 16 + 3, 14: [1, 0], 15: nonce, 17: b"",
    }  # fmt: skip
    out.update({int(name[1:]): value for name, value in more.items()})
    return out


PRIVATE = {0: b"salt", 1: b"subject8", 2: [1600, 2], 3: 100, 4: ["tea"], 5: 9, 6: b"staff  8"}


def test_an_event_is_what_its_record_says():
    found = eventof.Events().take(fields(), PRIVATE)
    assert (found.type, found.trust, found.subject) == (reg.EVENT_NFC_TAP, 3, b"subject8")
    assert (found.wall_ms, found.quality, found.spread_ms) == (1000, 2, 40)
    assert (found.basket_minor, found.items, found.tip_minor) == (1600, 2, 100)
    assert found.staff is None and found.token_counter is None and found.lines is None
    event.from_fields(event.to_fields(found))


def test_records_of_one_nonce_are_one_event_and_an_answer_is_none():
    events = eventof.Events()
    assert events.take(fields(), PRIVATE) is not None
    assert events.take(fields(reg.KIND_GHOST), PRIVATE) is None
    assert events.take(fields(nonce=b"abcdefgh"), PRIVATE) is not None
    assert events.take(fields(nonce=b"another8", f14=[reg.REASON_PERSON, 0]), PRIVATE) is None
    for kind in (reg.KIND_RESERVE, reg.KIND_RELEASE, reg.KIND_LATCH, reg.KIND_VOID, reg.KIND_COLLECTIVE):
        assert events.take(fields(kind, b"yet more"), PRIVATE) is None
    for _ in range(2):  # no nonce: each is an event
        assert events.take(fields(nonce=bytes(8)), PRIVATE) is not None


def test_practice_is_no_event_and_what_cannot_be_opened_is_counted():
    events = eventof.Events()
    assert events.take(fields(f0=reg.FLAG_TRAINING), PRIVATE) is None
    assert events.training == 1
    found = events.take(fields(), None)
    assert found.subject is None and found.basket_minor is None
    assert events.unopened == 1


def test_the_oldest_nonces_are_forgotten():
    events = eventof.Events()
    for number in range(1, 1026):
        assert events.take(fields(nonce=number.to_bytes(8, "big")), None) is not None
    assert events.take(fields(nonce=(1025).to_bytes(8, "big")), None) is None
    assert events.take(fields(nonce=(1).to_bytes(8, "big")), None) is not None
