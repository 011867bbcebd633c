"""Merkle trees: roots, proofs and compact ranges are those of RFC 6962, of the CT vectors and of the
vectors."""

import vectors
from stallmark import tree
from stallmark.errors import FormatError

DATA = vectors.load("tree.json")
HASHES = [tree.leaf_hash(bytes.fromhex(entry)) for entry in DATA["entries"]]
ROOTS = [bytes.fromhex(root) for root in DATA["roots"]]


def proof(case):
    return [bytes.fromhex(node) for node in case["proof"]]


def test_roots_are_those_of_the_certificate_transparency_vectors():
    inputs = [tree.leaf_hash(bytes.fromhex(entry)) for entry in DATA["ct"]["inputs"]]
    assert tree.root([]).hex() == DATA["ct"]["empty"]
    for size in range(1, len(inputs) + 1):
        assert tree.root(inputs[:size]).hex() == DATA["ct"]["roots"][size - 1]


def test_a_compact_range_has_the_root_of_every_size():
    growing = tree.CompactRange()
    for size in range(len(HASHES)):
        assert growing.root() == ROOTS[size] == tree.root(HASHES[:size])
        again = tree.CompactRange(growing.size, growing.hashes)
        assert again.root() == ROOTS[size]
        done = growing.append(HASHES[size])
        count = 0
        while size >> count & 1:
            count += 1
        assert len(done) == count
    assert growing.root() == ROOTS[-1] and growing.size == len(HASHES)
    vectors.raises(FormatError, tree.CompactRange, 3, HASHES[:1])


def test_inclusion_proofs_are_those_of_the_vectors_and_hold():
    for case in DATA["inclusion"]:
        index, size = case["index"], case["size"]
        assert tree.inclusion_proof(HASHES[:size], index) == proof(case)
        assert tree.verify_inclusion(HASHES[index], index, size, proof(case), ROOTS[size])


def test_every_leaf_of_every_size_is_proven_and_no_other():
    for size in range(1, 18):
        for index in range(size):
            path = tree.inclusion_proof(HASHES[:size], index)
            assert tree.verify_inclusion(HASHES[index], index, size, path, ROOTS[size])
            assert not tree.verify_inclusion(HASHES[index + 1], index, size, path, ROOTS[size])
            assert not tree.verify_inclusion(HASHES[index], index, size, path + [HASHES[0]], ROOTS[size])
            assert not tree.verify_inclusion(HASHES[index], index, size, path, ROOTS[size - 1])
            if path:
                short = path[:-1] + [bytes(31)]
                assert not tree.verify_inclusion(HASHES[index], index, size, path[:-1], ROOTS[size])
                assert not tree.verify_inclusion(HASHES[index], index, size, short, ROOTS[size])
                assert not tree.verify_inclusion(HASHES[index], (index + 1) % size, size, path, ROOTS[size])
    assert not tree.verify_inclusion(HASHES[0], 1, 1, [], ROOTS[1])
    assert not tree.verify_inclusion(HASHES[0], -1, 1, [], ROOTS[1])
    assert not tree.verify_inclusion(HASHES[0], 0, 0, [], ROOTS[0])
    vectors.raises(FormatError, tree.inclusion_proof, HASHES, len(HASHES))


def test_consistency_proofs_are_those_of_the_vectors_and_hold():
    for case in DATA["consistency"]:
        first, size = case["first"], case["size"]
        assert tree.consistency_proof(HASHES[:size], first) == proof(case)
        assert tree.verify_consistency(first, size, ROOTS[first], ROOTS[size], proof(case))


def test_every_growth_is_proven_and_no_other():
    for size in range(18):
        for first in range(size + 1):
            path = tree.consistency_proof(HASHES[:size], first)
            good = ROOTS[first], ROOTS[size]
            assert tree.verify_consistency(first, size, good[0], good[1], path)
            assert not tree.verify_consistency(first, size, bytes(32), good[1], path)
            assert not tree.verify_consistency(first, size, good[0], good[1], path + [bytes(32)])
            if path:
                assert not tree.verify_consistency(first, size, good[0], bytes(32), path)
                assert not tree.verify_consistency(first, size, good[0], good[1], path[:-1])
                assert not tree.verify_consistency(first, size, good[0], good[1], [bytes(31)] + path[1:])
    assert not tree.verify_consistency(2, 1, ROOTS[2], ROOTS[1], [])
    assert not tree.verify_consistency(-1, 1, ROOTS[0], ROOTS[1], [])
    vectors.raises(FormatError, tree.consistency_proof, HASHES, len(HASHES) + 1)
