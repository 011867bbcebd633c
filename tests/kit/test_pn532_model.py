"""The PN532 model, byte by byte: waking, frames, aborts, searches, cards, faults."""

import random

import pytest
from handclock import HandClock
from virtualkit import othertags, tags
from virtualkit import pn532_frames as frames
from virtualkit.faults import ReaderFaults
from virtualkit.pn532 import Chip
from virtualkit.rf import crc_a

WAKE = b"\x55\x55" + bytes(14)
UID = bytes.fromhex("04a1b2c3d4e580")
OTHER = bytes.fromhex("04ffeeddccbb80")
SAM_NORMAL = b"\x14\x01\x14\x01"
RF_OFF = b"\x32\x01\x00"
RETRIES_ONCE = b"\x32\x05\xff\x01\x00"
RETRIES_TWICE = b"\x32\x05\xff\x01\x01"


def command(data: bytes) -> bytes:
    return frames.build(b"\xd4" + data)


def response(data: bytes) -> bytes:
    return frames.ACK + frames.build(b"\xd5" + data)


def awake(timing: str = "fast", clock: HandClock | None = None, faults: ReaderFaults | None = None) -> Chip:
    chip = Chip(timing, clock or HandClock(), faults)
    chip.feed(WAKE + command(SAM_NORMAL))
    if clock:
        clock.advance(50)
        chip.poll()
    return chip


def ask(chip: Chip, data: bytes) -> bytes:
    """The response's data after its code, or None if there is none."""
    answer = chip.feed(command(data))
    assert answer.startswith(frames.ACK), answer.hex()
    items = frames.FrameReader().feed(answer[6:])
    assert len(items) == 1, answer.hex()
    payload = items[0]
    assert isinstance(payload, bytes)
    assert payload[:2] == bytes((0xD5, data[0] + 1))
    return payload[2:]


def test_the_first_byte_is_lost_while_it_wakes() -> None:
    sleeping = Chip()
    assert sleeping.feed(command(b"\x02")[1:]) == b""  # without a preamble the start code is gone
    assert Chip().feed(WAKE + command(b"\x02")) == response(b"\x03\x32\x01\x06\x07")


def test_before_sam_configuration_the_radio_answers_with_an_error_frame() -> None:
    chip = Chip()
    assert chip.feed(WAKE + command(b"\x4a\x01\x00")) == frames.ACK + frames.SYNTAX_ERROR


@pytest.mark.parametrize("damage", [4, 6, -2])
def test_a_damaged_frame_gets_no_ack(damage: int) -> None:
    chip = awake()
    frame = bytearray(command(b"\x02"))
    frame[damage] ^= 1
    assert chip.feed(bytes(frame)) == b""
    assert chip.feed(command(b"\x02")).startswith(frames.ACK)


def test_frames_come_in_any_pieces() -> None:
    chip = awake()
    frame = command(b"\x02")
    assert b"".join(chip.feed(bytes((byte,))) for byte in frame) == response(b"\x03\x32\x01\x06\x07")


def test_extended_frames_both_ways() -> None:
    chip = awake()
    line = b"\x00" + bytes(range(256)) + b"tail"
    assert command(b"\x00" + line)[3:5] == b"\xff\xff"
    assert ask(chip, b"\x00" + line) == line


def test_unknown_commands_and_short_parameters_get_the_error_frame() -> None:
    chip = awake()
    for wrong in (b"\x7e", b"\x4a", b"\x4a\x03\x00", b"\x06\x63", b"\x10\x20"):
        assert chip.feed(command(wrong)) == frames.ACK + frames.SYNTAX_ERROR, wrong.hex()
    assert chip.feed(frames.build(b"\xd5\x02")) == frames.ACK + frames.SYNTAX_ERROR


def test_nack_repeats_the_last_response() -> None:
    chip = awake()
    answer = chip.feed(command(b"\x02"))
    assert chip.feed(frames.NACK) == answer[len(frames.ACK) :]


def test_a_search_without_end_is_answered_when_a_card_comes() -> None:
    chip = awake()
    assert chip.feed(command(b"\x4a\x01\x00")) == frames.ACK
    assert chip.poll() == b""
    assert chip.due() is None
    woken: list[bool] = []
    chip.changed = lambda: woken.append(True)
    chip.place(tags.ntag215(UID))
    assert woken == [True]
    assert chip.poll() == frames.build(b"\xd5\x4b\x01\x01\x00\x44\x00\x07" + UID)


def test_an_ack_aborts_a_search_for_good() -> None:
    chip = awake()
    chip.feed(command(b"\x4a\x01\x00"))
    assert chip.feed(frames.ACK) == b""
    chip.place(tags.ntag215(UID))
    assert chip.poll() == b""
    assert ask(chip, b"\x02") == b"\x32\x01\x06\x07"


def test_after_an_abort_the_chip_is_deaf_for_a_moment() -> None:
    clock = HandClock()
    chip = awake(clock=clock, faults=ReaderFaults(deaf_after_abort_ms=1))
    chip.feed(command(b"\x4a\x01\x00"))
    chip.feed(frames.ACK)
    assert chip.feed(command(b"\x02")) == b""
    clock.advance(2)
    assert chip.feed(command(b"\x02")).startswith(frames.ACK)


