"""The audit after a market hour: breaches of PRODUCT.md's invariants 1, 2, 3, 7, 8 and 9, found from the outside."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cbor2

from virtualkit.reference.flashimage import FlashRecord
from virtualkit.reference.ledgerfiles import (
    Checkpoint,
    LedgerUnreadable,
    SignedReceipt,
    leaf_hash,
    open_checkpoint,
    open_receipt,
    read_entries,
    roots,
)

GRANTS = {1, 4}
DECISIONS = {1, 2, 3, 4, 14}
# Records whose rights (field 13) are spent by them: *rights* carries a sum forward, *release* gives back.
SPENDING = {1, 4, 15}
RELEASE = 16
GATEWAY = 2  # flag: the host's own lane, which has no light
LEAF_NAMES = {
    1: "receipt",
    2: "batch",
    3: "window",
    4: "key_event",
    5: "rights",
    6: "disclosure",
    7: "erasure",
    8: "finding",
}


@dataclass(frozen=True)
class Violation:
    """One breach: which invariant of PRODUCT.md, and what was found."""

    invariant: int
    text: str


@dataclass
class Findings:
    """What an audit found, and the counts it made on the way."""

    violations: list[Violation] = field(default_factory=list[Violation])
    leaves: dict[str, int] = field(default_factory=dict[str, int])
    outcomes: dict[str, int] = field(default_factory=dict[str, int])
    receipts: list[SignedReceipt] = field(default_factory=list[SignedReceipt])
    slices: list[dict[int, Any]] = field(default_factory=list[dict[int, Any]])
    checkpoint: Checkpoint | None = None

    def breach(self, invariant: int, text: str) -> None:
        """Notes one violation."""
        self.violations.append(Violation(invariant, text))


OUTCOMES = {1: "granted", 2: "denied", 3: "ghost", 4: "redeemed", 12: "collective", 14: "uncertain"}


def chain_link(public: bytes, mac: bytes) -> bytes:
    """`prev` of docs/formats/record.md."""
    return hashlib.sha256(b"stallmark/link/1\0" + public + mac).digest()[:16]


def read_ledger(
    folder: Path, keys: Mapping[str, Any], checkpoints: Sequence[bytes], findings: Findings
) -> list[bytes]:
    """Invariant 9 for the ledger: every checkpoint ever seen is signed and a prefix of the last one; returns the entries."""
    vkey = keys["log"]["vkey"]
    try:
        last = open_checkpoint((folder / "checkpoint").read_bytes(), vkey)
        entries = read_entries(folder, last.size)
        seen = [open_checkpoint(note, vkey) for note in checkpoints] + [last]
    except (LedgerUnreadable, OSError) as unreadable:
        findings.breach(9, str(unreadable))
        return []
    findings.checkpoint = last
    computed = roots([leaf_hash(entry) for entry in entries], {checkpoint.size for checkpoint in seen})
    for checkpoint in seen:
        if checkpoint.size > last.size:
            findings.breach(
                9, f"a checkpoint of size {checkpoint.size} was published, the last one has {last.size}"
            )
        elif computed[checkpoint.size] != checkpoint.root:
            findings.breach(
                9,
                f"the checkpoint of size {checkpoint.size} is not a prefix of the ledger: history was rewritten",
            )
    for entry in entries:
        name = LEAF_NAMES.get(entry[0], f"type {entry[0]}")
        findings.leaves[name] = findings.leaves.get(name, 0) + 1
    return entries


def read_receipts(entries: Sequence[bytes], keys: Mapping[str, Any], findings: Findings) -> None:
    """Invariant 9 for receipts, and the host's own chain (invariant 3)."""
    import base64

    hosts = {bytes.fromhex(host["kid"]): base64.b64decode(host["public"]) for host in keys["hosts"]}
    for index, entry in enumerate(entries):
        if entry[0] == 1:
            try:
                findings.receipts.append(open_receipt(index, entry[1:], hosts))
            except (LedgerUnreadable, ValueError) as unreadable:
                findings.breach(9, str(unreadable))
        elif entry[0] == 5:
            findings.slices.append(cbor2.loads(cbor2.loads(entry[1:])[1]))
        elif entry[0] == 8:
            findings.breach(3, f"the controller logged a finding: {cbor2.loads(entry[1:])}")
    previous: dict[bytes, tuple[int, bytes]] = {}
    for receipt in findings.receipts:
        host = receipt.payload[3]
        seq, link = previous.get(host, (0, bytes(16)))
        if receipt.payload[4] != seq + 1 or receipt.payload[5] != link:
            findings.breach(3, f"leaf {receipt.index}: host seq {receipt.payload[4]} does not continue {seq}")
        short = hashlib.sha256(b"stallmark/receipt/1\0" + receipt.cose).digest()[:16]
        previous[host] = (receipt.payload[4], short)


