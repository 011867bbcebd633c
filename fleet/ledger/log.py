"""The log: leaves are appended in the database transaction of what they record, then integrated, then signed.

The order is what keeps history single, wherever the process dies:

1. leaves and everything about them are committed (`writing`);
2. tiles are written, durable under their names, never over other bytes (`publish`);
3. the new files are read back, every new leaf is hashed again, and both must lead to the same root;
4. size and root are stored in the database by compare-and-swap: from here on no other tree of that size is
ours; 5. only then the checkpoint is signed and put in place.

A start finds out how far the last run came and goes on from there. It refuses to sign where the published
checkpoint is newer than the database, or does not lie under it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from threading import Lock

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from fleet.clock import Clock
from fleet.core import FormatError, tree
from fleet.db import tables
from fleet.db.engine import Database
from fleet.errors import LedgerConflict, LedgerDamaged, LedgerError, LedgerMissing, NoteError
from fleet.ledger import checkpoint as checkpoints
from fleet.ledger import note
from fleet.ledger.checkpoint import Checkpoint
from fleet.ledger.files import Folder
from fleet.ledger.proof import HashTree, TileCache
from fleet.ledger.tiles import (
    ENTRIES,
    HASH,
    MAX_LEVEL,
    WIDTH,
    Tile,
    decode_bundle,
    encode_bundle,
    tile_at,
    width_at,
)

CHECKPOINT = "checkpoint"
CHUNK = 64 * WIDTH  # leaves that one checkpoint takes in at most: bounds memory when much has piled up
SWEPT = 64  # full tiles before the edge whose partial ones a start looks for

Edges = tuple[tuple[bytes, ...], ...]  # per tile level, the hashes of its unfinished tile

logger = logging.getLogger(__name__)


class Appending:
    """Leaves being added in one transaction; `connection` is for what goes with them."""

    def __init__(self, database: Database, connection: Connection, size: int) -> None:
        self.connection = connection
        self.size = size
        self.totals: Counter[str] = Counter()  # what else is to be counted, by name
        self._database = database

    def add(self, entries: Sequence[bytes], hashes: Sequence[bytes] | None = None) -> int:
        """Appends entries in order and returns the index of the first. `hashes` are their leaf hashes where
        the caller has them already."""
        first = self.size
        if hashes is None:
            hashes = [sha256(b"\0" + entry).digest() for entry in entries]
        rows = [(first + i, hashes[i], entries[i]) for i in range(len(entries))]
        self._database.bulk(self.connection, tables.leaves, rows)
        self.size = first + len(rows)
        for leaf_type, n in Counter(entry[0] for entry in entries).items():
            self.totals[f"leaf:{leaf_type}"] += n
        return first

    def finish(self) -> None:
        """Writes the running totals."""
        totals = tables.totals
        known = set(self.connection.execute(select(totals.c.name)).scalars())
        more = [{"name_": name, "n_": n} for name, n in self.totals.items() if name in known]
        if more:
            self.connection.execute(_ADD_TO_TOTAL, more)
        fresh = [{"name": name, "n": n} for name, n in self.totals.items() if name not in known]
        if fresh:
            self.connection.execute(insert(totals), fresh)


_ADD_TO_TOTAL = (
    update(tables.totals)
    .where(tables.totals.c.name == bindparam("name_"))
    .values(n=tables.totals.c.n + bindparam("n_"))
)


class Log:
    """One log: its leaves in the database, its public form in a folder. Thread-safe; one process."""

    def __init__(self, database: Database, folder: Folder, signer: note.Signer, clock: Clock) -> None:
        """Opens the log that `create` made. Raises LedgerMissing, LedgerConflict, LedgerDamaged."""
        self.origin = signer.name
        self.folder = folder
        self.verifier = signer.verifier
        self._database = database
        self._signer = signer
        self._clock = clock
        self._publishing = Lock()
        self._tiles = TileCache(self._read_tile)
        self.stored, self.size = self._load()
        folder.make()
        self.head = self._check_published()  # what is public: checkpoint and note, always of one another
        self._edges = self._read_edges()
        self._sweep()
        if self.published.size != self.stored.size or not self.note:
            self._sign()

    @staticmethod
    def create(database: Database, folder: Folder, signer: note.Signer, clock: Clock) -> None:
        """Makes an empty log, once, and signs its first checkpoint. Raises LedgerConflict where there is
        one."""
        if folder.read(CHECKPOINT) is not None or (folder.root / "tile").exists():
            raise LedgerConflict(f"{folder.root} already holds a ledger: a second one would fork it")
        with database.write() as connection:
            if connection.execute(select(func.count()).select_from(tables.log)).scalar_one():
                raise LedgerConflict("the database already holds a ledger: a second one would fork it")
            connection.execute(
                insert(tables.log).values(
                    origin=signer.name, size=0, root=tree.EMPTY_ROOT, stored_ms=clock.now_ms()
                )
            )
        Log(database, folder, signer, clock)

    @contextmanager
    def writing(self) -> Generator[Appending]:
        """A transaction that may append leaves: durable, with everything else done in it, when the block
        ends."""
        with self._database.lock:
            try:
                with self._database.write() as connection:
                    appending = Appending(self._database, connection, self.size)
                    yield appending
                    appending.finish()
            except SQLAlchemyError:  # a failed commit: what the database holds now is what counts
                with self._database.read() as connection:
                    self.size = _count(connection)
                raise
            self.size = appending.size

    @property
    def published(self) -> Checkpoint:
        """What strangers see."""
        return self.head[0]

    @property
    def note(self) -> bytes:
        """The same, signed."""
        return self.head[1]

    def tree(self, size: int) -> HashTree:
        """The tree of a published size, for proofs."""
        return HashTree(size, self._tiles)

    def pending(self) -> int:
        """How many leaves wait for a checkpoint."""
        return self.size - self.published.size

    def publish(self) -> Checkpoint | None:
        """Integrates and signs what was appended, at most CHUNK leaves at a time; None where there was
        nothing.

        Raises OSError (nothing new is signed; try again), LedgerConflict, LedgerDamaged.
        """
        with self._publishing:
            if self.published.size != self.stored.size:  # stored, but the disk refused the checkpoint
                self._sign()
            old = self.stored
            size = min(self.size, old.size + CHUNK)
            if size == old.size:
                return None
            entries, hashes = self._fetch(old.size - old.size % WIDTH, size)
            self._check_old(old, hashes)
            bundles = _bundles(old.size, entries)
            hash_tiles, edges, root = _integrate(self._edges, old.size, hashes)
            self.folder.add({tile.path: data for tile, data in {**bundles, **hash_tiles}.items()})
            self._read_back(bundles, hash_tiles, old.size, root)
            fresh = checkpoints.make(self.origin, size, root)
            self._store(old, fresh)
            self._edges, self.stored = edges, fresh
            self._sign()
            self._drop_partials(old.size, size)
            return fresh

    def entry(self, index: int) -> bytes | None:
        """The bytes of a leaf, published or not."""
        with self._database.read() as connection:
            return connection.execute(
                select(tables.leaves.c.entry).where(tables.leaves.c.position == index)
            ).scalar_one_or_none()

    # --- steps of publishing

    def _fetch(self, first: int, end: int) -> tuple[list[bytes], list[bytes]]:
        leaves = tables.leaves
        with self._database.read() as connection:
            rows = connection.execute(
                select(leaves.c.entry, leaves.c.hash)
                .where(leaves.c.position >= first, leaves.c.position < end)
                .order_by(leaves.c.position)
            ).all()
        if len(rows) != end - first:
            raise LedgerDamaged(f"the database holds {len(rows)} leaves between {first} and {end}")
        return [row[0] for row in rows], [row[1] for row in rows]

    def _check_old(self, old: Checkpoint, hashes: Sequence[bytes]) -> None:
        """The edge and the database's leaves after it must still be what was signed last."""
        known = tuple(hashes[: old.size % WIDTH])
        if _root((known, *self._edges[1:])) != old.root:
            raise LedgerConflict(
                f"the database's leaves do not lead to the root that was stored at size {old.size}: "
                "nothing is signed"
            )

    def _read_back(
        self, bundles: dict[Tile, bytes], hash_tiles: dict[Tile, bytes], old_size: int, root: bytes
    ) -> None:
        """Reads the new files from the disk and works everything out again, from the entries up."""
        hashes: list[bytes] = []
        for tile in bundles:
            try:
                entries = decode_bundle(self._written(tile), tile.width)
            except FormatError as error:
                raise LedgerDamaged(f"{tile.path} as read back: {error}") from None
            hashes.extend([sha256(b"\0" + entry).digest() for entry in entries])
        again, _, root_again = _integrate(self._edges, old_size, hashes)
        if root_again != root or again != {tile: self._written(tile) for tile in hash_tiles}:
            raise LedgerDamaged("the tiles on disk do not hash to the appended leaves: nothing is signed")

    def _written(self, tile: Tile) -> bytes:
        data = self._read_tile(tile)
        if data is None:
            raise LedgerDamaged(f"{tile.path} is gone again right after it was written")
        return data

    def _store(self, old: Checkpoint, fresh: Checkpoint) -> None:
        log = tables.log
        with self._database.write() as connection:
            swapped = connection.execute(
                update(log)
                .where(log.c.origin == self.origin, log.c.size == old.size, log.c.root == old.root)
                .values(size=fresh.size, root=fresh.root, stored_ms=self._clock.now_ms())
            )
            if swapped.rowcount != 1:
                raise LedgerConflict("another writer has stored a checkpoint of this log: nothing is signed")

    def _sign(self) -> None:
        data = note.sign(self.stored.text, [self._signer])
        self.folder.replace(CHECKPOINT, data)
        self.head = (self.stored, data)

    def _drop_partials(self, old: int, new: int) -> None:
        for tile in _filled(old, new):
            try:
                self.folder.drop(tile.path + ".p")
            except OSError as error:  # they only take room
                logger.warning("partial tiles of %s stay: %s", tile.path, error)

    # --- steps of opening

    def _load(self) -> tuple[Checkpoint, int]:
        with self._database.read() as connection:
            rows = connection.execute(select(tables.log)).all()
            if not rows:
                raise LedgerMissing(
                    "there is no ledger yet: `stallmark fleet init` makes one, once; if there was one, "
                    "restore the database instead"
                )
            if len(rows) != 1 or rows[0].origin != self.origin:
                raise LedgerConflict(
                    f"the database holds the ledger {rows[0].origin!r}, the configuration names "
                    f"{self.origin!r}"
                )
            size = _count(connection)
        stored = checkpoints.make(self.origin, rows[0].size, rows[0].root)
        if size < stored.size:
            raise LedgerConflict(
                f"the database holds {size} leaves, but a checkpoint of {stored.size}: it is damaged"
            )
        return stored, size

    def _check_published(self) -> tuple[Checkpoint, bytes]:
        data = self.folder.read(CHECKPOINT)
        published = self.stored if data is None else self._open_checkpoint(data)
        if HashTree(self.stored.size, self._tiles).root() != self.stored.root:
            raise LedgerConflict("the tiles on disk do not lead to the root that the database has stored")
        if HashTree(published.size, self._tiles).root() != published.root:
            raise LedgerConflict("the tiles on disk do not lead to the root of the published checkpoint")
        return published, data or b""  # where there is none it is signed anew: the same body, so no fork

    def _open_checkpoint(self, data: bytes) -> Checkpoint:
        place = self.folder.root / CHECKPOINT
        try:
            published, _ = checkpoints.open_checkpoint(data, [self.verifier], self.origin)
        except NoteError as error:
            raise LedgerDamaged(f"{place} is not this log's checkpoint: {error}") from None
        if published.size > self.stored.size:
            raise LedgerConflict(
                f"{place} speaks for {published.size} leaves, the database only for {self.stored.size}: it "
                "was restored from an older copy. Signing would rewrite history; restore the newer database"
            )
        return published

    def _read_edges(self) -> Edges:
        edges: list[tuple[bytes, ...]] = [()]  # level 0 comes from the database each time
        for level in range(1, MAX_LEVEL + 1):
            index = (self.stored.size >> (8 * level)) // WIDTH
            width = width_at(level, index, self.stored.size)
            edges.append(
                tuple(self._tiles.levels(tile_at(level, index, self.stored.size))[0]) if width else ()
            )
        return tuple(edges)

    def _sweep(self) -> None:
        """A writer killed after signing may have left the partial tiles of what is full now."""
        self._drop_partials(max(0, self.stored.size - SWEPT * WIDTH), self.stored.size)

    def _read_tile(self, tile: Tile) -> bytes | None:
        return self.folder.read(tile.path)


