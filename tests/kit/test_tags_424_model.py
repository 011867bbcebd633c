"""The NTAG 424 DNA model and the desk's personalisation, against each other: two implementations of every computation."""

import random
from typing import Any

import pytest
from stallmark import sdm as _sdm
from virtualkit import dumps, ntag424
from virtualkit.isodep import Type4
from virtualkit.ntag424 import Ntag424
from workbench import tag424, tagmaster

core: Any = _sdm
UID = bytes.fromhex("04a1b2c3d4e580")
KEYS = tagmaster.event_keys(bytes(range(32)), b"event-01")
ADDRESS = "https://stall.example/t"


def tag(uid: bytes = UID) -> Ntag424:
    made = Ntag424(uid, random.Random(424))
    made.activate()
    return made


def made(uid: bytes = UID) -> Ntag424:
    one = tag(uid)
    tag424.personalise(one.apdu, uid, KEYS, ADDRESS)
    one.activate()
    return one


def read(one: Ntag424) -> bytes:
    one.activate()
    for apdu in ("00a4040007d276000085010100", "00a4000c02e104"):
        assert one.apdu(bytes.fromhex(apdu)) == b"\x90\x00"
    return one.apdu(bytes.fromhex("00b00002fa"))[:-2]


def test_a_tag_as_sold_becomes_one_of_the_event() -> None:
    one, seen = tag(), list[str]()
    found = tag424.personalise(one.apdu, UID, KEYS, ADDRESS, progress=seen.append)
    assert found.uid == UID and found.counter == 1
    assert found.link.startswith(ADDRESS + "?e=") and "0" * 16 not in found.link
    assert one.keys == list(tagmaster.tag_keys(KEYS, UID))
    assert one.versions == [1] * 5 and len(seen) == 4
    assert one.refused == 0 and one.authentications >= 4


def test_its_link_checks_and_is_another_one_at_each_reading() -> None:
    one = made()
    own = tagmaster.tag_keys(KEYS, UID)
    links = set[bytes]()
    for expected in range(2, 6):
        picc, mac = core.find(read(one))
        number, counter = core.open_picc(picc, tagmaster.make_inverse(own[2]))
        assert (number, counter) == (UID, expected)
        assert core.check(tagmaster.make_ecb, own[3], number, counter, mac)
        links.add(picc + mac)
    assert len(links) == 4


def test_one_that_is_ours_is_left_alone_unless_asked_for_again() -> None:
    one = made()
    with pytest.raises(tag424.AlreadyOurs, match="--again"):
        tag424.personalise(one.apdu, UID, KEYS, ADDRESS)
    again = tag424.personalise(one.apdu, UID, KEYS, "https://other.example/x?y=1", again=True)
    assert again.link.startswith("https://other.example/x?y=1&e=")


@pytest.mark.parametrize("stop", range(1, 26))
def test_a_tag_torn_away_after_any_command_is_taken_up_again(stop: int) -> None:
    one = tag()
    left = stop

    def torn(apdu: bytes) -> bytes:
        nonlocal left
        left -= 1
        if left < 0:
            raise ConnectionError("taken away")
        return one.apdu(apdu)

    try:
        tag424.personalise(torn, UID, KEYS, ADDRESS)
    except ConnectionError:
        one.activate()
        tag424.personalise(one.apdu, UID, KEYS, ADDRESS, again=True)
    assert tag424.check(one.apdu, UID, KEYS).uid == UID


def test_another_events_tag_is_locked_and_said_so() -> None:
    one = made()
    other = tagmaster.event_keys(bytes(range(32)), b"event-02")
    with pytest.raises(tag424.Locked, match="Take another"):
        tag424.personalise(one.apdu, UID, other, ADDRESS, again=True)


def test_other_cards_are_named_as_such() -> None:
    plain = Type4(UID, b"")
    with pytest.raises(tag424.NotThisKind):
        tag424.personalise(plain.apdu, UID, KEYS, ADDRESS)


@pytest.mark.parametrize("address", ["http://a.example", "https://ä.example", "https://a/" + "x" * 120, ""])
def test_an_address_that_no_tag_takes(address: str) -> None:
    with pytest.raises(ValueError, match="https"):
        tag424.link_file(address)


def test_without_authentication_nothing_changes() -> None:
    one = made()
    before = (list(one.keys), bytes(one.files[2].data))
    one.apdu(bytes.fromhex("00a4040007d276000085010100"))
    for apdu in ("90c4000001" + "00" + "00", "905f000001" + "02" + "00", "90510000" + "00"):
        assert one.apdu(bytes.fromhex(apdu)) == b"\x91\xae"
    one.apdu(bytes.fromhex("00a4000c02e104"))
    assert one.apdu(bytes.fromhex("00d6000002ffff")) == b"\x69\x82"
    assert (list(one.keys), bytes(one.files[2].data)) == before


def test_noise_never_breaks_the_model() -> None:
    rng = random.Random(7)
    one = made()
    for _ in range(3000):
        head = rng.choice(
            [b"\x90\x71\0\0", b"\x90\xaf\0\0", b"\x90\xf6\0\0", b"\x00\xa4", b"\x00\xb0", b"\x90", b""]
        )
        answer = one.apdu(head + rng.randbytes(rng.randrange(40)))
        assert len(answer) >= 2
    assert one.authentications and one.keys == list(tagmaster.tag_keys(KEYS, UID))


def test_blocks_chained_by_a_reader_arrive_whole() -> None:
    one = tag()
    assert one.transceive(b"\xe0\x80") == one.ats
    select = bytes.fromhex("00a4040007d276000085010100")
    assert one.transceive(b"\x12" + select[:6]) == b"\xa2"
    assert one.transceive(b"\x03" + select[6:]) == b"\x03\x90\x00"
    assert one.transceive(b"\xb3") == b"\x03\x90\x00", "R(NAK): the last answer again"
    assert one.transceive(b"\xb2") == b"\xa2", "R(NAK) of the other number: still here"
    assert one.transceive(b"\xc2") == b"\xc2" and one.transceive(b"\x02" + select) is None


def test_a_dump_is_the_same_tag() -> None:
    one = made()
    again = ntag424.load(ntag424.dump(one))
    assert ntag424.dump(again) == ntag424.dump(one)
    assert tag424.check(again.apdu, UID, KEYS).counter == 2
    assert isinstance(dumps.parse(ntag424.dump(one)), Ntag424)
    for wrong in (b"{}", b"{", b'{"kind": 1}', ntag424.dump(one).replace(b'"uid": "04', b'"uid": "')):
        with pytest.raises(dumps.BadDump, match="NTAG 424"):
            dumps.parse(wrong if wrong[:1] == b"{" else b"{")
