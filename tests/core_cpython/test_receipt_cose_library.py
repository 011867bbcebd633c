"""A COSE library reads our receipts and we read its; PyNaCl makes and checks the signatures."""

import sys
from pathlib import Path

import cbor2
import pytest
from cwt import COSE, COSEHeaders, COSEKey, VerifyError
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey
from stallmark import batch, bundle, cose, ed25519, receipt, rights

sys.path.append(str(Path(__file__).resolve().parent.parent / "core"))
import vectors

DATA = vectors.load("receipt.json")
BATCH = vectors.load("batch.json")
BUNDLE = vectors.load("bundle.json")
RIGHTS = vectors.load("rights.json")
SEED = bytes(range(32))
KEY = SigningKey(SEED)
PUBLIC = KEY.verify_key.encode()


def library_key(alg: int, private: bool = False) -> COSEKey:
    # COSE_Key (RFC 9052 §7): kty OKP, kid, alg, crv Ed25519, x, d
    parts = {1: 1, 2: receipt.kid(PUBLIC), 3: alg, -1: 6, -2: PUBLIC}
    return COSEKey.new({**parts, -4: SEED} if private else parts)


def test_the_library_verifies_our_receipts() -> None:
    for case in DATA["receipts"]:
        whole = bytes.fromhex(case["cose"])
        payload = receipt.encode_payload(vectors.value(case["fields"]))
        assert COSE.new().decode(whole, library_key(-19)) == payload
        spoilt = whole[:-1] + bytes([whole[-1] ^ 1])
        with pytest.raises(VerifyError):
            COSE.new().decode(spoilt, library_key(-19))
    older = bytes.fromhex(DATA["eddsa"])
    assert COSE.new().decode(older, library_key(-8)) == receipt.parse(older).payload


@pytest.mark.parametrize("alg", [-19, -8])
def test_we_read_what_the_library_signs(alg: int) -> None:
    payload = bytes.fromhex(DATA["receipts"][0]["payload"])
    protected = {COSEHeaders.ALG: alg, COSEHeaders.KID: receipt.kid(PUBLIC)}
    whole = COSE.new().encode_and_sign(
        payload, library_key(alg, private=True), protected=protected, unprotected={}
    )
    found = receipt.parse(whole)
    assert (found.alg, found.kid, found.payload) == (alg, receipt.kid(PUBLIC), payload)
    VerifyKey(PUBLIC).verify(receipt.to_be_signed(found.protected, found.payload), found.signature)


def test_pynacl_and_our_verifier_agree_on_every_signature_of_the_vectors() -> None:
    signed = [(PUBLIC, bytes.fromhex(case["cose"])) for case in DATA["receipts"]]
    signed += [(PUBLIC, bytes.fromhex(case["header"])) for case in BATCH["batches"]]
    for public, data in signed:
        protected, payload, signature, alg, _ = cose.split(data)
        assert alg == -19
        message = receipt.to_be_signed(protected, payload)
        assert message == cbor2.dumps(["Signature1", protected, b"", payload])
        VerifyKey(public).verify(message, signature)
        assert ed25519.verify(public, message, signature)


def test_pynacl_checks_bundles_and_slices() -> None:
    for case in BUNDLE["cases"][:4]:
        found = bundle.parse(bytes.fromhex(case["envelope"]))
        authors = {bytes.fromhex(kid): bytes.fromhex(public) for kid, public in BUNDLE["authors"]}
        for kid, signature in found.signatures:
            VerifyKey(authors[kid]).verify(bundle.pae(found.type, found.payload), signature)
    message = rights.slice_message(bytes.fromhex(RIGHTS["payload"]))
    director = VerifyKey(bytes.fromhex(RIGHTS["director"]))
    director.verify(message, bytes.fromhex(RIGHTS["signature"]))
    with pytest.raises(BadSignatureError):
        director.verify(message[18:], bytes.fromhex(RIGHTS["signature"]))


def test_private_parts_open_with_the_additional_data_of_the_page() -> None:
    from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as open_sealed

    key = bytes.fromhex(BATCH["part_key"])
    plain = {case["seq"]: case["private"] for case in vectors.load("record.json")["records"]}
    count = 0
    for case in BATCH["batches"]:
        for brick, seq, alg, _, nonce, sealed in batch.parse(bytes.fromhex(case["body"])).private:
            assert alg == 1
            assert open_sealed(sealed, batch.private_aad(brick, seq), nonce, key).hex() == plain[seq]
            count += 1
    assert count == 7


def test_the_librarys_cbor_reads_every_payload_as_we_wrote_it() -> None:
    for case in DATA["receipts"]:
        fields = vectors.value(case["fields"])
        assert cbor2.loads(receipt.encode_payload(fields)) == fields
