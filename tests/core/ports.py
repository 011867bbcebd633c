"""What the core gets as arguments, for tests on both interpreters: AES-ECB, and randomness with a seed."""

import hashlib

try:
    import cryptolib

    def make_ecb(key16):
        """ECB encryptor of whole 16-byte blocks."""
        return cryptolib.aes(key16, 1).encrypt

    def make_inverse(key16):
        """ECB decryptor of whole 16-byte blocks."""
        return cryptolib.aes(key16, 1).decrypt

except ImportError:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    def make_ecb(key16):
        """ECB encryptor of whole 16-byte blocks."""
        return Cipher(algorithms.AES(key16), modes.ECB()).encryptor().update

    def make_inverse(key16):
        """ECB decryptor of whole 16-byte blocks."""
        return Cipher(algorithms.AES(key16), modes.ECB()).decryptor().update


class Random:
    """A repeatable stream: the same seed gives the same bytes on both interpreters."""

    def __init__(self, seed):
        self._state = f"stallmark test {seed}".encode()
        self._count = 0

    def bytes(self, n):
        """n bytes, 0 to 32 at a time hashed from a counter."""
        out = b""
        while len(out) < n:
            out += hashlib.sha256(self._state + self._count.to_bytes(8, "big")).digest()
            self._count += 1
        return out[:n]

    def below(self, n):
        """An integer from 0 to n - 1."""
        return int.from_bytes(self.bytes(8), "big") % n

    def chance(self, percent):
        """True in so many of a hundred cases."""
        return self.below(100) < percent
