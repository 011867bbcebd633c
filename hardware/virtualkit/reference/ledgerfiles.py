"""Reads a ledger's files as any stranger would: C2SP tiles, a signed note, RFC 6962 hashes, COSE receipts."""

import base64
import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

TILE_WIDTH = 256


class LedgerUnreadable(Exception):
    """The files are not a ledger; the message says which and why."""


def tile_path(number: int) -> str:
    """C2SP tlog-tiles path of tile `number`: 1234067 → x001/x234/067."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03d}")
    return "/".join(groups)


def read_entries(folder: Path, size: int) -> list[bytes]:
    """The first `size` entries, from the entry bundles."""
    entries: list[bytes] = []
    for number in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        full = folder / "tile" / "entries" / tile_path(number)
        path = full if full.is_file() else full.parent / f"{full.name}.p" / str(width)
        if not path.is_file():
            raise LedgerUnreadable(f"{path} is missing")
        raw = path.read_bytes()
        offset = 0
        while offset < len(raw):
            (length,) = struct.unpack_from(">H", raw, offset)
            entries.append(raw[offset + 2 : offset + 2 + length])
            offset += 2 + length
    return entries[:size]


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962 leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def roots(hashes: list[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The tree's root at each of `sizes`, from one pass over the leaf hashes."""
    stack: list[tuple[int, bytes]] = []
    found: dict[int, bytes] = {0: hashlib.sha256(b"").digest()} if 0 in sizes else {}
    for count, leaf in enumerate(hashes, 1):
        stack.append((1, leaf))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
            width, right = stack.pop()
            _, left = stack.pop()
            stack.append((2 * width, hashlib.sha256(b"\x01" + left + right).digest()))
        if count in sizes:
            root = stack[-1][1]
            for _, left in reversed(stack[:-1]):
                root = hashlib.sha256(b"\x01" + left + root).digest()
            found[count] = root
    return found


@dataclass(frozen=True)
class Checkpoint:
    """A verified C2SP checkpoint."""

    origin: str
    size: int
    root: bytes


def open_checkpoint(note: bytes, vkey: str) -> Checkpoint:
    """Verifies a signed note against a vkey; raises LedgerUnreadable."""
    name, key_hash, encoded = vkey.split("+", 2)
    public = base64.b64decode(encoded)
    text, _, signatures = note.decode().rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, blob64 = line.split(" ")
        blob = base64.b64decode(blob64)
        if dash == "\u2014" and signer == name and blob[:4].hex() == key_hash:
            try:
                VerifyKey(public[1:]).verify(text.encode(), blob[4:])
            except BadSignatureError:
                raise LedgerUnreadable("the checkpoint's signature is wrong") from None
            origin, size, root = text.splitlines()[:3]
            return Checkpoint(origin, int(size), base64.b64decode(root))
    raise LedgerUnreadable("the checkpoint is not signed by this log")


@dataclass(frozen=True)
class SignedReceipt:
    """One receipt as it lies in the ledger."""

    index: int
    cose: bytes
    payload: dict[int, Any]
    public: dict[int, Any]

    @property
    def brick(self) -> bytes:
        return self.public[1]

    @property
    def seq(self) -> int:
        return self.public[2]


def open_receipt(index: int, cose: bytes, hosts: dict[bytes, bytes]) -> SignedReceipt:
    """Verifies the host's signature with `hosts` (kid8 → public key); raises LedgerUnreadable."""
    tag = cbor2.loads(cose)
    protected, _, payload, signature = tag.value
    head = cbor2.loads(protected)
    if tag.tag != 18 or head.get(1) not in (-19, -8) or head.get(4) not in hosts:
        raise LedgerUnreadable(f"leaf {index}: not a receipt of a known host")
    try:
        VerifyKey(hosts[head[4]]).verify(cbor2.dumps(["Signature1", protected, b"", payload]), signature)
    except BadSignatureError:
        raise LedgerUnreadable(f"leaf {index}: the host's signature is wrong") from None
    fields = cbor2.loads(payload)
    return SignedReceipt(index, cose, fields, cbor2.loads(fields[1]))
