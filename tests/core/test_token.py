"""Tokens: trust and pseudonym are those of the vectors; hostile tags and texts find nothing and stop
nothing."""

import vectors
from stallmark import keys, token
from stallmark.errors import FormatError

DATA = vectors.load("token.json")
SUBJECT = keys.subject_key(bytes.fromhex(DATA["event_key"]))
TOKEN = keys.token_key(bytes.fromhex(DATA["event_key"]))


def subject(case):
    return None if case["subject"] is None else bytes.fromhex(case["subject"])


def test_tags_are_issued_bare_or_random_as_in_the_vectors():
    for case in DATA["tags"]:
        uid, payload = bytes.fromhex(case["uid"]), bytes.fromhex(case["payload"])
        assert token.tag_payload(uid, TOKEN) == payload
        assert token.ndef_message(payload).hex() == case["ndef"]
        assert token.find_issued(bytes.fromhex(case["ndef"])) == payload
        assert token.random_uid(uid) == case["random"]
        if case["random"]:
            assert token.from_uid(uid, payload, TOKEN, SUBJECT) == (0, None)
            continue
        name = subject(case)
        assert token.from_uid(uid, None, TOKEN, SUBJECT) == (2, name)
        assert token.from_uid(uid, payload, TOKEN, SUBJECT) == (3, name)
        for wrong in (bytes.fromhex(case["wrong"]), b"", payload[:-1], payload + b"x", b"\x02" + payload[1:]):
            assert token.from_uid(uid, wrong, TOKEN, SUBJECT) == (2, name)


def test_the_number_of_a_tag_is_not_in_what_comes_back():
    for case in DATA["tags"]:
        uid = bytes.fromhex(case["uid"])
        for payload in (None, bytes.fromhex(case["payload"])):
            assert uid not in repr(token.from_uid(uid, payload, TOKEN, SUBJECT)).encode()
            _, name = token.from_uid(uid, payload, TOKEN, SUBJECT)
            assert name is None or (len(name) == 8 and uid[:4] not in name)


def test_numbers_of_other_lengths_are_refused():
    for size in (0, 3, 5, 8, 11):
        vectors.raises(FormatError, token.from_uid, bytes(size), None, TOKEN, SUBJECT)


def test_issued_records_are_found_and_others_are_not():
    for case in DATA["found"]:
        assert token.find_issued(bytes.fromhex(case["ndef"])) is not None, case["name"]
    for case in DATA["not_found"]:
        assert token.find_issued(bytes.fromhex(case["ndef"])) is None, case["name"]


def test_every_cut_and_every_flipped_bit_of_a_message_ends_quietly():
    data = bytes.fromhex(DATA["found"][1]["ndef"])
    for size in range(len(data)):
        assert token.find_issued(data[:size]) is None
    for index in range(len(data)):
        for bit in range(8):
            spoilt = bytearray(data)
            spoilt[index] ^= 1 << bit
            found = token.find_issued(spoilt)
            assert found is None or len(found) <= len(data)


def test_noise_is_no_message():
    seed = 20261122
    print("token: noise from seed", seed)
    for _ in range(300):
        noise = bytearray()
        for _ in range(40):
            seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
            noise.append(seed >> 16 & 0xFF)
        found = token.find_issued(noise)
        assert found is None


def test_texts_are_passes_texts_or_refused_as_in_the_vectors():
    for case in DATA["texts"]:
        data = bytes.fromhex(case["data"])
        wanted = (case["trust"], subject(case), case["counter"])
        for form in (data, bytearray(data)):
            assert token.from_text(form, TOKEN, SUBJECT) == wanted, data[:40]


def test_passes_have_the_text_of_the_vectors():
    for case in DATA["passes"]:
        text = token.pass_text(bytes.fromhex(case["serial"]), TOKEN)
        assert text == case["text"] and len(text) == 47
    vectors.raises(FormatError, token.pass_text, bytes(9), TOKEN)


def test_every_single_byte_as_a_text_has_an_outcome():
    for byte in range(256):
        trust, name, counter = token.from_text(bytes((byte,)), TOKEN, SUBJECT)
        assert (trust is None) == (name is None) == (counter is not None)
        if byte < 0x20 or byte == 0x7F or byte in b"$^@":
            assert counter == "setup_codes"
        elif byte > 0x7E:
            assert counter == "not_readable"
        else:
            assert trust == 1
