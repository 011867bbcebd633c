"""Messages of the link: kind, id, value; what is cut or too long is refused."""

import vectors
from stallmark import message
from stallmark.errors import FormatError, LimitError


def test_messages_have_the_bytes_of_the_vectors():
    for case in vectors.load("link.json")["messages"]:
        value = vectors.value(case["value"])
        plaintext = bytes.fromhex(case["plaintext"])
        assert message.encode(case["kind"], case["id"], value) == plaintext
        assert message.decode(plaintext) == (case["kind"], case["id"], value)


def test_a_value_of_475_bytes_fits_and_of_476_does_not():
    assert len(message.encode(1, 65535, bytes(472))) == 478
    assert message.decode(message.encode(1, 65535, bytes(472))) == (1, 65535, bytes(472))
    vectors.raises(LimitError, message.encode, 1, 1, bytes(473))
    vectors.raises(LimitError, message.decode, b"\x01\x00\x01\x59\x01\xd9" + bytes(473))


def test_a_kind_that_is_newer_than_this_program_still_decodes():
    assert message.decode(b"\xc8\x00\x07\xa0") == (200, 7, {})


def test_what_is_cut_or_has_something_behind_it_is_refused():
    head = b"\x01\x00\x01"
    for plaintext in (b"", head[:1], head, head + b"\x19", head + b"\x00\x00", head + b"\xff"):
        vectors.raises(FormatError, message.decode, plaintext)