def _count(connection: Connection) -> int:
    last = connection.execute(select(func.max(tables.leaves.c.position))).scalar_one()
    return 0 if last is None else last + 1


def _bundles(old_size: int, entries: Sequence[bytes]) -> dict[Tile, bytes]:
    """The entry bundles that are new or longer; `entries` begin at the one that `old_size` falls into."""
    return {
        Tile(ENTRIES, (old_size + at) // WIDTH, len(entries[at : at + WIDTH])): encode_bundle(
            entries[at : at + WIDTH]
        )
        for at in range(0, len(entries), WIDTH)
    }


def _integrate(
    edges: Edges, old_size: int, hashes: Sequence[bytes]
) -> tuple[dict[Tile, bytes], Edges, bytes]:
    """The hash tiles that a tree needs on top of one of `old_size`, its new edges and its root.

    `hashes` begin at the tile that `old_size` falls into. Pure.
    """
    files: dict[Tile, bytes] = {}
    index = old_size // WIDTH
    filled: list[bytes] = []  # roots of tiles that are full now
    rest: tuple[bytes, ...] = ()
    for at in range(0, len(hashes), WIDTH):
        row = hashes[at : at + WIDTH]
        files[Tile(0, index, len(row))] = b"".join(row)
        index += 1
        if len(row) == WIDTH:
            filled.append(_fold(row))
        else:
            rest = tuple(row)
    fresh = [rest]
    for level in range(1, MAX_LEVEL + 1):
        if not filled:  # nothing above changes either
            fresh.extend(edges[level:])
            break
        row = [*edges[level], *filled]
        index = (old_size >> (8 * level)) // WIDTH
        filled = []
        rest = ()
        for at in range(0, len(row), WIDTH):
            part = row[at : at + WIDTH]
            files[Tile(level, index, len(part))] = b"".join(part)
            index += 1
            if len(part) == WIDTH:
                filled.append(_fold(part))
            else:
                rest = tuple(part)
        fresh.append(rest)
    else:
        if filled:
            raise LedgerError("the tree is higher than tiles can be")
    made = tuple(fresh)
    return files, made, _root(made)


def _fold(row: Sequence[bytes]) -> bytes:
    """Root of a full tile."""
    level = list(row)
    while len(level) > 1:
        level = [sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
    return level[0]


def _root(edges: Edges) -> bytes:
    """Root of the tree whose right edge this is: each level's unfinished tile, with the rest below as its
    last."""
    right: bytes | None = None
    for row in edges:
        items = list(row) if right is None else [*row, right]
        right = tree.root(items) if items else None
    return tree.EMPTY_ROOT if right is None else right


def _filled(old: int, new: int) -> Iterator[Tile]:
    """Tiles (and bundles) that became full between two sizes."""
    for level in (ENTRIES, *range(MAX_LEVEL + 1)):
        shift = 8 * (max(level, 0) + 1)
        for index in range(old >> shift, new >> shift):
            yield Tile(level, index, WIDTH)


__all__ = ["CHECKPOINT", "CHUNK", "HASH", "Appending", "Log"]
