"""NTAG memory rules and dumps: what the chip's data sheet promises is what the model does."""

import random
from pathlib import Path

import pytest
from virtualkit import dumps, othertags, tags
from virtualkit.rf import ACK, crc_a
from virtualkit.tags import MODELS, NTAG213, NTAG215, Ntag

UID = bytes.fromhex("04a1b2c3d4e580")


def fresh(model: tags.Model = NTAG215, ndef: bytes = b"") -> Ntag:
    tag = Ntag(model, tags.image(model, UID, ndef))
    tag.activate()
    return tag


def write(tag: Ntag, page: int, data: bytes) -> object:
    return tag.transceive(bytes((0xA2, page)) + data)


def test_crc_a_is_the_standards() -> None:
    assert crc_a(b"\x00\x00") == bytes.fromhex("a01e")  # ISO 14443-3 annex B
    assert crc_a(b"\x12\x34") == bytes.fromhex("26cf")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_fresh_tag_has_its_size_version_and_an_empty_message(model: tags.Model) -> None:
    tag = fresh(model)
    version = tag.transceive(b"\x60")
    assert isinstance(version, bytes)
    assert version[6] == model.storage
    assert tag.transceive(b"\x30\x03") == bytes((0xE1, 0x10, model.cc_size, 0, 3, 0, 0xFE)) + bytes(9)
    last = model.pages - 1
    assert tag.transceive(bytes((0x30, last)))[4:] == bytes(tag.memory[:12])  # rolls over to page 0
    assert tag.transceive(bytes((0x30, model.pages))) == tags.NAK_ARGUMENT
    assert len(tag.transceive(bytes((0x3A, 0, last)))) == model.pages * 4
    assert tag.transceive(bytes((0x3A, 5, 4))) == tags.NAK_ARGUMENT


def test_the_number_is_read_only_and_one_time_pages_only_rise() -> None:
    tag = fresh()
    assert write(tag, 0, b"abcd") == write(tag, 1, b"abcd") == tags.NAK_ARGUMENT
    assert write(tag, 3, b"\x00\x00\x00\x0f") == ACK
    assert bytes(tag.memory[12:16]) == bytes((0xE1, 0x10, 0x3E, 0x0F))
    assert write(tag, 2, b"\x00\x00\x10\x00") == ACK
    assert write(tag, 4, b"abcd") == tags.NAK_ARGUMENT
    assert write(tag, 5, b"abcd") == ACK
    assert write(tag, 2, b"\x00\x00\x00\x00") == ACK
    assert tag.memory[10] == 0x10
    assert write(tag, 2, b"\x00\x00\x02\x00") == ACK  # freezes the lock bits of pages 4 to 9
    assert write(tag, 2, b"\x00\x00\x20\x00") == ACK
    assert write(tag, 5, b"abcd") == ACK


def test_dynamic_locks_and_their_own_locks() -> None:
    tag = fresh(NTAG213)
    assert write(tag, NTAG213.lock_page, b"\x01\x00\x00\x00") == ACK
    assert write(tag, 16, b"abcd") == write(tag, 17, b"abcd") == tags.NAK_ARGUMENT
    assert write(tag, 18, b"abcd") == ACK
    assert write(tag, NTAG213.lock_page, b"\x00\x00\x01\x00") == ACK
    assert write(tag, NTAG213.lock_page, b"\x02\x00\x00\x00") == ACK
    assert write(tag, 18, b"abcd") == ACK


