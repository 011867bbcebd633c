"""What goes wrong on a bench: each fault of the boot ROM's model, by the real esptool, in the technician's words."""

import pytest
from typer.testing import CliRunner
from virtualkit.bootrom import RomFaults
from workbench import cli, errors, esptool, flash
from workbench.esptool import Esptool, Found

from tests.brick.benchkit import BenchWorld


@pytest.fixture
def bench(tmp_path, request):
    made = []

    def make(**more):
        made.append(BenchWorld(tmp_path, **more))
        return made[0]

    yield make
    for world in made:
        world.close()


def written(world, no_stub=False):
    data = bytes(i * 7 & 0xFF for i in range(40_000))
    path = world.folder / "data"
    path.write_bytes(data)
    tool = Esptool(world.port, transcript=world._say, stub=not no_stub)
    tool.write([(0x20000, str(path))], 4 << 20, lambda *_: None)
    assert world.board.rom.flash.read(0x20000, len(data)) == data


def test_a_chip_that_does_not_run_the_loader_is_written_by_its_rom(bench, monkeypatch):
    monkeypatch.setattr(esptool, "_LOADER_SECONDS", 2.0)
    world = bench(chip="ESP32", megabytes=4, faults=RomFaults(refuses_stub=True))
    written(world)
    assert "going on with its ROM alone" in world.said
    assert world.board.rom.seen.count(0x03) > 30  # plain FLASH_DATA of 1 KiB


@pytest.mark.parametrize(
    ("faults", "error", "words"),
    [
        (RomFaults(unplug_after=0), errors.Unplugged, "went away"),
        (RomFaults(spoil_write=1), errors.BadFlash, "put it aside"),
    ],
)
def test_a_write_that_fails_says_why(bench, tmp_path, monkeypatch, faults, error, words):
    # One try for each block: the board is gone, and esptool's three take ten seconds.
    settings = tmp_path / "esptool.cfg"
    settings.write_text("[esptool]\nwrite_block_attempts = 1\n")
    monkeypatch.setenv("ESPTOOL_CFGFILE", str(settings))
    world = bench(chip="ESP32", megabytes=4, faults=faults)
    with pytest.raises(error, match=words):
        written(world)


def test_a_silent_board_a_port_that_is_gone_and_a_chip_without_flash_have_words(bench):
    world = bench(faults=RomFaults(silent=True))
    tool = Esptool(world.port, attempts=1)
    with pytest.raises(errors.Silent, match="hold BOOT"):
        tool.identify()
    world.board.rom.faults = RomFaults(no_flash=True)
    with pytest.raises(errors.WrongBoard, match="flash"):
        tool.identify()
    world.loop.call(world.board.unplug)
    with pytest.raises(errors.BenchError, match=r"board in|cable"):
        tool.identify()


def test_boards_that_do_not_fit_are_named_before_anything_is_written(tmp_path):
    settings = flash.Settings(tmp_path / "image")
    for found, words in (
        (Found("ESP32-C3", 4 << 20, "00"), "this is an ESP32-C3: Stallmark runs on"),
        (Found("ESP32-S3", 4 << 20, "00"), "no pin map fits an ESP32-S3 with 4 MB"),
        (Found("ESP32", 2 << 20, "00"), "2 MB"),
    ):
        with pytest.raises(errors.WrongBoard, match=words):
            flash.board_for(found, settings)
    assert flash.board_for(Found("ESP32", 16 << 20, "00"), settings) == "esp32-4m-nfc"
    both = flash.Settings(tmp_path / "image", parts=("qr", "nfc"))
    assert flash.board_for(Found("ESP32-S3", 16 << 20, "00"), both) == "esp32s3-8m-nfc-qr"
    settings.board = "xiao-s3-8m-nfc"
    assert flash.board_for(Found("ESP32-S3", 8 << 20, "00"), settings) == "xiao-s3-8m-nfc"
    with pytest.raises(errors.WrongBoard, match="this board has an ESP32"):
        flash.board_for(Found("ESP32", 4 << 20, "00"), settings)


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (
            "[Errno 13] could not open port /dev/ttyUSB0: [Errno 13] Permission denied",
            errors.NoPermission,
            "dialout",
        ),
        ("Could not exclusively lock port /dev/ttyUSB0: [Errno 11]", errors.PortBusy, "close it"),
    ],
)
def test_words_of_the_operating_system_become_what_to_do(said, error, words):
    with pytest.raises(error, match=words):
        raise Esptool("/dev/ttyUSB0")._translated(said, 2)


def test_the_command_says_what_is_missing(tmp_path):
    arguments = [
        "flash",
        "--image",
        "x.bin",
        "--job",
        str(tmp_path / "job.json"),
        "--bench",
        str(tmp_path / "b"),
    ]
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 1
    assert "stallmark fleet bench" in done.output
