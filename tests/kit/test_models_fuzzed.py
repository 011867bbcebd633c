"""No bytes and no order of events break a model: it stays bounded, and works again after a reset."""

import random

from handclock import HandClock
from hypothesis import given, settings
from hypothesis import strategies as st
from virtualkit import othertags, tags
from virtualkit import pn532_frames as frames
from virtualkit.pn532 import Chip
from virtualkit.qrmodule import QrModule

UID = bytes.fromhex("04a1b2c3d4e580")
COMMANDS = st.builds(
    lambda code, data: frames.build(bytes((0xD4, code)) + data), st.integers(0, 255), st.binary(max_size=40)
)
CONTROLS = st.sampled_from((frames.ACK, frames.NACK))
STREAM = st.lists(st.one_of(st.binary(max_size=60), COMMANDS, CONTROLS), max_size=12)


def cards() -> list[tags.Ntag | othertags.Phone | othertags.Classic | othertags.Unreadable]:
    return [
        tags.ntag215(UID),
        othertags.Phone(random.Random(1)),
        othertags.classic(b"\xa1\xb2\xc3\xd4"),
        othertags.Unreadable(bytes.fromhex("04ffffffffff80")),
    ]


@settings(max_examples=150, deadline=None)
@given(stream=STREAM, present=st.lists(st.integers(0, 3), max_size=2), real=st.booleans())
def test_the_pn532_survives_any_stream(stream: list[bytes], present: list[int], real: bool) -> None:
    clock = HandClock()
    chip = Chip("real" if real else "fast", clock)
    chip.feed(bytes(16) + frames.build(b"\xd4\x14\x01\x14\x01"))
    for number in present:
        chip.place(cards()[number])
    for data in stream:
        clock.advance(5)
        assert len(chip.feed(data)) < 2000
        due = chip.due()
        clock.now = max(clock.now, due or 0)
        chip.poll()
    chip.reset()
    out = chip.feed(bytes(16) + frames.build(b"\xd4\x02"))
    clock.advance(100)
    assert out + chip.poll() == frames.ACK + frames.build(b"\xd5\x03\x32\x01\x06\x07")


@settings(max_examples=150, deadline=None)
@given(page=st.integers(0, 255), frame=st.lists(st.binary(max_size=20), max_size=20))
def test_a_tag_never_changes_its_number_or_size(page: int, frame: list[bytes]) -> None:
    tag = tags.ntag215(UID)
    tag.activate()
    for data in frame:
        reply = tag.transceive(data)
        assert reply is None or isinstance(reply, int) or len(reply) <= 540
        tag.transceive(bytes((0xA2, page)) + data[:4].ljust(4, b"\0"))
    assert bytes(tag.memory[:8]) == tags.ntag215_image(UID)[:8]
    assert len(tag.memory) == 540


@settings(max_examples=150, deadline=None)
@given(
    stream=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.builds(
                lambda kind, address, data: bytes((0x7E, 0, kind, len(data))) + address + data + b"\xab\xcd",
                st.integers(6, 11),
                st.binary(min_size=2, max_size=2),
                st.binary(min_size=1, max_size=4),
            ),
        ),
        max_size=12,
    ),
    codes=st.lists(st.binary(max_size=50), max_size=4),
)
def test_the_qr_module_survives_any_stream_and_resets(stream: list[bytes], codes: list[bytes]) -> None:
    clock = HandClock()
    scanner = QrModule("fast", clock)
    for data in stream:
        clock.advance(50)
        scanner.feed(data)
        for code in codes:
            scanner.show(code)
            scanner.poll()
        assert scanner.baud > 0
        scanner.due()
    assert len(scanner.feed(b"x" * 5000)) < 20_000
    scanner.feed(b"\x7e\x00\x08\x01\x00\xd9\x50\xab\xcd")
    clock.advance(10_000)
    scanner.hide()
    scanner.poll()
    scanner.poll()
    scanner.show(b"fresh code")
    assert b"fresh code\r" in scanner.poll()
