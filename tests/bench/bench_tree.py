"""Append and proof cost of the ledger's tree against pymerkle, which keeps its tree in memory."""

import random
import tempfile
import time
from pathlib import Path

from pymerkle import InmemoryTree
from stallmark import tree

from fleet.clock import RealClock
from fleet.db.engine import Database
from fleet.ledger.files import Folder
from fleet.ledger.log import Log
from fleet.ledger.note import Signer
from tests.bench import Figure

ENTRY = 430  # bytes of a receipt's leaf
PROOFS = 500


def run(quick: bool = False) -> list[Figure]:
    """Microseconds for one leaf and one inclusion proof, in a tree of `size`."""
    size = 4_096 if quick else 32_768
    chance = random.Random(1)
    entries = [b"\1" + chance.randbytes(ENTRY - 1) for _ in range(size)]
    chosen = [chance.randrange(size) for _ in range(PROOFS)]
    theirs_append, theirs_proof, root = _pymerkle(entries, chosen)
    core = _core(entries)
    with tempfile.TemporaryDirectory() as folder:
        ours_append, ours_proof, cold, ours_root = _log(Path(folder), entries, chosen)
    assert ours_root == root, "two trees over the same leaves"
    return [
        Figure("append, in memory (core's compact range)", core, "µs", "pymerkle", theirs_append / core),
        Figure(
            "append, durable and signed (database, tiles, checkpoint)",
            ours_append,
            "µs",
            "pymerkle, in memory",
            theirs_append / ours_append,
        ),
        Figure("inclusion proof, from tiles", ours_proof, "µs", "pymerkle", theirs_proof / ours_proof),
        Figure("inclusion proof, cold cache", cold, "µs", "pymerkle", theirs_proof / cold),
    ]


def _pymerkle(entries: list[bytes], chosen: list[int]) -> tuple[float, float, bytes]:
    there = InmemoryTree(algorithm="sha256")
    started = time.perf_counter()
    for entry in entries:
        there.append_entry(entry)
    append = (time.perf_counter() - started) / len(entries)
    root = there.get_state()
    started = time.perf_counter()
    for index in chosen:
        there.prove_inclusion(index + 1)
    return append * 1e6, (time.perf_counter() - started) / len(chosen) * 1e6, root


def _core(entries: list[bytes]) -> float:
    edge = tree.CompactRange()
    started = time.perf_counter()
    for entry in entries:
        edge.append(tree.leaf_hash(entry))
    return (time.perf_counter() - started) / len(entries) * 1e6


def _log(folder: Path, entries: list[bytes], chosen: list[int]) -> tuple[float, float, float, bytes]:
    database = Database(folder / "db.sqlite")
    signer = Signer("localhost/bench/2026", bytes(32))
    Log.create(database, Folder(folder / "ledger"), signer, RealClock())
    log = Log(database, Folder(folder / "ledger"), signer, RealClock())
    started = time.perf_counter()
    for at in range(0, len(entries), 256):
        with log.writing() as tx:
            tx.add(entries[at : at + 256])
        if at % 2048 == 1792:
            log.publish()
    log.publish()
    append = (time.perf_counter() - started) / len(entries)
    view = log.tree(len(entries))
    started = time.perf_counter()
    for index in chosen:
        view.inclusion(index)
    warming = (time.perf_counter() - started) / len(chosen)
    started = time.perf_counter()
    for index in chosen:
        view.inclusion(index)
    warm = (time.perf_counter() - started) / len(chosen)
    root = log.published.root
    database.close()
    return append * 1e6, warm * 1e6, warming * 1e6, root
