"""Packs as the fleet sees them: what a brick's boot record will say of an application (docs/formats/pack.md), and what a release
of the host agent says of itself (docs/hostupdate.md)."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from fleet.core import FormatError

MAGIC = b"SMPK\x01\x00"
HEADER = 48


def digest(pack: bytes) -> bytes:
    """The digest32 by which a brick reports this pack, of its bytes. Raises FormatError where they are no whole pack."""
    if len(pack) <= HEADER or pack[:6] != MAGIC:
        raise FormatError("no application pack: expected one of `stallmark fleet release application`")
    if int.from_bytes(pack[8:12], "big") != len(pack):
        raise FormatError(
            f"an application pack of {len(pack)} bytes that says {int.from_bytes(pack[8:12], 'big')}"
        )
    found = pack[16:HEADER]
    if sha256(pack[HEADER:]).digest() != found:
        raise FormatError("the pack's content is not the one of its digest: build it again")
    return found


HOST_PACKAGES = ("cli", "hostagent")  # beside the core and what the host reads of the brick's
KINDS = (".py", ".html", ".css", ".js", ".mjs", ".svg")
ABOUT = "stallmark-release.json"
MOST_BYTES = 32 * 1024 * 1024  # unpacked, as hosts have it
_INSTANT = (1980, 1, 1, 0, 0, 0)  # the same sources make the same bytes


def host_version(data: bytes) -> str:
    """What a release of the host agent calls itself. Raises FormatError where it is none, or where a host could not unpack it:
    nobody is to sign that."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            entry = opened.getinfo(ABOUT)
            f: Any = json.loads(opened.read(entry)) if entry.file_size <= 4096 else {}
            version = f["version"]
            if f["format"] != 1 or not isinstance(version, str) or not version.isprintable() or not 0 < len(version) <= 48:
                raise ValueError(ABOUT)
            if sum(one.file_size for one in opened.infolist()) > MOST_BYTES:
                raise ValueError("more than hosts unpack")
            damaged = opened.testzip()
            if damaged is not None:
                raise ValueError(f"{damaged[:80]!r} is damaged")
    except (zipfile.BadZipFile, zlib.error, EOFError, LookupError, TypeError, ValueError, RuntimeError) as wrong:
        raise FormatError(f"no release of a host ({wrong}): `stallmark fleet release host` makes one") from None
    return version


def host_release(source: Path, version: str, python: tuple[int, int] = (3, 11)) -> bytes:
    """A release of the host agent out of a source tree. Raises OSError, FormatError for a tree that is none."""
    files = dict(_files(source))
    for needed in ("hostagent/cli.py", "cli/main.py", "stallmark/__init__.py"):
        if needed not in files:
            raise FormatError(f"{source} has no {needed}: this is not the project's folder")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        about = json.dumps({"format": 1, "version": version, "python": list(python)}).encode()
        for name, content in [(ABOUT, about), *sorted(files.items())]:
            made.writestr(zipfile.ZipInfo(name, _INSTANT), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _files(source: Path) -> Iterable[tuple[str, bytes]]:
    roots = [source / name for name in HOST_PACKAGES] + [source / "firmware" / "stallmark"]
    for root in roots:
        for path in sorted(root.rglob("*")):
            # By kind, and no links: a private file beside the sources is not to be signed and served.
            if path.suffix in KINDS and path.is_file() and not path.is_symlink():
                yield f"{root.name}/{path.relative_to(root).as_posix()}", path.read_bytes()
    brick = source / "firmware" / "brick"
    for name in ("__init__.py", "counter_names.py", "counters.py"):
        if (brick / name).is_file():
            yield f"brick/{name}", (brick / name).read_bytes()
