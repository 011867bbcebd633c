"""Ed25519: accepts what is signed, and nothing that another signature could be mistaken for."""
# heap: 16M

import binascii

import vectors
from stallmark import ed25519, sha512

# RFC 8032 §7.1: public, message, signature; TEST 1024 and TEST SHA(abc) are in tests/vectors/ed25519_rfc8032.json
RFC8032 = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
)
ORDER = (1 << 252) + 27742317777372353535851937790883648493
P = (1 << 255) - 19


def _cases():
    return [tuple([bytes.fromhex(part) for part in case]) for case in RFC8032]


def test_signatures_of_rfc_8032():
    for public, message, signature in _cases():
        assert ed25519.verify(public, message, signature)
        assert not ed25519.verify(public, message + b"x", signature)


def test_the_long_signatures_of_rfc_8032():
    for case in vectors.load("ed25519_rfc8032.json")["cases"]:
        public, message, signature = [
            bytes.fromhex(case[part]) for part in ("public", "message", "signature")
        ]
        assert ed25519.verify(public, message, signature), case["name"]
        assert not ed25519.verify(public, message[:-1], signature), case["name"]


def test_all_of_wycheproof():
    checked = 0
    for group in vectors.public("wycheproof_ed25519.json")["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            good = ed25519.verify(public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            assert good == (case["result"] == "valid"), (case["tcId"], case["comment"])
            checked += 1
    assert checked == 151, checked


def test_each_flipped_byte_of_a_signature_or_key_is_refused():
    public, message, signature = _cases()[1]
    for at in range(0, 64, 3):
        bent = bytearray(signature)
        bent[at] ^= 0x10
        assert not ed25519.verify(public, message, bytes(bent)), at
    for at in range(0, 32, 3):
        bent = bytearray(public)
        bent[at] ^= 0x10
        assert not ed25519.verify(bytes(bent), message, signature), at


def test_s_with_the_order_added_is_refused():
    public, message, signature = _cases()[0]
    s = int.from_bytes(signature[32:], "little") + ORDER
    assert not ed25519.verify(public, message, signature[:32] + s.to_bytes(32, "little"))


def test_keys_that_fit_every_message_are_refused():
    identity = (1).to_bytes(32, "little")
    zero = bytes(32)
    assert not ed25519.verify(identity, b"anything", identity + zero)
    for y in (0, 1, P - 1, P, P + 1, ed25519.SMALL_ORDER[3], ed25519.SMALL_ORDER[4]):
        for sign in (0, 1 << 255):
            point = (y | sign).to_bytes(32, "little")
            assert not ed25519.verify(point, b"anything", identity + zero), y
            assert not ed25519.verify(_cases()[0][0], b"", point + zero), y


def test_wrong_lengths_and_points_off_the_curve_are_refused_without_an_error():
    public, message, signature = _cases()[0]
    for bad in (b"", public[:31], public + b"\x00"):
        assert not ed25519.verify(bad, message, signature)
    for bad in (b"", signature[:63], signature + b"\x00"):
        assert not ed25519.verify(public, message, bad)
    assert not ed25519.verify((2).to_bytes(32, "little"), message, signature)
    assert not ed25519.verify(b"\xff" * 32, message, b"\xff" * 64)


def test_points_of_small_order_are_what_the_table_says():
    for y in ed25519.SMALL_ORDER:
        point = ed25519.decode(y.to_bytes(32, "little"))
        eight = ed25519.extended(point[0], point[1])
        for _ in range(3):
            eight = ed25519.double(eight)
        assert eight[0] % P == 0 and eight[1] % P == eight[2] % P, y


def test_sha512_in_python():
    for message, start in (
        (b"", "cf83e1357eefb8bd"),
        (b"abc", "ddaf35a193617aba"),
        (b"a" * 1000, "67ba5535a46e3f86"),
    ):
        assert binascii.hexlify(sha512.sha512_python(message))[:16].decode() == start
        assert sha512.sha512(message) == sha512.sha512_python(message)


def test_sha512_constants_are_the_roots_of_the_primes():
    primes = []
    n = 2
    while len(primes) < 80:
        if all([n % p for p in primes]):
            primes.append(n)
        n += 1
    for index, prime in enumerate(primes):
        root = _floor_root(prime << 192, 3)
        assert root & 0xFFFFFFFFFFFFFFFF == int(sha512.K[16 * index : 16 * index + 16], 16), prime
    for prime, word in zip(primes, sha512.START):
        assert _floor_root(prime << 128, 2) & 0xFFFFFFFFFFFFFFFF == word, prime


def _floor_root(n, power):
    low = 0
    high = 1 << 70
    while high - low > 1:
        middle = (low + high) >> 1
        if middle**power <= n:
            low = middle
        else:
            high = middle
    return low
