"""Merkle tree of RFC 6962 §2.1: roots, inclusion, consistency, and a compact range that grows.

docs/formats/ledger.md"""

import hashlib

from stallmark.errors import FormatError

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry):
    """SHA-256(00 ‖ entry)."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    """SHA-256(01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root(hashes):
    """Root over a list of leaf hashes; the empty tree's root is SHA-256 of nothing."""
    level = list(hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        last = level[-1] if len(level) & 1 else None
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if last is not None:
            level.append(last)  # a lone right node is promoted
    return level[0]


class CompactRange:
    """The right edge of a growing tree: one hash for each bit of the size, largest subtree first."""

    def __init__(self, size=0, hashes=()):
        """Goes on from `size` leaves with the subtree roots `hashes` (largest first). Raises FormatError
        where their number does not fit the size."""
        self.size = size
        self.hashes = list(hashes)
        if _ones(size) != len(self.hashes):
            raise FormatError("compact range: {} hashes do not fit size {}".format(len(self.hashes), size))

    def append(self, hash32):
        """Adds a leaf hash; returns the roots of the subtrees that it completed, smallest first."""
        done = []
        bit = self.size
        while bit & 1:
            hash32 = node_hash(self.hashes.pop(), hash32)
            done.append(hash32)
            bit >>= 1
        self.hashes.append(hash32)
        self.size += 1
        return done

    def root(self):
        """Root of the tree so far."""
        if not self.hashes:
            return EMPTY_ROOT
        value = self.hashes[-1]
        for index in range(len(self.hashes) - 2, -1, -1):
            value = node_hash(self.hashes[index], value)
        return value


def _ones(number):
    count = 0
    while number:
        count += number & 1
        number >>= 1
    return count


def _split(size):
    """The largest power of two below `size` (≥ 2)."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def inclusion_proof(hashes, index):
    """Audit path of leaf `index` in the tree over `hashes` (RFC 6962 §2.1.1). Raises FormatError."""
    if not 0 <= index < len(hashes):
        raise FormatError("leaf {} is not in a tree of {}".format(index, len(hashes)))
    low, high, path = 0, len(hashes), []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(root(hashes[middle:high]))
            high = middle
        else:
            path.append(root(hashes[low:middle]))
            low = middle
    path.reverse()
    return path


def root_from_inclusion(hash32, index, size, proof):
    """The root that an audit path leads to (RFC 9162 §2.1.3.2), or None where its length is wrong."""
    if not 0 <= index < size:
        return None
    first, last = index, size - 1
    value = hash32
    for sibling in proof:
        if last == 0 or len(sibling) != 32:
            return None
        if first & 1 or first == last:
            value = node_hash(sibling, value)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            value = node_hash(value, sibling)
        first >>= 1
        last >>= 1
    return value if last == 0 else None


def verify_inclusion(hash32, index, size, proof, root32):
    """True where `proof` shows leaf `hash32` at `index` in the tree of `size` leaves with root `root32`."""
    return root_from_inclusion(hash32, index, size, proof) == root32


def consistency_proof(hashes, first):
    """Proof that the tree over `hashes` continues its first `first` leaves (RFC 6962 §2.1.2). Raises
    FormatError."""
    size = len(hashes)
    if not 0 <= first <= size:
        raise FormatError("no consistency from {} to {}".format(first, size))
    if first in (0, size):
        return []
    low, high, path, whole = 0, size, [], True
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            path.append(root(hashes[middle:high]))
            high = middle
        else:
            path.append(root(hashes[low:middle]))
            low = middle
            whole = False
    if not whole:
        path.append(root(hashes[low:high]))
    path.reverse()
    return path


def verify_consistency(first, size, first_root, root32, proof):
    """True where `proof` shows that the tree of `size` leaves continues that of `first` (RFC 9162
    §2.1.4.2)."""
    if first < 0 or first > size:
        return False
    if first == size:
        return not proof and first_root == root32
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    path = list(proof)
    for entry in path:
        if len(entry) != 32:
            return False
    if first & (first - 1) == 0:  # the old tree is one whole subtree: its root is not in the proof
        path.insert(0, first_root)
    if not path:
        return False
    left, last = first - 1, size - 1
    while left & 1:
        left >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if left & 1 or left == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not left & 1 and left:
                left >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        left >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == root32
