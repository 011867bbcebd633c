"""SHA-512 (FIPS 180-4): hashlib's where it has one (stock MicroPython stops at SHA-256), else a port's, else in Python."""

from binascii import unhexlify
from struct import unpack

try:
    from hashlib import sha512 as _sha512  # type: ignore
except ImportError:
    _sha512 = None

_MASK = 0xFFFFFFFFFFFFFFFF


def sha512(data):
    """The 64-byte digest."""
    return _digest(data)


def use(function):
    """Take `function(data) -> 64 bytes` from now on: a port's faster one."""
    global _digest
    _digest = function


# First 64 bits of the fractional parts: cube roots of the first 80 primes, square roots of the first 8. The former stay text,
# 16 digits each: as numbers they would take 6 KB of a brick's heap for good.
K = (
    "428a2f98d728ae227137449123ef65cdb5c0fbcfec4d3b2fe9b5dba58189dbbc3956c25bf348b538"
    "59f111f1b605d019923f82a4af194f9bab1c5ed5da6d8118d807aa98a303024212835b0145706fbe"
    "243185be4ee4b28c550c7dc3d5ffb4e272be5d74f27b896f80deb1fe3b1696b19bdc06a725c71235"
    "c19bf174cf692694e49b69c19ef14ad2efbe4786384f25e30fc19dc68b8cd5b5240ca1cc77ac9c65"
    "2de92c6f592b02754a7484aa6ea6e4835cb0a9dcbd41fbd476f988da831153b5983e5152ee66dfab"
    "a831c66d2db43210b00327c898fb213fbf597fc7beef0ee4c6e00bf33da88fc2d5a79147930aa725"
    "06ca6351e003826f142929670a0e6e7027b70a8546d22ffc2e1b21385c26c9264d2c6dfc5ac42aed"
    "53380d139d95b3df650a73548baf63de766a0abb3c77b2a881c2c92e47edaee692722c851482353b"
    "a2bfe8a14cf10364a81a664bbc423001c24b8b70d0f89791c76c51a30654be30d192e819d6ef5218"
    "d69906245565a910f40e35855771202a106aa07032bbd1b819a4c116b8d2d0c81e376c085141ab53"
    "2748774cdf8eeb9934b0bcb5e19b48a8391c0cb3c5c95a634ed8aa4ae3418acb5b9cca4f7763e373"
    "682e6ff3d6b2b8a3748f82ee5defb2fc78a5636f43172f6084c87814a1f0ab728cc702081a6439ec"
    "90befffa23631e28a4506cebde82bde9bef9a3f7b2c67915c67178f2e372532bca273eceea26619c"
    "d186b8c721c0c207eada7dd6cde0eb1ef57d4f7fee6ed17806f067aa72176fba0a637dc5a2c898a6"
    "113f9804bef90dae1b710b35131c471b28db77f523047d8432caab7b40c724933c9ebe0a15c9bebc"
    "431d67c49c100d4c4cc5d4becb3e42b6597f299cfc657e2a5fcb6fab3ad6faec6c44198c4a475817"
)
START = unpack(
    ">8Q",
    unhexlify(
        "6a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54ff53a5f1d36f1510e527fade682d1"
        "9b05688c2b3e6c1f1f83d9abfb41bd6b5be0cd19137e2179"
    ),
)


def sha512_python(data):
    """The same in plain Python; always here, so that tests can compare it with hashlib's."""
    size = len(data)
    padded = data + b"\x80" + bytes(-(size + 17) % 128) + (8 * size).to_bytes(16, "big")
    state = START
    for at in range(0, len(padded), 128):
        state = _compress(state, padded, at)
    return b"".join([word.to_bytes(8, "big") for word in state])


def _compress(state, data, at):
    # The last 16 words only: a list of all 80 would ask a full heap for a whole KB in one piece.
    w = [int.from_bytes(data[i : i + 8], "big") for i in range(at, at + 128, 8)]
    a, b, c, d, e, f, g, h = state
    for i in range(80):
        now = i & 15
        if i > 15:
            # Rotations, here and below: the word doubled to 128 bits, shifted.
            x = w[i + 1 & 15]
            y = w[i + 14 & 15]
            xx = x << 64 | x
            yy = y << 64 | y
            x = xx >> 1 ^ xx >> 8 ^ x >> 7 & _MASK
            y = yy >> 19 ^ yy >> 61 ^ y >> 6
            w[now] = (w[now] + w[i + 9 & 15] + x + y) & _MASK
        ee = e << 64 | e
        aa = a << 64 | a
        k = int(K[16 * i : 16 * i + 16], 16)
        t = h + ((ee >> 14 ^ ee >> 18 ^ ee >> 41) & _MASK) + (g ^ e & (f ^ g)) + k + w[now]
        u = ((aa >> 28 ^ aa >> 34 ^ aa >> 39) & _MASK) + (a & b | c & (a | b))
        h = g
        g = f
        f = e
        e = (d + t) & _MASK
        d = c
        c = b
        b = a
        a = (t + u) & _MASK
    new = (a, b, c, d, e, f, g, h)
    return [(x + y) & _MASK for x, y in zip(state, new)]


def _hashlib(data):
    return _sha512(data).digest()  # type: ignore


_digest = _hashlib if _sha512 else sha512_python
