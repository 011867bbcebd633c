"""Decision records: bytes, MAC, chain, commitment and pages are those of the vectors; what is off is
refused."""

# heap: 4M

import vectors
from stallmark import record, registry
from stallmark.errors import FormatError, LimitError

DATA = vectors.load("record.json")
RECORDS = DATA["records"]
MK = bytes.fromhex(DATA["mk"])


def parts(case):
    public, mac, private = [bytes.fromhex(case[name]) for name in ("public", "mac", "private")]
    return case["seq"], public, mac, private


def test_public_and_private_parts_have_the_bytes_of_the_vectors():
    for case in RECORDS:
        _, public, _, private = parts(case)
        assert record.encode_public(vectors.value(case["fields"])) == public, case["name"]
        if case["private_fields"] is not None:
            assert record.encode_private(vectors.value(case["private_fields"])) == private, case["name"]


def test_mac_chain_commitment_and_salt_are_those_of_the_vectors():
    prev = record.ZERO16
    for case in RECORDS:
        seq, public, mac, private = parts(case)
        fields = vectors.value(case["fields"])
        assert record.mac(MK, public) == mac
        assert fields[18] == prev
        prev = record.link(public, mac)
        assert prev.hex() == case["link"]
        if private:
            assert record.commit(private) == fields[17]
            salt = record.salt(bytes.fromhex(DATA["k_only"]), DATA["boot"], seq, bytes.fromhex(case["rand"]))
            assert salt == vectors.value(case["private_fields"])[0]


def test_pages_are_those_of_the_vectors_and_come_back():
    for case in RECORDS:
        seq, public, mac, private = parts(case)
        page = bytes.fromhex(case["page"])
        assert record.page(seq, public, mac, private) == page
        found = record.parse(page)
        assert (found.seq, found.public, found.mac, found.private) == (seq, public, mac, private)
        assert found.fields == vectors.value(case["fields"])
        wanted = case["private_fields"]
        assert found.private_fields == (None if wanted is None else vectors.value(wanted))
        assert found == record.from_parts(seq, public, mac, private)


def test_a_realistic_grant_fits_one_page():
    case = RECORDS[6]
    seq, public, mac, private = parts(case)
    assert len(record.page(seq, public, mac, private)) == 256
    assert 32 + len(public) + len(private) <= 256


def test_what_is_not_of_the_form_is_refused_with_its_reason():
    for case in DATA["refused"]:
        public = bytes.fromhex(case["public"])
        error = vectors.raises(FormatError, record.from_parts, 5, public, bytes(16), b"")
        assert case["reason"] in str(error), (case["name"], str(error))


def test_a_commitment_that_does_not_fit_is_refused():
    seq, public, mac, private = parts(RECORDS[7])
    for other in (private[:-1] + b"\x00", private + b"\x00", b"", b"\xa0", bytes(29), b"\xa1\x00\x40"):
        vectors.raises(FormatError, record.from_parts, seq, public, mac, other)
    for mac_size in (0, 15, 17):
        vectors.raises(FormatError, record.from_parts, seq, public, bytes(mac_size), private)
    vectors.raises(FormatError, record.from_parts, seq + 1, public, mac, private)
    vectors.raises(FormatError, record.from_parts, seq, bytearray(public), mac, private)


def test_the_short_look_at_a_usual_private_part_takes_nothing_that_the_decoder_refuses():
    seq, _, mac, private = parts(RECORDS[7])
    assert len(private) == 29, "salt and subject"
    for index in (0, 1, 2, 19, 20):
        spoilt = bytearray(private)
        spoilt[index] ^= 1
        spoilt = bytes(spoilt)
        fields = vectors.value(RECORDS[7]["fields"])
        fields[17] = record.commit(spoilt)
        vectors.raises(FormatError, record.from_parts, seq, record.encode_public(fields), mac, spoilt)


def test_every_flipped_bit_of_a_page_is_found():
    page = bytes.fromhex(RECORDS[7]["page"])
    for index in range(len(page)):
        spoilt = bytearray(page)
        spoilt[index] ^= 1 << (index % 8)
        vectors.raises(FormatError, record.parse, bytes(spoilt))
    for size in (0, 4, 11, 12, 255, 257, 512):
        vectors.raises(FormatError, record.parse, (page + page)[:size])


def test_padding_that_is_not_ff_is_refused_even_with_a_good_crc():
    from binascii import crc32

    page = bytearray(bytes.fromhex(RECORDS[0]["page"]))
    page[250] = 0
    page[252:] = (crc32(bytes(page[:252])) & 0xFFFFFFFF).to_bytes(4, "big")
    vectors.raises(FormatError, record.parse, bytes(page))


def test_over_440_bytes_is_refused_when_written_too():
    vectors.raises(LimitError, record.page, 1, bytes(420), bytes(16), bytes(21))
    assert len(record.page(1, bytes(420), bytes(16), bytes(20))) == 512
    vectors.raises(FormatError, record.encode_public, {0: 0})
    vectors.raises(FormatError, record.encode_private, {1: bytes(8)})


def test_numbers_in_the_detail_have_the_bounds_of_what_they_number():
    base = {0: 0, 1: bytes(8), 2: 1, 3: 0, 4: 0, 5: None, 6: 0, 7: [0, 0], 16: 1, 18: bytes(16)}

    def made(kind, *detail):
        fields = dict(base)
        fields[10], fields[24] = kind, list(detail)
        return fields

    u32, i64 = 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF
    for kind, detail in (
        (registry.KIND_RENTAL, (u32,)),
        (registry.KIND_LOST, (1, u32)),
        (registry.KIND_LATCH, (i64,)),
        (registry.KIND_COLLECTIVE, (u32, i64)),
        (registry.KIND_CLOCK, (None, i64, u32)),
        (200, (i64,)),
    ):
        record.encode_public(made(kind, *detail))
    for kind, detail in (
        (registry.KIND_RENTAL, (u32 + 1,)),
        (registry.KIND_LOST, (1, u32 + 1)),
        (registry.KIND_LOST, (0, 1)),
        (registry.KIND_LOST, (2, 1)),
        (registry.KIND_LATCH, (-1,)),
        (registry.KIND_COLLECTIVE, (u32 + 1, 0)),
        (registry.KIND_BOOT, (None, bytes(32), 0, 0, u32 + 1)),
        (registry.KIND_CLOCK, (None, 0, u32 + 1)),
    ):
        vectors.raises(FormatError, record.encode_public, made(kind, *detail))
