"""Which firmware a virtual brick runs: the folder of its packages, and the digest that it reports."""

import hashlib
from pathlib import Path

import stallmark

PACKAGES = ("boards", "brick", "stallmark")
UPY = Path(__file__).parent / "upy"


def folder() -> Path:
    """Where the packages stallmark, brick and boards lie side by side."""
    return Path(str(stallmark.__file__)).resolve().parents[1]


def digest(source: Path | None = None) -> bytes:
    """SHA-256 over names and contents of all program files, in order of name: what the boot record names."""
    base = source or folder()
    total = hashlib.sha256()
    for package in PACKAGES:
        files = sorted((base / package).rglob("*"), key=lambda path: path.relative_to(base).as_posix())
        for path in (path for path in files if path.suffix in (".py", ".mpy")):
            content = hashlib.sha256(path.read_bytes()).digest()
            total.update(path.relative_to(base).as_posix().encode() + b"\0" + content)
    return total.digest()