def test_password_guards_reading_from_auth0_on() -> None:
    tag = fresh()
    config = NTAG215.pages - 4
    assert write(tag, config + 2, b"pass") == ACK
    assert write(tag, config + 3, b"ok\0\0") == ACK
    assert write(tag, config + 1, b"\x82\x05\x00\x00") == ACK  # reading too; two tries
    assert write(tag, config, b"\x04\x00\x00\x08") == ACK
    assert tag.transceive(b"\x30\x08")[:4] == bytes(4)  # AUTH0 counts from the next activation
    tag.activate()
    assert tag.transceive(b"\x30\x08") == tags.NAK_ARGUMENT
    assert tag.transceive(b"\x30\x07")[4:] == bytes(tag.memory[:12])
    assert write(tag, 8, b"abcd") == tags.NAK_ARGUMENT
    assert tag.transceive(b"\x1bpass") == b"ok"
    assert write(tag, 8, b"abcd") == ACK
    assert tag.transceive(bytes((0x30, config + 2)))[:8] == bytes(8)  # never readable
    tag.activate()
    assert tag.transceive(b"\x1bnope") == tag.transceive(b"\x1bnope") == tags.NAK_ARGUMENT
    assert tag.transceive(b"\x1bpass") == tags.NAK_AUTH  # no more tries


def test_compatibility_write_counter_and_signature() -> None:
    tag = fresh()
    tag.signature = bytes(range(32))
    assert tag.transceive(b"\x3c\x00") == tag.signature
    assert tag.transceive(b"\xa0\x05") == ACK
    assert tag.transceive(b"abcd" + bytes(12)) == ACK
    assert bytes(tag.memory[20:24]) == b"abcd"
    assert tag.transceive(b"\x39\x02") == tags.NAK_ARGUMENT
    assert write(tag, NTAG215.pages - 3, b"\x10\x05\x00\x00") == ACK
    tag.transceive(b"\x30\x04")
    tag.transceive(b"\x30\x04")
    assert tag.transceive(b"\x39\x02") == b"\x01\x00\x00"


def test_a_torn_write_leaves_half_a_page() -> None:
    tag = fresh()
    tag.tear_after = 2
    assert write(tag, 5, b"abcd") == ACK
    assert write(tag, 6, b"efgh") is None
    assert bytes(tag.memory[20:28]) == b"abcdef\0\0"
    assert tag.gone


def test_messages_that_do_not_fit_are_refused() -> None:
    assert len(tags.ntag215_image(UID, bytes(492))) == 540
    with pytest.raises(ValueError, match="room for 496"):
        tags.ntag215_image(UID, bytes(493))
    with pytest.raises(ValueError, match="7 bytes"):
        tags.ntag215_image(b"\x04\x05", b"")


def test_dumps_of_other_tools_are_read(tmp_path: Path) -> None:
    whole = tags.ntag215_image(UID, b"\xd1\x01\x00T")
    for data in (whole, whole[:-8], whole + bytes(range(32))):
        path = tmp_path / "tag.bin"
        path.write_bytes(data)
        tag = dumps.load(path)
        assert isinstance(tag, Ntag)
        assert tag.uid == UID
        assert bytes(tag.memory[:528]) == whole[:528]
    assert isinstance(dumps.parse(bytes(othertags.classic(b"\xa1\xb2\xc3\xd4").memory)), othertags.Classic)
    for model in MODELS:
        assert dumps.parse(tags.image(model, UID)).uid == UID


def test_bad_dumps_are_named(tmp_path: Path) -> None:
    path = tmp_path / "wrong.mfd"
    path.write_bytes(bytes(541))
    with pytest.raises(dumps.BadDump, match=r"wrong\.mfd: a dump of 541 bytes is not known"):
        dumps.load(path)
    broken = bytearray(tags.ntag215_image(UID))
    broken[3] ^= 1
    with pytest.raises(dumps.BadDump, match="check bytes"):
        dumps.parse(bytes(broken))


def test_cards_from_a_number() -> None:
    rng = random.Random(1)
    assert isinstance(dumps.from_uid(UID, rng), Ntag)
    assert dumps.from_uid(b"\x08abc", rng).sak == 0x20
    assert dumps.from_uid(b"\x18abc", rng).sak == 0x08
    with pytest.raises(ValueError, match="7 or 4 bytes"):
        dumps.from_uid(b"\x01", rng)
