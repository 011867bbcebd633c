"""Golden vectors: events with expected outcomes, tried before activation. docs/formats/ruleset.md"""

from collections import namedtuple

from stallmark import event as events
from stallmark.decide import decide, record_fields
from stallmark.errors import FormatError
from stallmark.numbers import KIND_LATCH
from stallmark.spending import Rights
from stallmark.state import State

MAX_VECTORS = 32
PEOPLE = 64  # remembered people are enough for so few events

Seen = namedtuple("Seen", "seq fields private_fields")  # what a State asks of a record


class _Plenty(Rights):
    """Rights that never end: what golden vectors try is the rules, not a stock."""

    enough = b"\2" * 250

    def __init__(self):
        pass

    def cover(self, rule, unit, amount):
        return [[rule * 4 + unit, amount]]

    def opened(self, slice_id):
        return True

    def spend(self, slice_id, amount, seq):
        pass


class Trial:
    """A ruleset on a bench: a fresh state, rights enough for everything, records instead of a journal."""

    def __init__(self, ruleset, people_capacity=PEOPLE):
        self.ruleset = ruleset
        self.state = State(ruleset, people_capacity)
        self.state.rights = _Plenty()

    def decide(self, event):
        """The first Decision on an event; all of them are taken over by the state as their records would be."""
        decisions = decide(self.ruleset, self.state, event)
        for decision in decisions:
            fields = record_fields(self.ruleset, event, decision)
            for index, until in zip(decision.latches, decision.until):
                latch = {5: fields[5], 7: fields[7], 8: fields[8], 9: index, 10: KIND_LATCH, 24: [until]}
                self._note(latch, None)
            self._note(fields, None if event.subject is None else {1: event.subject})
        return decisions[0]

    def _note(self, fields, private_fields):
        fields[0] = fields[16] = 0
        self.state.apply(Seen(self.state.seq + 1, fields, private_fields))


def first_wrong(ruleset, vectors):
    """None where every vector comes out as expected, in order; else (index, (kind, rule, reason) that came
    out), with None for a vector that cannot be read, or is one too many.

    A vector is [event map, kind, rule index or None, reason code]; every rule has rights enough."""
    if len(vectors) > MAX_VECTORS:
        return (MAX_VECTORS, None)
    trial = Trial(ruleset)
    for index, vector in enumerate(vectors):
        try:
            event, kind, rule, reason = vector
            decision = trial.decide(events.from_fields(event))
        except (FormatError, TypeError, ValueError):
            return (index, None)
        got = (decision.kind, decision.rule, decision.why[0])
        if got != (kind, rule, reason):
            return (index, got)
    return None


def check(ruleset, vectors):
    """True where every golden vector of a bundle's manifest comes out as the authors expect."""
    return first_wrong(ruleset, vectors) is None
