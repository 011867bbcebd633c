"""Unusual events score high, ordinary ones do not; the tables are bounded, a model that is no model is refused."""

from binascii import hexlify

import vectors
from stallmark import event, risk, risktable, risktree, riskwords
from stallmark import numbers as reg
from stallmark.errors import FormatError

RISK_HIGH = 128  # `{"le": ["risk", 127]}`


def tap(at_ms, subject=None, trust=reg.TRUST_ISSUED, counter=None, staff=None, wall_ms=1000000000):
    return event.make(
        type=reg.EVENT_NFC_TAP, trust=trust, subject=subject, nonce=bytes(8), wall_ms=wall_ms + at_ms, uptime_ms=at_ms,
        quality=2, spread_ms=20, token_counter=counter, staff=staff,
    )


def name(number):
    return number.to_bytes(8, "big")


def features(events, told=()):
    watch = risk.Watch(risktable.MODEL)
    for subject, wall_ms in told:
        watch.told(subject[:6], wall_ms)
    found = None
    for one in events:
        found = watch.features(one)
    return watch, found


def test_a_token_is_counted_over_three_spans():
    found = features([tap(at, name(1)) for at in (0, 30000, 595000, 600000, 601000)])[1]
    assert found[:3] == [3, 3, 4]
    assert features([tap(1000, name(n)) for n in range(9)])[1][:4] == [1, 1, 1, 9]


def test_hammering_is_a_hard_rule():
    watch, found = features([tap(at * 1000, name(7)) for at in range(6)])
    assert watch.judge(found) == (255, risk.TOKEN_10S)


def test_one_tag_at_two_bricks_within_a_second_is_a_hard_rule():
    watch, found = features([tap(5000, name(7))], [(name(7), 1000000000 + 4600)])
    assert found[risk.ELSEWHERE_S] == 0 and watch.judge(found) == (255, risk.ELSEWHERE_S)
    assert features([tap(50000, name(7))], [(name(7), 1000000000)])[1][risk.ELSEWHERE_S] == 50
    assert features([tap(50000, name(7))])[1][risk.ELSEWHERE_S] == 600


def test_two_clocks_that_may_be_wrong_prove_no_second_place():
    here = list(tap(5000, name(7)))
    told = [(name(7), 1000000000 + 4600)]
    for quality, spread, expected in ((2, 20, 0), (2, 290, 0), (2, 310, 1), (2, 60000, 120), (1, 20, 600), (2, None, 600)):
        here[5] = quality  # its place in an Event
        here[6] = spread
        watch, found = features([event.Event(*here)], told)
        assert found[risk.ELSEWHERE_S] == expected
        assert (watch.judge(found) == (255, risk.ELSEWHERE_S)) == (expected == 0)


def test_clockwork_is_told_from_people():
    steady = features([tap(at * 7000, name(at)) for at in range(12)])[1]
    people = features([tap(at, name(at)) for at in (0, 2000, 31000, 33000, 90000, 91000, 140000, 199000)])[1]
    assert steady[risk.BRICK_REGULAR] == 1000 and people[risk.BRICK_REGULAR] < 500


def test_counters_jump_and_staff_are_counted():
    found = features([tap(0, name(1), counter=5), tap(9000, name(1), counter=300)])[1]
    assert found[risk.COUNTER_JUMP] == 295
    watch = risk.Watch(risktable.MODEL)
    for number in range(30):
        watch.granted(b"staff-01", number * 1000)
    assert watch.features(tap(40000, name(2), staff=b"staff-01"))[risk.STAFF_HOUR] == 30
    assert watch.features(tap(40000, b"staff-01", trust=reg.TRUST_STAFF))[risk.STAFF_HOUR] == 30
    assert watch.features(tap(4000000, name(2), staff=b"staff-01"))[risk.STAFF_HOUR] == 0


def asked(events):
    """How many of some events would be asked about at the threshold that docs and library name, and of which signals."""
    watch = risk.Watch(risktable.MODEL)
    found = []
    for one in events:
        score, signal = watch.see(one)
        watch.granted(risk.served_by(one), one.uptime_ms)
        if score >= RISK_HIGH:
            found.append(signal)
    return found


def served(count, least, most, **given):
    """Different people, one after the other, from `least` to `most` ms apart."""
    at = 600000
    for number in range(count):
        at += least + number * 7919 * 7919 % (most - least)
        yield tap(at, name(number * 2654435761), **given)


def test_an_honest_queue_of_different_people_is_not_asked_about():
    for least, most in ((2000, 5000), (6000, 14000), (10000, 30000), (15000, 60000), (4000, 40000)):
        for trust in (reg.TRUST_BARE, reg.TRUST_ISSUED, reg.TRUST_LIVE):
            assert asked(served(100, least, most, trust=trust)) == [], (least, most, trust)


def test_one_clerk_at_a_busy_till_is_not_asked_about():
    for least, most in ((10000, 40000), (40000, 90000)):
        assert asked(served(120, least, most, staff=b"clerk--1")) == [], (least, most)


def test_a_staff_token_is_no_licence():
    """One now and then is nobody's business; forty within minutes are asked about, as anybody's are."""
    crew = b"clerk--1"
    assert asked([tap(at * 900000, crew, trust=reg.TRUST_STAFF) for at in range(1, 10)]) == []
    for trust in (reg.TRUST_STAFF, reg.TRUST_LIVE, reg.TRUST_SDM, reg.TRUST_ISSUED, reg.TRUST_BARE):
        assert len(asked([tap(at * 9000, crew, trust=trust) for at in range(40)])) >= 25, trust


def test_every_table_stays_bounded():
    watch = risk.Watch(risktable.MODEL)
    at = 0
    for number in range(600):
        at += 5000 + number * 7919 % 37000
        watch.told(name(number + 100000)[2:8], 1000000000 + at)
        watch.granted(name(number), at)
        assert watch.see(tap(at, name(number)))[0] < RISK_HIGH
    assert len(watch._others) <= 48 and len(watch._staff) <= 8 and len(watch._subjects) == 32


def test_a_record_says_score_model_and_signal():
    value = risk.field(3, 201, risk.ELSEWHERE_S)
    assert riskwords.parts(value) == (201, 3, "the same tag at another brick just before")
    assert riskwords.parts(None) is None and "newer" in riskwords.parts(15 << 12)[2]
    assert len(riskwords.SIGNALS) == risk.FEATURES and value <= 0xFFFF


def test_a_model_that_cannot_be_walked_through_is_refused():
    good = risktable.MODEL
    risktree.version(good)
    for at in range(8, len(good)):  # every byte of every tree, to the ends of its range
        for byte in (0, 31, 127, 254, 255):
            bad = good[:at] + bytes((byte,)) + good[at + 1 :]
            try:
                risktree.version(bad)
            except FormatError:
                continue
            score, top = risktree.score(bad, [100] * risk.FEATURES)
            assert 0 <= score <= 255 and 0 <= top < risk.FEATURES
    for bad in (b"", good[:7], b"XXXX" + good[4:], good[:-1], good + b"\x00"):
        vectors.raises(FormatError, risktree.version, bad)


def test_scores_are_those_of_the_vectors():
    """The same on both interpreters, and the same as when they were written down."""
    assert vectors.load("risk_model.json")["model"] == hexlify(risktable.MODEL).decode(), "trained anew: write it down there"
    for case in vectors.load("risk.json"):
        found = risktree.score(bytes.fromhex(case["model"]), case["features"])
        assert list(found) == case["score"]
