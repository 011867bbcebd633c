"""The order to step to another rental: bytes of the vectors; what is forged, replayed, skipped or of another brick is refused."""

import vectors
from stallmark import cbor, keys, rental
from stallmark.errors import FormatError

DATA = vectors.load("control.json")
ROOT = bytes.fromhex(DATA["root"])
BRICK = bytes.fromhex(DATA["brick8"])
K_CTL = keys.control_key(ROOT)
LINK = 7  # link epoch of the brick


def order(here=3, following=4, epoch=1 << 20, key=K_CTL, brick=BRICK):
    return rental.order(here, following, epoch, rental.order_tag(key, brick, here, following, epoch))


def judged(value, here=3, link=LINK):
    return rental.judge(value, K_CTL, BRICK, here, link)[0]


def test_orders_and_answers_have_the_bytes_of_the_vectors():
    for case in DATA["steps"]:
        tag = rental.order_tag(K_CTL, BRICK, case["rental"], case["following"], case["epoch"])
        assert tag.hex() == case["tag"]
        value = rental.order(case["rental"], case["following"], case["epoch"], tag)
        assert cbor.encode(value).hex() == case["value"]
        assert rental.parse(cbor.decode(bytes.fromhex(case["value"])))[3] == tag
    for case in DATA["answers"]:
        value = rental.answer(K_CTL, BRICK, *case["said"])
        assert value[5].hex() == case["tag"] and cbor.encode(value).hex() == case["value"]


def test_the_keys_of_the_rental_after_are_those_of_the_vectors():
    after = DATA["after"]
    found = rental.root_after(ROOT, after["rental"])
    assert [key.hex() for key in found] == [after["root"], after["k_ctl"], after["link"], after["chain"]]


def test_a_true_order_is_to_be_done_and_then_it_is_done():
    assert judged(order()) == 0
    assert judged(order(), here=4) == rental.STEPPED, "told again after the step: the brick says so"


def test_replayed_skipped_and_older_orders_are_refused():
    assert judged(order(3, 4), here=5) == rental.OTHER, "replayed two rentals later"
    assert judged(order(4, 5)) == rental.OTHER, "one rental skipped"
    assert judged(order(3, 2)) == rental.OTHER, "back to a rental of before"
    assert judged(order(), link=1 << 20) == rental.LINK_EPOCH, "the link key would go back"
    assert judged(order(), link=1 << 21) == rental.LINK_EPOCH


def test_forged_orders_and_those_of_another_brick_or_kit_are_refused():
    for wrong in (order(key=bytes(32)), order(brick=b"other..8"), order(key=keys.control_key(bytes(32)))):
        assert judged(wrong) == rental.TAG
    good = order()
    for at, other in ((1, 5), (2, (1 << 20) + 1)):
        forged = dict(good)
        forged[at] = other
        assert judged(forged) == rental.TAG, "every field is under the tag"
    for bit in range(128):
        tag = bytearray(good[3])
        tag[bit // 8] ^= 1 << bit % 8
        forged = dict(good)
        forged[3] = bytes(tag)
        assert judged(forged) == rental.TAG


def test_what_is_no_order_is_unreadable():
    good = order()
    for value in (None, [], {}, 5, {0: 3, 1: 4, 2: 5}):
        vectors.raises(FormatError, judged, value)
    for at, bad in ((0, -1), (1, 1 << 32), (2, None), (3, b"short"), (3, "text"), (0, True)):
        value = dict(good)
        value[at] = bad
        vectors.raises(FormatError, judged, value)
    more = dict(good)
    more[9] = "newer than this program"
    assert judged(more) == 0


def test_an_answers_tag_is_of_all_that_it_says():
    said = [28, 4, 4, 18, 21]
    tag = rental.answer_tag(K_CTL, BRICK, *said)
    for at in range(5):
        other = list(said)
        other[at] += 1
        assert rental.answer_tag(K_CTL, BRICK, *other) != tag
    assert rental.answer_tag(K_CTL, b"other..8", *said) != tag
