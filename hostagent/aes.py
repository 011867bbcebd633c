"""AES-128 in ECB mode for the core's link, from `cryptography`: the core makes CTR and CMAC out of it."""

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB


def make_ecb(key: bytes) -> Callable[[bytes], bytes]:
    """An encryptor of whole 16-byte blocks under a 16-byte key; ECB keeps no state between calls."""
    # The link's CTR (docs/formats/link.md) is built from block encryptions: stock MicroPython has no CTR.
    update = Cipher(AES(key), ECB()).encryptor().update  # noqa: S305
    return update
