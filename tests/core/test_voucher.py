"""Vouchers and base45: other people's examples, what is refused, the order of checks."""

from stallmark import base45, ed25519, token, voucher
from stallmark import registry as reg
from stallmark.errors import FormatError
from vectors import load, raises

VECTORS = load("voucher.json")
GOOD = VECTORS["good"]
NOW = VECTORS["now"]
HERE = b"brick--1"


def yes(public, message, signature):
    return True


def no(public, message, signature):
    return False


def look(found, issuers=None, audiences=(HERE,), floor=0, clock=NOW, verify=yes):
    issuers = [bytes.fromhex(GOOD[0]["public"])] if issuers is None else issuers
    return voucher.refusal(found, issuers, audiences, floor, clock, verify)


def test_base45_of_the_standards_examples():
    for data, text in VECTORS["base45"]:
        assert base45.encode(bytes.fromhex(data)) == text
        assert base45.decode(text) == bytes.fromhex(data)


def test_every_two_bytes_and_every_byte_come_back():
    for number in range(0, 65536, 97):
        data = bytes((number >> 8, number & 255))
        assert base45.decode(base45.encode(data)) == data
    for number in range(256):
        assert base45.decode(base45.encode(bytes((number,)))) == bytes((number,))


def test_what_no_bytes_make_is_not_base45():
    for text in VECTORS["not_base45"] + ["\u00e9AA", "A\u20ac", "AAA" + chr(0xD800) + "AA"]:
        raises(FormatError, base45.decode, text)


def test_a_voucher_is_read_and_made_as_others_read_and_make_it():
    for good in GOOD:
        for form in (good["text"], good["text"].encode()):
            found = voucher.parse(form)
            assert voucher.looks_like(good["text"].encode())
            assert found.kid.hex() == good["kid"] == voucher.kid4(bytes.fromhex(good["public"])).hex()
            assert voucher.reference(found) == good["serial"]
            assert (found.series, found.minor) == (good["series"], good["minor"])
            assert found.audience.hex() == good["audience"]
            assert (found.expires, found.not_before) == (good["expires"], good["not_before"])
            assert voucher.signal(found) == ["voucher:{}".format(good["series"]), good["minor"], 0]
        made = voucher.payload(*found[:7])
        assert made.hex() == good["payload"]
        assert voucher.text(made, bytes.fromhex(good["signature"])) == good["text"]
        assert len(good["text"]) <= voucher.MAX_TEXT
        name = token.subject(bytes.fromhex(VECTORS["subject_key"]), voucher.TOKEN_TYPE, found.serial)
        assert name.hex() == good["subject"]


def test_anything_else_is_no_voucher():
    for name, text in VECTORS["bad"]:
        assert raises(FormatError, voucher.parse, text), name
        assert raises(FormatError, voucher.parse, text.encode()), name
    raises(FormatError, voucher.parse, b"SMV1:\xff\xfe")
    assert not voucher.looks_like(b"SMV1") and not voucher.looks_like(b"SM1.AAAA")


def test_an_issuers_signature_counts_and_no_other():
    found = voucher.parse(GOOD[0]["text"])
    assert look(found, verify=ed25519.verify) is None
    wrong = found.signature[:-1] + bytes((found.signature[-1] ^ 1,))
    forged = voucher.parse(voucher.text(found.payload, wrong))
    assert look(forged, verify=ed25519.verify) == reg.REASON_VOUCHER_FALSE
    assert look(found, verify=no) == reg.REASON_VOUCHER_FALSE
    assert look(found, issuers=[bytes.fromhex(GOOD[2]["public"])]) == reg.REASON_VOUCHER_FALSE
    assert look(found, issuers=[]) == reg.REASON_VOUCHER_FALSE


def test_the_first_thing_that_speaks_against_it_is_said():
    found = voucher.parse(GOOD[0]["text"])
    assert look(found, audiences=(b"brick--2",), clock=1 << 31) == reg.REASON_VOUCHER_ELSEWHERE
    assert look(found, audiences=(b"kit----1", HERE)) is None
    assert look(found, audiences=(b"brick--2",), verify=no) == reg.REASON_VOUCHER_FALSE


def test_time_is_taken_from_signed_things_then_from_a_good_clock():
    found = voucher.parse(GOOD[0]["text"])
    assert look(found, clock=found.expires - 1) is None
    assert look(found, clock=found.expires) == reg.REASON_VOUCHER_EXPIRED
    assert look(found, clock=NOW, floor=found.expires) == reg.REASON_VOUCHER_EXPIRED, "a clock set back"
    assert look(found, clock=None, floor=found.expires) == reg.REASON_VOUCHER_EXPIRED
    assert look(found, clock=None, floor=NOW) == reg.REASON_CLOCK_UNSET
    later = voucher.parse(GOOD[1]["text"])
    assert look(later, clock=NOW - 1) == reg.REASON_VOUCHER_EXPIRED, "not yet"
    assert look(later, clock=NOW) is None
    assert look(later, clock=NOW - 9, floor=NOW) is None, "signed things are later than this clock"


def test_a_payload_out_of_bounds_is_not_made():
    kid, serial = bytes(4), bytes(8)
    raises(FormatError, voucher.payload, kid, serial, 65536, 0, HERE, NOW)
    raises(FormatError, voucher.payload, kid, serial[1:], 1, 0, HERE, NOW)
    raises(FormatError, voucher.payload, kid, serial, 1, 1 << 32, HERE, NOW)
    raises(FormatError, voucher.text, voucher.payload(kid, serial, 1, 0, HERE, NOW), bytes(63))
