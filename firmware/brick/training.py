"""Practice: decisions on a state of their own, flagged in their records; nothing is spent, nobody is remembered."""

from stallmark.numbers import FLAG_TRAINING, KIND_LATCH
from stallmark.record import Record
from stallmark.state import State

from brick import config


class Training:
    """`hand_out(state)` gives a fresh state the slices that the brick holds, whole. Ends with the power."""

    def __init__(self, ruleset, hand_out):
        self._hand_out = hand_out
        self.begin(ruleset)

    def begin(self, ruleset):
        """Start from nothing."""
        self._seq = 0
        self.state = State(ruleset, config.TRAINING_PEOPLE)
        self._hand_out(self.state)

    def note(self, record, rights, decision):
        """Take over what a practice record would have meant. `rights`: what its decision would have spent."""
        fields = dict(record.fields)
        fields[0] = fields[0] & ~FLAG_TRAINING
        if rights:
            fields[13] = rights
        for rule, until in zip(decision.latches, decision.until):
            latch = dict(fields)
            latch.pop(13, None)
            latch[9], latch[10], latch[24] = rule, KIND_LATCH, [until]
            self._apply(latch, b"")
        self._apply(fields, record.private)

    def _apply(self, fields, private):
        self._seq += 1
        self.state.apply(Record(self._seq, b"", b"", private, fields))
