"""Copies a ledger folder as one checkpoint has it, for a stranger to keep; an older export is brought up to
date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleet.errors import LedgerConflict, LedgerDamaged, LedgerMissing
from fleet.ledger import checkpoint as checkpoints
from fleet.ledger import note
from fleet.ledger.checkpoint import Checkpoint
from fleet.ledger.files import Folder
from fleet.ledger.tiles import (
    ENTRIES,
    HASH,
    WIDTH,
    Tile,
    all_tiles,
    decode_bundle,
    encode_bundle,
)

CHECKPOINT = "checkpoint"  # as fleet.ledger.log has it, which needs a database to import
AT_ONCE = 64  # files written between two flushes


def export(
    source: Path,
    target: Path,
    keys: bytes | None = None,
    progress: Callable[[int], None] = lambda files: None,
) -> Checkpoint:
    """Copies the ledger in `source` to `target`, the checkpoint last, so that the copy is whole or visibly
    older.

    `keys`, where given, becomes `keys.json` beside it. The source may grow meanwhile. Raises LedgerMissing,
    LedgerDamaged where the source has gaps, LedgerConflict where the target is of another log or newer.
    """
    there = Folder(source)
    data = there.read(CHECKPOINT)
    if data is None:
        raise LedgerMissing(f"{source} has no checkpoint: it is not a ledger folder")
    checkpoint = checkpoints.parse(note.split(data)[0])
    copy = Folder(target)
    _check_target(copy, checkpoint)
    copy.make()
    waiting: dict[str, bytes] = {}
    files = 0
    for tile in all_tiles(checkpoint.size):
        if tile.width == WIDTH and copy.read(tile.path) is not None:
            continue
        waiting[tile.path] = _read(there, tile)
        files += 1
        if len(waiting) == AT_ONCE:
            copy.add(waiting)
            waiting = {}
            progress(files)
    copy.add(waiting)
    if keys is not None:
        copy.replace("keys.json", keys)
    copy.replace(CHECKPOINT, data)
    progress(files)
    return checkpoint


def _check_target(copy: Folder, checkpoint: Checkpoint) -> None:
    old = copy.read(CHECKPOINT)
    if old is None:
        return
    known = checkpoints.parse(note.split(old)[0])
    if known.origin != checkpoint.origin or known.size > checkpoint.size:
        raise LedgerConflict(
            f"{copy.root} holds {known.origin} up to leaf {known.size}: it is another log, or a newer copy"
        )


def _read(there: Folder, tile: Tile) -> bytes:
    """A tile's bytes; a partial one whose full tile has come meanwhile is cut from that."""
    data = there.read(tile.path)
    if data is not None:
        return data
    full = there.read(tile.full.path)
    if full is None or tile.width == WIDTH:
        raise LedgerDamaged(f"{there.root / tile.path} is missing")
    if tile.level == ENTRIES:
        return encode_bundle(decode_bundle(full, WIDTH)[: tile.width])
    return full[: tile.width * HASH]
