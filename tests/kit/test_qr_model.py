"""The QR module model: open drivers' commands, settings, reading modes, set-up codes, faults, pictures."""

from pathlib import Path

import pytest
import segno
from handclock import HandClock
from virtualkit import qrimage, qrmodule
from virtualkit.faults import ScannerFaults
from virtualkit.qrmodule import SUCCESS, QrModule


def module(**faults: int) -> tuple[QrModule, HandClock]:
    clock = HandClock()
    return QrModule("fast", clock, ScannerFaults(**faults)), clock


def shown(scanner: QrModule, code: bytes) -> bytes:
    scanner.show(code)
    return scanner.poll()


def put(address: int, *values: int) -> bytes:
    return bytes((0x7E, 0, 8, len(values), address >> 8, address & 0xFF, *values)) + b"\xab\xcd"


def get(address: int) -> bytes:
    return bytes((0x7E, 0, 7, 1, address >> 8, address & 0xFF, 1)) + b"\xab\xcd"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ("7e000901000000dec8", "0200000100"),  # save, with the CRC that drivers carry as a constant
        ("7e000801000201abcd", "0200000100"),
        ("7e000701002a02d80f", "020000023901"),
        ("7e000a01000000301a", "0300000100"),
    ],
)
def test_frames_of_open_drivers_are_answered(sent: str, answer: str) -> None:
    scanner, _ = module()
    scanner.feed(put(qrmodule.MODE, 0xD5))
    got = scanner.feed(bytes.fromhex(sent))
    assert got[:-2] == bytes.fromhex(answer)
    assert got[-2:] == b"\x33\x31" or len(got) == 8  # the CRC of "done" as documented


def test_a_wrong_crc_is_not_answered_and_noise_is_skipped() -> None:
    scanner, _ = module()
    assert scanner.feed(bytes.fromhex("7e0007010000011234")) == b""
    assert scanner.feed(b"noise\x7e" + get(qrmodule.MODE))[:5] == bytes.fromhex("02000001d6")
    assert scanner.feed(get(qrmodule.MODE)[:4]) == b""
    assert scanner.feed(get(qrmodule.MODE)[4:])[:5] == bytes.fromhex("02000001d6")


def test_a_code_in_view_comes_out_with_its_tail() -> None:
    scanner, clock = module()
    assert shown(scanner, b"SM1.ABC") == b"SM1.ABC\r"
    scanner.hide()
    for setting, tail in ((0x21, b"\r\n"), (0x41, b"\t"), (0x61, b""), (0x20, b"")):
        scanner.feed(put(qrmodule.TAIL, setting))
        clock.advance(2000)
        assert shown(scanner, b"next%d" % setting) == b"next%d" % setting + tail


def test_the_same_code_repeats_only_after_its_pause() -> None:
    scanner, clock = module()
    scanner.feed(put(qrmodule.SAME_CODE, 0x80 | 30) + put(qrmodule.INTERVAL, 1))
    assert shown(scanner, b"one") == b"one\r"
    clock.advance(2999)
    assert scanner.poll() == b""
    due = scanner.due()
    assert due is not None
    clock.now = due
    assert scanner.poll() == b"one\r"
    clock.advance(100)
    assert shown(scanner, b"two") == b"two\r"
    scanner.feed(put(qrmodule.SAME_CODE, 0x80))
    clock.advance(100_000)
    assert scanner.poll() == b""
    scanner.feed(put(qrmodule.SAME_CODE, 0))
    clock.advance(100)
    assert scanner.poll() == b"two\r"


def test_on_command_it_reads_once_and_gives_up_after_its_time() -> None:
    scanner, clock = module()
    scanner.feed(put(qrmodule.MODE, 0xD5))
    assert shown(scanner, b"code") == b""
    assert scanner.feed(put(qrmodule.TRIGGER, 1)) == SUCCESS + b"code\r"
    clock.advance(60_000)
    assert scanner.poll() == b""
    scanner.hide()
    scanner.feed(put(qrmodule.TRIGGER, 1))
    clock.advance(5001)
    scanner.poll()
    assert shown(scanner, b"late") == b""


