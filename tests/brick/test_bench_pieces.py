"""Pieces of the bench: image, pack, label, ports, log, pin maps."""

import hashlib
import json
import struct
import subprocess
from types import SimpleNamespace

import pytest
import zxingcpp
from boards import check, models, pins
from boards.partitions import PARTITIONS_4M, PARTITIONS_8M, find
from brick import appfs
from PIL import Image as Picture
from typer.testing import CliRunner
from virtualkit import interpreter
from virtualkit.bootrom_board import made_up_image
from virtualkit.bootrom_chips import ESP32, ESP32_S3
from workbench import application, batch, cli, errors, flash, image, label, partition_table, ports, selftest


def test_the_binary_partition_table_says_what_the_page_says():
    for partitions in (PARTITIONS_8M, PARTITIONS_4M):
        table = partition_table.binary(partitions)
        assert len(table) == partition_table.SIZE
        found = []
        for at in range(0, len(table), 32):
            entry = table[at : at + 32]
            if entry[:2] == b"\xeb\xeb":
                assert entry[16:] == hashlib.md5(table[:at]).digest()
                break
            magic, _, _, offset, size = struct.unpack_from("<HBBII", entry)
            assert magic == 0x50AA
            found.append((entry[12:28].rstrip(b"\0").decode(), offset, size))
        assert found == [(name, offset, size) for name, offset, size in partitions]


def test_an_image_is_named_checked_and_given_our_table(tmp_path):
    path = tmp_path / "mp.bin"
    path.write_bytes(made_up_image(ESP32, kilobytes=64))
    good = hashlib.sha256(path.read_bytes()).hexdigest()
    loaded = image.load(path, "esp32", good)
    ours = image.with_our_table(loaded, 4 << 20)
    assert ours[0x7000:0x7C00] == partition_table.binary(PARTITIONS_4M)
    assert ours[:0x7000] == loaded.data[:0x7000] and ours[0xF000:] == loaded.data[0xF000:]
    with pytest.raises(errors.BadImage, match="Download it again"):
        image.load(path, "esp32", "00" * 32)
    path.with_name("mp.bin.sha256").write_text("11" * 32 + "  mp.bin\n")
    with pytest.raises(errors.BadImage, match="expected 1111"):
        image.load(path, "esp32")
    path.with_name("mp.bin.sha256").unlink()
    with pytest.raises(errors.BadImage, match=f"--sha256 {good}"):  # nobody said which one it must be
        image.load(path, "esp32")
    with pytest.raises(errors.BadImage, match=r"made for ESP32, the board is an ESP32-S3"):
        image.load(path, "esp32s3", good)
    path.write_bytes(b"<html>")
    with pytest.raises(errors.BadImage, match="no boot loader"):
        image.load(path, "esp32", hashlib.sha256(b"<html>").hexdigest())
    with pytest.raises(errors.BadImage, match=r"micropython\.org"):
        image.load(tmp_path / "none", "esp32")
    path.write_bytes(made_up_image(ESP32_S3, kilobytes=2600))
    with pytest.raises(errors.BadImage, match="has room for"):
        image.with_our_table(
            image.load(path, "esp32s3", hashlib.sha256(path.read_bytes()).hexdigest()), 8 << 20
        )


def test_an_image_is_taken_by_name_from_a_folder_whose_table_says_its_digest(tmp_path):
    path = tmp_path / "mp-1.27.0.bin"
    path.write_bytes(made_up_image(ESP32, kilobytes=64))
    good = hashlib.sha256(path.read_bytes()).hexdigest()
    run = CliRunner().invoke
    words = ["pin", str(path), "--name", "ESP32_GENERIC", "--version", "1.27.0", "--sha256"]
    assert "not 1111" in run(cli.app, [*words, "11" * 32]).output
    with pytest.raises(errors.BadImage, match="there are: none"):
        image.pinned(tmp_path, "ESP32_GENERIC")
    assert run(cli.app, [*words, good]).exit_code == 0
    assert run(cli.app, [*words, good.upper()]).exit_code == 0  # once more: still one line
    assert image.pinned(tmp_path, "ESP32_GENERIC") == (path, good, "1.27.0")
    assert len((tmp_path / image.PINS).read_text().splitlines()) == 2
    settings = flash.Settings(tmp_path, image_name="")
    assert flash._interpreter(settings, models.MODELS["esp32-4m-nfc"]).digest == good
    with pytest.raises(errors.BadImage, match="names no image ESP32_GENERIC_S3-SPIRAM_OCT"):
        flash._interpreter(settings, models.MODELS["esp32s3-8m-nfc"])
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(errors.BadImage, match="is not the image that was named"):
        flash._interpreter(settings, models.MODELS["esp32-4m-nfc"])
    (tmp_path / image.PINS).write_text("name\tversion\tfile\tsha256\nx\t1\t../../etc\t" + good + "\n")
    with pytest.raises(errors.BadImage, match="a line that is none"):
        image.pinned(tmp_path, "x")


