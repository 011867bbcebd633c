"""A published ledger against a new ruleset: what was decided is known, what would be is bounded. docs/rule-library.md"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fleet.authoring.engine import FormatError, cbor, reg, rules, word
from fleet.authoring.public_rules import NO, YES, PublicRules, Seen
from fleet.authoring.recorded import TOLD_EVERY, StreamError
from fleet.authoring.replay import Candidate
from fleet.authoring.tally import MONEY
from fleet.core import leaf, receipt
from fleet.verify.folder import FolderError, entries, stated_size

EXAMPLES = 12
GAVE = (reg.KIND_GRANT, reg.KIND_REDEEM)
JUDGED = (*GAVE, reg.KIND_DENY, reg.KIND_GHOST, reg.KIND_UNCERTAIN)
UNKNOWN = (
    "A ledger holds no subjects, baskets, tips, items and signals: what rests on people, visits, limits, arms, balances or "
    "amounts cannot be known from it. A recorded stream (--events) can be replayed in full."
)


@dataclass(slots=True)
class Bounds:
    """Receipts of one hub or kind of event, and money: as recorded, and at least and at most after."""

    receipts: int = 0
    recorded: int = 0
    low: int = 0
    high: int = 0


@dataclass(frozen=True, slots=True)
class PublicExample:
    """A receipt that certainly, or as far as is known, comes out differently."""

    at_ms: int
    hub: str
    brick: str
    event: str
    before: str
    recorded: int
    after: str  # "granted", "not granted"
    low: int
    high: int


@dataclass(slots=True)
class PublicResult:
    """What a ledger tells of OLD and NEW. `certain_*` are flips that the public parts alone settle, were there rights."""

    origin: Path
    receipts: int = 0  # decisions by OLD
    other_ruleset: int = 0  # decisions by another ruleset: left out
    merged_denials: int = 0  # repeated within a minute: only their number is published
    same_rules: int = 0  # decided by rules that NEW has unchanged
    certain_same: int = 0
    certain_gained: int = 0
    certain_lost: int = 0
    open: int = 0  # cannot be known from the ledger
    recorded: int = 0
    low: int = 0
    high: int = 0
    by_hub: dict[str, Bounds] = field(default_factory=dict[str, Bounds])
    by_event: dict[str, Bounds] = field(default_factory=dict[str, Bounds])
    examples: list[PublicExample] = field(default_factory=list[PublicExample])
    seconds: float = 0.0

    @property
    def differs(self) -> bool:
        """Whether something certainly comes out differently, or may."""
        return bool(self.certain_gained or self.certain_lost or self.open)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        out = asdict(self)
        out["origin"] = str(self.origin)
        return out | {"unknown": UNKNOWN}


def run(
    folder: Path, old: Candidate, new: Candidate, progress: Callable[[int, int], None] = lambda done, of: None
) -> PublicResult:
    """Reads a ledger folder once. Raises StreamError where it is none, or an entry cannot be read."""
    began = time.monotonic()
    result = PublicResult(folder)
    digest8 = rules.Ruleset(old.data).digest8
    before, after = PublicRules(old.data), PublicRules(new.data)
    size = stated_size(folder)
    try:
        if not size:
            raise FolderError(f"{folder} has no checkpoint, or one that says nothing")
        for number, entry in enumerate(entries(folder, size), 1):
            kind, payload = leaf.parse(entry)
            if kind == reg.LEAF_RECEIPT:
                _receipt(result, payload, digest8, before, after)
            if not number % TOLD_EVERY:
                progress(number, size)
    except (FolderError, FormatError) as error:
        raise StreamError(f"{folder}: {error}") from None
    progress(size, size)
    result.seconds = time.monotonic() - began
    return result


def _receipt(
    result: PublicResult, cose: bytes, digest8: bytes, before: PublicRules, after: PublicRules
) -> None:
    said: dict[int, Any] = receipt.parse(cose).fields
    fields: dict[int, Any] = cbor.decode(said[1])
    kind = fields[10]
    if fields[0] & (reg.FLAG_TRAINING | reg.FLAG_SHADOW):
        return
    if kind == reg.KIND_COLLECTIVE:
        result.merged_denials += (fields.get(24) or [0])[0]
    if kind not in JUDGED:
        return
    if fields.get(8) != digest8:
        result.other_ruleset += 1
        return
    known = fields[5] is not None and fields[7][0] >= reg.QUALITY_HOST
    type_, trust = divmod(fields.get(11, 0), 16)
    seen = Seen(type_, trust, fields[5] if known else None, bool(fields[0] & reg.FLAG_GATEWAY))
    recorded = sum(grant[2] or 0 for grant in fields.get(12) or () if grant[0] in MONEY)
    low, high, outcome = _after(result, before, after, seen, kind, recorded)
    result.receipts += 1
    hub, event = bytes(said[16]).hex(), word(reg.EVENT_NAMES, type_)
    for row in (result.by_hub.setdefault(hub, Bounds()), result.by_event.setdefault(event, Bounds())):
        row.receipts += 1
        row.recorded += recorded
        row.low += low
        row.high += high
    result.recorded += recorded
    result.low += low
    result.high += high
    if outcome and len(result.examples) < EXAMPLES:
        told = word(reg.KIND_NAMES, kind)
        brick = bytes(fields[1]).hex()
        result.examples.append(PublicExample(said[6], hub, brick, event, told, recorded, outcome, low, high))


def _after(
    result: PublicResult, before: PublicRules, after: PublicRules, seen: Seen, kind: int, recorded: int
) -> tuple[int, int, str]:
    """Least and most money after, and in words what certainly changes ("" where nothing does)."""
    if before.like(after, seen):
        result.same_rules += 1
        return recorded, recorded, ""
    possible = after.possible(seen)
    gave = kind in GAVE
    if possible.granted == NO:
        result.certain_lost += gave
        result.certain_same += not gave
        return 0, 0, "not granted" if gave else ""
    if possible.granted == YES:
        result.certain_gained += not gave
        result.certain_same += gave
        return possible.low, possible.high, "" if gave else "granted"
    result.open += 1
    return 0, possible.high, ""
