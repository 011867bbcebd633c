"""HMAC, HKDF, CTR and CMAC of the core against the library `cryptography`, on every length."""

import sys
from pathlib import Path

from cryptography.hazmat.primitives import cmac as other_cmac
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))

from ports import make_ecb
from stallmark import crypt

KEY16 = st.binary(min_size=16, max_size=16)


@given(st.binary(min_size=1, max_size=200), st.binary(max_size=600))
@settings(max_examples=100, deadline=None)
def test_hmac(key: bytes, message: bytes) -> None:
    other = hmac.HMAC(key, hashes.SHA256())
    other.update(message)
    expected = other.finalize()
    assert crypt.hmac(key, message) == expected
    assert crypt.keyed_hmac(key)(message) == expected
    kept = crypt._COPIES, crypt._TRANSLATES
    crypt._COPIES = crypt._TRANSLATES = False
    try:
        assert crypt.hmac(key, message) == expected, "the way that MicroPython takes"
    finally:
        crypt._COPIES, crypt._TRANSLATES = kept


BYTES = st.binary(min_size=1, max_size=70)


@given(BYTES, BYTES, BYTES, st.integers(1, 300))
@settings(max_examples=50, deadline=None)
def test_hkdf(salt: bytes, ikm: bytes, info: bytes, length: int) -> None:
    expected = HKDF(hashes.SHA256(), length, salt, info).derive(ikm)
    assert crypt.hkdf_expand(crypt.hkdf_extract(salt, ikm), info, length) == expected


@given(KEY16, st.binary(min_size=12, max_size=12), st.binary(max_size=700))
@settings(max_examples=100, deadline=None)
def test_ctr(key: bytes, prefix: bytes, data: bytes) -> None:
    encryptor = Cipher(algorithms.AES(key), modes.CTR(prefix + bytes(4))).encryptor()
    assert crypt.ctr(make_ecb(key), prefix, data) == encryptor.update(data)


@given(KEY16, st.binary(max_size=100))
@settings(max_examples=100, deadline=None)
def test_cmac(key: bytes, message: bytes) -> None:
    other = other_cmac.CMAC(algorithms.AES(key))
    other.update(message)
    assert crypt.cmac(make_ecb(key), message) == other.finalize()