def test_a_command_to_a_busy_chip_is_lost_with_the_one_before() -> None:
    chip = awake()
    chip.feed(command(b"\x4a\x01\x00"))  # left by firmware that was restarted
    assert chip.feed(command(b"\x02")) == b""
    assert ask(chip, b"\x02") == b"\x32\x01\x06\x07"


def test_finite_retries_end_with_no_target_and_the_request_in_the_fifo() -> None:
    chip = awake()
    ask(chip, RETRIES_TWICE)
    assert ask(chip, b"\x4a\x01\x00") == b"\x00"
    assert ask(chip, b"\x06\x63\x39") == b"\x26"


def test_a_card_left_active_does_not_answer_until_released_or_without_field() -> None:
    chip = awake()
    ask(chip, RETRIES_ONCE)
    chip.place(tags.ntag215(UID))
    assert ask(chip, b"\x4a\x01\x00")[0] == 1
    assert ask(chip, b"\x4a\x01\x00")[0] == 0  # every other poll fails: what drivers see as flapping
    assert ask(chip, b"\x4a\x01\x00")[0] == 1
    assert ask(chip, b"\x52\x00") == b"\x00"
    assert ask(chip, b"\x4a\x01\x00")[0] == 1
    ask(chip, RF_OFF)
    assert ask(chip, b"\x4a\x01\x00")[0] == 1


def test_a_stubborn_card_left_active_needs_the_field_off() -> None:
    chip = awake()
    ask(chip, RETRIES_TWICE)
    card = tags.ntag215(UID)
    card.stubborn = True
    chip.place(card)
    assert ask(chip, b"\x4a\x01\x00")[0] == 1
    assert ask(chip, b"\x4a\x01\x00")[0] == 0
    assert ask(chip, b"\x4a\x01\x00")[0] == 0
    ask(chip, RF_OFF)
    assert ask(chip, b"\x4a\x01\x00")[0] == 1


def test_a_deselected_card_comes_back_by_select_only() -> None:
    chip = awake()
    ask(chip, RETRIES_TWICE)
    chip.place(tags.ntag215(UID))
    ask(chip, b"\x4a\x01\x00")
    assert ask(chip, b"\x44\x01") == b"\x00"
    assert ask(chip, b"\x54\x01") == b"\x00"
    assert ask(chip, b"\x40\x01\x30\x00")[:4] == b"\x00" + UID[:3]
    ask(chip, b"\x44\x01")
    assert ask(chip, b"\x4a\x01\x00")[0] == 0


def test_two_cards_are_both_listed_or_garbled() -> None:
    chip = awake()
    ask(chip, RETRIES_ONCE)
    chip.place(tags.ntag215(UID))
    chip.place(tags.ntag215(OTHER))
    found = ask(chip, b"\x4a\x02\x00")
    assert found[0] == 2
    assert UID in found
    assert OTHER in found
    ask(chip, RF_OFF)
    assert ask(chip, b"\x4a\x01\x00")[0] == 1
    ask(chip, RF_OFF)
    chip.field.garbled = True
    assert ask(chip, b"\x4a\x02\x00") == b"\x00"
    assert ask(chip, b"\x06\x63\x39") != b"\x26"


def test_a_search_can_name_the_card() -> None:
    chip = awake()
    ask(chip, RETRIES_ONCE)
    chip.place(tags.ntag215(UID))
    chip.place(tags.ntag215(OTHER))
    found = ask(chip, b"\x4a\x01\x00\x88" + UID)
    assert found[0] == 1
    assert found.endswith(UID)


def test_mifare_commands_and_status_bytes() -> None:
    chip = awake()
    card = tags.ntag215(UID)
    assert ask(chip, b"\x40\x01\x30\x04") == b"\x27"  # no target
    chip.place(card)
    ask(chip, b"\x4a\x01\x00")
    assert ask(chip, b"\x40\x01\xa2\x04abcd") == b"\x00"
    assert ask(chip, b"\x40\x01\x30\x04")[:5] == b"\x00abcd"
    assert ask(chip, b"\x40\x01\x3a\x04\x05") == b"\x27"  # FAST_READ is not MIFARE's
    assert ask(chip, b"\x40\x01\x30\xff") == b"\x13"
    assert ask(chip, b"\x40\x01\x30\x04") == b"\x01"  # the NAK has thrown the card out
    ask(chip, RF_OFF)
    ask(chip, b"\x4a\x01\x00")
    chip.remove(card)
    assert ask(chip, b"\x40\x01\x30\x04") == b"\x01"


