"""A brick, or the gateway lane, in memory: a ruleset and its state; each decision is applied as its record would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stallmark import people as _people
from stallmark import rights as _rights
from stallmark import risk as _risk

from fleet.authoring import quick
from fleet.authoring.engine import reg, rules, state

people: Any = _people
rights: Any = _rights
friction: Any = _risk

NEVER = 1 << 52  # ms: slices of a story or a replay do not expire
YES, NO = 1, 2
QUICK = True  # False: replays by the core's own state, for comparison
_ZERO8 = bytes(8)


class Written(NamedTuple):
    """A record as the state takes it: seq, public fields, private fields (registry and docs/formats/record.md)."""

    seq: int
    fields: dict[int, Any]
    private_fields: dict[int, Any]


@dataclass
class Place:
    """One deciding place. `brick` is its 8-byte id; `lane` True for the host's gateway lane."""

    brick: bytes
    ruleset: Any
    lane: bool = False
    people_capacity: int | None = None
    keep: bool = True  # records are kept, for a restart; else a record is only what a state takes of it
    seq: int = 0
    journal: list[Written] = field(default_factory=list[Written])
    state: Any = None
    slices: list[Any] = field(default_factory=list[Any])

    def __post_init__(self) -> None:
        self._fresh()

    def _fresh(self) -> None:
        self.state = state.State(self.ruleset, self.people_capacity)
        if QUICK and not self.keep:
            quick.quicken(self.state)

    def restart(self) -> None:
        """Power off and on: the state is built anew from the journal; slices are sent again, others' people are not."""
        self._fresh()
        for written in self.journal:
            self.state.apply(written)
        for piece in self.slices:
            self.state.add_slice(piece, 0)

    def slice(self, number: int, rule: str, unit: int, amount: int) -> int:
        """Gives this place a slice of rights; the slice result of the registry."""
        piece = rights.Slice(number, rights.rule8(rule), unit, amount, _ZERO8, 1, NEVER)
        self.slices.append(piece)
        result: int = self.state.add_slice(piece, 0)
        return result

    def decide(self, event: Any, risk: int | None = None) -> list[Any]:
        """The Decisions on an event; nothing changes."""
        found: list[Any] = friction.decide(self.ruleset, self.state, event, risk, self.lane)
        return found

    def parameters(self, values: list[list[int]], who: str, wall_ms: int) -> None:
        """The operator's open values, as a *parameters* record."""
        clock = [reg.QUALITY_HOST, 0]
        self.write(
            {5: wall_ms, 7: clock, 8: self.ruleset.digest8, 10: reg.KIND_PARAMETERS, 24: [values, who]}, None
        )

    def take(
        self, event: Any, answer: int | None = YES, reason: int | None = None, risk: int | None = None
    ) -> list[Written]:
        """Decides on an event and writes its records, in order; the records of decisions alone (latches, first uses of
        slices and reserves are written too). `answer`: what the host says where it is asked (None: nothing)."""
        out: list[Written] = []
        for decision in self.decide(event, risk):
            self._before(event, decision)
            if decision.ask:
                out += self._ask(event, decision, answer, reason)
            else:
                fields = rules.record_fields(self.ruleset, event, decision)
                out.append(self.write(fields, event))
        return out

    def _before(self, event: Any, decision: Any) -> None:
        """Latches that this event closed, and slices that it is the first to spend from."""
        if not decision.latches and not decision.opens:
            return
        clock = [event.quality, event.spread_ms or 0]
        for rule, until in zip(decision.latches, decision.until, strict=True):
            latch = {5: event.wall_ms, 7: clock, 9: rule, 10: reg.KIND_LATCH, 24: [until]}
            self.write(latch | {8: self.ruleset.digest8}, None)
        if decision.opens:
            parts = [[number, 0] for number in decision.opens]
            self.write({5: event.wall_ms, 7: clock, 10: reg.KIND_RIGHTS, 13: parts}, None)

    def _ask(self, event: Any, decision: Any, answer: int | None, reason: int | None) -> list[Written]:
        reserve = self.write(rules.reserve_fields(self.ruleset, event, decision), event)
        out: list[Written] = []
        found = rules.settle(self.ruleset, event, decision, reserve.seq, answer, reason)
        for kind, fields in found:
            written = self.write({**fields, 10: kind}, event)
            if kind != reg.KIND_RELEASE:
                out.append(written)
        return out

    def write(self, fields: dict[int, Any], event: Any | None) -> Written:
        """One record more, applied."""
        self.seq += 1
        if not self.keep:
            written = Written(
                self.seq,
                {0: 0, 1: self.brick, 16: 1, **fields},
                {} if event is None or event.subject is None else {1: event.subject},
            )
            self.state.apply(written)
            return written
        public = {0: 0, 1: self.brick, 2: self.seq, 3: 0, 4: 1, 5: None, 6: 0, 7: [0, 0], 16: 1, **fields}
        private: dict[int, Any] = {}
        if event is not None and event.subject is not None:
            private = {1: event.subject, 2: [event.basket_minor, event.items], 3: event.tip_minor}
        written = Written(self.seq, public, private)
        self.state.apply(written)
        if self.keep:
            self.journal.append(written)
        return written

    # --- exchange inside a kit

    def entries(self, found: Sequence[Written]) -> bytes:
        """What the other places of a kit hear of these records: n entries of 14 bytes (docs/formats/link.md, 40)."""
        return b"".join(
            people.of_record(self.ruleset.slots, written.fields, written.private_fields, self.ruleset.leads)
            for written in found
            if written.fields.get(8) == self.ruleset.digest8
        )

    def hear(self, other: Place, up_to: int, entries: bytes, wall_ms: int) -> None:
        """Takes over what another place of the kit wrote, up to its record `up_to`."""
        self.state.remote(other.brick, up_to, entries, wall_ms)
