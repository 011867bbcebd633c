"""Batches: header, chain, root, body and keys are those of the vectors; what does not fit together is
refused."""

# heap: 4M

import vectors
from stallmark import batch, cose, receipt
from stallmark.errors import FormatError, LimitError

DATA = vectors.load("batch.json")


def test_batches_have_the_bytes_of_the_vectors():
    prev = batch.ZERO32
    for case in DATA["batches"]:
        fields = vectors.value(case["fields"])
        assert fields[3] == prev
        payload = batch.encode_header_payload(fields)
        assert payload.hex() == case["header_payload"]
        header = bytes.fromhex(case["header"])
        assert cose.assemble(header[3:16], payload, header[-64:]) == header
        prev = batch.link(header)
        assert prev.hex() == case["link"]


def test_batches_come_back_and_build_the_same_body():
    for case in DATA["batches"]:
        data = bytes.fromhex(case["body"])
        found = batch.parse(data)
        assert found.head.fields == vectors.value(case["fields"])
        assert found.header.hex() == case["header"] and len(found.private) == case["private"]
        assert batch.root(found.receipts) == found.head.fields[4]
        assert batch.body(found.header, found.receipts, found.evidence, found.private) == data
        for data in found.receipts:
            receipt.parse(data)


def test_what_does_not_fit_together_is_refused():
    for case in DATA["refused"]:
        vectors.raises(FormatError, batch.parse, bytes.fromhex(case["body"]))


def test_limits_are_refused_with_their_own_error():
    vectors.raises(LimitError, batch.parse, bytes(batch.MAX_BODY + 1))
    header = bytes.fromhex(DATA["batches"][0]["header"])
    vectors.raises(FormatError, batch.body, header, [b"x"] * 257)
    vectors.raises(FormatError, batch.body, header, [])
    vectors.raises(FormatError, batch.body, header, [b"x"], [b"e"] * 257)


def test_private_keys_travel_as_the_vectors_have_them():
    keys = vectors.value(DATA["keys"]["value"])
    data = batch.encode_keys(keys)
    assert data.hex() == DATA["keys"]["bytes"]
    assert batch.decode_keys(data) == keys
    for spoilt in ([keys[0][:3]], [[bytes(15)] + keys[0][1:]], [keys[0][:3] + [bytes(31)]], 7):
        vectors.raises((FormatError, TypeError), batch.encode_keys, spoilt)


def test_additional_data_names_brick_and_seq():
    assert batch.private_aad(b"brick..8", 258) == b"stallmark/private-part/1\0brick..8\0\0\1\2"
