"""Releases as folders: unpacked beside, on the disk before they have their name, and never changed after that.

RELEASES/<digest>/ holds the packages of a release; RELEASES/.<digest>.new is one that was not finished. A release is a zip with
`stallmark-release.json`: {"format": 1, "version": text, "python": [major, minor]}."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hostagent import durable
from hostagent.errors import BundleRefused
from hostagent.release.state import State

ABOUT = "stallmark-release.json"
MOST_FILES = 2_000
MOST_BYTES = 32 * 1024 * 1024  # unpacked
KEPT = 4  # release folders
# What a zip that is damaged, locked or of another form makes of its reader.
_WRONG = (
    zipfile.BadZipFile, zlib.error, EOFError, LookupError, TypeError, ValueError, OverflowError, RuntimeError,
)  # fmt: skip


@dataclass(frozen=True)
class About:
    """What a release says of itself."""

    version: str
    python: tuple[int, int]


def about(data: bytes) -> About:
    """Of a release's bytes. Raises BundleRefused for what is none, or not for this Python."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            found = _about(opened)
            _checked(opened)
    except _WRONG as wrong:
        raise BundleRefused(f"no release of a host: {wrong}") from None
    if sys.version_info[:2] < found.python:
        raise BundleRefused(
            f"release {found.version} is for Python {found.python[0]}.{found.python[1]} and newer: this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}"
        )
    return found


def unpack(releases: Path, digest: str, data: bytes) -> Path:
    """The folder of a release, whole and on the disk. One that is there already is not touched. Raises BundleRefused, OSError."""
    done = releases / digest
    if done.is_dir():
        return done
    about(data)
    fresh = releases / f".{digest}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        for entry in _checked(opened):
            path = fresh / entry.filename
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as out:
                out.write(_read(opened, entry))
                out.flush()
                os.fsync(out.fileno())
    for folder, _, _ in os.walk(fresh):
        durable.sync_folder(Path(folder))
    os.replace(fresh, done)
    durable.sync_folder(releases)
    return done


def tidy(releases: Path, state: State) -> None:
    """Removes what was not finished, and the oldest of what nobody needs any more. Raises OSError."""
    named = {state.current, state.before, state.fetched}
    others: list[Path] = []
    for path in releases.iterdir():
        if path.name.startswith(".") and path.name.endswith(".new") and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif len(path.name) == 64 and path.is_dir() and path.name not in named:
            others.append(path)
    others.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    for path in others[max(0, KEPT - len(named - {None})) :]:
        gone = path.with_name(f".{path.name}.new")  # never half of one under its own name
        os.replace(path, gone)
        shutil.rmtree(gone, ignore_errors=True)


def version_of(releases: Path, digest: str | None) -> str:
    """What a release folder says of itself; "" where there is none."""
    found = None if digest is None else durable.read_object(releases / digest / ABOUT)
    version = None if found is None else found.get("version")
    return version[:48] if isinstance(version, str) else ""


def _about(opened: zipfile.ZipFile) -> About:
    entry = opened.getinfo(ABOUT)
    if entry.file_size > 4096:
        raise ValueError(f"{ABOUT} has {entry.file_size} bytes")
    f: Any = json.loads(opened.read(entry))
    version, python = f["version"], f["python"]
    if f["format"] != 1 or not isinstance(version, str) or not version.isprintable() or not 0 < len(version) <= 48:
        raise ValueError(f"{ABOUT} is not of this form")
    return About(version, (int(python[0]), int(python[1])))


def _read(opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return opened.read(entry)
    except _WRONG as wrong:
        raise BundleRefused(f"no release of a host: {entry.filename[:80]!r}: {wrong}") from None


def _checked(opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Its entries, where none leads out of the folder and all are of a size that a release has."""
    entries = opened.infolist()
    if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise ValueError("more than a release may have")
    names: set[str] = set()
    files = {entry.filename for entry in entries if not entry.is_dir()}
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        link = (entry.external_attr >> 16) & 0o170000 == 0o120000
        if not parts or entry.filename.startswith("/") or ".." in parts or "\\" in entry.filename or link:
            raise ValueError(f"{entry.filename[:80]!r} does not stay in its folder")
        if entry.filename in names:
            raise ValueError(f"{entry.filename[:80]!r} is there twice")
        if not files.isdisjoint(str(above) for above in PurePosixPath(entry.filename).parents):
            raise ValueError(f"{entry.filename[:80]!r} lies in what is a file")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{entry.filename[:80]!r} is packed in a way that releases are not")
        names.add(entry.filename)
    return entries
