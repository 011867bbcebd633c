"""The engine's state as a brick may have had it: fed with its records, and with what it may have known besides."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2

from virtualkit.core import people, rules, state
from virtualkit.reference.events import Group, expected
from virtualkit.reference.flashimage import FlashRecord
from virtualkit.reference.held import Held, Key

_MOST_TRIES = 4000
_MOST_FLOORS = 16
_STEPS = 24


@dataclass(frozen=True)
class Kit:
    """What is known of the kit beside one brick's own records.

    ruleset     what the authors signed, compiled
    minted      every slice in the ledger; `assigned`: ids of those that the host gave to this brick
    others      the records of every other brick, by identity, in order of seq
    heads       lists of heads (CBOR) that records may name in field 21
    """

    ruleset: bytes
    minted: Sequence[Mapping[int, Any]]
    assigned: Sequence[int]
    others: Mapping[bytes, Sequence[FlashRecord]]
    heads: Mapping[bytes, bytes]
    lane: bool = False


class World:
    """The engine's state, fed with a brick's records, and what it may have known besides."""

    def __init__(self, ruleset: Any, slices: Sequence[Any], kit: Kit) -> None:
        self._ruleset = ruleset
        self._kit = kit
        self._state = state.State(ruleset)
        self._state.rights = Held(slices, [] if ruleset is None else ruleset.rule8)
        self._entries: dict[bytes, list[tuple[int, bytes]]] = {}
        if ruleset is not None:
            for brick, records in kit.others.items():
                self._entries[brick] = list(_entries(ruleset, records))
        self._heads: dict[bytes, int] = dict.fromkeys(self._entries, 0)
        self.restarted()

    def restarted(self) -> None:
        """A boot record: slices and the others' news come again, any number of them."""
        self._floors: list[dict[Key, int]] = [{}]

    def apply(self, parsed: Any) -> None:
        """Takes over one of the brick's own records."""
        self._state.apply(parsed)

    def differs(self, happened: Any, group: "Group") -> Any:
        """None where some number of slices and some news of others, no fewer than before, lead to what the group's records say;
        else what was decided with what is known so far."""
        named = group.evidence
        if named is not None and named in self._kit.heads:
            self._hear({bytes(brick): seq for brick, seq in cbor2.loads(self._kit.heads[named])})
        if self._fits(self._state, happened, group):
            return None
        if named is None or named not in self._kit.heads:
            for heads in self._later():
                trial = copy.deepcopy(self._state)
                self._tell(trial, dict(self._heads), heads)
                if self._fits(trial, happened, group):
                    self._state, self._heads = trial, heads
                    return None
        self._state.rights.visible = self._floors[0]
        return [
            (one.kind, one.rule, one.grants, one.rights, one.why)
            for one in rules.decide(self._ruleset, self._state, happened, lane=self._kit.lane)
        ]

    # --- slices in memory

    def _fits(self, world: Any, happened: Any, group: "Group") -> bool:
        """Tries from what was held at least; keeps the fewest that fit."""
        held: Held = world.rights
        tries: list[dict[Key, int]] = [dict(floor) for floor in self._floors]
        seen = {_frozen(one) for one in tries}
        found: list[dict[Key, int]] = []
        for visible in tries:
            if found and sum(visible.values()) > sum(found[-1].values()):
                break
            held.visible, held.asked = visible, set()
            decisions = rules.decide(self._ruleset, world, happened, lane=self._kit.lane)
            if group.comes_of(*expected(self._ruleset, happened, decisions)):
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

    # --- news of others

    def _hear(self, heads: Mapping[bytes, int]) -> None:
        wanted = {brick: max(seq, heads.get(brick, 0)) for brick, seq in self._heads.items()}
        self._tell(self._state, self._heads, wanted)
        self._heads = wanted

    def _tell(self, world: Any, before: Mapping[bytes, int], after: Mapping[bytes, int]) -> None:
        for brick, upto in after.items():
            if upto > before[brick]:
                news = [data for seq, data in self._entries[brick] if before[brick] < seq <= upto]
                for data in news:
                    world.remote(brick, upto, data, None)
                if not news:
                    world.remote(brick, upto, b"", None)

    def _later(self) -> Iterator[dict[bytes, int]]:
        """States of knowledge that may have followed: one more record of each other brick at a time."""
        heads = dict(self._heads)
        for _ in range(_STEPS):
            moved = False
            for brick, entries in self._entries.items():
                following = next((seq for seq, _ in entries if seq > heads[brick]), None)
                if following is not None:
                    heads = heads | {brick: following}
                    moved = True
                    yield heads
            if not moved:
                return


def _entries(ruleset: Any, records: Sequence[FlashRecord]) -> Iterator[tuple[int, bytes]]:
    for one in records:
        if one.fields.get(8) == ruleset.digest8:
            data = people.of_record(ruleset.slots, one.fields, one.private_fields, ruleset.leads)
            if data:
                yield one.seq, data


def _frozen(visible: Mapping[Key, int]) -> tuple[tuple[Key, int], ...]:
    return tuple(sorted(visible.items()))
