"""Flash in a file: NOR rules, partitions, and power that fails inside an operation, on both interpreters."""

import json
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from virtualkit import firmware, interpreter

UPY = Path(__file__).parents[2] / "hardware" / "virtualkit" / "upy"
sys.path.insert(0, str(UPY))
from nor import PAGE, SECTOR, NorChip, NorFile  # noqa: E402  the MicroPython side is no package


class PowerGone(Exception):
    """What stands for the end of the process."""


def blank(tmp_path: Path, sectors: int = 4) -> Path:
    path = tmp_path / "flash.bin"
    path.write_bytes(b"\xff" * SECTOR * sectors)
    return path


def read(flash: NorFile, offset: int, n: int) -> bytes:
    buffer = bytearray(n)
    flash.read_into(offset, buffer)
    return bytes(buffer)


def gone() -> None:
    raise PowerGone


def doomed(path: Path, after: int, pick: int) -> tuple[NorChip, list[tuple[str, int, int]]]:
    """A chip that loses power in its `after`-th operation, and what it says about that."""
    torn: list[tuple[str, int, int]] = []
    return NorChip(str(path), cut=(after, pick), torn=lambda *what: torn.append(what), halt=gone), torn


def test_bits_only_fall_until_the_sector_is_erased(tmp_path: Path) -> None:
    chip = NorChip(str(blank(tmp_path)))
    flash = NorFile(chip, SECTOR, 2 * SECTOR)
    flash.program(10, b"\xf0\x0f")
    flash.program(10, b"\x3c\xff")
    assert read(flash, 9, 4) == b"\xff\x30\x0f\xff"
    flash.erase(SECTOR)
    assert read(flash, 10, 2) == b"\x30\x0f"
    flash.erase(0)
    assert read(flash, 10, 2) == b"\xff\xff"
    assert (chip.programs, chip.erases) == (2, 2)


def test_what_is_programmed_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = blank(tmp_path)
    NorFile(NorChip(str(path)), SECTOR).program(0, b"abc")
    assert path.read_bytes()[SECTOR : SECTOR + 3] == b"abc"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("program", (PAGE - 1, b"ab")),
        ("program", (0, b"")),
        ("program", (2 * SECTOR, b"a")),
        ("program", (-1, b"a")),
        ("erase", (100,)),
        ("erase", (2 * SECTOR,)),
        ("read_into", (2 * SECTOR - 1, bytearray(2))),
    ],
)
def test_operations_outside_page_sector_or_partition_are_refused(
    tmp_path: Path, operation: str, arguments: tuple[object, ...]
) -> None:
    path = blank(tmp_path)
    flash = NorFile(NorChip(str(path)), SECTOR, 2 * SECTOR)
    with pytest.raises(OSError, match="22"):
        getattr(flash, operation)(*arguments)
    assert path.read_bytes() == b"\xff" * 4 * SECTOR


def test_a_partition_must_lie_on_sectors(tmp_path: Path) -> None:
    chip = NorChip(str(blank(tmp_path)))
    for offset, size in ((100, SECTOR), (0, 100), (0, 5 * SECTOR)):
        with pytest.raises(OSError, match="22"):
            NorFile(chip, offset, size)


def test_a_cut_tears_a_program_at_every_byte(tmp_path: Path) -> None:
    data = bytes(range(16))
    for done in range(len(data) + 1):
        path = blank(tmp_path)
        chip, torn = doomed(path, 2, done)
        flash = NorFile(chip)
        flash.program(0, b"first")
        with pytest.raises(PowerGone):
            flash.program(256, data)
        assert torn == [("program", 256, done)]
        after = path.read_bytes()[256 : 256 + len(data)]
        assert after[:done] == data[:done]
        if done < len(data):  # the byte under way has lost only bits that it was to lose
            assert after[done] & data[done] == data[done]
            assert after[done + 1 :] == b"\xff" * (len(data) - done - 1)


def test_a_cut_tears_an_erase_anywhere(tmp_path: Path) -> None:
    rng = random.Random(7)
    for _ in range(50):
        path = blank(tmp_path)
        old = rng.randbytes(SECTOR)
        path.write_bytes(old + path.read_bytes()[SECTOR:])
        chip, torn = doomed(path, 1, rng.getrandbits(64))
        with pytest.raises(PowerGone):
            chip.erase(0)
        done = torn[0][2]
        after = path.read_bytes()[:SECTOR]
        assert after[:done] == b"\xff" * done
        assert after[done + 1 :] == old[done + 1 :]
        assert done == SECTOR or after[done] & old[done] == old[done]


SCRIPT = """
import json, sys
from nor import NorChip, NorFile
path, control, out = sys.argv[1:4]
def torn(operation, offset, done):
    with open(out, "w") as f:
        json.dump([operation, offset, done], f)
def halt():
    raise SystemExit(9)
chip = NorChip(path, control, torn=torn, halt=halt)
flash = NorFile(chip, 4096)
flash.program(0, b"before")
with open(control, "r+b") as f:
    f.write(bytes([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5]))
flash.program(256, b"0123456789")
"""


@pytest.mark.parametrize("python", ["cpython", "micropython"])
def test_the_kit_orders_a_cut_through_the_control_file(tmp_path: Path, python: str) -> None:
    path, control, out = blank(tmp_path), tmp_path / "control", tmp_path / "torn.json"
    control.write_bytes(bytes(16))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    program = sys.executable if python == "cpython" else interpreter.find()
    ran = subprocess.run(
        [program, script, path, control, out],
        env={
            "PYTHONPATH": f"{UPY}:{firmware.folder()}",
            "MICROPYPATH": f".frozen:{UPY}:{firmware.folder()}",
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == 9, ran.stdout + ran.stderr
    assert json.loads(out.read_text()) == ["program", SECTOR + 256, 5]
    flash = path.read_bytes()
    assert flash[SECTOR : SECTOR + 6] == b"before"
    assert flash[SECTOR + 256 : SECTOR + 261] == b"01234"


def test_an_order_from_before_the_start_is_old(tmp_path: Path) -> None:
    control = tmp_path / "control"
    control.write_bytes(struct.pack(">QQ", 3, 5))
    chip = NorChip(str(blank(tmp_path)), str(control), halt=gone)
    chip.program(0, b"fine")
    control.write_bytes(struct.pack(">QQ", 4, 5))
    with pytest.raises(PowerGone):
        chip.program(4, b"torn")


def test_completed_programs_are_told_in_order_and_a_torn_one_is_not(tmp_path: Path) -> None:
    told: list[tuple[int, int, int]] = []
    chip = NorChip(str(blank(tmp_path)), cut=(4, 3), halt=gone, programmed=lambda *what: told.append(what))
    chip.program(0, b"abc")
    chip.erase(SECTOR)
    chip.program(SECTOR, b"d")
    with pytest.raises(PowerGone):
        chip.program(PAGE, b"efg")
    assert told == [(1, 0, 3), (2, SECTOR, 1)]
    assert chip.programs == 2
