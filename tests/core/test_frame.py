"""Frames: what a line delivers becomes whole frames or a count of what went wrong."""

import vectors
from ports import Random
from stallmark import cobs, frame
from stallmark.errors import FormatError, LimitError


def test_frames_have_the_bytes_of_the_page():
    for case in vectors.load("frame.json")["cases"]:
        body = bytes.fromhex(case["body"])
        built = frame.build(case["type"], body)
        assert built == bytes.fromhex(case["frame"]), case["name"]
        assert len(built) <= 512
        assert frame.Reader().feed(built) == [(case["type"], body)]


def test_a_body_over_502_bytes_is_refused_by_the_sender():
    vectors.raises(LimitError, frame.build, 5, bytes(503))


def test_any_cutting_of_the_stream_gives_the_same_frames():
    random = Random(2)
    sent = [(1 + n, random.bytes(random.below(503))) for n in range(12)]
    stream = b"".join([frame.build(kind, body) for kind, body in sent])
    for size in (1, 2, 3, 7, 64, 511, 512, 513, len(stream)):
        reader = frame.Reader()
        got = []
        for at in range(0, len(stream), size):
            got.extend(reader.feed(stream[at : at + size]))
        assert got == sent, size
        assert reader.frames == 12 and reader.noise == 0 and reader.oversize == 0


def test_noise_before_the_first_frame_costs_one_count_and_no_frame():
    reader = frame.Reader()
    assert reader.feed(b"boot: rst:0x1\r\n\x00" + frame.build(6, b"x")) == [(6, b"x")]
    assert reader.noise == 1
    # Joined with a cut frame, the first whole one after it is lost with it; the next is good.
    assert reader.feed(b"half a fra" + frame.build(6, b"y") + frame.build(6, b"z")) == [(6, b"z")]
    assert reader.noise == 2


def test_empty_frames_are_ignored():
    reader = frame.Reader()
    assert reader.feed(b"\x00\x00\x00" + frame.build(6, b"") + b"\x00") == [(6, b"")]
    assert (reader.noise, reader.frames) == (0, 1)


def test_every_flipped_bit_is_noise_or_a_frame_of_its_own_never_the_wrong_body():
    good = frame.build(5, b"\x00\x01abcdef\x00\x02")
    for at in range(len(good) - 1):
        for bit in range(8):
            bent = bytearray(good)
            bent[at] ^= 1 << bit
            reader = frame.Reader()
            assert reader.feed(bent) == [], (at, bit)
            assert reader.noise + reader.unknown_version >= 1
            assert reader.feed(good) == [(5, b"\x00\x01abcdef\x00\x02")]


def test_wrong_crc_and_too_short_are_noise():
    reader = frame.Reader()
    for inner in (b"\x01", b"\x01\x05", b"\x01\x05\x00\x00\x00", b"\x01\x05abc\x00\x00\x00\x00"):
        assert reader.feed(cobs.encode(inner) + b"\x00") == []
    assert reader.noise == 4


def test_oversize_is_drained_to_its_end_and_counted_once():
    random = Random(3)
    junk = bytes([1 + byte % 255 for byte in random.bytes(3000)])
    for size in (1, 100, 511, 512, 600, 3000):
        reader = frame.Reader()
        got = []
        for at in range(0, 3000, size):
            got.extend(reader.feed(junk[at : at + size]))
        got.extend(reader.feed(b"\x00" + frame.build(6, b"after")))
        assert got == [(6, b"after")], size
        assert (reader.oversize, reader.noise) == (1, 0), size


def test_exactly_512_bytes_pass_and_513_do_not():
    reader = frame.Reader()
    reader.feed(b"\x01" * 511 + b"\x00")
    assert (reader.oversize, reader.noise) == (0, 1)
    reader.feed(b"\x01" * 512 + b"\x00")
    assert (reader.oversize, reader.noise) == (1, 1)
    for part in (b"\x01" * 511, b"\x01", b"\x00"):
        reader.feed(part)
    assert (reader.oversize, reader.noise) == (2, 1)


def test_another_version_is_counted_apart():
    import binascii

    inner = b"\x02\x05new"
    reader = frame.Reader()
    assert reader.feed(cobs.encode(inner + binascii.crc32(inner).to_bytes(4, "big")) + b"\x00") == []
    assert (reader.unknown_version, reader.noise) == (1, 0)


def test_views_of_a_receive_buffer_will_do():
    buffer = bytearray(600)
    built = frame.build(6, b"abc")
    buffer[: len(built)] = built
    reader = frame.Reader()
    assert reader.feed(memoryview(buffer)[: len(built)]) == [(6, b"abc")]
    assert reader.feed(buffer) == [(6, b"abc")]


def test_notices_and_logs_are_cut_on_a_character_and_cleaned_for_the_screen():
    ((kind, body),) = frame.Reader().feed(frame.notice(4, "ü" * 40))
    assert kind == 7 and body == b"\x04" + "ü".encode() * 32
    assert frame.parse_text(body) == (4, "ü" * 32)
    ((kind, body),) = frame.Reader().feed(frame.log(frame.LOG_WARNING, "x" + "水" * 100))
    assert kind == 1 and frame.parse_text(body) == (3, "x" + "水" * 66)
    assert frame.parse_text(b"\x01\x1b[2Jred\x7f") == (1, "?[2Jred?")
    assert frame.parse_text(b"\x01ab\xff") == (1, "ab?")
    vectors.raises(FormatError, frame.parse_text, b"")
