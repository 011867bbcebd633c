"""Invariant 7: every decision of a brick, decided again on CPython from the same events, comes out the same, bit for bit.

Which slices a brick held at an instant is not in its records: the host's store says which were assigned to it. So a decision
counts as equal when it comes out the same with the first so many slices of each rule, in the order of their first use.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2

from virtualkit.core import event, record, rights, rules, state
from virtualkit.reference.audit import DECISIONS, Findings, chain_link
from virtualkit.reference.flashimage import FlashRecord

_BOOT = 17
_JOURNAL_FULL = 11


def first_uses(records: Sequence[FlashRecord]) -> list[int]:
    """Slice ids in the order in which a brick first spent from them."""
    order: list[int] = []
    for one in records:
        pieces: list[list[int]] = one.fields.get(13) or []
        for number, _ in pieces:
            if number not in order:
                order.append(number)
    return order


def as_event(fields: Mapping[int, Any], private: Mapping[int, Any]) -> Any:
    """The event that a decision record answered."""
    basket = private.get(2) or [None, None]
    return event.make(
        type=fields[11] >> 4,
        trust=fields[11] & 15,
        subject=private.get(1),
        wall_ms=fields[5],
        uptime_ms=fields[6],
        quality=fields[7][0],
        spread_ms=fields[7][1],
        nonce=fields.get(15),
        basket_minor=basket[0],
        items=basket[1],
        tip_minor=private.get(3),
    )


class Worlds:
    """The engine's state for every number of slices held of each rule, all fed with the same records.

    Between two boot records a brick only gains slices: once a decision needs so many of them, later ones come out of as many
    or more. A boot record is written at every start (slices come again) and at every activation.
    """

    def __init__(self, ruleset: Any, slices: Sequence[Any]) -> None:
        by_rule: dict[bytes, list[Any]] = {}
        for piece in slices:
            by_rule.setdefault(piece.rule, []).append(piece)
        self._ruleset = ruleset
        self._states: list[tuple[tuple[int, ...], Any]] = []
        for held in itertools.product(*(range(len(pieces) + 1) for pieces in by_rule.values())):
            world = state.State(ruleset)
            for count, pieces in zip(held, by_rule.values(), strict=True):
                for piece in pieces[:count]:
                    world.add_slice(piece, 0)
            self._states.append((held, world))
        self._none = (0,) * len(by_rule)
        self.restarted()

    def restarted(self) -> None:
        """A boot record: any number of slices may be held from here on."""
        self._least: list[tuple[int, ...]] = [self._none]

    def apply(self, parsed: Any) -> None:
        """Takes over one record everywhere."""
        for _, world in self._states:
            world.apply(parsed)

    def differs(self, happened: Any, said: Sequence[Any]) -> Any:
        """None where some number of slices, no fewer than before, leads to `said`; else what was decided with the most."""
        fewest: list[tuple[int, ...]] = []
        again = None
        for held, world in self._states:  # in an order in which fewer come before more
            if not _reached(held, self._least) or _reached(held, fewest):
                continue
            o = rules.decide_one(self._ruleset, world, happened)
            again = (o.kind, o.rule, o.grants, o.rights, o.why, o.currency)
            if [tidy(part) for part in again] == said:
                fewest.append(held)
        self._least = fewest or [self._none]
        return None if fewest else again


def _reached(held: tuple[int, ...], floors: Sequence[tuple[int, ...]]) -> bool:
    """True where `held` is at least one of `floors`, rule by rule."""
    return any(all(have >= least for have, least in zip(held, floor, strict=True)) for floor in floors)


@dataclass
class Replayed:
    """How many decisions came out again or differed, were left out for a reason, or lie beyond a gap."""

    compared: int = 0
    skipped: int = 0
    unreplayed: int = 0

    def add(self, other: "Replayed") -> None:
        """Sums over bricks."""
        self.compared += other.compared
        self.skipped += other.skipped
        self.unreplayed += other.unreplayed


def decided(fields: Mapping[int, Any]) -> tuple[Any, ...]:
    """What a record says was decided."""
    return (fields[10], fields.get(9), fields.get(12), fields.get(13), fields.get(14), fields.get(23))


def tidy(value: Any) -> Any:
    """An empty list and an absent field are the same on a page; tuples are arrays."""
    return cbor2.dumps(value) if value else None


def check_replay(
    records: Sequence[FlashRecord],
    ruleset_bytes: bytes,
    minted: Sequence[Mapping[int, Any]],
    assigned: Sequence[int],
    findings: Findings,
) -> Replayed:
    """Replays one brick's records in order of seq.

    `minted`: every slice in the ledger; `assigned`: ids of those that the host gave to this brick. Left out: refusals because
    the journal was full, which no event explains, and decisions that name no event.
    """
    ruleset = rules.Ruleset(ruleset_bytes)
    by_id = {leaf[1]: leaf for leaf in minted}
    used = first_uses(records)
    order = [number for number in (*used, *(n for n in assigned if n not in used)) if number in by_id]
    worlds = Worlds(
        ruleset, [rights.decode_slice(cbor2.dumps(by_id[number], canonical=True)) for number in order]
    )
    nothing = Worlds(None, [])
    done = Replayed()
    link = bytes(16)
    active: bytes | None = None
    for at, one in enumerate(records):
        fields = one.fields
        if fields[18] != link:
            done.unreplayed = sum(later.fields[10] in DECISIONS for later in records[at:])
            findings.breach(
                3, f"seq {one.seq} does not continue the chain: {done.unreplayed} decisions stay unreplayed"
            )
            return done
        link = chain_link(one.public, one.mac)
        if fields[10] == _BOOT:
            active = fields[24][0]
            worlds.restarted()
        elif fields[10] in DECISIONS:
            _replay(one, ruleset.digest, active, nothing if active is None else worlds, done, findings)
        worlds.apply(record.from_parts(one.seq, one.public, one.mac, one.private))
    return done


def _replay(
    one: FlashRecord,
    signed: bytes,
    active: bytes | None,
    worlds: Worlds,
    done: Replayed,
    findings: Findings,
) -> None:
    """One decision. `signed`: digest of the ruleset that the authors signed, `active`: of the one in the last boot record."""
    fields = one.fields
    named = fields.get(8)
    if active not in (None, signed) or named != (active and active[:8]):
        findings.breach(
            7, f"seq {one.seq} was decided under ruleset {named and named.hex()}, which is not the active one"
        )
    elif 15 not in fields or (fields.get(14) or [0])[0] == _JOURNAL_FULL:
        done.skipped += 1
    else:
        done.compared += 1
        said = decided(fields)
        again = worlds.differs(as_event(fields, one.private_fields), [tidy(part) for part in said])
        if again is not None:
            findings.breach(
                7, f"seq {one.seq}: the brick decided {said}, this interpreter {again} from the same event"
            )
