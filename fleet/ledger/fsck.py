"""The full check of a ledger folder: checkpoint, every tile, every entry, every receipt. Reads, never
writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from fleet.core import FormatError, tree
from fleet.errors import NoteError
from fleet.ledger import checkpoint as checkpoints
from fleet.ledger import note
from fleet.ledger.audit import Auditor
from fleet.ledger.checkpoint import Checkpoint
from fleet.ledger.files import Folder
from fleet.ledger.tiles import ENTRIES, HASH, MAX_LEVEL, WIDTH, Tile, decode_bundle, tile_at

MAX_PROBLEMS = 100  # told one by one; the rest are counted


@dataclass(slots=True)
class Report:
    """What was found. `checkpoint` is None where there is none that can be read."""

    checkpoint: Checkpoint | None = None
    signature: str = "not checked: no key was given"
    tiles: int = 0
    leaves: int = 0
    types: dict[str, int] = field(default_factory=dict[str, int])
    signatures: int = 0
    macs: int = 0
    problems: list[str] = field(default_factory=list[str])
    more_problems: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def complain(self, what: str) -> None:
        """Notes something that is wrong."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(what)
        else:
            self.more_problems += 1

    def lines(self) -> list[str]:
        """The report in plain words."""
        if self.checkpoint is None:
            head = ["No checkpoint that can be read."]
        else:
            head = [
                f"Ledger {self.checkpoint.origin}, checkpoint of {self.checkpoint.size} leaves, signature "
                f"{self.signature}.",
                f"{self.leaves} leaves and {self.tiles} tiles read and hashed again: "
                + (", ".join(f"{n} {word}" for word, n in sorted(self.types.items())) or "nothing in it")
                + ".",
                f"{self.signatures} signatures verified; {self.macs} records proven under disclosed keys.",
            ]
        if self.clean:
            return [*head, "Nothing is wrong."]
        rest = [f"… and {self.more_problems} more."] if self.more_problems else []
        return [*head, f"{len(self.problems) + self.more_problems} things are wrong:", *self.problems, *rest]


def check(
    folder: Path,
    key: note.Verifier | None = None,
    *,
    signatures: bool = True,
    progress: Callable[[int, int], None] = lambda done, size: None,
) -> Report:
    """Checks the ledger in `folder`: that `key` signed its checkpoint, that entries lead to every tile and
    to the root, that every leaf is of its form. `signatures` also verifies each receipt's (about 50 µs
    each). `progress` hears (leaves done, of)."""
    report = Report()
    source = Folder(folder)
    data = source.read("checkpoint")
    if data is None:
        report.complain(f"{folder} has no checkpoint")
        return report
    try:
        report.checkpoint = _checkpoint(data, key, report)
    except NoteError as error:
        report.complain(f"checkpoint: {error}")
        return report
    size = report.checkpoint.size
    auditor = Auditor(lambda index, what: report.complain(f"leaf {index} {what}"), signatures)
    rows: list[list[bytes]] = [[] for _ in range(MAX_LEVEL + 2)]  # hashes of each level's tile in the making
    done = [0] * (MAX_LEVEL + 2)  # tiles of each level that are complete
    for index in range(-(-size // WIDTH)):
        entries = _entries(source, tile_at(ENTRIES, index, size), report)
        if entries is None:
            return report  # without these leaves nothing after them can be judged
        for entry in entries:
            auditor.take(report.leaves, entry)
            report.leaves += 1
            rows[0].append(sha256(b"\0" + entry).digest())
        _climb(source, rows, done, size, report)
        progress(report.leaves, size)
    auditor.finish()
    root = _top(rows)
    if root != report.checkpoint.root:
        report.complain("the entries do not lead to the root of the checkpoint")
    report.types, report.signatures, report.macs = dict(auditor.types), auditor.verified, auditor.proven
    return report


def _checkpoint(data: bytes, key: note.Verifier | None, report: Report) -> Checkpoint:
    if key is None:
        return checkpoints.parse(note.split(data)[0])
    checkpoint, opened = checkpoints.open_checkpoint(data, [key], key.name)
    report.signature = f"good, {len(opened.others)} more by others"
    return checkpoint


def _entries(source: Folder, tile: Tile, report: Report) -> list[bytes] | None:
    data, width = source.read(tile.path), tile.width
    if data is None:
        data, width = source.read(tile.full.path), WIDTH
    if data is None:
        report.complain(f"{tile.path} is missing")
        return None
    try:
        entries = decode_bundle(data, width)[: tile.width]
    except FormatError as error:
        report.complain(f"{tile.path}: {error}")
        return None
    report.tiles += 1
    return entries


def _climb(source: Folder, rows: list[list[bytes]], done: list[int], size: int, report: Report) -> None:
    """Compares each tile that is now complete, and its parent, with the file; carries its root up."""
    for level in range(MAX_LEVEL + 1):
        row = rows[level]
        if len(row) == WIDTH or done[level] * WIDTH + len(row) == size >> (8 * level):
            _compare(source, Tile(level, done[level], len(row)), row, report)
        if len(row) < WIDTH:
            return
        done[level] += 1
        rows[level] = []
        rows[level + 1].append(tree.root(row))


def _compare(source: Folder, tile: Tile, row: list[bytes], report: Report) -> None:
    data = source.read(tile.path)
    if data is None and tile.width < WIDTH:
        full = source.read(tile.full.path)
        data = None if full is None else full[: tile.width * HASH]
    if data is None:
        report.complain(f"{tile.path} is missing")
    elif data != b"".join(row):
        report.complain(f"{tile.path} does not hold the hashes of its leaves")
    else:
        report.tiles += 1


def _top(rows: list[list[bytes]]) -> bytes:
    right: bytes | None = None
    for row in rows:
        items = row if right is None else [*row, right]
        right = tree.root(items) if items else None
    return tree.EMPTY_ROOT if right is None else right
