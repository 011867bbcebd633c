"""Ed25519 with tables of two fixed points, the base point and one signer's: no doubling chain of 253 steps, no decompression.

A scalar k, made odd, is a sum of ±2**i over 259 bits; they stand in 7 rows of 37 (Lim and Lee's comb with digits ±1: no zero, so
the 64 sums with a positive last row are enough). A second table, 2**19 times the first, halves the doublings: 18 of them and 74
additions for both scalars together, where two bits at a time take 252 and 119. `combmake` makes the rows.
"""

from stallmark.constant import const
from stallmark.ed25519 import L, P, encoding, plausible, scalar
from stallmark.sha512 import sha512

ROW = const(96)  # bytes: y - x, y + x, 2dxy of a point, 32 each, little-endian
ROWS = const(128)  # of a point: 64 of the first table, then 64 of the second
SPAN = const(37)  # columns
SECOND = const(19)  # column at which the second table begins
_TEETH = const(7)
_YIELD = const(4)  # columns between two breaths: 8 ms on an ESP32, estimated

_ALL_SIGNS = (1 << _TEETH * SPAN) - 1


def checking(public, message, signature, base, signer):
    """Generator whose value is verify()'s; it pauses after every few milliseconds of a small chip's time.

    `base(row, buffer)`, `signer(row, buffer)` fill 96 bytes with a row of the base point's table and of the signer's, negated.
    Damaged rows make it say False, never True: who keeps them checks them before believing a False."""
    if not plausible(public, signature):
        return False
    h = scalar(sha512(signature[:32] + public + message)) % L
    yield
    s = scalar(signature[32:])
    signs = (_signs(s), _signs(h))
    buffer = bytearray(ROW)
    view = memoryview(buffer)
    parts = (view[:32], view[32:64], view[64:])
    p = P
    number = int.from_bytes
    x, y, z, t = 0, 1, 1, 0
    for column in range(SECOND - 1, -1, -1):
        if column < SECOND - 1:
            a = x * x % p
            b = y * y % p
            e = x + y
            e = a + b - e * e % p
            g = a - b
            f = 2 * z * z % p + g
            h = a + b
            x = e * f % p
            y = g * h % p
            z = f * g % p
            t = e * h % p
        for at in (column, column + SECOND):
            if at < SPAN:
                for digits, rows in ((signs[0], base), (signs[1], signer)):
                    index = 0
                    bit = at
                    for tooth in range(_TEETH):
                        index |= (digits[bit >> 3] >> (bit & 7) & 1) << tooth
                        bit += SPAN
                    minus = index < 64
                    if minus:  # the tables have the sums whose last row is positive
                        index ^= 63
                    rows(index & 63 if at < SECOND else index | 64, buffer)
                    c = t * number(parts[2], "little") % p
                    if minus:
                        a = (y - x) * number(parts[1], "little") % p
                        b = (y + x) * number(parts[0], "little") % p
                        d = 2 * z
                        f = d + c
                        g = d - c
                    else:
                        a = (y - x) * number(parts[0], "little") % p
                        b = (y + x) * number(parts[1], "little") % p
                        d = 2 * z
                        f = d - c
                        g = d + c
                    e = b - a
                    h = b + a
                    x = e * f % p
                    y = g * h % p
                    z = f * g % p
                    t = e * h % p
        if not column % _YIELD:
            yield
    return encoding(x, y, z) == signature[:32]


def _signs(k):
    """The digits of a scalar as bytes, lowest first: a set bit means 1, a clear one -1. Odd first, the same modulo the order."""
    return (((k if k & 1 else k + L) + _ALL_SIGNS) >> 1).to_bytes(33, "little")


def verify(public, message, signature, base, signer):
    """What ed25519.verify says, about five times as fast, from rows (see `checking`)."""
    steps = checking(public, message, signature, base, signer)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
