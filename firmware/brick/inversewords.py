"""1/z modulo 2**255 - 19 with its inner loop in machine code: a fifth of the time that a power of z takes.

Bernstein and Yang's division steps ("Fast constant-time gcd computation and modular inversion", 2019, section 8): 28 of them look
at the lowest 28 bits alone and come out as four factors below 2**28, which then move the long numbers on. No intermediate leaves
31 bits, so one source is right for machine words of 32 and of 64 bits. Time depends on z: nothing secret comes here. Where there
is no viper (CPython, WebAssembly) the import fails, and stallmark.ed25519's power stays in use. mpy-cross wants -march here.
"""

from array import array

import micropython
from stallmark.constant import const
from stallmark.ed25519 import P

_STEPS = const(28)
_LOW = const(0x3FFFFFFF)  # 30 bits: a small int on every port
_ROUNDS = const(27)  # 738 steps are enough for numbers of 255 bits (theorem 11.2)
_HALVES = pow((P + 1) // 2, _STEPS * _ROUNDS, P)
_FACTORS = array("i", (0, 0, 0, 0))


def inverse(z):
    """The inverse of z, 0 <= z < p; 0 of 0."""
    f = P
    g = z
    d = 0
    e = 1
    delta = 1
    left = _ROUNDS
    factors = _FACTORS
    while g:
        delta = _steps(delta, f & _LOW, g & _LOW, factors)  # type: ignore
        u, v, q, r = factors
        f, g = (u * f + v * g) >> _STEPS, (q * f + r * g) >> _STEPS
        d, e = u * d + v * e, q * d + r * e
        left -= 1
    # Now f is the divisor, 1 or -1, and d is 2**steps times its share of z: all halvings at once.
    if f < 0:
        d = -d
    return (d << _STEPS * left) * _HALVES % P


@micropython.viper
def _steps(delta: int, f: int, g: int, out: ptr32) -> int:  # noqa: F821
    u = 1
    v = 0
    q = 0
    r = 1
    for _ in range(28):
        if g & 1:
            if delta > 0:
                delta = 0 - delta
                h = f
                f = g
                g = 0 - h
                h = u
                u = q
                q = 0 - h
                h = v
                v = r
                r = 0 - h
            g += f
            q += u
            r += v
        delta += 1
        g >>= 1
        u <<= 1
        v <<= 1
    out[0] = u
    out[1] = v
    out[2] = q
    out[3] = r
    return delta