def test_the_pack_is_read_by_micropython_as_it_was_made(tmp_path):
    files = {"/one/__init__.mpy": b"", "/one/two.bin": bytes(range(256)) * 40, "/three.txt": b"3"}
    pack = application.packed(files)
    (tmp_path / "pack").write_bytes(pack)
    (tmp_path / "appfs.py").write_text((application.FIRMWARE / "brick" / "appfs.py").read_text())
    program = f"""
import sys, vfs, os, hashlib
sys.path.insert(0, {str(tmp_path)!r})
import appfs
f = open({str(tmp_path / "pack")!r}, "rb")
def read(at, buffer):
    f.seek(at)
    f.readinto(buffer)
p = appfs.Pack(read)
vfs.mount(p, "/app")
print(p.intact(), p.digest.hex())
for name in ("/app/one/two.bin", "/app/three.txt"):
    print(hashlib.sha256(open(name, "rb").read()).digest().hex(), os.stat(name)[6])
print(os.stat("/app/one")[0])
for wrong in ("/app/two.bin", "/app/one/two"):
    try:
        open(wrong, "rb")
    except OSError as error:
        print(error.errno)
"""
    done = subprocess.run([interpreter.find(), "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "True",
        pack[16:48].hex(),
        hashlib.sha256(files["/one/two.bin"]).hexdigest(),
        "10240",
        hashlib.sha256(b"3").hexdigest(),
        "1",
        str(0x4000),
        "2",
        "2",
    ]
    for at in (48, len(pack) - 1):
        spoilt = pack[:at] + bytes((pack[at] ^ 1,)) + pack[at + 1 :]

        def read(offset, buffer, spoilt=spoilt):
            buffer[:] = spoilt[offset : offset + len(buffer)]

        assert not appfs.Pack(read).intact()


def test_the_programs_fit_both_flash_sizes_with_room_to_grow():
    programs = application.build()
    assert len(programs.files) > 60
    for size in (4 << 20, 8 << 20):
        assert len(application.for_partition(programs, size)) < find(size, "app_a")[1] * 3 // 4


def test_a_label_is_read_by_a_scanner_and_by_a_person(tmp_path):
    brick = bytes.fromhex("6c83faa3f55f2afe")
    path = tmp_path / "label.png"
    label.write(path, brick, "a kit with quite a long name for a label", "esp32s3-8m-nfc", "2026-11-22")
    picture = Picture.open(path)
    assert picture.size == (732, 343)
    found = zxingcpp.read_barcodes(picture.convert("L"))
    assert [one.text for one in found] == ["STALLMARK:BRICK:6C83FAA3F55F2AFE"]
    assert label.short_code(brick) == "NSB7-VI7V"


def listed(*found):
    return lambda: [
        SimpleNamespace(device=port, vid=vid, pid=pid, serial_number=None, description=words)
        for port, vid, pid, words in found
    ]


def test_the_port_is_the_only_board_or_the_choice_is_listed():
    bridge = ("/dev/ttyUSB0", 0x10C4, 0xEA60, "CP2102N")
    modem = ("/dev/ttyS0", None, None, "ttyS0")
    assert ports.choose(None, listed(modem, bridge)) == "/dev/ttyUSB0"
    assert ports.choose("/dev/x", listed()) == "/dev/x"
    with pytest.raises(errors.NoPort, match="carries data"):
        ports.choose(None, listed())
    with pytest.raises(errors.NoPort, match="2 boards are plugged in"):
        ports.choose(None, listed(bridge, ("/dev/ttyACM0", 0x303A, 0x1001, "JTAG")))
    with pytest.raises(errors.NoPort, match="/dev/ttyS0"):
        ports.choose(None, listed(modem))


def test_a_batch_goes_on_where_it_was_cut(tmp_path):
    book = batch.Book(tmp_path).open()
    book.note(outcome="done", batch="a", board="01", brick="aa")
    book.note(outcome="failed", batch="a", board="02")
    book.note(outcome="done", batch="b", board="03", brick="cc")
    with book.log.open("a") as out:
        out.write('{"outcome": "done", "batch": "a", "bo')  # power failed in the middle of a line
    assert [line["board"] for line in book.done("a")] == ["01"]
    assert book.board("03")["brick"] == "cc"
    assert book.board("02") is None
    # Keys that were made and never finished: that board may simply be flashed again; a finished or erased one may not.
    book.note(outcome="keyed", batch="a", board="02", brick="dd")
    book.note(outcome="failed", batch="a", port="x")
    assert (
        book.unfinished("02")["brick"] == "dd" and book.unfinished("01") is None and book.board("02") is None
    )
    book.note(outcome="done", batch="a", board="02", brick="dd")
    assert book.unfinished("02") is None
    book.queue("1", {"path": "/x", "body": {}})
    assert oct(book.waiting()[0].stat().st_mode)[-3:] == "600"
    assert json.loads(book.waiting()[0].read_text())["path"] == "/x"


def test_every_pin_map_can_be_done_by_its_chip():
    assert set(pins.BOARDS) == set(models.MODELS)
    for name, one in pins.BOARDS.items():
        assert check.problems(one) == [], name
        assert one["chip"] == models.MODELS[name]["chip"]
        assert tuple(one["parts"]) == tuple(models.MODELS[name]["parts"])


def test_what_a_brick_says_it_is_must_be_what_was_written():
    said = {"hardware": "esp32s3-8m-nfc", "flash_bytes": 16 << 20, "firmware_digest": bytes(32)}
    selftest.same_board(said, "esp32s3-8m-nfc", 8 << 20, bytes(32))
    for change in ({"flash_bytes": 4 << 20}, {"hardware": "esp32-4m-nfc"}, {"firmware_digest": b"x" * 32}):
        with pytest.raises(errors.WrongBoard, match="flash it again"):
            selftest.same_board(said | change, "esp32s3-8m-nfc", 8 << 20, bytes(32))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sound": 27}, "belongs to the flash"),
        ({"sound": 35}, "belongs to the PSRAM"),
        ({"sound": 0}, "decides at reset"),
        ({"sound": 19}, "belongs to USB"),
        ({"sound": 4}, "given to red light and to sound"),
        ({"sound": 99}, "there is no GPIO 99"),
        ({"power": {"main": (21, 2, 1)}}, "no input of ADC 1"),
        ({"chip": "esp32", "sound": 34}, "input only"),
        ({"chip": "esp8266"}, "unknown chip"),
        ({"nfc_spi": {"sck": 12, "mosi": 11, "miso": 13, "cs": 10}}, "nfc is wired to 2 buses: expected one"),
        ({"parts": ("nfc", "qr")}, "qr is wired to 0 buses: expected one"),
    ],
)
def test_a_pin_that_cannot_be_is_named(change, words):
    broken = pins.BOARDS["esp32s3-8m-nfc"] | change
    with pytest.raises(ValueError, match=words):
        check.demand("x", broken)


@pytest.mark.parametrize(
    ("wire", "gpio", "words"),
    [
        ("sck", 30, "nfc SCK: GPIO 30 belongs to the flash"),
        ("cs", 17, "GPIO 17 is given to nfc CS and to qr TX"),
        ("miso", 0, "nfc MISO: GPIO 0 decides at reset"),
        ("mosi", 11.0, "nfc MOSI: there is no GPIO 11.0"),
    ],
)
def test_wires_of_a_reader_on_spi_are_checked_like_any_other(wire, gpio, words):
    one = pins.BOARDS["esp32s3-8m-nfc-qr"]
    with pytest.raises(ValueError, match=words):
        check.demand("x", one | {"nfc_spi": one["nfc_spi"] | {wire: gpio}})
