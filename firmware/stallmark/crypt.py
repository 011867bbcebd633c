"""HMAC, HKDF (RFC 5869), AES-CTR and AES-CMAC (RFC 4493) from what stock MicroPython has."""

from hashlib import sha256 as _sha256

try:
    # CPython: OpenSSL's own, in one call. MicroPython has no hmac module.
    from hmac import compare_digest as _compare
    from hmac import digest as _digest
except ImportError:
    _compare = None
    _digest = None

_IPAD = int.from_bytes(b"\x36" * 64, "big")
_OPAD = int.from_bytes(b"\x5c" * 64, "big")

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
    if _digest:
        return _digest(key, message, "sha256")
    if len(key) > 64:
        key = _sha256(key).digest()
    padded = int.from_bytes(key + bytes(64 - len(key)), "big")
    inner = _sha256((padded ^ _IPAD).to_bytes(64, "big"))
    inner.update(message)
    outer = _sha256((padded ^ _OPAD).to_bytes(64, "big"))
    outer.update(inner.digest())
    return outer.digest()


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
    stream = int.from_bytes(ecb(counters)[:size], "big")
    return (stream ^ int.from_bytes(data, "big")).to_bytes(size, "big")


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
        block = ecb(_xor16(block, message[i * 16 : i * 16 + 16]))
    return ecb(_xor16(block, _xor16(last, key)))


def _xor16(a, b):
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(16, "big")


def _double(block):
    """Doubling in GF(2^128), the subkey step of CMAC."""
    n = int.from_bytes(block, "big") << 1
    if n >> 128:
        n ^= (1 << 128) | 0x87
    return n.to_bytes(16, "big")
