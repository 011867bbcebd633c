"""Checkpoints (C2SP tlog-checkpoint): origin, tree size and root hash as the text of a signed note."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.errors import NoteError
from fleet.ledger.note import Note, Verifier, check_name, open_note


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to. `text` is the body of the note; `extra` are extension lines of other logs
    (ours has none)."""

    origin: str
    size: int
    root: bytes
    extra: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The note's text, with its final newline."""
        head = f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"
        return head + "".join(line + "\n" for line in self.extra)


def make(origin: str, size: int, root: bytes) -> Checkpoint:
    """A checkpoint of our own. Raises NoteError where the origin could not be a key name, ValueError on
    numbers."""
    if size < 0 or len(root) != 32:
        raise ValueError("a checkpoint has a size from 0 on and a root of 32 bytes")
    return Checkpoint(check_name(origin), size, root)


def parse(text: str) -> Checkpoint:
    """Reads the text of a note as a checkpoint. Raises NoteError."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] != "":
        raise NoteError("a checkpoint has three lines: origin, size, root hash")
    origin, size, root = lines[0], lines[1], lines[2]
    if not origin:
        raise NoteError("the checkpoint's origin is empty")
    if not (size.isascii() and size.isdigit()) or (size[0] == "0" and size != "0") or len(size) > 19:
        raise NoteError("the checkpoint's size is not a decimal number without leading zeros")
    try:
        digest = base64.b64decode(root, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("the checkpoint's root hash is not base64") from None
    if len(digest) != 32 or base64.b64encode(digest).decode() != root:
        raise NoteError("the checkpoint's root hash is not 32 bytes in plain base64")
    if any(not line for line in lines[3:-1]):
        raise NoteError("a checkpoint has no empty extension lines")
    return Checkpoint(origin, int(size), digest, tuple(lines[3:-1]))


def open_checkpoint(
    data: bytes, verifiers: Sequence[Verifier], origin: str | None = None
) -> tuple[Checkpoint, Note]:
    """A signed checkpoint, checked against known keys and, where given, the origin expected. Raises
    NoteError."""
    note = open_note(data, verifiers)
    checkpoint = parse(note.text)
    if origin is not None and checkpoint.origin != origin:
        raise NoteError(f"the checkpoint is of the log {checkpoint.origin!r}, expected {origin!r}")
    return checkpoint, note