def check_records(flash: Mapping[bytes, Mapping[int, FlashRecord]], findings: Findings) -> None:
    """Invariant 3: every record that is or was on a brick's flash stands in the ledger exactly once, byte for byte, in an
    unbroken chain, and nothing stands there that was never on flash."""
    ledger: dict[tuple[bytes, int], SignedReceipt] = {}
    for receipt in findings.receipts:
        key = (receipt.brick, receipt.seq)
        if key in ledger:
            findings.breach(
                3,
                f"brick {key[0].hex()} seq {key[1]} stands twice: leaves {ledger[key].index} and {receipt.index}",
            )
        ledger[key] = receipt
    for brick, records in flash.items():
        for seq, record in records.items():
            receipt = ledger.get((brick, seq))
            if receipt is None:
                findings.breach(3, f"brick {brick.hex()} seq {seq} is on flash and not in the ledger")
            elif (receipt.payload[1], receipt.payload[2]) != (record.public, record.mac):
                findings.breach(3, f"brick {brick.hex()} seq {seq}: flash and ledger differ")
    for brick, seq in sorted(ledger):
        if seq not in flash.get(brick, {}):
            findings.breach(3, f"brick {brick.hex()} seq {seq} is in the ledger and was never on flash")
    for brick in sorted({brick for brick, _ in ledger}):
        _check_chain(brick, [ledger[key] for key in sorted(ledger) if key[0] == brick], findings)


def _check_chain(brick: bytes, receipts: Sequence[SignedReceipt], findings: Findings) -> None:
    """One brick's receipts in order of seq: no gap, each bound to the one before."""
    expected, link = 1, bytes(16)
    for receipt in receipts:
        if receipt.seq != expected:
            findings.breach(3, f"brick {brick.hex()}: seq {expected} to {receipt.seq - 1} are missing")
        elif receipt.public[18] != link:
            findings.breach(3, f"brick {brick.hex()} seq {expected}: the chain is broken")
        expected, link = receipt.seq + 1, chain_link(receipt.payload[1], receipt.payload[2])
        if receipt.public[10] in OUTCOMES:
            name = OUTCOMES[receipt.public[10]]
            findings.outcomes[name] = findings.outcomes.get(name, 0) + 1


def decisions(flash: Mapping[bytes, Mapping[int, FlashRecord]]) -> int:
    """How many records on the bricks' flash tell an outcome."""
    return sum(record.fields[10] in OUTCOMES for records in flash.values() for record in records.values())


def named(cose: bytes) -> tuple[bytes, int]:
    """Brick and seq of the record in a receipt."""
    public = cbor2.loads(cbor2.loads(cbor2.loads(cose).value[2])[1])
    return bytes(public[1]), int(public[2])


def check_store(stored: Sequence[bytes], findings: Findings) -> None:
    """Invariant 3: the host's store and the ledger hold the same receipts, byte for byte. `stored`: COSE, as the host has it."""
    in_ledger = findings.leaves.get("receipt", 0)
    if len(stored) != in_ledger:
        findings.breach(3, f"the host's store holds {len(stored)} receipts, the ledger {in_ledger}")
    strange = set(stored) ^ {receipt.cose for receipt in findings.receipts}
    if strange:
        findings.breach(3, f"{len(strange)} receipts differ between the host's store and the ledger")


def check_disclosed(entries: Sequence[bytes], findings: Findings) -> int:
    """Invariant 9: under every disclosed record key, every record's MAC holds. Returns how many records were checked."""
    disclosed: dict[tuple[bytes, int], bytes] = {}
    for entry in entries:
        if entry[0] == 6:
            leaf = cbor2.loads(entry[1:])
            disclosed[(leaf[1], leaf[2])] = leaf[3]
    checked = 0
    for receipt in findings.receipts:
        key = disclosed.get((receipt.brick, receipt.public[3]))
        if key is not None:
            mac = hmac.new(key, b"stallmark/record/1\0" + receipt.payload[1], "sha256").digest()[:16]
            checked += 1
            if mac != receipt.payload[2]:
                findings.breach(9, f"leaf {receipt.index}: the brick's MAC is wrong under the disclosed key")
    return checked


def check_greens(greens: Mapping[bytes, Sequence[int]], findings: Findings) -> None:
    """Invariant 1, in the end: each green light's own grant, claimed on flash when it lit, stands in the ledger."""
    grants = {(receipt.brick, receipt.seq) for receipt in findings.receipts if receipt.public[10] in GRANTS}
    for brick, seqs in greens.items():
        for seq in seqs:
            if (brick, seq) not in grants:
                findings.breach(
                    1, f"brick {brick.hex()} was green for seq {seq}, and no such grant is in the ledger"
                )


def granted_taps(findings: Findings) -> int:
    """How many events at bricks were granted something: of several records of one event, the nonce is the same."""
    return len(
        {
            (receipt.brick, receipt.public.get(15))
            for receipt in findings.receipts
            if receipt.public[10] in GRANTS and not receipt.public[0] & GATEWAY
        }
    )


def check_rights(findings: Findings) -> None:
    """Never more spent from a slice than it holds, never by two bricks (invariant 4, on the way)."""
    amounts = {leaf[1]: leaf[4] for leaf in findings.slices}
    spent: dict[int, int] = {}
    spender: dict[int, bytes] = {}
    for receipt in findings.receipts:
        kind = receipt.public[10]
        if kind not in SPENDING and kind != RELEASE:
            continue
        pieces: list[list[int]] = receipt.public.get(13) or []
        for number, amount in pieces:
            spent[number] = spent.get(number, 0) + (amount if kind in SPENDING else -amount)
            if spender.setdefault(number, receipt.brick) != receipt.brick:
                findings.breach(4, f"slice {number} was spent by two bricks")
    for number, total in spent.items():
        if total > amounts.get(number, 0):
            findings.breach(4, f"slice {number} holds {amounts.get(number, 0)} and {total} was spent")
