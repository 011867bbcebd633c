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
    """Events of one hub or kind, and money: as recorded, and at least and at most after."""

    events: int = 0
    recorded: int = 0
    low: int = 0
    high: int = 0


@dataclass(frozen=True, slots=True)
class PublicExample:
    """An event that certainly comes out differently, while there are rights."""

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
    events: int = 0  # that they are of: rules may grant together
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
    reader = _Reader(result, rules.Ruleset(old.data).digest8, PublicRules(old.data), PublicRules(new.data))
    size = stated_size(folder)
    try:
        if not size:
            raise FolderError(f"{folder} has no checkpoint, or one that says nothing")
        for number, entry in enumerate(entries(folder, size), 1):
            kind, payload = leaf.parse(entry)
            if kind == reg.LEAF_RECEIPT:
                reader.take(payload)
            if not number % TOLD_EVERY:
                progress(number, size)
    except (FolderError, FormatError) as error:
        raise StreamError(f"{folder}: {error}") from None
    reader.finish()
    progress(size, size)
    result.seconds = time.monotonic() - began
    return result


@dataclass(slots=True)
class _Event:
    """What was published of one event: one decision, or several of one nonce."""

    nonce: bytes
    seen: Seen
    at_ms: int
    hub: str
    brick: str
    kinds: list[int]
    recorded: int


class _Reader:
    """Puts the records of one event together, and judges it."""

    def __init__(self, result: PublicResult, digest8: bytes, before: PublicRules, after: PublicRules) -> None:
        self._result = result
        self._digest8 = digest8
        self._before = before
        self._after = after
        self._last: dict[
            bytes, _Event
        ] = {}  # by brick: rules may grant together, in records one after the other

    def take(self, cose: bytes) -> None:
        """One receipt."""
        said: dict[int, Any] = receipt.parse(cose).fields
        fields: dict[int, Any] = cbor.decode(said[1])
        kind = fields[10]
        if fields[0] & (reg.FLAG_TRAINING | reg.FLAG_SHADOW):
            return
        if kind == reg.KIND_COLLECTIVE:
            self._result.merged_denials += (fields.get(24) or [0])[0]
        if kind not in JUDGED:
            return
        if fields.get(8) != self._digest8:
            self._result.other_ruleset += 1
            return
        self._result.receipts += 1
        brick, nonce = bytes(fields[1]), bytes(fields.get(15, b""))
        recorded = sum(grant[2] or 0 for grant in fields.get(12) or () if grant[0] in MONEY)
        last = self._last.get(brick)
        if last is not None and last.nonce == nonce:
            last.kinds.append(kind)
            last.recorded += recorded
            return
        if last is not None:
            self._judge(last)
        known = fields[5] is not None and fields[7][0] >= reg.QUALITY_HOST
        type_, trust = divmod(fields.get(11, 0), 16)
        seen = Seen(type_, trust, fields[5] if known else None, bool(fields[0] & reg.FLAG_GATEWAY))
        self._last[brick] = _Event(nonce, seen, said[6], bytes(said[16]).hex(), brick.hex(), [kind], recorded)

    def finish(self) -> None:
        """Nothing more comes."""
        for one in self._last.values():
            self._judge(one)
        self._last.clear()

    def _judge(self, one: _Event) -> None:
        result = self._result
        result.events += 1
        low, high, outcome = _after(result, self._before, self._after, one)
        event = word(reg.EVENT_NAMES, one.seen.type)
        for row in (result.by_hub.setdefault(one.hub, Bounds()), result.by_event.setdefault(event, Bounds())):
            row.events += 1
            row.recorded += one.recorded
            row.low += low
            row.high += high
        result.recorded += one.recorded
        result.low += low
        result.high += high
        if outcome and len(result.examples) < EXAMPLES:
            told = " and ".join(word(reg.KIND_NAMES, kind) for kind in one.kinds)
            result.examples.append(
                PublicExample(one.at_ms, one.hub, one.brick, event, told, one.recorded, outcome, low, high)
            )


def _after(
    result: PublicResult, before: PublicRules, after: PublicRules, one: _Event
) -> tuple[int, int, str]:
    """Least and most money after, and in words what certainly changes ("" where nothing does)."""
    if before.like(after, one.seen):
        result.same_rules += 1
        return one.recorded, one.recorded, ""
    possible = after.possible(one.seen)
    gave = any(kind in GAVE for kind in one.kinds)
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
