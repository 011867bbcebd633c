"""Slices of rights have the bytes of the vectors; the controller's acknowledgement tag too."""

import vectors
from stallmark import control, ed25519, keys, rights
from stallmark.errors import FormatError

DATA = vectors.load("rights.json")
CONTROL = vectors.load("control.json")


def test_a_slice_has_the_bytes_of_the_vectors_and_its_signature_holds():
    fields = vectors.value(DATA["fields"])
    payload = rights.encode_slice(*[fields[key] for key in range(1, 8)])
    assert payload.hex() == DATA["payload"]
    found = rights.decode_slice(payload)
    assert list(found) == [fields[key] for key in range(1, 8)]
    assert found.rule == rights.rule8(DATA["rule"])
    message = rights.slice_message(payload)
    assert message.hex() == DATA["message"]
    assert ed25519.verify(bytes.fromhex(DATA["director"]), message, bytes.fromhex(DATA["signature"]))


def test_fields_newer_than_this_program_are_let_pass():
    found = rights.decode_slice(bytes.fromhex(DATA["newer"]))
    assert found == rights.decode_slice(bytes.fromhex(DATA["payload"]))


def test_slices_that_are_off_are_refused():
    for case in DATA["refused"]:
        vectors.raises(FormatError, rights.decode_slice, bytes.fromhex(case["payload"]))
    vectors.raises(FormatError, rights.decode_slice, bytes(129))
    vectors.raises(FormatError, rights.encode_slice, 1, bytes(8), 1, -5, bytes(8), 7, 0)


def test_the_ledger_marks_tag_is_that_of_the_vectors_and_of_this_brick_and_mark_alone():
    key = keys.control_key(bytes.fromhex(CONTROL["root"]))
    brick = bytes.fromhex(CONTROL["brick8"])
    for case in CONTROL["acks"]:
        seq, tag = case["ledger_seq"], bytes.fromhex(case["tag"])
        assert control.ack_tag(key, brick, seq) == tag
        assert control.ack_good(key, brick, seq, tag)
        assert not control.ack_good(key, brick, seq ^ 1, tag)
        assert not control.ack_good(key, bytes(8), seq, tag)
        assert not control.ack_good(bytes(32), brick, seq, tag)
        assert not control.ack_good(key, brick, seq, tag[:15])
    assert not control.ack_good(key, brick, 1 << 32, bytes(16))
    assert not control.ack_good(key, brick, -1, bytes(16))
