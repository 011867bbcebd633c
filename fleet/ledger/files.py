"""A ledger folder on disk: files appear whole and durable or not at all; what is published stays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from fleet.durable import sync_folder
from fleet.errors import LedgerConflict

NEW = ".new"  # files being written wait here, in the same file system, until they are renamed into place


class Folder:
    """One ledger folder. Paths are as served: `checkpoint`, `tile/0/000`, `tile/entries/000.p/7`. One
    writer."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        """The whole file, or None where there is none."""
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def make(self) -> None:
        """Makes the folder, durably, and clears what an earlier writer left half written."""
        self.root.mkdir(parents=True, exist_ok=True)
        new = self.root / NEW
        new.mkdir(exist_ok=True)
        for left in new.iterdir():
            left.unlink()
        sync_folder(self.root.parent)
        sync_folder(self.root)

    def add(self, files: Mapping[str, bytes]) -> None:
        """Writes immutable files: all of them are durable under their names when this returns.

        A file that is there already with the same bytes stays. Raises LedgerConflict where it holds others,
        OSError as the disk says.
        """
        fresh: dict[str, bytes] = {}
        for path, data in files.items():
            there = self.read(path)
            if there is None:
                fresh[path] = data
            elif there != data:
                raise LedgerConflict(
                    f"{self.root / path} holds other bytes than were to be written there, and what is "
                    "published never changes: either the database was restored from an older copy, or the "
                    "file is damaged. Nothing is signed; see `stallmark ledger fsck`."
                )
        self._write(fresh)
        # Ancestors are synced even where the file was there: a writer killed after the rename may not have.
        self._sync_parents(files)

    def replace(self, path: str, data: bytes) -> None:
        """Writes the one kind of file that changes, the checkpoint: readers see the old one or the new
        one."""
        self._write({path: data})
        self._sync_parents([path])

    def drop(self, path: str) -> None:
        """Removes the partial tiles of a tile that is full now (a folder `<N>.p`), if they are there."""
        folder = self.root / path
        if not folder.is_dir():
            return
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()

    def _write(self, files: Mapping[str, bytes]) -> None:
        made: list[tuple[Path, Path]] = []
        for number, (path, data) in enumerate(files.items()):
            fresh = self.root / NEW / str(number)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            made.append((fresh, self.root / path))
        for fresh, final in made:
            final.parent.mkdir(parents=True, exist_ok=True)
            os.replace(fresh, final)

    def _sync_parents(self, paths: Iterable[str]) -> None:
        folders: set[Path] = set()
        for path in paths:
            folder = (self.root / path).parent
            while folder not in folders:
                folders.add(folder)
                if folder == self.root:
                    break
                folder = folder.parent
        for folder in sorted(folders, key=lambda f: len(f.parts), reverse=True):
            sync_folder(folder)
