"""Authentication with an NTAG 424 DNA: the published exchanges byte for byte; nothing else opens a session."""

import vectors
from ports import make_ecb, make_inverse
from stallmark import tagauth
from stallmark.errors import FormatError

DATA = vectors.load("tag.json")


def h(text):
    return bytes.fromhex(text)


def begun(case):
    session = tagauth.Session(make_ecb, make_inverse, lambda n: h(case["random"])[:n])
    assert session.begin(case["number"]).hex() == case["begin"]
    return session


def open_session(case):
    session = begun(case)
    assert session.challenged(h(case["challenge"]), h(case["key"])).hex() == case["answer"]
    session.proved(h(case["proof"]))
    return session


def reading():
    """A session with the keys of the published example of a sealed answer."""
    case = DATA["an12196_reading"]
    session = tagauth.Session(make_ecb, make_inverse, None)
    session.state = tagauth.OPEN
    session.ti = h(case["ti"])
    session._encrypt, session._decrypt = make_ecb(h(case["enc"])), make_inverse(h(case["enc"]))
    session._mac = make_ecb(h(case["mac"]))
    return session, case


def test_the_exchanges_of_an12196():
    for case in DATA["an12196_authentication"]:
        session = open_session(case)
        assert session.ti.hex() == case["ti"]
        apdu = session.command(h(case["ins"])[0], h(case["header"]), h(case["data"]))
        assert apdu.hex() == case["apdu"]
        assert session.opened(h(case["reply"])) == b""
        assert (session.counter, session.state) == (1, tagauth.OPEN)


def test_a_sealed_answer_of_an12196():
    session, case = reading()
    assert session.command(0x51).hex() == case["apdu"]
    assert session.opened(h(case["reply"])).hex() == case["uid"]


def test_a_tag_that_does_not_know_the_key_opens_no_session():
    for case in DATA["an12196_authentication"]:
        session = begun(case)
        session.challenged(h(case["challenge"]), b"another key, 16!")
        vectors.raises(FormatError, session.proved, h(case["proof"]))
        vectors.raises(FormatError, session.command, 0xF6)


def test_every_changed_bit_of_a_proof_or_an_answer_is_refused():
    case = DATA["an12196_authentication"][0]
    for at in range(0, 16 * 8, 5):  # the block that holds most of the random number
        proof = bytearray(h(case["proof"]))
        proof[at // 8] ^= 1 << at % 8
        session = begun(case)
        session.challenged(h(case["challenge"]), h(case["key"]))
        if at >= 32:
            vectors.raises(FormatError, session.proved, proof)
    for at in range(len(h(DATA["an12196_reading"]["reply"]))):
        session, case = reading()
        session.command(0x51)
        reply = bytearray(h(case["reply"]))
        reply[at] ^= 1
        vectors.raises(FormatError, session.opened, bytes(reply))
        assert session.state == tagauth.IDLE


def test_answers_of_another_form_are_refused():
    case = DATA["an12196_authentication"][0]
    for wrong in (b"", b"\x91\xae", b"\x6a\x82", bytes(16), bytes(17) + b"\x91\xaf", bytes(16) + b"\x91\x00"):
        vectors.raises(FormatError, begun(case).challenged, wrong, h(case["key"]))
    for wrong in (b"", b"\x91\xae", bytes(32), bytes(31) + b"\x91\x00", bytes(32) + b"\x91\xaf"):
        session = begun(case)
        session.challenged(h(case["challenge"]), h(case["key"]))
        vectors.raises(FormatError, session.proved, wrong)
    for wrong in (b"\x91\x00", bytes(7) + b"\x91\x00", bytes(20) + b"\x91\x00", b"\x91\xae"):
        session, _ = reading()
        session.command(0x51)
        vectors.raises(FormatError, session.opened, wrong)


def test_out_of_turn_is_refused():
    case = DATA["an12196_authentication"][0]
    session = tagauth.Session(make_ecb, make_inverse, None)
    vectors.raises(FormatError, session.challenged, h(case["challenge"]), h(case["key"]))
    vectors.raises(FormatError, session.proved, h(case["proof"]))
    vectors.raises(FormatError, session.command, 0x51)
    vectors.raises(FormatError, session.opened, b"\x91\x00")
    session, _ = reading()
    session.command(0x51)
    vectors.raises(FormatError, session.command, 0x51)
    session, _ = reading()
    vectors.raises(FormatError, session.command, 0x8D, b"", bytes(241))


def test_padding_comes_off_as_it_went_on():
    for n in range(40):
        padded = tagauth.padded(bytes(n))
        assert len(padded) % 16 == 0 and tagauth.unpadded(padded) == bytes(n)
    for wrong in (b"", bytes(16), b"\x01" * 16):
        vectors.raises(FormatError, tagauth.unpadded, wrong)
