"""Rules in the shadow: the order's tag, the summary's form and tag. On both interpreters."""

from binascii import unhexlify

import vectors
from stallmark import cbor, shadow
from stallmark.errors import FormatError

FOUND = vectors.load("shadow.json")
K_CTL, BRICK, BUNDLE = [unhexlify(FOUND[name]) for name in ("k_ctl", "brick8", "bundle")]


def fails(call, *given):
    try:
        call(*given)
    except FormatError:
        return
    raise AssertionError("not refused: {}".format(given))


def test_an_order_is_the_controllers_own_for_one_brick_bundle_and_end():
    for one in FOUND["orders"]:
        tag = shadow.order_tag(K_CTL, BRICK, BUNDLE, one["length"], one["until"])
        assert tag == unhexlify(one["tag"])
        found = shadow.order(cbor.decode(unhexlify(one["value"])))
        assert found == (BUNDLE, one["length"], one["until"], tag) and shadow.order_good(K_CTL, BRICK, found)
        assert not shadow.order_good(K_CTL, b"brick--2", found)
        assert not shadow.order_good(bytes(32), BRICK, found)
        assert not shadow.order_good(K_CTL, BRICK, (BUNDLE, one["length"] + 1, one["until"], tag))
        assert not shadow.order_good(K_CTL, BRICK, (BUNDLE, one["length"], one["until"] + 1, tag))
    assert shadow.order({0: None})[0] is None


def test_orders_of_another_form_are_refused():
    good = {0: BUNDLE, 1: 10, 2: 20, 3: bytes(16)}
    shadow.order(good)
    for key, wrong in ((0, bytes(31)), (0, 5), (1, 0), (1, 65537), (1, None), (2, -1), (2, 1 << 54), (3, bytes(15)), (3, None)):
        bad = dict(good)
        bad[key] = wrong
        fails(shadow.order, bad)
    for bad in ({}, {0: BUNDLE}, [1], None):
        fails(shadow.order, bad)


def test_a_summary_reads_back_and_its_tag_is_the_bricks():
    data = unhexlify(FOUND["summary"]["bytes"])
    fields = shadow.read(data)
    assert shadow.summary(fields) == data and fields[6] == 120 and fields[8][0] == [2, 3, 1, 1, 3]
    tag = unhexlify(FOUND["summary"]["tag"])
    assert shadow.said_tag(K_CTL, data) == tag and shadow.said_good(K_CTL, data, tag)
    assert not shadow.said_good(K_CTL, data + b"\0", tag) and not shadow.said_good(K_CTL, data, tag[:15])
    assert not shadow.said_good(K_CTL, data, None)


def test_summaries_that_cannot_be_are_refused():
    for one in FOUND["refused"]:
        fails(shadow.read, unhexlify(one["bytes"]))
    fails(shadow.read, bytes(441))
    data = unhexlify(FOUND["summary"]["bytes"])
    for size in range(len(data)):
        fails(shadow.read, data[:size])


def test_later_fields_are_left_alone():
    fields = cbor.decode(unhexlify(FOUND["summary"]["bytes"]))
    fields[14] = "newer than this program"
    assert shadow.read(cbor.encode(fields))[6] == 120
