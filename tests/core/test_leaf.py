"""Ledger entries have the bytes of the vectors; other fields, types and bounds are refused."""

import vectors
from stallmark import cbor, leaf, registry, tree
from stallmark.errors import FormatError

CASES = vectors.load("leaf.json")["leaves"]
CODECS = {
    registry.LEAF_WINDOW: (leaf.encode_window, leaf.decode_window),
    registry.LEAF_KEY_EVENT: (leaf.encode_key_event, leaf.decode_key_event),
    registry.LEAF_RIGHTS: (leaf.encode_rights, leaf.decode_rights),
    registry.LEAF_DISCLOSURE: (leaf.encode_disclosure, leaf.decode_disclosure),
    registry.LEAF_ERASURE: (leaf.encode_erasure, leaf.decode_erasure),
    registry.LEAF_FINDING: (leaf.encode_finding, leaf.decode_finding),
}


def test_entries_have_the_bytes_of_the_vectors_and_come_back():
    for case in CASES:
        fields = vectors.value(case["fields"])
        encode, decode = CODECS[case["type"]]
        payload = encode(*[fields[key] for key in range(1, len(fields))])
        entry = leaf.entry(case["type"], payload)
        assert entry.hex() == case["entry"]
        assert tree.leaf_hash(entry).hex() == case["hash"]
        assert leaf.parse(entry) == (case["type"], payload)
        assert decode(payload) == fields


def test_missing_fields_and_other_types_are_refused():
    for case in CASES:
        fields = vectors.value(case["fields"])
        decode = CODECS[case["type"]][1]
        for key in fields:
            less = dict(fields)
            del less[key]
            vectors.raises(FormatError, decode, cbor.encode(less))
            for other in ("text", -1, [[]], b""):
                wrong = dict(fields)
                wrong[key] = other
                if not (case["type"] == registry.LEAF_RIGHTS and key == 1 and other == b""):
                    vectors.raises(FormatError, decode, cbor.encode(wrong))


def test_a_type_newer_than_this_program_passes_and_nothing_is_no_entry():
    assert leaf.parse(b"\xc8new") == (200, b"new")
    for data in (b"", b"\x01", b"\x00x"):
        vectors.raises(FormatError, leaf.parse, data)
    vectors.raises(FormatError, leaf.entry, 0, b"x")
    vectors.raises(FormatError, leaf.entry, 1, bytes(65535))