def test_induction_mode_reads_each_picture_once() -> None:
    scanner, clock = module()
    scanner.feed(put(qrmodule.MODE, 0xD7))
    assert shown(scanner, b"one") == b"one\r"
    clock.advance(60_000)
    assert scanner.poll() == b""
    assert shown(scanner, b"two") == b"two\r"


def test_baud_changes_after_the_answer_and_survives_power_only_when_saved() -> None:
    scanner, _ = module()
    assert scanner.baud == 9600
    assert scanner.feed(put(qrmodule.BAUD, 0x1A, 0)) == SUCCESS
    assert scanner.baud == 9600
    scanner.poll()
    assert scanner.baud == 115200
    scanner.reset()
    assert scanner.baud == 9600
    scanner.feed(put(qrmodule.BAUD, 0x1A, 0) + bytes.fromhex("7e000901000000dec8"))
    scanner.reset()
    assert scanner.baud == 115200
    scanner.feed(put(qrmodule.FACTORY, 0x50))
    scanner.poll()
    assert scanner.baud == 9600


def test_set_up_codes_change_settings_only_while_they_count() -> None:
    scanner, clock = module()
    assert shown(scanner, b"@000061") == b""  # zone 0, value 61: mode on command
    assert scanner.zones[qrmodule.MODE] == 0x61
    scanner.feed(put(qrmodule.MODE, 0xD6) + put(qrmodule.SETUP_CODES, 3))
    clock.advance(2000)
    assert shown(scanner, b"@000060") == b"@000060\r"
    clock.advance(2000)
    assert shown(scanner, b"_SET_CODE_ON") == b"_SET_CODE_ON\r"
    assert scanner.zones[qrmodule.MODE] == 0xD6
    scanner.feed(put(qrmodule.SETUP_CODES, 1))
    clock.advance(2000)
    assert shown(scanner, b"_SET_CODE_OFF") == b""
    assert scanner.zones[qrmodule.SETUP_CODES] == 3


def test_codes_of_any_size_and_content_pass_as_they_are() -> None:
    scanner, clock = module()
    scanner.feed(put(qrmodule.SETUP_CODES, 3))
    for code in (b"", b"x", bytes(range(256)), b"A" * 4000):
        clock.advance(2000)
        assert shown(scanner, code) == code + b"\r"
    with pytest.raises(ValueError, match="at most 7089"):
        scanner.show(b"1" * 7090)


def test_faults_silent_garbage_repeat_corrupt_and_wrong_baud() -> None:
    scanner, _ = module(silent=True)
    assert scanner.feed(get(0)) == shown(scanner, b"code") == b""
    scanner, _ = module(garbage=5)
    noisy = shown(scanner, b"code")
    assert len(noisy) == 10
    assert noisy.endswith(b"code\r")
    scanner, _ = module(repeat=2)
    assert shown(scanner, b"code") == b"code\r" * 3
    scanner, _ = module(corrupt_every=1)
    assert shown(scanner, b"code") != b"code\r"
    scanner, _ = module(stuck_baud=57600)
    assert scanner.baud == 57600


def test_real_timing_takes_a_millisecond_a_character_at_9600_baud() -> None:
    clock = HandClock()
    scanner = QrModule("real", clock)
    scanner.show(b"x" * 46)
    out = b""
    while len(out) < 47:
        due = scanner.due()
        assert due is not None
        clock.now = max(clock.now, due)
        out += scanner.poll()
    assert 75 < clock.now / 1e6 < 85


def test_pictures_are_decoded(tmp_path: Path) -> None:
    picture = tmp_path / "pass.png"
    segno.make_qr("SM1.AAAQEAYEAUDAOCAJ.ABCDEFGHIJKLMNOPQRSTUVWXYZ", error="m").save(str(picture), scale=6)
    assert qrimage.decode(picture) == b"SM1.AAAQEAYEAUDAOCAJ.ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(qrimage.NoCode, match="is not a picture"):
        qrimage.decode(tmp_path / "text.png")
    from PIL import Image

    Image.new("RGB", (100, 100), "white").save(tmp_path / "white.png")
    with pytest.raises(qrimage.NoCode, match="shows no QR code"):
        qrimage.decode(tmp_path / "white.png")
