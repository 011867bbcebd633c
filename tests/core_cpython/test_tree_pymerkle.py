"""Roots and inclusion paths are pymerkle's; our consistency proofs join its roots."""

import random

import pytest
from pymerkle import InmemoryTree
from stallmark import tree


def both(size: int) -> tuple[InmemoryTree, list[bytes]]:
    entries = [b"\x01" + index.to_bytes(4, "big") * (index % 7) for index in range(size)]
    theirs = InmemoryTree(algorithm="sha256")
    for entry in entries:
        theirs.append_entry(entry)
    return theirs, [tree.leaf_hash(entry) for entry in entries]


def test_roots_of_every_size_are_pymerkles() -> None:
    theirs, hashes = both(64)
    growing = tree.CompactRange()
    for size in range(1, 65):
        growing.append(hashes[size - 1])
        assert theirs.get_root(size) == tree.root(hashes[:size]) == growing.root()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 31, 32, 33, 64, 257])
def test_inclusion_paths_are_pymerkles(size: int) -> None:
    theirs, hashes = both(size)
    rng = random.Random(size)
    for index in {0, size - 1, *(rng.randrange(size) for _ in range(12))}:
        proof = theirs.prove_inclusion(index + 1, size).path  # it counts from 1
        ours = tree.inclusion_proof(hashes, index)
        # pymerkle's path has the leaf itself in it, beside its sibling
        assert [node for node in proof if node != hashes[index]] == ours
        assert tree.verify_inclusion(hashes[index], index, size, ours, theirs.get_root(size))


@pytest.mark.parametrize("size", [2, 3, 7, 8, 33, 64, 100])
def test_our_consistency_proofs_join_pymerkles_roots(size: int) -> None:
    theirs, hashes = both(size)
    for first in range(1, size):
        ours = tree.consistency_proof(hashes, first)
        assert tree.verify_consistency(first, size, theirs.get_root(first), theirs.get_root(size), ours)
        assert not tree.verify_consistency(first, size, theirs.get_root(first), bytes(32), ours) or not ours
