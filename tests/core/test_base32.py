"""Base32: the vectors of RFC 4648 without padding, and one text for each byte string."""

import vectors
from ports import Random
from stallmark import base32
from stallmark.errors import FormatError

RFC4648 = (
    (b"", ""),
    (b"f", "MY"),
    (b"fo", "MZXQ"),
    (b"foo", "MZXW6"),
    (b"foob", "MZXW6YQ"),
    (b"fooba", "MZXW6YTB"),
    (b"foobar", "MZXW6YTBOI"),
)
SPOILT = "my MY====== MZ MZXW6YR M MZX MZXW6Y M1 MÄ M0 M8".split(" ") + ["M Y", "MY\n"]


def test_examples_of_rfc_4648():
    for data, text in RFC4648:
        assert base32.encode(data) == text
        assert base32.decode(text) == data


def test_every_length_comes_back():
    random = Random(4)
    for length in range(70):
        data = random.bytes(length)
        text = base32.encode(data)
        assert len(text) == (8 * length + 4) // 5
        assert base32.decode(text) == data


def test_other_texts_of_the_same_bytes_are_refused():
    for text in SPOILT:
        vectors.raises(FormatError, base32.decode, text)
