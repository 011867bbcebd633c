"""CBOR: one encoding of each value, everything else refused with its own reason."""

import vectors
from stallmark import cbor
from stallmark.errors import FormatError, LimitError

# RFC 8949 appendix A, what is valid there and refused here: hex and words of the reason.
APPENDIX_REFUSED = (
    ("1bffffffffffffffff", "over int64"),
    ("3bffffffffffffffff", "under int64"),
    ("c249010000000000000000", "bignum"),
    ("c349010000000000000000", "bignum"),
    ("f7", "undefined"),
    ("f0", "simple"),
    ("f818", "simple"),
    ("f8ff", "simple"),
    ("c1fb41d452d9ec200000", "float"),
)


def test_values_have_the_bytes_that_cbor2_gives():
    for case in vectors.load("cbor.json")["values"]:
        value = vectors.value(case["value"])
        data = bytes.fromhex(case["hex"])
        assert cbor.encode(value) == data, case["name"]
        assert cbor.decode(data) == value, case["name"]


def test_each_form_that_is_not_the_one_is_refused_with_its_reason():
    for case in vectors.load("cbor.json")["refused"]:
        error = vectors.raises(FormatError, cbor.decode, bytes.fromhex(case["hex"]))
        assert case["reason"] in str(error), (case["name"], str(error))


def test_appendix_a_of_rfc_8949_decodes_and_comes_back_or_is_refused_for_a_named_reason():
    refused = dict(APPENDIX_REFUSED)
    good = 0
    for case in vectors.public("cbor_rfc8949_appendix_a.json"):
        data = bytes.fromhex(case["hex"])
        reason = refused.get(case["hex"])
        if reason is None and data[0] in (0xF9, 0xFA, 0xFB):
            reason = "float"
        if reason is None and not case["roundtrip"]:
            reason = "indefinite"
        if reason:
            assert reason in str(vectors.raises(FormatError, cbor.decode, data, text_keys=True)), case["hex"]
            continue
        value = cbor.decode(data, text_keys=True)
        assert cbor.encode(value) == data, case["hex"]
        if "decoded" in case:
            assert value == case["decoded"], case["hex"]
        good += 1
    assert good == 40, good


def test_every_truncation_of_a_record_is_refused():
    for case in vectors.load("cbor.json")["values"]:
        data = bytes.fromhex(case["hex"])
        for end in range(len(data)):
            error = vectors.raises(FormatError, cbor.decode, data[:end])
            assert "early" in str(error) or not end, case["name"]


def test_limits_on_depth_and_count_are_the_callers():
    nine = b"\x81" * 9 + b"\x01"
    vectors.raises(LimitError, cbor.decode, nine)
    assert cbor.encode(cbor.decode(nine, max_depth=9)) == nine
    ten = cbor.encode([0] * 9)
    assert cbor.decode(ten, max_items=10) == [0] * 9
    vectors.raises(LimitError, cbor.decode, ten, max_items=9)
    pairs = cbor.encode({0: [1], 1: [2]})
    assert cbor.decode(pairs, max_items=7) == {0: [1], 1: [2]}
    vectors.raises(LimitError, cbor.decode, pairs, max_items=6)
    vectors.raises(LimitError, cbor.decode, cbor.encode(cbor.Tag(9, 0)), max_items=1)
    vectors.raises(LimitError, cbor.decode, b"\x9a\xff\xff\xff\xff" + bytes(40))
    assert cbor.decode(cbor.encode([0] * 1023)) == [0] * 1023
    vectors.raises(LimitError, cbor.decode, cbor.encode([0] * 1024))


def test_text_keys_only_on_request_and_after_the_integers():
    data = bytes.fromhex("a40001200261610362616104")
    vectors.raises(FormatError, cbor.decode, data)
    value = cbor.decode(data, text_keys=True)
    assert value == {0: 1, -1: 2, "a": 3, "aa": 4}
    assert cbor.encode(value) == data
    vectors.raises(FormatError, cbor.decode, bytes.fromhex("a2626161016162ff"), text_keys=True)


def test_prefix_gives_the_value_and_where_it_ends():
    data = b"\xff\xff" + cbor.encode({1: [b"x", "y"]}) + b"rest"
    assert cbor.decode_prefix(data, 2) == ({1: [b"x", "y"]}, len(data) - 4)
    vectors.raises(FormatError, cbor.decode_prefix, data, len(data))
    vectors.raises(FormatError, cbor.decode_prefix, data, -1)
    vectors.raises(FormatError, cbor.decode_prefix, data[:5], 2)


def test_other_byte_containers_are_byte_strings():
    assert cbor.encode([bytearray(b"ab"), memoryview(b"cd")]) == cbor.encode([b"ab", b"cd"])
    assert cbor.decode(bytearray(b"\x41a")) == b"a"
    assert cbor.decode(memoryview(b"\x81\x41a")) == [b"a"]


def test_what_has_no_form_is_not_encoded():
    looped = []
    looped.append(looped)
    for value in (1.0, {1.5: 0}, {b"k": 0}, {None: 0}, {True: 0}, {(1,): 0}, 1 << 63, -(1 << 63) - 1):
        vectors.raises(FormatError, cbor.encode, value)
    for value in (object(), {1 << 63: 0}, cbor.Tag(2, b"\x01"), cbor.Tag(-1, 0), cbor.Tag(1 << 63, 0)):
        vectors.raises(FormatError, cbor.encode, value)
    vectors.raises(LimitError, cbor.encode, looped)


def test_bool_is_not_an_integer():
    assert cbor.encode([True, False, 1, 0]) == b"\x84\xf5\xf4\x01\x00"
    got = cbor.decode(b"\x82\xf5\x01")
    assert got[0] is True and got[1] is not True
