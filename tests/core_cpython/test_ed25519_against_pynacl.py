"""Own Ed25519 verification against libsodium: the same verdict on good, bent and mixed-up signatures."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey
from stallmark import ed25519

VECTORS = Path(__file__).parents[1] / "vectors"


def _sodium(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_what_libsodium_signs_is_accepted(seed: bytes, message: bytes) -> None:
    key = SigningKey(seed)
    assert ed25519.verify(bytes(key.verify_key), message, key.sign(message).signature)


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(max_size=40),
    st.integers(min_value=0, max_value=95),
    st.integers(min_value=0, max_value=7),
)
@settings(max_examples=100, deadline=None)
def test_a_flipped_bit_gets_the_same_verdict(seed: bytes, message: bytes, at: int, bit: int) -> None:
    key = SigningKey(seed)
    whole = bytearray(bytes(key.verify_key) + key.sign(message).signature)
    whole[at] ^= 1 << bit
    public, signature = bytes(whole[:32]), bytes(whole[32:])
    assert ed25519.verify(public, message, signature) is _sodium(public, message, signature) is False


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64), st.binary(max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_bytes_get_the_same_verdict_and_no_error(public: bytes, signature: bytes, message: bytes) -> None:
    assert ed25519.verify(public, message, signature) is _sodium(public, message, signature)


SMALL = [y + sign for y in (0, 1, 2**255 - 20, *ed25519.SMALL_ORDER[3:]) for sign in (0, 2**255)]
EDGES = SMALL + [y + sign for y in (2**255 - 19, 2**255 - 18, 2**255 - 1) for sign in (0, 2**255)]


@given(
    st.sampled_from(EDGES),
    st.sampled_from(EDGES),
    st.sampled_from([0, 1, ed25519.L - 1, ed25519.L, ed25519.L + 1, 2**256 - 1]),
)
@settings(max_examples=100, deadline=None)
def test_edges_of_the_group_and_of_the_field_get_the_same_verdict(a: int, r: int, s: int) -> None:
    public = a.to_bytes(32, "little")
    signature = r.to_bytes(32, "little") + s.to_bytes(32, "little")
    assert ed25519.verify(public, b"edge", signature) is _sodium(public, b"edge", signature)


def test_the_vectors_of_rfc_8032_are_those_that_pynacl_makes():
    cases = json.loads((VECTORS / "ed25519_rfc8032.json").read_text())["cases"]
    assert [(case["name"], len(case["message"]) // 2) for case in cases] == [
        ("TEST 1024", 1023),
        ("TEST SHA(abc)", 64),
    ]
    for case in cases:
        made = SigningKey(bytes.fromhex(case["secret"]))
        assert bytes(made.verify_key).hex() == case["public"]
        assert made.sign(bytes.fromhex(case["message"])).signature.hex() == case["signature"]
