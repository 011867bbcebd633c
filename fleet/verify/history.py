"""What a whole ledger says about one receipt: one pass, bounded memory. Pure: entries in, facts out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from fleet.core import Fields, FormatError, cbor, leaf, receipt, recordform, tree
from fleet.core import reg as registry

# Findings that take a record out of every sum; a gap is about records that are missing, not about this one.
SET_ASIDE = (
    registry.FINDING_CHAIN_BROKEN,
    registry.FINDING_EQUIVOCATION,
    registry.FINDING_SLICE_TWICE,
    registry.FINDING_UNKNOWN_BRICK,
    registry.FINDING_EPOCH_ORDER,
    registry.FINDING_UNREADABLE,
    registry.FINDING_SLICE_OVERSPENT,
    registry.FINDING_SLICE_FOREIGN,
)


@dataclass(frozen=True, slots=True)
class RecordKey:
    """A published record key: where its leaf stands, the key, and the tree size below which MACs count."""

    index: int
    key: bytes
    below: int


@dataclass(frozen=True, slots=True)
class Target:
    """The receipt that is asked about; brick, seq and the rest are None where its bytes cannot be read."""

    cose: bytes
    short: bytes
    kid: bytes | None = None
    brick: bytes | None = None
    seq: int | None = None
    epoch: int | None = None
    public: bytes | None = None


@dataclass(slots=True)
class History:
    """The facts. `trouble` is (code, sentence) where the ledger itself cannot be believed: then nothing else
    counts."""

    size: int = 0
    root: bytes = tree.EMPTY_ROOT
    trouble: tuple[str, str] | None = None
    index: int | None = None
    same_record: list[int] = field(default_factory=list[int])  # other receipts of the very same record
    other_record: list[int] = field(default_factory=list[int])  # other bytes, same brick and number
    reversed_by: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # (index, record kind)
    findings: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # (index, finding code)
    record_key: RecordKey | None = None
    revoked: tuple[int, int | None] | None = None  # (index, last trusted host seq)
    roots: dict[int, bytes] = field(default_factory=dict[int, bytes])  # at each size asked for


def target_of(cose: bytes) -> Target:
    """What to look for."""
    short = receipt.short(cose)
    try:
        parsed = receipt.parse(cose)
        public = recordform.check_public(_map(parsed.fields[1]))
        return Target(cose, short, parsed.kid, public[1], public[2], public[3], parsed.fields[1])
    except FormatError:
        return Target(cose, short)


def scan(
    entries: Iterable[bytes],
    target: Target,
    sizes: Iterable[int] = (),
    progress: Callable[[int], None] = lambda count: None,
) -> History:
    """Reads every entry in order. `sizes` are tree sizes whose roots the caller wants; `progress` hears how
    many entries are done, once in a while. Entries that cannot be read are leaves like any other."""
    wanted = set(sizes)
    facts = History()
    edge = tree.CompactRange()
    whole = bytes([registry.LEAF_RECEIPT]) + target.cose
    needles = [needle for needle in (target.brick, target.short, target.kid) if needle]
    for index, entry in enumerate(entries):
        edge.append(tree.leaf_hash(entry))
        if edge.size in wanted:
            facts.roots[edge.size] = edge.root()
        if entry == whole:
            facts.index = index if facts.index is None else facts.index
        elif any(needle in entry for needle in needles):
            _note(facts, index, entry, target)
        if index % 1024 == 1023:
            progress(edge.size)
    facts.size, facts.root = edge.size, edge.root()
    progress(edge.size)
    return facts


def _note(facts: History, index: int, entry: bytes, target: Target) -> None:
    try:
        kind, payload = leaf.parse(entry)
        if kind == registry.LEAF_RECEIPT:
            _receipt(facts, index, payload, target)
        elif kind == registry.LEAF_DISCLOSURE:
            found = leaf.decode_disclosure(payload)
            ours = (found[1], found[2]) == (target.brick, target.epoch)
            if ours and found[5] <= index and not facts.record_key:
                facts.record_key = RecordKey(index, found[3], found[5])
        elif kind == registry.LEAF_FINDING:
            found = leaf.decode_finding(payload)
            if (found[2], found[3]) == (target.brick, target.seq):
                facts.findings.append((index, found[1]))
        elif kind == registry.LEAF_KEY_EVENT:
            found = leaf.decode_key_event(payload)
            revoked = (found[1], found[2]) == (registry.ACTION_REVOKE, registry.ROLE_HOST)
            if revoked and found[3] == target.kid:
                facts.revoked = (index, found[7])
    except (FormatError, KeyError):
        return


def _receipt(facts: History, index: int, cose: bytes, target: Target) -> None:
    fields = receipt.parse(cose).fields
    public = _map(fields[1])
    same_brick = public.get(1) == target.brick
    if same_brick and public.get(2) == target.seq:
        (facts.same_record if fields[1] == target.public else facts.other_record).append(index)
    if public.get(10) in (registry.KIND_VOID, registry.KIND_REFUND) and (
        fields.get(18) == target.short or (same_brick and public.get(20) == target.seq)
    ):
        facts.reversed_by.append((index, public[10]))


def _map(data: bytes) -> Fields:
    found: Any = cbor.decode(data)
    if not isinstance(found, dict):
        raise FormatError("the public part is not a map")
    return cast(Fields, found)
