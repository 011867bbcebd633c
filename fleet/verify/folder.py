"""A ledger folder as a stranger has it: its checkpoint, and every entry in order. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fleet.core import FormatError
from fleet.errors import NoteError
from fleet.ledger.checkpoint import Checkpoint, open_checkpoint
from fleet.ledger.checkpoint import parse as parse_checkpoint
from fleet.ledger.note import split
from fleet.ledger.tiles import ENTRIES, WIDTH, decode_bundle, tile_at
from fleet.verify.history import History, Target, scan
from fleet.verify.keys import PublicKeys


class FolderError(ValueError):
    """This is no ledger folder, or a file of it cannot be read; the message says which."""


def read_checkpoint(folder: Path) -> bytes:
    """The checkpoint, verbatim. Raises FolderError."""
    try:
        return (folder / "checkpoint").read_bytes()
    except OSError as error:
        why = f"its checkpoint cannot be read ({error.strerror})"
        raise FolderError(f"{folder} is no ledger folder: {why}") from None


def entries(folder: Path, size: int) -> Iterator[bytes]:
    """The first `size` entries. Raises FolderError where a bundle is missing or not one."""
    for index in range(-(-size // WIDTH)):
        tile = tile_at(ENTRIES, index, size)
        try:
            yield from _bundle(folder, tile.path, tile.width)
        except FileNotFoundError:
            # A partial bundle may be gone once the full one is there.
            try:
                yield from _bundle(folder, tile.full.path, WIDTH)[: tile.width]
            except OSError:
                raise FolderError(f"{tile.path} is missing") from None
        except OSError as error:
            raise FolderError(f"{tile.path} cannot be read ({error.strerror})") from None


def _bundle(folder: Path, path: str, width: int) -> list[bytes]:
    try:
        return decode_bundle((folder / path).read_bytes(), width)
    except FormatError as error:
        raise FolderError(f"{path}: {error}") from None


def stated_size(folder: Path) -> int:
    """How many entries the checkpoint claims, before anything is verified; 0 where it cannot be read."""
    try:
        return parse_checkpoint(split(read_checkpoint(folder))[0]).size
    except (FolderError, NoteError):
        return 0


def read_history(
    folder: Path,
    keys: PublicKeys,
    target: Target,
    proof_size: int | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> History:
    """What the whole ledger in `folder` says about `target`.

    Every entry is read and hashed, and their root compared with the signed checkpoint: where that fails,
    `trouble` says so and nothing else of the answer counts. Raises FolderError where there is no ledger.
    """
    note = read_checkpoint(folder)
    checkpoint: Checkpoint
    try:
        checkpoint, _ = open_checkpoint(note, [keys.log], keys.origin)
    except NoteError as error:
        say = f"The checkpoint of the ledger folder is not one that the log {keys.origin} signed: {error}."
        return History(trouble=("ledger-checkpoint", say))
    sizes = () if proof_size is None else (proof_size,)
    try:
        history = scan(entries(folder, checkpoint.size), target, sizes, progress)
    except FolderError as error:
        return History(trouble=("ledger-damaged", f"The ledger folder is not whole: {error}."))
    if history.root != checkpoint.root:
        say = "The entries of the ledger folder do not give the root that the log signed: one was changed."
        return History(trouble=("ledger-damaged", say))
    return history
