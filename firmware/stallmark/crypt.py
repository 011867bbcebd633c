"""HMAC, HKDF (RFC 5869), AES-CTR and AES-CMAC (RFC 4493) from what stock MicroPython has."""

from hashlib import sha256 as _sha256

try:
    # CPython's own, in C. MicroPython has no hmac module.
    from hmac import compare_digest as _compare  # type: ignore
except ImportError:
    _compare = None

# What CPython has beyond MicroPython: hash states that can be copied, bytes that can be mapped.
_COPIES = hasattr(_sha256(), "copy")
_TRANSLATES = hasattr(bytes, "translate")
if _TRANSLATES:
    _BY_IPAD = bytes([byte ^ 0x36 for byte in range(256)])
    _BY_OPAD = bytes([byte ^ 0x5C for byte in range(256)])
_IPAD = b"\x36" * 64
_OPAD = b"\x5c" * 64

# Counter blocks 0 to 31, each after its prefix: a sealed frame needs at most 30.
_COUNTS = (b"",) + tuple(n.to_bytes(4, "big") for n in range(32))


def sha256(*parts):
    """SHA-256 of the parts, one after another."""
    state = _sha256()
    for part in parts:
        state.update(part)
    return state.digest()


def hmac(key, message):
    """HMAC-SHA256 (RFC 2104), 32 bytes."""
    if _TRANSLATES and len(key) <= 64:
        key = key + bytes(64 - len(key))
        inner = _sha256(key.translate(_BY_IPAD) + message)
        return _sha256(key.translate(_BY_OPAD) + inner.digest()).digest()
    return keyed_hmac(key)(message)


def keyed_hmac(key):
    """A function message -> HMAC-SHA256 under this key: what depends on the key alone is done once."""
    inner, outer = _pads(key)
    return _copying(inner, outer) if _COPIES else _restarting(inner, outer)


def _pads(key):
    """The first block of the inner and of the outer hash."""
    if len(key) > 64:
        key = _sha256(key).digest()
    key = key + bytes(64 - len(key))
    return _xor(key, _IPAD), _xor(key, _OPAD)


def _copying(inner, outer):
    inner = _sha256(inner)
    outer = _sha256(outer)

    def mac(message):
        state = inner.copy()  # type: ignore
        state.update(message)
        last = outer.copy()  # type: ignore
        last.update(state.digest())
        return last.digest()

    return mac


def _restarting(inner, outer):
    """The same where a hash state cannot be copied: MicroPython."""

    def mac(message):
        state = _sha256(inner)
        state.update(message)
        return _sha256(outer + state.digest()).digest()

    return mac


def hkdf_extract(salt, ikm):
    """HKDF-Extract with SHA-256; salt may be text bytes of any length."""
    return hmac(salt, ikm)


def hkdf_expand(prk, info, length):
    """HKDF-Expand with SHA-256, at most 255 * 32 bytes; ValueError above."""
    if length > 8160:
        raise ValueError("HKDF-Expand gives at most 8160 bytes")
    out = b""
    block = b""
    count = 1
    while len(out) < length:
        block = hmac(prk, block + info + bytes((count,)))
        out += block
        count += 1
    return out[:length]


def equal(a, b):
    """Whether two byte strings are equal, in a time that depends on their lengths only."""
    if _compare:
        return _compare(a, b)
    if len(a) != len(b):
        return False
    different = 0
    for i in range(len(a)):
        different |= a[i] ^ b[i]
    return different == 0


def ctr(ecb, prefix12, data):
    """
    data XOR the AES-CTR key stream with counter blocks prefix12 and a 4-byte count from 0; its own inverse.

    ecb(blocks) encrypts whole 16-byte blocks under the key.
    """
    size = len(data)
    if not size:
        return b""
    blocks = (size + 15) >> 4
    if blocks <= 32:
        counters = prefix12.join(_COUNTS[: blocks + 1])
    else:
        counters = b"".join([prefix12 + n.to_bytes(4, "big") for n in range(blocks)])
    return _xor(ecb(counters)[:size], data)


def cmac(ecb, message):
    """AES-CMAC, 16 bytes."""
    key = _double(ecb(bytes(16)))
    whole = (len(message) - 1) >> 4 if message else 0
    last = message[whole * 16 :]
    if len(last) < 16:
        key = _double(key)
        last = last + b"\x80" + bytes(15 - len(last))
    block = bytes(16)
    for i in range(whole):
        block = ecb(_xor(block, message[i * 16 : i * 16 + 16]))
    return ecb(_xor(block, _xor(last, key)))


def _xor(a, b):
    """XOR of two byte strings of one length, through integers: one call each instead of a loop."""
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def _double(block):
    """Doubling in GF(2^128), the subkey step of CMAC."""
    n = int.from_bytes(block, "big") << 1
    if n >> 128:
        n ^= (1 << 128) | 0x87
    return n.to_bytes(16, "big")
