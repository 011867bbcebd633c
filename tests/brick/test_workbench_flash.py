"""`make flash`: the partition table's bytes, the compiled firmware, and the commands, as far as they go without a board."""

import hashlib
import struct
import subprocess
import sys

from boards.partitions import PARTITIONS_4M, PARTITIONS_8M
from workbench import flash, partition_table


def entries(table):
    """(label, offset, size) of a binary ESP-IDF partition table, read by hand; checks its MD5."""
    found = []
    for at in range(0, len(table), 32):
        entry = table[at : at + 32]
        if entry[:2] == b"\xeb\xeb":
            assert entry[16:] == hashlib.md5(table[:at]).digest()
            return found
        magic, _, _, offset, size = struct.unpack_from("<HBBII", entry)
        assert magic == 0x50AA
        found.append((entry[12:28].rstrip(b"\0").decode(), offset, size))
    raise AssertionError("no end")


def test_the_binary_partition_table_says_what_the_page_says():
    for partitions in (PARTITIONS_8M, PARTITIONS_4M):
        table = partition_table.binary(partitions)
        assert len(table) == partition_table.SIZE
        assert entries(table) == [(label, offset, size) for label, offset, size in partitions]


def test_every_module_of_the_firmware_compiles_for_the_chip(tmp_path):
    made = flash.compile_firmware(tmp_path, "xtensawin")
    assert (tmp_path / "main.py").read_text() == (flash.FIRMWARE / "brick" / "main.py").read_text()
    modules = [path for path in made if path.suffix == ".mpy"]
    assert len(modules) > 60
    assert all(path.read_bytes()[:1] == b"M" for path in modules)


def test_a_dry_run_prints_the_commands_and_touches_nothing():
    arguments = ["--port", "/dev/ttyUSB0", "--image", "micropython.bin", "--dry-run"]
    done = subprocess.run([sys.executable, "-m", "workbench.flash", *arguments], capture_output=True, text=True, check=True)
    assert "write-flash 0x8000" in done.stdout
    assert "step 5 of 5" in done.stdout


def test_without_port_or_image_it_says_what_to_give():
    done = subprocess.run([sys.executable, "-m", "workbench.flash"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "make flash PORT=" in done.stderr
