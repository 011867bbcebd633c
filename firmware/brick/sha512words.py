"""SHA-512 in machine code where MicroPython can make some: hardly any garbage, and more than ten times as fast.

Words are four limbs of 16 bits, lowest first: no intermediate reaches 2**31, so one source is right for machine words of 32
and of 64 bits. Where there is no viper (CPython, WebAssembly) the import fails, and stallmark.sha512's Python stays in use.
mpy-cross wants -march for this file.
"""

from array import array
from binascii import unhexlify

import micropython
from stallmark import sha512


def _limbs(words):
    """Big-endian words of 64 bits as limbs."""
    out = array("H", bytes(len(words)))
    for at in range(0, len(words), 8):
        for limb in range(4):
            out[at // 2 + 3 - limb] = words[at + 2 * limb] << 8 | words[at + 2 * limb + 1]
    return out


_K = _limbs(unhexlify(sha512.K))
_START = _limbs(b"".join([word.to_bytes(8, "big") for word in sha512.START]))
_VARIABLES = array("H", bytes(64))
_SCHEDULE = array("H", bytes(128))


def digest(data):
    """The 64 bytes of any data."""
    size = len(data)
    padded = data + b"\x80" + bytes(-(size + 17) % 128) + (8 * size).to_bytes(16, "big")
    state = array("H", _START)
    for at in range(0, len(padded), 128):
        _rounds(state, _VARIABLES, _SCHEDULE, _K, memoryview(padded)[at:])  # type: ignore
    out = bytearray(64)
    _bytes(out, state)  # type: ignore
    return bytes(out)


@micropython.viper
def _bytes(out: ptr8, state: ptr16):  # noqa: F821
    for i in range(32):
        limb = state[i ^ 3]
        out[2 * i] = limb >> 8
        out[2 * i + 1] = limb


@micropython.viper
def _rounds(state: ptr16, v: ptr16, w: ptr16, k: ptr16, data: ptr8):  # noqa: F821
    for i in range(32):
        v[i] = state[i]
    for i in range(16):
        for limb in range(4):
            w[4 * i + 3 - limb] = data[8 * i + 2 * limb] << 8 | data[8 * i + 2 * limb + 1]
    for i in range(80):
        now = (i & 15) << 2
        if i > 15:
            x = (i + 1 & 15) << 2
            y = (i + 14 & 15) << 2
            z = (i + 9 & 15) << 2
            carry = 0
            for limb in range(4):
                x0 = w[x + limb]
                x1 = w[x + (limb + 1 & 3)]
                x2 = x1 if limb < 3 else 0
                y0 = w[y + limb]
                y1 = w[y + (limb + 1 & 3)]
                y2 = y1 if limb < 3 else 0
                y3 = w[y + (limb + 3 & 3)]
                s0 = (x0 >> 1 | x1 << 15) ^ (x0 >> 8 | x1 << 8) ^ (x0 >> 7 | x2 << 9)
                s1 = (y1 >> 3 | w[y + (limb + 2 & 3)] << 13) ^ (y3 >> 13 | y0 << 3) ^ (y0 >> 6 | y2 << 10)
                carry += w[now + limb] + w[z + limb] + (s0 & 0xFFFF) + (s1 & 0xFFFF)
                w[now + limb] = carry
                carry >>= 16
        a = (0 - i & 7) << 2
        b = (1 - i & 7) << 2
        c = (2 - i & 7) << 2
        d = (3 - i & 7) << 2
        e = (4 - i & 7) << 2
        f = (5 - i & 7) << 2
        g = (6 - i & 7) << 2
        h = (7 - i & 7) << 2
        t = 0
        u = 0
        n = 0
        for limb in range(4):
            e0 = v[e + limb]
            e1 = v[e + (limb + 1 & 3)]
            e2 = v[e + (limb + 2 & 3)]
            s1 = (e0 >> 14 | e1 << 2) ^ (e1 >> 2 | e2 << 14) ^ (e2 >> 9 | v[e + (limb + 3 & 3)] << 7)
            t += (
                v[h + limb]
                + (s1 & 0xFFFF)
                + (v[g + limb] ^ e0 & (v[f + limb] ^ v[g + limb]))
                + k[4 * i + limb]
                + w[now + limb]
            )
            low = t & 0xFFFF
            t >>= 16
            a0 = v[a + limb]
            a1 = v[a + (limb + 1 & 3)]
            a2 = v[a + (limb + 2 & 3)]
            a3 = v[a + (limb + 3 & 3)]
            s0 = (a1 >> 12 | a2 << 4) ^ (a2 >> 2 | a3 << 14) ^ (a2 >> 7 | a3 << 9)
            u += low + (s0 & 0xFFFF) + (a0 & v[b + limb] | v[c + limb] & (a0 | v[b + limb]))
            n += low + v[d + limb]
            v[d + limb] = n
            n >>= 16
            v[h + limb] = u
            u >>= 16
    for i in range(8):
        t = 0
        for limb in range(4):
            t += state[4 * i + limb] + v[4 * i + limb]
            state[4 * i + limb] = t
            t >>= 16
