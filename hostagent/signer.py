"""The host's Ed25519 key (PyNaCl), and checks of other people's signatures."""

import hashlib

from nacl import bindings
from nacl.exceptions import BadSignatureError
from nacl.exceptions import ValueError as NaclValueError

SIGNATURE_BYTES = 64


class Signer:
    """Signs as this host. `kid`: SHA-256(public key)[:8], which is also the host's identity."""

    def __init__(self, seed: bytes) -> None:
        self.public, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self.kid = kid8(self.public)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature; libsodium works outside the interpreter's lock."""
        return bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES]


def kid8(public: bytes) -> bytes:
    """The key identifier of docs/formats/receipt.md."""
    return hashlib.sha256(public).digest()[:8]


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is by the key `public` (32) over `message`; False for bad input."""
    if len(public) != 32 or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public)
    except (BadSignatureError, NaclValueError):
        return False
    return True
