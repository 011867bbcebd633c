"""Receipts: payload, COSE bytes, chain, handle and times are those of the vectors; other forms are
refused."""

# heap: 4M

import vectors
from stallmark import ed25519, receipt
from stallmark.errors import FormatError

DATA = vectors.load("receipt.json")
PUBLIC = bytes.fromhex(DATA["public_key"])


def test_receipts_have_the_bytes_of_the_vectors():
    prev = receipt.ZERO16
    for case in DATA["receipts"]:
        fields = vectors.value(case["fields"])
        assert fields[5] == prev
        payload = receipt.encode_payload(fields)
        assert payload.hex() == case["payload"]
        protected = receipt.protected(receipt.kid(PUBLIC))
        assert protected.hex() == case["protected"]
        message = receipt.to_be_signed(protected, payload)
        assert message.hex() == case["to_be_signed"]
        cose = bytes.fromhex(case["cose"])
        assert receipt.assemble(protected, payload, cose[-64:]) == cose
        prev = receipt.short(cose)
        assert prev.hex() == case["receipt16"]


def test_receipts_come_back_and_their_signatures_hold():
    for number, case in enumerate(DATA["receipts"]):
        found = receipt.parse(bytes.fromhex(case["cose"]))
        assert found.fields == vectors.value(case["fields"])
        assert (found.alg, found.kid.hex()) == (-19, DATA["kid"])
        assert found.payload.hex() == case["payload"] and found.protected.hex() == case["protected"]
        if number < 2:
            message = receipt.to_be_signed(found.protected, found.payload)
            assert ed25519.verify(PUBLIC, message, found.signature)
            assert not ed25519.verify(PUBLIC, message + b"x", found.signature)


def test_the_older_algorithm_number_is_accepted_from_others():
    found = receipt.parse(bytes.fromhex(DATA["eddsa"]))
    assert found.alg == -8 and found.protected[3:] == b"\x04\x48" + bytes.fromhex(DATA["kid"])


def test_other_forms_are_refused():
    for case in DATA["refused"]:
        vectors.raises(FormatError, receipt.parse, bytes.fromhex(case["cose"]))


def test_every_byte_of_a_receipt_counts():
    """A flipped bit makes another form, another payload, another kid or another signature; never the same
    receipt."""
    cose = bytes.fromhex(DATA["receipts"][0]["cose"])
    good = receipt.parse(cose)
    for index in range(len(cose)):
        spoilt = bytearray(cose)
        spoilt[index] ^= 1 << (index % 8)
        try:
            found = receipt.parse(bytes(spoilt))
        except FormatError:
            continue
        assert found != good


def test_handle_holder_and_link_are_those_of_the_vectors():
    for case in DATA["receipts"]:
        key, brick = bytes.fromhex(DATA["handle_key"]), bytes.fromhex(DATA["brick8"])
        h = receipt.handle(key, brick, case["seq"], bytes.fromhex(case["mac"]))
        assert h.hex() == case["handle"]
        assert receipt.holder(h) == vectors.value(case["fields"])[11]
        assert receipt.link_text("https://stall.example", h) == case["link"]


def test_a_payload_that_is_off_is_not_written():
    good = vectors.value(DATA["receipts"][0]["fields"])
    for key, value in (
        (0, 2), (1, b""), (1, bytes(441)), (2, bytes(15)), (3, "host...8"), (4, 0), (4, True), (5, None),
        (6, -1), (7, 1 << 63), (8, 256), (9, bytes(31)), (10, 5), (11, bytes(17)), (15, 1 << 32),
        (16, bytes(7)), (-1, 0), ("text", 0), (14, "x" * 33), (18, bytes(15)),
    ):  # fmt: skip
        fields = dict(good)
        fields[key] = value
        vectors.raises(FormatError, receipt.encode_payload, fields)
    for key in (0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 16):
        fields = dict(good)
        del fields[key]
        vectors.raises(FormatError, receipt.encode_payload, fields)


def test_best_time_is_the_bricks_clock_from_host_set_on_then_uptime_then_receipt():
    fields = {4: 3, 5: 1000000, 6: 50000, 7: [2, 40]}
    assert receipt.best_time(fields, 2000000, 3, 60000) == (1000000, 1)
    fields[7] = [1, 0]
    assert receipt.best_time(fields, 2000000, 3, 60000) == (1990000, 2)
    assert receipt.best_time(fields, 2000000, 4, 60000) == (2000000, 3), "another boot"
    assert receipt.best_time(fields, 2000000, 3, 40000) == (2000000, 3), "an uptime that went back"
    assert receipt.best_time(fields, 2000000) == (2000000, 3)
    fields[5] = None
    fields[7] = [3, 0]
    assert receipt.best_time(fields, 5000, 3, 60000) == (0, 2), "never before 1970"
    assert (receipt.window(299999), receipt.window(300000)) == (0, 1)


def test_the_sig_structure_is_that_of_the_public_cose_vectors():
    for name in ("cose_eddsa-sig-01.json", "cose_eddsa-sig-02.json"):
        case = vectors.public(name)
        cose = bytes.fromhex(case["output"]["cbor"])
        from stallmark import cbor

        protected, _, payload, signature = cbor.decode(cose, text_keys=True).value
        message = receipt.to_be_signed(protected, payload)
        assert message == bytes.fromhex(case["intermediates"]["ToBeSign_hex"])
        key = bytes.fromhex(case["input"]["sign0"]["key"]["x_hex"])
        assert ed25519.verify(key, message, signature) == (name == "cose_eddsa-sig-01.json")
        vectors.raises(FormatError, receipt.parse, cose)
