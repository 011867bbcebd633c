"""Invariant 7: every decision of a brick, decided again on CPython from the same events, comes out the same, bit for bit.

Two things that a decision rested on are not in a brick's records: which of its slices it had in memory, and how far it had heard
of the others. So a decision counts as equal when it comes out the same with the first so many slices of each rule, in the order
of their first use, and with the others' records up to some seq each, neither ever fewer than before. Where a record names what it
had heard (field 21), that is what it is decided by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cbor2

from virtualkit.core import record, rights, rules
from virtualkit.reference import hearing
from virtualkit.reference.audit import Findings, chain_link
from virtualkit.reference.events import ANSWERS, BOOT, Group, as_event, baskets, groups
from virtualkit.reference.flashimage import FlashRecord
from virtualkit.reference.worlds import Kit, World

_TRAINING = 1
# Outcomes that no rule judged: the journal was full, a voucher could not be taken, a person answered, a tag's counter went
# back, the battery was low.
_NOT_OF_RULES = (11, 23, 27, 28, 29, 33, 45)


@dataclass
class Replayed:
    """How many decisions came out again or differed, were left out for a reason, or lie beyond a gap; and how many events name
    what was heard of others (`named`), of which the controller holds the list (`known`)."""

    compared: int = 0
    skipped: int = 0
    unreplayed: int = 0
    named: int = 0
    known: int = 0

    def add(self, other: "Replayed") -> None:
        """Sums over bricks."""
        self.compared += other.compared
        self.skipped += other.skipped
        self.unreplayed += other.unreplayed
        self.named += other.named
        self.known += other.known


def first_uses(records: Sequence[FlashRecord]) -> list[int]:
    """Slice ids in the order in which a brick first spent from them."""
    order: list[int] = []
    for one in records:
        pieces: list[list[int]] = one.fields.get(13) or []
        for number, _ in pieces:
            if number not in order:
                order.append(number)
    return order


def check_replay(records: Sequence[FlashRecord], kit: Kit, findings: Findings) -> Replayed:
    """Replays one brick's records in order of seq. Left out: what no rule judged, practice, and decisions that name no event."""
    ruleset = rules.Ruleset(kit.ruleset)
    by_id = {leaf[1]: leaf for leaf in kit.minted}
    used = first_uses(records)
    order = [number for number in (*used, *(n for n in kit.assigned if n not in used)) if number in by_id]
    slices = [rights.decode_slice(cbor2.dumps(by_id[number], canonical=True)) for number in order]
    world = World(ruleset, slices, kit)
    nothing = World(None, [], kit)
    done = Replayed()
    link = bytes(16)
    active: bytes | None = None
    events = groups(records)
    slow = hearing.slow_by(records)
    for at, one in enumerate(records):
        fields = one.fields
        if fields[18] != link:
            done.unreplayed = sum(later.fields[10] in ANSWERS for later in records[at:])
            findings.breach(
                3, f"seq {one.seq} does not continue the chain: {done.unreplayed} decisions stay unreplayed"
            )
            return done
        link = chain_link(one.public, one.mac)
        if fields[10] == BOOT:
            active = fields[24][0]
            world.restarted()
        elif fields[10] in ANSWERS and one.seq not in events:
            done.skipped += 15 not in fields
        if one.seq in events:
            evidence = events[one.seq].evidence
            done.named += evidence is not None
            done.known += evidence in kit.heads
            here = nothing if active is None else world
            here.slow_ms = slow[at]
            _replay(events[one.seq], ruleset.digest, active, here, done, findings)
        world.apply(record.from_parts(one.seq, one.public, one.mac, one.private))
    return done


def _replay(
    group: Group, signed: bytes, active: bytes | None, world: World, done: Replayed, findings: Findings
) -> None:
    """One event. `signed`: digest of the ruleset that the authors signed, `active`: of the one in the last boot record."""
    first = group.first
    fields = first.fields
    answers = sum(one.fields[10] in ANSWERS for one in group.records)
    named = fields.get(8)
    if active not in (None, signed) or named != (active and active[:8]):
        findings.breach(
            7,
            f"seq {first.seq} was decided under ruleset {named and named.hex()}, which is not the active one",
        )
        return
    if fields[0] & _TRAINING or any((one.fields.get(14) or [0])[0] in _NOT_OF_RULES for one in group.records):
        done.skipped += answers
        return
    done.compared += answers
    broken = group.broken()
    if broken is not None:
        findings.breach(4, broken)
    again = _again(world, group)
    if again is not None:
        findings.breach(
            7,
            f"seq {first.seq}: the brick decided {[said(one) for one in group.records]}, "
            f"this interpreter {again} from the same event",
        )


def _again(world: World, group: Group) -> Any:
    """None where the event comes out as it did, with any basket that it may have been."""
    first = group.first
    events = [as_event(first.fields, first.private_fields, lines) for lines in baskets(first.private_fields)]
    differs: Any = None
    for at_once in (True, False):
        for happened in events:
            differs = world.differs(happened, group, at_once)
            if differs is None:
                return None
    return differs


def said(one: FlashRecord) -> tuple[Any, ...]:
    """A record's decision, to be read by a person."""
    f = one.fields
    return (f[10], f.get(9), f.get(12), f.get(13), f.get(14))