def test_raw_frames_with_and_without_the_chips_crc() -> None:
    chip = awake()
    chip.place(tags.ntag215(UID))
    ask(chip, b"\x4a\x01\x00")
    version = bytes.fromhex("0004040201001103")
    assert ask(chip, b"\x42\x60") == b"\x00" + version
    ask(chip, b"\x08\x63\x03\x00")
    assert ask(chip, b"\x42\x60") == b"\x00" + version + crc_a(version)
    ask(chip, b"\x08\x63\x02\x00")
    assert ask(chip, b"\x42\x60" + crc_a(b"\x60"))[1:9] == version
    assert ask(chip, b"\x42\xa2\x05wxyz" + crc_a(b"\xa2\x05wxyz")) == b"\x00\x0a"
    assert ask(chip, b"\x42\x60\x00\x00") == b"\x01"
    assert ask(chip, b"\x42") == b"\x01"


def test_mifare_classic_wants_its_key() -> None:
    chip = awake()
    card = othertags.classic(bytes.fromhex("a1b2c3d4"))
    chip.place(card)
    assert ask(chip, b"\x4a\x01\x00") == bytes.fromhex("0101000408 04 a1b2c3d4")
    assert ask(chip, b"\x40\x01\x60\x04" + b"\xff" * 6 + card.uid) == b"\x00"
    assert ask(chip, b"\x40\x01\x30\x04") == b"\x00" + bytes(16)
    assert ask(chip, b"\x40\x01\x60\x04" + bytes(6) + card.uid) == b"\x14"


def test_a_phone_shows_another_number_in_every_field_and_speaks_apdus() -> None:
    chip = awake()
    chip.place(othertags.Phone(random.Random(1)))
    first = ask(chip, b"\x4a\x01\x00")
    assert first[2:7] == bytes.fromhex("0004200408")
    assert first.endswith(bytes.fromhex("0578807002"))
    assert ask(chip, b"\x40\x01\x00\xa4\x04\x00\x07\xd2\x76\x00\x00\x85\x01\x01\x00") == b"\x00\x6a\x82"
    ask(chip, RF_OFF)
    assert ask(chip, b"\x4a\x01\x00")[6:10] != first[6:10]


def test_an_unreadable_card_is_selected_and_then_silent() -> None:
    chip = awake()
    chip.place(othertags.Unreadable(UID))
    assert ask(chip, b"\x4a\x01\x00").endswith(UID)
    assert ask(chip, b"\x40\x01\x30\x04") == b"\x01"


def test_auto_poll_reports_type_and_target() -> None:
    chip = awake()
    chip.place(tags.ntag215(UID))
    assert ask(chip, b"\x60\x01\x01\x10") == b"\x01\x10\x0c\x01\x00\x44\x00\x07" + UID


def test_power_down_sleeps_until_the_next_byte() -> None:
    chip = awake()
    assert ask(chip, b"\x16\xf0") == b"\x00"
    assert not chip.field.on
    assert chip.feed(command(b"\x02")[1:]) == b""
    assert ask(chip, b"\x02") == b"\x32\x01\x06\x07"


def test_a_baud_rate_counts_after_the_hosts_ack() -> None:
    chip = awake()
    assert ask(chip, b"\x10\x05") == b""
    assert chip.baud == 115200
    chip.feed(frames.ACK)
    assert chip.baud == 230400
    chip.reset()
    assert chip.baud == 115200


def test_real_timing_paces_bytes_and_air() -> None:
    clock = HandClock()
    chip = awake("real", clock)
    card = tags.ntag215(UID)
    chip.place(card)
    sent = chip.feed(command(b"\x4a\x01\x00"))
    assert sent == b""
    start, out = clock.now, b""
    while len(out) < 6 + 24 - 5:
        due = chip.due()
        assert due is not None
        clock.now = max(clock.now, due)
        out += chip.poll()
    assert out.startswith(frames.ACK)
    assert out.endswith(UID + out[-2:])
    assert 9 < (clock.now - start) / 1e6 < 15  # field up, selection, thirty bytes at 115200


def test_silent_stuck_slow_and_hanging_chips() -> None:
    assert awake(faults=ReaderFaults(silent=True)).feed(command(b"\x02")) == b""
    assert awake(faults=ReaderFaults(stuck=True)).feed(command(b"\x02")) == frames.ACK
    clock = HandClock()
    slow = awake(clock=clock, faults=ReaderFaults(slow_ms=200))
    clock.advance(300)
    slow.poll()
    assert slow.feed(command(b"\x02")) == frames.ACK
    clock.advance(199)
    assert slow.poll() == b""
    clock.advance(1)
    assert slow.poll() == frames.build(b"\xd5\x03\x32\x01\x06\x07")
    hanging = awake(faults=ReaderFaults(hang_after=2))
    assert hanging.feed(command(b"\x02")) == b""
    hanging.reset()
    assert hanging.feed(WAKE + command(b"\x02")).startswith(frames.ACK)


def test_corruption_hits_every_nth_frame_and_is_seeded() -> None:
    def run(seed: int) -> list[bytes]:
        chip = Chip("fast", HandClock(), ReaderFaults(corrupt_every=3), seed)
        chip.feed(WAKE + command(SAM_NORMAL))
        return [chip.feed(command(b"\x02")) for _ in range(6)]

    good = response(b"\x03\x32\x01\x06\x07")
    assert run(1) == run(1)
    assert sum(answer != good for answer in run(1)) == 4  # frames 3, 6, 9 and 12 of 14
