"""PN532 frames: the data sheet's examples, every length, damage of every kind."""

from brick.nfc import frame
from hypothesis import given, settings
from hypothesis import strategies as st


def kinds(data: bytes, step: int = 64) -> tuple[list[tuple[int, bytes]], int]:
    """Everything that a reader finds in `data`, fed in pieces of `step`, and its count of damaged frames."""
    reader = frame.Reader()
    found = []
    for at in range(0, len(data), step):
        piece = data[at : at + step]
        reader.feed(piece, len(piece))
        while kind := reader.next():
            found.append((kind, bytes(reader.payload) if kind == frame.DATA else b""))
    return found, reader.damaged


def answer(payload: bytes) -> bytes:
    """A frame from the chip, built by hand."""
    n = len(payload)
    long = bytes((0, 0, 0xFF, 0xFF, 0xFF, n >> 8, n & 0xFF, -((n >> 8) + n) & 0xFF))
    head = long if n > 255 else bytes((0, 0, 0xFF, n, -n & 0xFF))
    return head + payload + bytes((-sum(payload) & 0xFF, 0))


def test_get_firmware_version_is_the_manuals_frame():
    assert frame.build(0x02) == bytes.fromhex("0000FF02FED4022A00")
    assert frame.build(0x14, b"\x01\x14\x01") == bytes.fromhex("0000FF05FBD4140114010200")


def test_control_frames_are_told_apart():
    data = frame.ACK_FRAME + frame.NACK_FRAME + bytes.fromhex("0000FF01FF7F8100") + frame.ACK_FRAME
    assert [kind for kind, _ in kinds(data)[0]] == [frame.ACK, frame.NACK, frame.ERROR, frame.ACK]


def test_every_length_comes_through_in_pieces_of_any_size():
    for n in (2, 3, 64, 253, 254, 255, 256, 257, 264):
        payload = bytes([0xD5]) + bytes(i & 0xFF for i in range(n - 1))
        expected = [(frame.ACK, b""), (frame.DATA, payload)]
        for step in (1, 7, 64):
            assert kinds(frame.ACK_FRAME + answer(payload), step) == (expected, 0)


def test_a_command_too_long_for_the_chip_is_refused():
    try:
        frame.build(0x40, bytes(263))
    except ValueError as error:
        assert "265" in str(error)
    else:
        raise AssertionError("accepted")


def test_a_wrong_checksum_is_counted_and_the_next_frame_is_found():
    good = answer(b"\xd5\x03\x32\x01\x06\x07")
    for at in (3, 4, 5, 9, 11):
        bad = bytearray(good)
        bad[at] ^= 0x10
        found, damaged = kinds(bytes(bad) + good)
        assert damaged >= 1
        assert found[-1] == (frame.DATA, b"\xd5\x03\x32\x01\x06\x07")


def test_more_noise_than_the_buffer_holds_is_dropped():
    good = answer(b"\xd5\x03")
    found, _ = kinds(b"\x55" * 3000 + good)
    assert found == [(frame.DATA, b"\xd5\x03")]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=900), st.integers(1, 64))
def test_no_bytes_hurt_the_reader(data: bytes, step: int):
    kinds(data, step)
    found, _ = kinds(data + bytes(400) + answer(b"\xd5\x4b\x00"), step)
    assert found[-1][1] == b"\xd5\x4b\x00"
