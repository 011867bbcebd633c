"""Writes tree.json and leaf.json: RFC 6962 trees by the RFC's own recursion, checked against pymerkle
here."""

from independent import cbor, json_form, sha256, write
from pymerkle import InmemoryTree

# Merkle tree inputs of the Certificate Transparency reference code, and the roots after each of them.
CT_INPUTS = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaf(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry)


def split(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def root(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    at = split(len(hashes))
    return sha256(b"\x01" + root(hashes[:at]) + root(hashes[at:]))


def path(index: int, hashes: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 §2.1.1."""
    if len(hashes) == 1:
        return []
    at = split(len(hashes))
    if index < at:
        return [*path(index, hashes[:at]), root(hashes[at:])]
    return [*path(index - at, hashes[at:]), root(hashes[:at])]


def subproof(first: int, hashes: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962 §2.1.2."""
    if first == len(hashes):
        return [] if whole else [root(hashes)]
    at = split(len(hashes))
    if first <= at:
        return [*subproof(first, hashes[:at], whole), root(hashes[at:])]
    return [*subproof(first - at, hashes[at:], False), root(hashes[:at])]


for size in range(1, len(CT_INPUTS) + 1):
    assert root([leaf(bytes.fromhex(text)) for text in CT_INPUTS[:size]]).hex() == CT_ROOTS[size - 1]

entries = [b"\x01" + bytes([n]) * (n % 5) for n in range(33)]
hashes = [leaf(entry) for entry in entries]
other = InmemoryTree(algorithm="sha256")
for entry in entries:
    other.append_entry(entry)
assert other.get_root() == root(hashes)

INCLUSION = [
    (0, 1), (0, 2), (1, 2), (2, 3), (0, 7), (3, 7), (6, 7), (7, 8), (31, 32), (32, 33), (13, 33), (0, 33),
]  # fmt: skip
CONSISTENCY = [
    (1, 1), (1, 2), (2, 3), (3, 7), (4, 7), (6, 7), (7, 8), (8, 33), (16, 32), (31, 33), (32, 33), (33, 33),
]  # fmt: skip
write(
    "tree.json",
    {
        "ct": {"inputs": CT_INPUTS, "roots": CT_ROOTS, "empty": sha256(b"").hex()},
        "entries": [entry.hex() for entry in entries],
        "roots": [root(hashes[:size]).hex() for size in range(len(entries) + 1)],
        "inclusion": [
            {"index": index, "size": size, "proof": [node.hex() for node in path(index, hashes[:size])]}
            for index, size in INCLUSION
        ],
        "consistency": [
            {"first": first, "size": size, "proof": [n.hex() for n in subproof(first, hashes[:size], True)]}
            for first, size in CONSISTENCY
        ],
    },
)

BRICK, HOST = bytes(range(0xB0, 0xB8)), b"host...8"
LEAVES = [
    (3, {0: 1, 1: 5966666, 2: 12, 3: [[BRICK, 1, 12]]}),
    (4, {0: 1, 1: 1, 2: 1, 3: b"kid....8", 4: bytes(range(32)), 5: 1790000000, 6: HOST, 7: None, 8: True}),
    (4, {0: 1, 1: 3, 2: 1, 3: b"kid....8", 4: bytes(range(32)), 5: 1790000001, 6: HOST, 7: 4711, 8: False}),
    (5, {0: 1, 1: b"slice payload", 2: bytes(range(64))}),
    (6, {0: 1, 1: BRICK, 2: 3, 3: bytes(range(32)), 4: 7, 5: 12345}),
    (7, {0: 1, 1: BRICK, 2: 42, 3: 1}),
    (8, {0: 1, 1: 1, 2: BRICK, 3: 42, 4: HOST, 5: 17, 6: None}),
    (8, {0: 1, 1: 4, 2: BRICK, 3: 43, 4: HOST, 5: 18, 6: bytes(range(32))}),
]
write(
    "leaf.json",
    {
        "leaves": [
            {
                "type": kind,
                "fields": json_form(fields),
                "entry": (bytes([kind]) + cbor(fields)).hex(),
                "hash": leaf(bytes([kind]) + cbor(fields)).hex(),
            }
            for kind, fields in LEAVES
        ]
    },
)
