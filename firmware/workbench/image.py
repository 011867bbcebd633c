"""MicroPython's image for one chip: is it the file that was named, is it for this chip, does it fit its slot.

Format: ESP-IDF "App Image Format": magic E9, segments; extended header with the chip's id at byte 12. Published images
hold boot loader, a partition table at 0x8000 and the application at 0x10000; our table takes the place of theirs.
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from boards.partitions import find, table

from workbench import partition_table
from workbench.errors import BadImage

MAGIC = 0xE9
APPLICATION = 0x10000
MAX_IMAGE = 8 << 20
# The chip id of the extended header, and where the boot loader lies in flash.
CHIP_IDS = {"esp32": 0, "esp32s3": 9}
LOADER_OFFSET = {"esp32": 0x1000, "esp32s3": 0x0}
_NAMES = {0: "ESP32", 2: "ESP32-S2", 5: "ESP32-C3", 9: "ESP32-S3", 13: "ESP32-C6", 16: "ESP32-H2"}


@dataclass(frozen=True)
class Image:
    """An image that passed every check; `data` begins at LOADER_OFFSET of its chip."""

    path: Path
    digest: str
    data: bytes
    chip: str


def load(path: Path, chip: str, digest: str | None = None) -> Image:
    """Reads and checks an image. `digest`: the SHA-256 it must have, 64 hex characters; where it is not given, a file
    `<image>.sha256` beside it is taken (as sha256sum writes it). Raises BadImage, also where nobody named a digest: what
    every brick runs is not taken on trust."""
    if not path.is_file():
        raise BadImage(
            f"there is no image at {path}: download MicroPython for this board from micropython.org and name the file"
        )
    if path.stat().st_size > MAX_IMAGE:
        raise BadImage(f"{path} has {path.stat().st_size} bytes: too large for an image of MicroPython")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    wanted = (digest or _beside(path) or "").strip().lower()
    if not wanted:
        raise BadImage(
            f"nobody said which SHA-256 {path} must have; it has {found}. Compare that with the place you trust, then say "
            f"--sha256 {found}, or keep it: `stallmark brick pin`. Nothing was written"
        )
    if wanted != found:
        raise BadImage(
            f"{path} is not the image that was named: its SHA-256 is {found}, expected {wanted}. "
            "Download it again; nothing was written."
        )
    offset = LOADER_OFFSET[chip]
    _header(path, data, 0, chip, "boot loader")
    if len(data) <= APPLICATION - offset:
        raise BadImage(
            f"{path} ends before an application: it is no complete image of MicroPython (…-firmware.bin)"
        )
    _header(path, data, APPLICATION - offset, chip, "application")
    return Image(path, found, data, chip)


PINS = "images.tsv"
"""A folder's table of images: name, version, file, SHA-256, separated by tabs; the first line names the columns."""
_PIN = re.compile(r"[A-Za-z0-9_.\-]{1,80}")


def pinned(folder: Path, name: str) -> tuple[Path, str, str]:
    """(file, digest, version) of a named image in the folder's table. Raises BadImage."""
    rows = _pins(folder)
    row = next((row for row in rows if row[0] == name), None)
    if row is None:
        there = ", ".join(row[0] for row in rows) or "none"
        raise BadImage(
            f"{folder / PINS} names no image {name}; there are: {there}. `stallmark brick pin` adds one"
        )
    return folder / row[2], row[3], row[1]


def pin(folder: Path, name: str, version: str, path: Path, digest: str) -> None:
    """Notes an image of that folder in its table, once its digest is what the caller read at the place it trusts. A name
    is pinned to one version at a time. Raises BadImage."""
    if not all(_PIN.fullmatch(word) for word in (name, version, path.name)):
        raise BadImage(
            "names, versions and files of images have letters, digits, dots, dashes and underscores only"
        )
    if path.resolve().parent != folder.resolve() or not path.is_file():
        raise BadImage(f"{path} is no file in {folder}: put it there first")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest.strip().lower() != found:
        raise BadImage(f"{path} has the SHA-256 {found}, not {digest}: it was not pinned")
    rows = [row for row in _pins(folder) if row[0] != name] + [[name, version, path.name, found]]
    lines = ["name\tversion\tfile\tsha256", *("\t".join(row) for row in sorted(rows))]
    fresh = folder / (PINS + ".new")
    fresh.write_text("\n".join(lines) + "\n")
    fresh.replace(folder / PINS)


def _pins(folder: Path) -> list[list[str]]:
    table_file = folder / PINS
    if not table_file.is_file():
        return []
    rows = [line.split("\t") for line in table_file.read_text().splitlines()[1:] if line.strip()]
    for row in rows:
        if len(row) != 4 or not all(_PIN.fullmatch(word) for word in row) or len(row[3]) != 64:
            raise BadImage(f"{table_file} has a line that is none: {' '.join(row)[:80]}")
    return rows


def _beside(path: Path) -> str | None:
    beside = path.with_name(path.name + ".sha256")
    words = beside.read_text().split() if beside.is_file() else []
    return words[0] if words else None


def _header(path: Path, data: bytes, at: int, chip: str, what: str) -> None:
    if len(data) < at + 24 or data[at] != MAGIC:
        raise BadImage(f"{path} has no {what} at {at:#x}: it is no image for an {chip}, or it is damaged")
    identity = struct.unpack_from("<H", data, at + 12)[0]
    if identity != CHIP_IDS[chip]:
        name = _NAMES.get(identity, f"chip number {identity}")
        raise BadImage(
            f"{path} is made for {name}, the board is an {_NAMES[CHIP_IDS[chip]]}: take the image of that chip"
        )


def with_our_table(image: Image, flash_bytes: int) -> bytes:
    """The bytes to write from LOADER_OFFSET on: the image, with this project's partition table in place of its own.

    Raises BadImage where the application is larger than its slot.
    """
    offset = LOADER_OFFSET[image.chip]
    slot = "ota_0" if any(name == "ota_0" for name, _, _ in table(flash_bytes)) else "factory"
    room = find(flash_bytes, slot)[1]
    size = len(image.data) - (APPLICATION - offset)
    if size > room:
        raise BadImage(
            f"the application in {image.path} has {size} bytes, its slot {slot} has room for {room}"
        )
    at = partition_table.OFFSET - offset
    ours = partition_table.binary(table(flash_bytes)).ljust(0x1000, b"\xff")
    data = bytearray(image.data)
    data[at : at + 0x1000] = ours
    # Between the table and the application lie nvs, otadata and phy: erased, whatever the file had there.
    data[at + 0x1000 : APPLICATION - offset] = b"\xff" * (APPLICATION - partition_table.OFFSET - 0x1000)
    return bytes(data)
