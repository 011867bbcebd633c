"""Invariant 7: every decision of a brick, decided again on CPython from the same events, comes out the same, bit for bit.

Which slices a brick held at an instant is not in its records: the host's store says which were assigned to it. So a decision
counts as equal when it comes out the same with the first so many slices of each rule, in the order of their first use.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cbor2

from virtualkit.core import event, record, rights, rules, state
from virtualkit.reference.audit import DECISIONS, Findings, chain_link
from virtualkit.reference.flashimage import FlashRecord

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
    """The engine's state for every number of slices held of each rule, all fed with the same records."""

    def __init__(self, ruleset: Any, slices: Sequence[Any]) -> None:
        by_rule: dict[bytes, list[Any]] = {}
        for piece in slices:
            by_rule.setdefault(piece.rule, []).append(piece)
        self._states: list[Any] = []
        for held in itertools.product(*(range(len(pieces) + 1) for pieces in by_rule.values())):
            world = state.State(ruleset)
            for count, pieces in zip(held, by_rule.values(), strict=True):
                for piece in pieces[:count]:
                    world.add_slice(piece, 0)
            self._states.append(world)
        self._states.reverse()  # most decisions come out right with everything held

    def apply(self, parsed: Any) -> None:
        """Takes over one record everywhere."""
        for world in self._states:
            world.apply(parsed)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._states)


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
) -> int:
    """Replays one brick's records in order of seq; returns how many decisions were compared.

    `minted`: every slice in the ledger; `assigned`: ids of those that the host gave to this brick.
    """
    ruleset = rules.Ruleset(ruleset_bytes)
    by_id = {leaf[1]: leaf for leaf in minted}
    used = first_uses(records)
    order = [number for number in (*used, *(n for n in assigned if n not in used)) if number in by_id]
    worlds = Worlds(
        ruleset, [rights.decode_slice(cbor2.dumps(by_id[number], canonical=True)) for number in order]
    )
    compared = 0
    link = bytes(16)
    for one in records:
        fields = one.fields
        if fields[18] != link:
            return compared  # check_records says so already; beyond a gap the state is not known
        link = chain_link(one.public, one.mac)
        answered = fields[10] in DECISIONS and 15 in fields
        if answered and fields.get(8) == ruleset.digest8 and (fields.get(14) or [0])[0] != _JOURNAL_FULL:
            compared += 1
            happened = as_event(fields, one.private_fields)
            said = [tidy(part) for part in decided(fields)]
            again = None
            for world in worlds:
                o = rules.decide(ruleset, world, happened)
                again = (o.kind, o.rule, o.grants, o.rights, o.why, o.currency)
                if [tidy(part) for part in again] == said:
                    break
            else:
                findings.breach(
                    7,
                    f"seq {one.seq}: the brick decided {decided(fields)}, this interpreter {again} from the same event",
                )
        worlds.apply(record.from_parts(one.seq, one.public, one.mac, one.private))
    return compared
