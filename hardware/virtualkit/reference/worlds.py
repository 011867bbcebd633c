"""The engine's state as a brick may have had it: fed with its records, and with what it may have known besides."""

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2

from virtualkit.core import parameters, people, risk, state
from virtualkit.reference import hearing
from virtualkit.reference.events import Group, expected
from virtualkit.reference.flashimage import FlashRecord
from virtualkit.reference.held import Held, Key

_MOST_TRIES = 4000
_MOST_FLOORS = 16
_UNREAL = 9  # flags training and shadow, docs/formats/registry.md


@dataclass(frozen=True)
class Kit:
    """What is known of the kit beside one brick's own records.

    ruleset     what the authors signed, compiled
    minted      every slice in the ledger; `assigned`: ids of those that the host gave to this brick
    others      the records of every other brick, by identity, in order of seq
    heads       lists of heads (CBOR) that records may name in field 21
    told        (identity, seq) of every record in the order in which the host had it, and could tell others of it
    lane        True where these are the records of the host's own lane; `lane_records`: those, whose signals all hear
    """

    ruleset: bytes
    minted: Sequence[Mapping[int, Any]]
    assigned: Sequence[int]
    others: Mapping[bytes, Sequence[FlashRecord]]
    heads: Mapping[bytes, bytes]
    told: Sequence[tuple[bytes, int]]
    lane: bool = False
    lane_records: Sequence[FlashRecord] = ()


class World:
    """The engine's state, fed with a brick's records, and what it may have known besides.

    `slow_ms`: how far the brick's clock was behind at the event that comes next.
    """

    def __init__(self, ruleset: Any, slices: Sequence[Any], kit: Kit) -> None:
        self.slow_ms = 0
        self._ruleset = ruleset
        self._kit = kit
        self._state = state.State(ruleset)
        self._state.rights = Held(slices, [] if ruleset is None else ruleset.rule8)
        self._entries: dict[bytes, list[tuple[int, bytes]]] = {}
        if ruleset is not None:
            for brick, records in kit.others.items():
                self._entries[brick] = list(_entries(ruleset, records))
        self._signals = [] if ruleset is None else _signals(ruleset, kit)
        self._alone = copy.deepcopy(self._state)
        self.restarted()

    def restarted(self) -> None:
        """A boot record: slices and the others' news come again, any number of them."""
        self._floors: list[dict[Key, int]] = [{}]
        self._state = copy.deepcopy(self._alone)
        self._heads: dict[bytes, int] = dict.fromkeys(self._entries, 0)
        self._signals_heard = 0

    def apply(self, parsed: Any) -> None:
        """Takes over one of the brick's own records."""
        for one in (self._alone, self._state):
            one.apply(parsed)
            # What the host had acknowledged by then is in no record either: a reserve says that the brick asked.
            one.reconciled(parsed.seq)

    def differs(self, happened: Any, group: Group, at_once: bool = False) -> Any:
        """None where some number of slices and some news of others, no fewer than before, lead to what the group's records say;
        else what was decided with what is known so far."""
        named = self._kit.heads.get(group.evidence) if group.evidence is not None else None
        if named is not None:
            self._hear({bytes(brick): seq for brick, seq in cbor2.loads(named)})
        for heard in hearing.counts(self._signals, happened.wall_ms, self.slow_ms, self._signals_heard):
            if self._signals:
                self._state._signals = _as_of(self._ruleset, self._signals[:heard])
            if self._fits(self._state, happened, group):
                self._signals_heard = heard
                return None
        if not at_once and named is None and self._heard_more(happened, group):
            return None
        self._state.rights.visible = self._floors[0]
        return [
            (one.kind, one.rule, one.grants, one.rights, one.why)
            for one in self._decide(self._state, happened, group)
        ]

    def _decide(self, world: Any, happened: Any, group: Group) -> list[Any]:
        """As brick and lane do: with the score that the records name, which refuses nobody by itself."""
        return list(risk.decide(self._ruleset, world, happened, group.risk, self._kit.lane))

    # --- slices in memory

    def _fits(self, world: Any, happened: Any, group: "Group") -> bool:
        """Tries from what was held at least; keeps the fewest that fit."""
        held: Held = world.rights
        if self._fits_own(held, world, happened, group):
            return True
        tries: list[dict[Key, int]] = [dict(floor) for floor in self._floors]
        seen = {_frozen(one) for one in tries}
        found: list[dict[Key, int]] = []
        for visible in tries:
            if found and sum(visible.values()) > sum(found[-1].values()):
                break
            held.visible, held.asked = visible, set()
            decisions = self._decide(world, happened, group)
            if group.comes_of(*expected(self._ruleset, happened, decisions, group.reserved)):
                found.append(visible)
                continue
            for key in sorted(held.asked):
                if visible.get(key, 0) < len(held.order.get(key, ())) and len(seen) < _MOST_TRIES:
                    more = visible | {key: visible.get(key, 0) + 1}
                    if _frozen(more) not in seen:
                        seen.add(_frozen(more))
                        tries.append(more)
        if found:
            self._floors = found[:_MOST_FLOORS]
        return bool(found)

    def _fits_own(self, held: Held, world: Any, happened: Any, group: "Group") -> bool:
        """Tries with every slice of the rules that say nothing here, and any number of those that the records spend from: most
        events come out so, and the search below stays small."""
        spent = {rule for one in group.records if 13 in one.fields for rule in [one.fields.get(9)]}
        keys = [key for key in held.order if key[0] in spent]
        counts = [
            range(floor, len(held.order[key]) + 1) for key in keys for floor in [self._floors[0].get(key, 0)]
        ]
        rest = {key: len(pieces) for key, pieces in held.order.items() if key not in keys}
        for chosen in itertools.islice(itertools.product(*counts), _MOST_TRIES):
            mine = dict(zip(keys, chosen, strict=True))
            held.visible = rest | mine
            decisions = self._decide(world, happened, group)
            if group.comes_of(*expected(self._ruleset, happened, decisions, group.reserved)):
                self._floors = [self._floors[0] | mine]
                return True
        return False

    # --- news of others

    def _hear(self, heads: Mapping[bytes, int]) -> None:
        for brick, seq in heads.items():
            self._tell(self._state, self._heads, brick, seq)

    def _heard_more(self, happened: Any, group: Group) -> bool:
        """Finds news of others with which the event comes out as it did: as little as can be, for bricks hear of one source
        before another. First what one source wrote of the same person; then all in the order in which the host had it."""
        own = None if happened.subject is None else happened.subject[:6]
        for brick, seq in self._of_person(own):
            if self._fits_with([(brick, seq)], own, happened, group):
                return True
        return any(self._fits_with(self._kit.told, whom, happened, group) for whom in (own, None))

    def _of_person(self, own: bytes | None) -> list[tuple[bytes, int]]:
        return [
            (brick, seq)
            for brick, entries in self._entries.items()
            for seq, data in entries
            if own is not None and seq > self._heads[brick] and own in _whom(data)
        ]

    def _fits_with(
        self, told: Sequence[tuple[bytes, int]], whom: bytes | None, happened: Any, group: Group
    ) -> bool:
        """Tells of these records one after the other, and looks whether the event fits behind each that tells of `whom`; None:
        behind each."""
        trial, heads = copy.deepcopy(self._state), dict(self._heads)
        for brick, seq in told:
            news = self._tell(trial, heads, brick, seq)
            if news and (whom is None or whom in news) and self._fits(trial, happened, group):
                self._state, self._heads = trial, heads
                return True
        return False

    def _tell(self, world: Any, heads: dict[bytes, int], brick: bytes, upto: int) -> set[bytes]:
        """Tells a state of another brick's records up to a seq; of whom (the first six bytes of pseudonyms). Empty where that is
        nothing new."""
        before = heads.get(brick)
        if before is None or upto <= before:
            return set()
        news = [data for seq, data in self._entries[brick] if before < seq <= upto]
        for data in news or [b""]:
            world.remote(brick, upto, data, None)
        heads[brick] = upto
        return {whom for data in news for whom in _whom(data)}


