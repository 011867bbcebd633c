"""SHA-512 in machine code is SHA-512: every length around the blocks' edges, against the one in Python."""

import vectors
from stallmark import sha512

try:
    from brick import sha512words
except (ImportError, SyntaxError):
    raise vectors.SkipTest("no machine code here: the Python one is in use")


def test_every_length_to_three_blocks():
    for size in list(range(300)) + [1000, 4097]:
        data = bytes([(size * 31 + n * 7) & 255 for n in range(size)])
        assert sha512words.digest(data) == sha512.sha512_python(data), size


def test_all_bits_set_and_none():
    for byte in (b"\x00", b"\xff", b"\x80"):
        data = byte * 239
        assert sha512words.digest(data) == sha512.sha512_python(data)


def test_it_takes_its_place():
    sha512.use(sha512words.digest)
    try:
        assert sha512.sha512(b"abc")[:8] == bytes.fromhex("ddaf35a193617aba")
    finally:
        sha512.use(sha512.sha512_python)