def _whom(data: bytes) -> set[bytes]:
    return {data[at : at + 6] for at in range(0, len(data), people.SIZE)}


def _entries(ruleset: Any, records: Sequence[FlashRecord]) -> Iterator[tuple[int, bytes]]:
    for one in records:
        if one.fields.get(8) == ruleset.digest8:
            data = people.of_record(ruleset.slots, one.fields, one.private_fields, ruleset.leads)
            if data:
                yield one.seq, data


def _signals(ruleset: Any, kit: Kit) -> list[tuple[int, int, int]]:
    """(index, value, instant ms) of every signal that the kit's lane heard, in order; nothing of practice."""
    found: list[tuple[int, int, int]] = []
    for one in kit.lane_records:
        if 8 in one.private_fields and not one.fields[0] & _UNREAL and one.fields.get(5) is not None:
            name, value, age_s = one.private_fields[8]
            for index, (known, event_type, *_) in enumerate(ruleset.signals):
                if (known, event_type) == (name, one.fields[11] >> 4):
                    found.append((index, value, one.fields[5] - age_s * 1000))
    return found


def _as_of(ruleset: Any, heard: Sequence[tuple[int, int, int]]) -> Any:
    signals = parameters.Signals(ruleset.signals)
    for signal in heard:
        signals.set(*signal)
    return signals


def _frozen(visible: Mapping[Key, int]) -> tuple[tuple[Key, int], ...]:
    return tuple(sorted(visible.items()))
